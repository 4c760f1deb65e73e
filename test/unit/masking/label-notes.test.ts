import assert from 'node:assert/strict';
import test from 'node:test';
import { effectiveLabels, parseLabelFile } from '../../../src/masking/index.ts';
import type { CatalogSnapshot } from '../../../src/model/catalog.ts';
import { relation } from '../statement/world.ts';

const TEXT = `shop:
  shop.customers:
    email:
      - pii.contact
      - { label: pii.contact.email, source: scanned, by: ann@example.org, at: 2026-11-27T20:15:00Z, why: "looks so: \\"a@b\\"", confidence: 97 }
    note: []
  shop.archive: { $table: [{ label: confidential, source: dbt, at: 2026-01-02 }] }
`;

function catalogOf(...relations: ReturnType<typeof relation>[]): CatalogSnapshot {
  return {
    connection: 'shop',
    database: 'shop',
    serverVersion: 180_000,
    version: 'v',
    takenAt: 0,
    relations: new Map(relations.map((each) => [each.oid, each])),
    functions: [],
    types: new Map(),
    schemas: new Set(['shop']),
  };
}

test('a label may say where it comes from, beside labels that do not', () => {
  const { files, problems } = parseLabelFile(TEXT, 'shop.yaml');
  assert.deepEqual(problems, []);
  const [customers, archive] = files[0]?.relations ?? [];
  assert.deepEqual(customers?.columns.get('email'), ['pii.contact', 'pii.contact.email']);
  assert.deepEqual(customers?.notes?.get('email'), [
    { label: 'pii.contact', source: 'person', file: 'shop.yaml', line: 4, column: 9 },
    {
      label: 'pii.contact.email',
      source: 'scanned',
      by: 'ann@example.org',
      at: '2026-11-27T20:15:00Z',
      why: 'looks so: "a@b"',
      confidence: 97,
      file: 'shop.yaml',
      line: 5,
      column: 18,
    },
  ]);
  assert.deepEqual(archive?.tableLabels, ['confidential']);
  assert.equal(archive?.notes?.get('$table')?.[0]?.source, 'dbt');
});

test('a story with a mistake is refused, at its place', () => {
  for (const [entry, message] of [
    ['{ source: dbt }', /names no label/],
    ['{ label: PII }', /"PII" is not a label/],
    ['{ label: pii.name, source: rumour }', /"rumour" is no source/],
    ['{ label: pii.name, sauce: dbt }', /has no sauce/],
    ['{ label: pii.name, by: [ann] }', /by is not text/],
    ['{ label: pii.name, at: yesterday }', /at is no time/],
    ['{ label: pii.name, confidence: 101 }', /no percentage/],
    ['{ label: pii.name, confidence: 0.9 }', /no percentage/],
    ['{ label: pii.name, label: pii.birth }', /line 3 already/],
    ['pii.name, { label: pii.name }', /stands twice/],
  ] as const) {
    const { problems } = parseLabelFile(`shop:\n  a.b:\n    c: [${entry}]\n`, 'x.yaml');
    assert.ok(
      problems.some((one) => one.severity === 'error' && one.line === 3 && message.test(one.message)),
      `${entry}: ${JSON.stringify(problems)}`,
    );
  }
});

test('the inventory knows of every label why it is there', () => {
  const customers = relation('shop.customers', 'email, note');
  const archive = relation('shop.archive', 'email');
  const child = relation('shop.customers_old', 'email', { parents: [customers.oid] });
  const { files } = parseLabelFile(TEXT, 'shop.yaml');
  const more = parseLabelFile('shop: { shop.customers: { email: [pii.contact.email] } }', 'more.yaml');
  const catalog = catalogOf(customers, archive, child);
  const labels = effectiveLabels(catalog, [...files, ...more.files], new Map());
  assert.deepEqual(
    labels.why(customers.oid, 'email', 'pii.contact.email').map((why) => (why.kind === 'file' ? why.file : why.kind)),
    ['shop.yaml', 'more.yaml'],
  );
  assert.deepEqual(labels.why(child.oid, 'email', 'pii.contact'), [
    { kind: 'inherited', from: 'shop.customers.email' },
  ]);
  assert.equal(labels.why(archive.oid, '', 'confidential')[0]?.kind, 'file');
  assert.deepEqual(labels.why(archive.oid, 'email', 'pii.contact'), []);
  assert.ok(labels.reviewed(customers.oid, 2), 'somebody said that the note needs no label');
  assert.ok(!labels.reviewed(archive.oid, 1));
});

test('who keeps labels after a rename, and a view nobody understands, say so', () => {
  const before = relation('shop.customers', 'email');
  const { files } = parseLabelFile('shop: { shop.customers: { email: [pii.contact.email] } }', 'shop.yaml');
  const { sticky } = effectiveLabels(catalogOf(before), files, new Map());
  const renamed = { ...before, columns: before.columns.map((column) => ({ ...column, name: 'mail' })) };
  const view = relation('shop.v', 'x', { kind: 'view' });
  const labels = effectiveLabels(catalogOf(renamed, view), files, new Map(), sticky);
  assert.deepEqual(labels.why(before.oid, 'mail', 'pii.contact.email'), [
    { kind: 'renamed', from: 'shop.customers.email' },
  ]);
  assert.deepEqual(labels.why(view.oid, 'x', 'pii.contact.email'), [{ kind: 'unknown-lineage' }]);
});
