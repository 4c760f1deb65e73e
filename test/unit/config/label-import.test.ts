import assert from 'node:assert/strict';
import test from 'node:test';
import { parse } from 'yaml';
import { labelFileText, labelsInCatalog, labelsInManifest, labelsInText } from '../../../src/config/index.ts';
import { parseLabelFile } from '../../../src/masking/index.ts';

test('labels are found in comments, several at once, and what is none is named', () => {
  for (const [text, labels, wrong] of [
    ['Who buys. @label pii.contact.email', ['pii.contact.email'], []],
    ['@label: pii.name, pci.pan. Old.', ['pii.name', 'pci.pan'], []],
    ['@label pii.name\n@label pii.birth, pii.name', ['pii.name', 'pii.birth'], []],
    ['@label pii.name is for people', ['pii.name'], []],
    ['@label PII.Name', [], ['PII.Name']],
    ['an @labelled thing; @label', [], []],
    ['nothing', [], []],
  ] as const) {
    assert.deepEqual(labelsInText(text), { labels, wrong }, text);
  }
});

test('a dbt manifest gives labels of meta and tags, of relations and columns, sources too', () => {
  const { found, problems } = labelsInManifest({
    nodes: {
      'model.shop.customers': {
        resource_type: 'model',
        schema: 'shop',
        name: 'customers_model',
        alias: 'customers',
        tags: ['nightly', 'label:biz.confidential'],
        columns: {
          email: { name: 'email', meta: { labels: ['pii.contact.email'] } },
          Pan: { name: 'Pan', config: { meta: { label: 'pci.pan' }, tags: ['label:Not A Label'] } },
          plain: { name: 'plain', meta: {} },
        },
      },
      'test.shop.unique': { resource_type: 'test', schema: 'shop', name: 'unique', meta: { label: 'pii.name' } },
    },
    sources: {
      'source.shop.raw': {
        resource_type: 'source',
        schema: 'raw',
        name: 'people',
        identifier: 'Leute',
        columns: { n: { name: 'n', meta: { labels: 'pii.name' } } },
      },
    },
  });
  assert.deepEqual(found, [
    { schema: 'shop', relation: 'customers', labels: ['biz.confidential'], source: 'dbt' },
    { schema: 'shop', relation: 'customers', column: 'email', labels: ['pii.contact.email'], source: 'dbt' },
    { schema: 'shop', relation: 'customers', column: 'Pan', labels: ['pci.pan'], source: 'dbt' },
    { schema: 'raw', relation: 'Leute', column: 'n', labels: ['pii.name'], source: 'dbt' },
  ]);
  assert.deepEqual(problems, ['shop.customers.Pan: "Not A Label" is no label']);
  for (const other of [null, [], 'x', {}]) assert.equal(labelsInManifest(other).problems.length, 1);
});

test('the file that is written is a label file, says where each label comes from, and survives odd names', () => {
  const { found } = labelsInCatalog([
    ['shop', 'customers', null, 'comment', '@label biz.confidential'],
    ['shop', 'customers', 'email', 'comment', '@label pii.contact.email'],
    ['shop', 'customers', 'email', 'security label', '@label pii.contact'],
    ['shop', 'Kunden Straße', 'E-Mail: Adresse', 'comment', '@label pii.contact.email'],
    ['shop', 'a"b', '# no', 'comment', '@label pii.name'],
    ['shop', 'none', 'x', 'comment', 'about @label'],
  ]);
  const text = labelFileText('shop', found, 'Imported', '2026-11-27');
  assert.match(text, /^# Imported\n/);
  const { files, problems } = parseLabelFile(text, 'x.yaml');
  assert.deepEqual(
    files[0]?.relations[0]?.notes?.get('email')?.map(({ label, source, at }) => [label, source, at]),
    [
      ['pii.contact', 'security-label', '2026-11-27'],
      ['pii.contact.email', 'comment', '2026-11-27'],
    ],
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    files[0]?.relations.map(({ relation }) => relation),
    ['"shop"."customers"', '"shop"."Kunden Straße"', '"shop"."a""b"'],
  );
  assert.deepEqual((parse(text) as { shop: Record<string, unknown> }).shop['shop."Kunden Straße"'], {
    'E-Mail: Adresse': [{ label: 'pii.contact.email', source: 'comment', at: '2026-11-27' }],
  });
});
