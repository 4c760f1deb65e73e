import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type pg from 'pg';
import { readCatalog } from '../../../src/dataplane/catalog/index.ts';
import { type Effective, effectiveLabels, MaskingError, parseLabelFile } from '../../../src/masking/index.ts';
import type { CatalogSnapshot } from '../../../src/model/catalog.ts';
import type { Lineage } from '../../../src/model/statement.ts';
import { createAnalyser, type StatementAnalyser, viewLineage } from '../../../src/statement/sql/postgres/index.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from './real-postgres.ts';

const SCHEMA = `
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id int PRIMARY KEY, name text, email text, city text,
  email_lower text GENERATED ALWAYS AS (lower(email)) STORED);
CREATE TABLE shop.orders (id int PRIMARY KEY, customer int, total numeric);
CREATE TABLE shop.staff (id int, name text);
CREATE VIEW shop.contacts AS SELECT id, email AS address, city FROM shop.customers;
CREATE VIEW shop.outer_contacts AS SELECT address || city AS both, id FROM shop.contacts;
CREATE MATERIALIZED VIEW shop.stored AS SELECT upper(c.email) AS e, o.total FROM shop.customers c JOIN shop.orders o ON o.customer = c.id;
CREATE VIEW shop.staff_view AS SELECT id FROM shop.staff;
CREATE TABLE shop.events (at date, email text, note text) PARTITION BY RANGE (at);
CREATE TABLE shop.events_2024 PARTITION OF shop.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.events_2025 (note text, email text, at date);
ALTER TABLE shop.events ATTACH PARTITION shop.events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.people (name text);
CREATE TABLE shop.vips (phone text) INHERITS (shop.people);
CREATE TABLE shop.archive (taken date, customer shop.customers, many shop.customers[]);
CREATE DOMAIN shop.kept AS shop.customers;
CREATE TABLE shop.archive2 (k shop.kept);
CREATE FUNCTION shop.anything(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE q; END $$;
CREATE VIEW shop.dynamic AS SELECT x FROM shop.anything('select email from shop.customers') AS t(x);
CREATE TABLE shop."Kunden Straße" ("E-Mail Adresse" text, plz text);
`;

