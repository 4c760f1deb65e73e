import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { readCatalog, readSessionContext } from '../../../src/dataplane/catalog/index.ts';
import { MaskingError, maskedRelation, witness } from '../../../src/masking/index.ts';
import type { CatalogRelation, CatalogSnapshot } from '../../../src/model/catalog.ts';
import type { HiddenRelations } from '../../../src/model/mask.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from './real-postgres.ts';

describe('the metadata witness on a real server', () => {
  let server: RealPostgres;
  let client: pg.Client;
  let catalog: CatalogSnapshot;
  let hidden: HiddenRelations;

  const named = (name: string): CatalogRelation => {
    const found = [...catalog.relations.values()].find((relation) => relation.name === name);
    assert.ok(found, name);
    return found;
  };

  before(async () => {
    const [installation] = await installations();
    assert.ok(installation);
    server = await startPostgres(installation);
    client = await server.connect();
    await client.query(`CREATE TABLE people (id int, gone int, email text, city text); ALTER TABLE people DROP COLUMN gone;
      CREATE VIEW directory AS SELECT id, email FROM people`);
    catalog = await readCatalog(textQuery(client), 'shop');
    hidden = new Map(
      ['people', 'directory'].map((name) => {
        const relation = named(name);
        return [relation.oid, maskedRelation(relation, new Map([['email', { kind: 'redact' as const }]]), new Map())];
      }),
    );
  });

  after(async () => {
    await client?.end();
    await server?.stop();
  });

  async function origins(sql: string) {
    const { fields } = await client.query({ text: sql, rowMode: 'array' });
    return fields.map(({ tableID, columnID }) => ({ tableOid: tableID, attnum: columnID }));
  }

  test('a hidden column is seen under any alias, through subqueries, views and whole rows', async () => {
    for (const sql of [
      'SELECT email FROM people',
      'SELECT city, email AS city2 FROM people',
      'SELECT x.y FROM (SELECT email AS y FROM people) x',
      'WITH w AS (SELECT * FROM people) SELECT * FROM w',
      'SELECT email FROM directory',
      'SELECT p FROM people p',
      'SELECT id, directory FROM directory',
    ]) {
      assert.equal(witness(await origins(sql), hidden, catalog), 'violation', sql);
    }
  });

  test('visible columns, expressions and system columns pass', async () => {
    for (const sql of [
      'SELECT id, city, ctid, tableoid FROM people',
      'SELECT 1, now(), lower(city) FROM people',
      `SELECT x.* FROM (SELECT id, '***'::text AS email FROM people) x`,
      `SELECT x FROM (SELECT id, '***'::text AS email FROM people) x`,
      'SELECT id FROM directory',
      'SELECT relname FROM pg_class LIMIT 1',
    ]) {
      assert.equal(witness(await origins(sql), hidden, catalog), 'ok', sql);
    }
  });

  test('an origin that the snapshot does not know is stale, a temporary relation of the session is not', async () => {
    await client.query(
      'CREATE TABLE later (a int); ALTER TABLE people ADD COLUMN added text; CREATE TEMP TABLE mine (a int)',
    );
    assert.equal(witness(await origins('SELECT a FROM later'), hidden, catalog), 'stale');
    assert.equal(witness(await origins('SELECT added FROM people'), hidden, catalog), 'stale');
    assert.equal(witness(await origins('SELECT a FROM mine'), hidden, catalog), 'stale');
    assert.equal(
      witness(await origins('SELECT added, email FROM people'), hidden, catalog),
      'violation',
      'the worst counts',
    );
    const { temporary } = await readSessionContext(textQuery(client));
    assert.equal(witness(await origins('SELECT a FROM mine'), hidden, catalog, temporary), 'ok');
  });

  test('a renamed hidden column is still the hidden column', async () => {
    await client.query('BEGIN; ALTER TABLE people RENAME COLUMN email TO mail');
    assert.equal(witness(await origins('SELECT mail FROM people'), hidden, catalog), 'violation');
    await client.query('ROLLBACK');
  });

  test('a hidden column that the relation does not have is not forgotten silently', () => {
    assert.throws(
      () => maskedRelation(named('people'), new Map([['gone', { kind: 'null' as const }]]), new Map()),
      (error) => error instanceof MaskingError && error.code === 'ERR_MASKING_COLUMN_UNKNOWN',
    );
  });
});
