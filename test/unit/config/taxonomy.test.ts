import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  checkConfig,
  labelFileDocument,
  labelJsonSchema,
  loadConfig,
  taxonomyOf,
  writtenMask,
} from '../../../src/config/index.ts';
import { DETECTOR_FAMILIES, DetectorSet, maskKindFor, Taxonomy } from '../../../src/masking/index.ts';
import { DOCUMENTED_LABELS, folderWith, SMALL } from './folder.ts';

async function warningsOf(folder: string): Promise<string[]> {
  const problems = await checkConfig(folder, { env: {} });
  return problems.map(({ file, line, column, message, help }) => `${file}:${line}:${column} ${message} | ${help}`);
}

test('a label outside the taxonomy is found with its place and with what was probably meant', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': SMALL,
    'labels/shop.yaml': `shop:
  shop.customers:
    email: [pii.email]
    phone: [{ label: pii.contact.fone, source: person }, pii.contact.fone]
    name: [pii.name]
    x: [warehouse.bin]
    diagnosis: [phi.diagnosis, pii.contact.email.private, pii.special]
`.replace(', pii.contact.fone]', ']'),
  });
  assert.deepEqual(await warningsOf(folder), [
    'labels/shop.yaml:3:13 pii.email is in no taxonomy, so no rule about known labels speaks for it | Did you mean pii.contact.email? If not, declare it in gatehouse.yaml: taxonomy: { pii.email: What it means }.',
    'labels/shop.yaml:4:22 pii.contact.fone is in no taxonomy, so no rule about known labels speaks for it | Did you mean pii.contact.phone? If not, declare it in gatehouse.yaml: taxonomy: { pii.contact.fone: What it means }.',
    'labels/shop.yaml:6:9 warehouse.bin is in no taxonomy, so no rule about known labels speaks for it | See gatehouse labels taxonomy, or declare it in gatehouse.yaml: taxonomy: { warehouse.bin: What it means }.',
  ]);
});

test('own labels are declared in the configuration, or by a pattern of one’s own, and may be refined', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': `${SMALL}taxonomy:
  warehouse.bin: Where it lies
  hr.grade: { description: Pay grade, level: restricted, retention: hr-5y }
detectors: { patterns: { badge: { pattern: 'EMP-[0-9]{6}', label: hr.badge } } }
masks: { hr.badge: redact, warehouse.bin: 'null', warehouse: redact, hr.badgee: redact, nonsense.x: redact }
`,
    'labels/shop.yaml': 'shop: { shop.t: { a: [warehouse.bin.left], b: [hr.grade], c: [hr.badge] } }\n',
  });
  const warnings = await warningsOf(folder);
  assert.equal(warnings.length, 2, warnings.join('\n'));
  assert.match(
    warnings[0] ?? '',
    /no column has the label hr\.badgee, so this mask is never used \| Did you mean hr\.badge\?/,
  );
  assert.match(warnings[1] ?? '', /no column has the label nonsense\.x and no taxonomy knows it/);
  const loaded = await loadConfig(folder, { env: {} });
  assert.ok('ok' in loaded);
  const known = taxonomyOf(loaded.ok.config);
  assert.deepEqual(
    known
      .filter(({ own }) => own)
      .map(({ label, level, retention, validators }) => [label, level, retention, validators]),
    [
      ['hr.badge', 'confidential', undefined, ['pattern-badge']],
      ['hr.grade', 'restricted', 'hr-5y', undefined],
      ['warehouse.bin', 'confidential', undefined, undefined],
    ],
  );
});

test('the shipped taxonomy is consistent: every validator exists, every detector confirms a label, every mask can be configured', async (t) => {
  const taxonomy = new Taxonomy();
  const families = new Set<string>(DETECTOR_FAMILIES);
  for (const { label, validators = [] } of taxonomy.labels)
    for (const validator of validators) assert.ok(families.has(validator), `${label}: ${validator}`);
  const { detectors } = new DetectorSet({ families: new Set(DETECTOR_FAMILIES) });
  for (const { family, label } of detectors)
    assert.ok(
      taxonomy.confirmedBy(family).some((one) => one.label === label),
      `${family} finds ${label}`,
    );
  const masked = taxonomy.labels.flatMap(({ label, mask }) => (mask === undefined ? [] : [{ label, mask }]));
  const lines = masked.map(({ label, mask }) => `  ${label}: ${writtenMask(mask)}`);
  const folder = await folderWith(t, { 'gatehouse.yaml': `${SMALL}masks:\n${lines.join('\n')}\n` });
  const loaded = await loadConfig(folder, { env: {} });
  assert.ok('ok' in loaded, JSON.stringify(loaded));
  assert.deepEqual(loaded.ok.warnings, []);
  for (const { label, mask } of masked) assert.deepEqual(maskKindFor([label], loaded.ok.config.masks), mask, label);
});

test('the published schema of label files is that of the code, and fits what is documented', async () => {
  const published = await readFile(join(import.meta.dirname, '../../../schema/labels.schema.json'), 'utf8');
  assert.equal(published, labelJsonSchema(), 'write what labelJsonSchema() gives to schema/labels.schema.json');
  const { parse } = await import('yaml');
  assert.ok(labelFileDocument.safeParse(parse(DOCUMENTED_LABELS)).success);
  const entry = { label: 'pii.name', source: 'scanned', by: 'ann', at: '2026-11-27', why: 'x', confidence: 90 };
  assert.ok(labelFileDocument.safeParse({ shop: { 'shop.t': { a: [entry, 'pii.birth'] } } }).success);
  for (const wrong of [{ ...entry, source: 'x' }, { ...entry, more: 1 }, { source: 'dbt' }, 'PII'])
    assert.ok(!labelFileDocument.safeParse({ shop: { 'shop.t': { a: [wrong] } } }).success, JSON.stringify(wrong));
});