describe('labels in a real catalog', () => {
  let server: RealPostgres;
  let client: pg.Client;
  let analyser: StatementAnalyser;

  before(async () => {
    const [installation] = await installations();
    assert.ok(installation);
    server = await startPostgres(installation);
    client = await server.connect();
    analyser = await createAnalyser();
  });

  after(async () => {
    await client?.end();
    await server?.stop();
  });

  beforeEach(async () => {
    await client.query('DROP SCHEMA IF EXISTS shop, away CASCADE');
    await client.query(SCHEMA);
  });

  async function look(): Promise<{ catalog: CatalogSnapshot; lineage: Lineage }> {
    const catalog = await readCatalog(textQuery(client), 'shop');
    return { catalog, lineage: viewLineage(catalog, analyser) };
  }

  function files(text: string) {
    const parsed = parseLabelFile(text, 'labels/shop.yaml');
    assert.deepEqual(parsed.problems, []);
    return parsed.files;
  }

  /** Labels of a column, or of the relation itself. */
  function labelsOf(catalog: CatalogSnapshot, effective: Effective, name: string, column?: string): readonly string[] {
    const relation = [...catalog.relations.values()].find(
      (candidate) => `${candidate.schema}.${candidate.name}` === name,
    );
    assert.ok(relation, name);
    const labels = effective.of(relation.oid);
    return column === undefined ? labels.table : (labels.columns.get(column) ?? []);
  }

  test('a label stands where a file puts it, and nowhere else', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(
      catalog,
      files(
        `shop: { shop.customers: { email: [pii.email] }, 'shop."Kunden Straße"': { 'E-Mail Adresse': [pii.email] } }\nelsewhere: { shop.orders: { total: [fin] } }`,
      ),
      lineage,
    );
    assert.deepEqual(effective.problems, []);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.customers', 'email'), ['pii.email']);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.Kunden Straße', 'E-Mail Adresse'), ['pii.email']);
    for (const [table, column] of [
      ['shop.customers', 'id'],
      ['shop.customers', 'city'],
      ['shop.orders', 'total'],
      ['shop.Kunden Straße', 'plz'],
    ]) {
      assert.deepEqual(labelsOf(catalog, effective, table ?? '', column), [], `${table}.${column}`);
    }
  });

  test('generated columns, views, nested views and materialised views show what they are made of', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(catalog, files('shop: { shop.customers: { email: [pii.email] } }'), lineage);
    const of = (name: string, column: string) => labelsOf(catalog, effective, name, column);
    assert.deepEqual(of('shop.customers', 'email_lower'), ['pii.email']);
    assert.deepEqual(of('shop.contacts', 'address'), ['pii.email']);
    assert.deepEqual(of('shop.contacts', 'city'), []);
    assert.deepEqual(of('shop.outer_contacts', 'both'), ['pii.email']);
    assert.deepEqual(of('shop.outer_contacts', 'id'), []);
    assert.deepEqual(of('shop.stored', 'e'), ['pii.email']);
    assert.deepEqual(of('shop.stored', 'total'), []);
  });

  test('a label on a view itself reaches the views over it, not the table below', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(
      catalog,
      files('shop: { shop.contacts: { address: [pii.email], $table: [confidential] } }'),
      lineage,
    );
    assert.deepEqual(labelsOf(catalog, effective, 'shop.outer_contacts', 'both'), ['pii.email']);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.outer_contacts'), ['confidential']);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.customers', 'email'), []);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.customers'), []);
  });

  test('a view over a confidential table is confidential', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(catalog, files('shop: { shop.staff: { $table: [confidential] } }'), lineage);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.staff_view'), ['confidential']);
    assert.deepEqual(effective.tableLabels('shop', 'staff_view'), ['confidential']);
    assert.deepEqual(effective.tableLabels('shop', 'orders'), []);
  });

  test('partitions and children share labels with their parents in both directions, by column name', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(
      catalog,
      files(
        'shop: { shop.events_2025: { email: [pii.email], $table: [confidential] }, shop.people: { name: [pii.name] }, shop.vips: { phone: [pii.phone] } }',
      ),
      lineage,
    );
    for (const table of ['shop.events', 'shop.events_2024', 'shop.events_2025']) {
      assert.deepEqual(labelsOf(catalog, effective, table, 'email'), ['pii.email'], table);
      assert.deepEqual(labelsOf(catalog, effective, table, 'note'), [], table);
      assert.deepEqual(labelsOf(catalog, effective, table), ['confidential'], table);
    }
    assert.deepEqual(labelsOf(catalog, effective, 'shop.vips', 'name'), ['pii.name']);
    assert.deepEqual(labelsOf(catalog, effective, 'shop.vips', 'phone'), ['pii.phone']);
  });

  test('a column that holds whole rows of a labelled relation has all its labels, through arrays and domains', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(
      catalog,
      files('shop: { shop.customers: { email: [pii.email], $table: [vip] } }'),
      lineage,
    );
    for (const [table, column] of [
      ['shop.archive', 'customer'],
      ['shop.archive', 'many'],
      ['shop.archive2', 'k'],
    ]) {
      assert.deepEqual(labelsOf(catalog, effective, table ?? '', column), ['pii.email', 'vip'], `${table}.${column}`);
    }
    assert.deepEqual(labelsOf(catalog, effective, 'shop.archive', 'taken'), []);
  });

  test('a view that is not understood has every label, unless a file names its columns', async () => {
    const { catalog, lineage } = await look();
    const customers = 'shop.customers: { email: [pii.email] }, shop.staff: { $table: [confidential] }';
    const strict = effectiveLabels(catalog, files(`shop: { ${customers} }`), lineage);
    assert.deepEqual(labelsOf(catalog, strict, 'shop.dynamic', 'x'), ['confidential', 'pii.email']);
    assert.deepEqual(labelsOf(catalog, strict, 'shop.dynamic'), ['confidential']);
    const blind = effectiveLabels(catalog, files(`shop: { ${customers} }`), new Map());
    assert.deepEqual(labelsOf(catalog, blind, 'shop.contacts', 'city'), ['confidential', 'pii.email']);
    const named = effectiveLabels(catalog, files(`shop: { ${customers}, shop.dynamic: { x: [] } }`), lineage);
    assert.deepEqual(labelsOf(catalog, named, 'shop.dynamic', 'x'), []);
    assert.deepEqual(labelsOf(catalog, named, 'shop.dynamic'), []);
  });

  test('system views that echo values or statements have every label of the connection, and none without labels', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(
      catalog,
      files('shop: { shop.customers: { email: [pii.email] }, shop.staff: { $table: [confidential] } }'),
      lineage,
    );
    for (const [view, column] of [
      ['pg_catalog.pg_stats', 'most_common_vals'],
      ['pg_catalog.pg_statistic', 'stavalues1'],
      ['pg_catalog.pg_stat_activity', 'query'],
    ]) {
      assert.deepEqual(
        labelsOf(catalog, effective, view ?? '', column),
        ['confidential', 'pii.email'],
        `${view}.${column}`,
      );
    }
    assert.deepEqual(labelsOf(catalog, effective, 'pg_catalog.pg_stats', 'tablename'), []);
    assert.deepEqual(labelsOf(catalog, effective, 'pg_catalog.pg_class', 'relname'), []);
    assert.equal(effectiveLabels(catalog, [], lineage).relations.size, 0);
  });

  test('labels that match nothing are reported with their place', async () => {
    const { catalog, lineage } = await look();
    const effective = effectiveLabels(
      catalog,
      files('shop:\n  shop.gone: { a: [x] }\n  shop.customers:\n    nope: [x]\n    EMAIL: [pii.email]\n'),
      lineage,
    );
    assert.deepEqual(
      effective.problems.map(({ file, line, severity }) => [file, line, severity]),
      [
        ['labels/shop.yaml', 2, 'warning'],
        ['labels/shop.yaml', 3, 'warning'],
        ['labels/shop.yaml', 3, 'warning'],
      ],
    );
    assert.deepEqual(
      labelsOf(catalog, effective, 'shop.customers', 'email'),
      ['pii.email'],
      'a name in the wrong case still protects',
    );
  });

  test('a renamed or moved column keeps its labels until a file names it again', async () => {
    const label = files('shop: { shop.customers: { email: [pii.email] }, shop.staff: { $table: [confidential] } }');
    const first = await look();
    const before = effectiveLabels(first.catalog, label, first.lineage);
    const remember = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

    await client.query(
      `CREATE SCHEMA away; ALTER TABLE shop.customers RENAME COLUMN email TO mail; ALTER TABLE shop.customers SET SCHEMA away; ALTER TABLE shop.staff RENAME TO crew;`,
    );
    const { catalog, lineage } = await look();
    const moved = effectiveLabels(catalog, label, lineage, remember(before.sticky));
    assert.deepEqual(labelsOf(catalog, moved, 'away.customers', 'mail'), ['pii.email']);
    assert.deepEqual(labelsOf(catalog, moved, 'away.customers', 'email_lower'), ['pii.email']);
    assert.deepEqual(labelsOf(catalog, moved, 'shop.crew'), ['confidential']);
    assert.ok(
      moved.problems.some(({ message }) => /shop\.customers\.email is now called away\.customers\.mail/.test(message)),
    );

    const again = effectiveLabels(catalog, label, lineage, remember(moved.sticky));
    assert.deepEqual(again.sticky, moved.sticky, 'it stays remembered');
    const forgetful = effectiveLabels(catalog, [], lineage, remember(moved.sticky));
    assert.deepEqual(
      labelsOf(catalog, forgetful, 'away.customers', 'mail'),
      ['pii.email'],
      'also when the old name is deleted',
    );

    const renamed = files('shop: { away.customers: { mail: [] }, shop.crew: { $table: [hr] } }');
    const settled = effectiveLabels(catalog, renamed, lineage, remember(again.sticky));
    assert.deepEqual(labelsOf(catalog, settled, 'away.customers', 'mail'), []);
    assert.deepEqual(labelsOf(catalog, settled, 'shop.crew'), ['hr']);
    assert.deepEqual(settled.problems, []);
  });

  test('a label that a person removes is gone, and a column that takes an old name gets the label of the name', async () => {
    const label = files('shop: { shop.customers: { email: [pii.email] } }');
    const first = await look();
    const before = effectiveLabels(first.catalog, label, first.lineage);
    const removed = effectiveLabels(first.catalog, files('shop: { shop.customers: {} }'), first.lineage, before.sticky);
    assert.deepEqual(labelsOf(first.catalog, removed, 'shop.customers', 'email'), []);

    await client.query(
      'ALTER TABLE shop.customers RENAME COLUMN email TO old_email; ALTER TABLE shop.customers ADD COLUMN email text',
    );
    const { catalog, lineage } = await look();
    const swapped = effectiveLabels(catalog, label, lineage, before.sticky);
    assert.deepEqual(labelsOf(catalog, swapped, 'shop.customers', 'email'), ['pii.email']);
    assert.deepEqual(labelsOf(catalog, swapped, 'shop.customers', 'old_email'), ['pii.email']);
  });

  test('remembered labels that cannot be read are not taken for none', async () => {
    const { catalog, lineage } = await look();
    for (const broken of [{}, 'x', [{}], [{ connection: 'shop' }]]) {
      assert.throws(
        () => effectiveLabels(catalog, [], lineage, broken),
        (error) => error instanceof MaskingError && error.code === 'ERR_MASKING_STICKY_MALFORMED',
      );
    }
  });
});
