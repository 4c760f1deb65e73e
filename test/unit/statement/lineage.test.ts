import assert from 'node:assert/strict';
import test from 'node:test';
import type { CatalogRelation } from '../../../src/model/catalog.ts';
import { viewLineage } from '../../../src/statement/sql/postgres/index.ts';
import { catalog, contacts, customers, orders, relation, sharedAnalyser } from './world.ts';

const NAMES = new Map([
  [customers.oid, 'customers'],
  [orders.oid, 'orders'],
]);

/** Column → base columns of views over the sample catalog; definitions as pg_get_viewdef writes them. */
async function lineageOf(...views: readonly CatalogRelation[]) {
  const relations = new Map([...catalog.relations, ...views.map((view) => [view.oid, view] as const)]);
  const lineage = viewLineage({ ...catalog, relations }, await sharedAnalyser());
  const last = views.at(-1);
  const found = last && lineage.get(last.oid);
  assert.ok(found);
  const columns = [...found.columns].map(([name, origins]) => {
    const readable = [...origins].map((origin) => {
      const [oid = '', column = ''] = origin.split('.');
      return `${NAMES.get(Number(oid)) ?? oid}.${column}`;
    });
    return [name, readable.sort().join(' ')];
  });
  return {
    columns: Object.fromEntries(columns),
    unknown: found.unknown,
    relations: [...found.relations].map((oid) => NAMES.get(oid)),
  };
}

const view = (columns: string, definition: string | undefined, name = 'shop.v') =>
  relation(name, columns, { kind: 'view', ...(definition === undefined ? {} : { definition }) });

const cases: readonly (readonly [columns: string, definition: string, expected: Readonly<Record<string, string>>])[] = [
  ['id, mail', 'SELECT id, email AS mail FROM shop.customers', { id: 'customers.id', mail: 'customers.email' }],
  [
    'a',
    'SELECT lower(c.name) || c.email AS a FROM shop.customers c WHERE c.country = $$x$$',
    { a: 'customers.email customers.name' },
  ],
  ['n', 'SELECT count(*) AS n FROM shop.customers', { n: '' }],
  [
    'a, b',
    'SELECT q.x AS a, q.y AS b FROM (SELECT id AS x, email AS y FROM shop.customers) q',
    { a: 'customers.id', b: 'customers.email' },
  ],
  [
    'a, b',
    'WITH q(x, y) AS (SELECT id, email FROM shop.customers) SELECT x, y FROM q',
    { a: 'customers.id', b: 'customers.email' },
  ],
  ['a', 'SELECT id FROM shop.orders UNION ALL SELECT email FROM shop.customers', { a: 'customers.email orders.id' }],
  ['a', 'SELECT (SELECT max(c.email) FROM shop.customers c) AS a FROM shop.orders', { a: 'customers.email' }],
  [
    'a',
    'SELECT to_json(c.*) AS a FROM shop.customers c',
    { a: 'customers.country customers.email customers.id customers.name customers.prefs' },
  ],
  [
    'a',
    'SELECT c AS a FROM shop.customers c',
    { a: 'customers.country customers.email customers.id customers.name customers.prefs' },
  ],
  [
    'a',
    'SELECT k.value AS a FROM shop.customers c, LATERAL json_each_text(c.prefs) k(key, value)',
    { a: 'customers.prefs' },
  ],
  [
    'id, t',
    'SELECT id, o.total AS t FROM shop.customers c JOIN shop.orders o USING (id)',
    { id: 'customers.id orders.id', t: 'orders.total' },
  ],
  ['a', 'SELECT j.email AS a FROM (shop.customers c JOIN shop.orders o ON o.id = c.id) j', { a: 'customers.email' }],
  ['a, b', 'SELECT x AS a, y AS b FROM shop.customers c(x, y)', { a: 'customers.id', b: 'customers.name' }],
  ['a', 'VALUES (1), ((SELECT email FROM shop.customers))', { a: 'customers.email' }],
  [
    'a',
    'WITH RECURSIVE r(n, e) AS (SELECT 1, email FROM shop.customers UNION ALL SELECT n + 1, e FROM r) SELECT n AS a FROM r',
    { a: 'customers.email' },
  ],
  ['a', 'SELECT first_value(email) OVER (ORDER BY id) AS a FROM shop.customers', { a: 'customers.email customers.id' }],
  ['a', 'SELECT CASE WHEN c.name IS NULL THEN 1 ELSE 2 END AS a FROM shop.customers c', { a: 'customers.name' }],
  ['a', 'SELECT o.total AS a FROM shop.orders o WHERE EXISTS (SELECT 1 FROM shop.customers)', { a: 'orders.total' }],
];
for (const [columns, definition, expected] of cases) {
  test(`lineage of ${definition}`, async () => {
    const found = await lineageOf(view(columns, definition));
    assert.deepEqual([found.columns, found.unknown], [expected, false]);
  });
}

test('a view over a view leads to the base columns', async () => {
  const found = await lineageOf(view('a, b', 'SELECT display AS a, id AS b FROM shop.contacts'));
  assert.deepEqual(found.columns, { a: 'customers.email customers.name', b: 'customers.id' });
  assert.deepEqual(found.relations, ['customers']);
  assert.equal(contacts.kind, 'view');
});

test('what a function reads may stand in every column', async () => {
  const found = await lineageOf(view('a, b', 'SELECT shop.customer_email(id) AS a, id AS b FROM shop.orders'));
  assert.match(found.columns['a'] ?? '', /customers\.email/);
  assert.match(found.columns['b'] ?? '', /customers\.email/);
});

test('a definition that is missing, broken or runs unread code is unknown', async () => {
  for (const definition of [
    undefined,
    'SELEC',
    "SELECT r AS a FROM shop.run_report('x') r(r)",
    "SELECT a FROM dblink('x', 'y') t(a text)",
  ]) {
    assert.equal((await lineageOf(view('a', definition))).unknown, true, definition);
  }
  const unreadable = relation('shop.v', 'a', { kind: 'view', reads: [contacts.oid] });
  assert.deepEqual((await lineageOf(unreadable)).relations, ['customers']);
});

test('views that lead to themselves end as unknown', async () => {
  const one = view('a', 'SELECT a FROM shop.two', 'shop.one');
  const two = view('a', 'SELECT a FROM shop.one', 'shop.two');
  assert.equal((await lineageOf(one, two)).unknown, true);
});
