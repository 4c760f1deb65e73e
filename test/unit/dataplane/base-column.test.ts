import assert from 'node:assert/strict';
import test from 'node:test';
import { baseColumn } from '../../../src/dataplane/proposals/base-column.ts';
import type { CatalogRelation, CatalogSnapshot } from '../../../src/model/catalog.ts';
import type { Lineage, ViewLineage } from '../../../src/model/statement.ts';
import { relation } from '../statement/world.ts';

const people = relation('shop.people', 'id, email, phone');
const visits = relation('shop.visits', 'at, email');
const part = relation('shop.visits_2026', 'email, extra', { parents: [visits.oid] });
const leaf = relation('shop.visits_2026_11', 'email', { parents: [part.oid] });
const view = relation('shop.contacts', 'id, mail, both, made', { kind: 'view' });
const dark = relation('shop.dark', 'x', { kind: 'view' });
const temporary = relation('pg_temp.t', 'email', { temporary: true });
const system = relation('pg_catalog.pg_authid', 'rolname');
const loop = relation('shop.loop', 'a');
const liar: CatalogRelation = { ...loop, parents: [loop.oid] };

const catalog: CatalogSnapshot = {
  connection: 'shop',
  database: 'shop',
  serverVersion: 180_000,
  version: 'v',
  takenAt: 0,
  relations: new Map([people, visits, part, leaf, view, dark, temporary, system, liar].map((each) => [each.oid, each])),
  functions: [],
  types: new Map(),
  schemas: new Set(),
};
type ColumnOrigin = `${number}.${string}`;
const read: ViewLineage = {
  unknown: false,
  relations: new Set([people.oid]),
  columns: new Map<string, ReadonlySet<ColumnOrigin>>([
    ['id', new Set<ColumnOrigin>([`${people.oid}.id`])],
    ['mail', new Set<ColumnOrigin>([`${people.oid}.email`])],
    ['both', new Set<ColumnOrigin>([`${people.oid}.email`, `${people.oid}.phone`])],
    ['made', new Set()],
  ]),
};
const lineage: Lineage = new Map([
  [view.oid, read],
  [dark.oid, { ...read, columns: new Map(), unknown: true }],
]);

function base(of: CatalogRelation, attnum: number): string | undefined {
  const found = baseColumn(catalog, () => lineage, of.oid, attnum);
  return found && `${found.relation.schema}.${found.relation.name}.${found.column.name}`;
}

test('a result column leads to the column that a label belongs on', () => {
  assert.equal(base(people, 2), 'shop.people.email');
  assert.equal(base(leaf, 1), 'shop.visits.email', 'from a partition to its table');
  assert.equal(base(part, 2), 'shop.visits_2026.extra', 'a column that only a child has');
  assert.equal(base(view, 2), 'shop.people.email', 'through a view, whatever it is called there');
  assert.equal(base(dark, 1), 'shop.dark.x', 'a view nobody understands can still be labelled itself');
});

test('what no single column gave leads nowhere', () => {
  assert.equal(base(view, 3), undefined, 'made of two');
  assert.equal(base(view, 4), undefined, 'made of none');
  assert.equal(base(people, 9), undefined, 'no such column');
  assert.equal(base(people, -1), undefined, 'a system column');
  assert.equal(base(relation('shop.unknown', 'a'), 1), undefined, 'no such relation');
  assert.equal(base(temporary, 1), undefined);
  assert.equal(base(system, 1), undefined);
  assert.equal(base(liar, 1), undefined, 'a catalog that lies ends too');
});

test('views are read only when one is asked for', () => {
  const never = () => {
    throw new Error('read');
  };
  assert.ok(baseColumn(catalog, never, people.oid, 1));
  assert.throws(() => baseColumn(catalog, never, view.oid, 1), /read/);
});
