/** Commands are judged by what they do: each wish below is one policy, and holds against every way to say the same thing. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import pg from 'pg';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;
let engineer: pg.Client;

before(async () => {
  house = await openHouse();
  const admin = await house.server.admin();
  await admin.query(`SET ROLE app;
    CREATE TABLE shop.jobs (id int PRIMARY KEY, name text);
    INSERT INTO shop.jobs SELECT n, 'job ' || n FROM generate_series(1, 5) n;
    CREATE FUNCTION shop.clear_jobs() RETURNS void LANGUAGE sql AS 'DELETE FROM shop.jobs';
    CREATE FUNCTION shop.shout(t text) RETURNS text LANGUAGE sql AS 'SELECT upper(t)';`);
  await admin.end();
  engineer = await house.connect(await house.through('eve', 'engineers'));
});
after(() => house[Symbol.asyncDispose]());

/** Every statement of `refused` is refused by the policy, every one of `fine` is not; nothing of it stays. */
async function underPolicy(policy: string, refused: readonly string[], fine: readonly string[]): Promise<void> {
  assert.deepEqual(await house.change({ policy }), []);
  await engineer.query('BEGIN');
  for (const [texts, expected] of [
    [refused, true],
    [fine, false],
  ] as const) {
    for (const text of texts) {
      await engineer.query('SAVEPOINT before');
      let said = '';
      try {
        await engineer.query(text);
        said = 'done';
      } catch (error) {
        assert.ok(error instanceof pg.DatabaseError, String(error));
        said = `${error.code} ${error.message}`;
      }
      assert.equal(said.startsWith('42501 gatehouse: Not like this'), expected, `${text}: ${said}`);
      if (!expected) assert.equal(said, 'done', text);
      await engineer.query('ROLLBACK TO before');
      const { rows } = await engineer.query('SELECT count(*)::int AS n FROM shop.jobs');
      assert.equal(rows[0]?.n, 5, text);
    }
  }
  await engineer.query('ROLLBACK');
}

const DELETES = [
  'DELETE FROM shop.jobs',
  'UPDATE shop.jobs SET name = NULL',
  'EXPLAIN (ANALYZE) DELETE FROM shop.jobs',
  'WITH gone AS (DELETE FROM shop.jobs RETURNING id) SELECT count(*) FROM gone',
  'WITH gone AS (DELETE FROM shop.jobs RETURNING id) INSERT INTO shop.jobs SELECT id + 10 FROM gone WHERE id > 0',
  'INSERT INTO shop.jobs VALUES (9); DELETE FROM shop.jobs',
  'PREPARE clear AS DELETE FROM shop.jobs',
  'DO $$ BEGIN DELETE FROM shop.jobs; END $$',
  'SELECT shop.clear_jobs()',
  '/* WHERE */ DELETE FROM shop.jobs -- WHERE id = 1',
  `DELETE FROM shop.jobs RETURNING 'x WHERE y'`,
];

test('no DELETE or UPDATE without WHERE, wherever it stands', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"write", resource)
     when { (context.verb == "delete" || context.verb == "update") && !context.has_where };`,
    DELETES,
    [
      'DELETE FROM shop.jobs WHERE id = 1',
      'WITH gone AS (DELETE FROM shop.jobs WHERE id = 1 RETURNING id) SELECT count(*) FROM gone',
      'INSERT INTO shop.jobs SELECT id + 10 FROM shop.jobs',
      'SELECT count(*) FROM shop.jobs',
    ],
  );
});

test('an EXECUTE of a DELETE without WHERE that was prepared before the policy came is refused', async () => {
  assert.deepEqual(await house.change({ policy: '' }), []);
  await engineer.query('PREPARE clear_all AS DELETE FROM shop.jobs');
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"write", resource)
     when { context.verb == "delete" && !context.has_where };`,
    ['EXECUTE clear_all', 'EXPLAIN ANALYZE EXECUTE clear_all'],
    [],
  );
});

test('nothing that touches every row, however its condition is dressed up', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"write", resource) when { context.all_rows };`,
    [
      ...DELETES,
      'DELETE FROM shop.jobs WHERE true',
      'DELETE FROM shop.jobs WHERE 1 = 1',
      'DELETE FROM shop.jobs WHERE id = id',
      'DELETE FROM shop.jobs WHERE id = 1 OR true',
      'DELETE FROM shop.jobs WHERE NOT (id = 1 AND false)',
      'DELETE FROM shop.jobs WHERE now() IS NOT NULL',
      'DELETE FROM shop.jobs j USING shop.products p WHERE p.id = 1',
      'DELETE FROM shop.jobs WHERE EXISTS (SELECT FROM shop.products p WHERE p.id = 1)',
      'MERGE INTO shop.jobs j USING shop.products p ON true WHEN MATCHED THEN DELETE',
      'TRUNCATE shop.jobs',
    ],
    [
      'DELETE FROM shop.jobs WHERE id = 1',
      'DELETE FROM shop.jobs WHERE id = 1 AND true',
      'DELETE FROM shop.jobs j USING shop.products p WHERE p.id = j.id',
      'UPDATE shop.jobs SET name = NULL WHERE id IN (SELECT 1)',
      'INSERT INTO shop.jobs VALUES (7)',
    ],
  );
});

test('no definitions in business hours', async () => {
  const now = new Date().getUTCHours();
  const closed = (hour: number) =>
    `@reason("Not like this") forbid (principal, action == Action::"define", resource)
     when { context.weekday <= 7 && [${hour % 24}, ${(hour + 1) % 24}].contains(context.hour) };`;
  const definitions = [
    'CREATE TABLE shop.more (id int)',
    'ALTER TABLE shop.jobs ADD COLUMN at date',
    'DROP TABLE shop.jobs',
    'CREATE INDEX ON shop.jobs (name)',
    'SELECT * INTO shop.copy FROM shop.products',
    'GRANT SELECT ON shop.jobs TO PUBLIC',
    'EXPLAIN ANALYZE CREATE TABLE shop.copy AS SELECT 1',
  ];
  await underPolicy(closed(now), definitions, ['CREATE TEMP TABLE mine (id int)']);
  await underPolicy(closed(now + 12), [], definitions);
});

test('only these functions', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"call", resource is Function)
     unless { [Function::"shop/pg_catalog.count", Function::"shop/pg_catalog.lower"].contains(resource) };`,
    [
      'SELECT upper(name) FROM shop.jobs',
      'SELECT pg_catalog.upper(name) FROM shop.jobs',
      'SELECT id FROM shop.jobs WHERE length(name) > 1',
      'SELECT id FROM shop.jobs ORDER BY random()',
      'WITH w AS (SELECT max(id) FROM shop.jobs) TABLE w',
      'SELECT * FROM generate_series(1, 3)',
      'SELECT lower(upper(name)) FROM shop.jobs',
      'SELECT shop.shout(name) FROM shop.jobs',
      'PREPARE louder AS SELECT upper(name) FROM shop.jobs',
      'COPY (SELECT upper(name) FROM shop.jobs) TO STDOUT',
      'UPDATE shop.jobs SET name = upper(name) WHERE id = 1',
      'DO $$ BEGIN PERFORM upper(name) FROM shop.jobs; END $$',
    ],
    [
      'SELECT lower(name) FROM shop.jobs',
      'SELECT count(*) FROM shop.jobs',
      'SELECT id + 1, name || name FROM shop.jobs',
    ],
  );
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"call", resource == Function::"shop/pg_catalog.pg_sleep");`,
    ['SELECT pg_sleep(0)', 'SELECT "pg_sleep"(0)', 'SELECT pg_catalog . pg_sleep (0)'],
    ['SELECT upper(name) FROM shop.jobs'],
  );
});

test('definitions by the kind of thing', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"define", resource)
     when { ["index", "trigger", "function", "materialized-view"].contains(context.object) };`,
    [
      'CREATE INDEX i ON shop.jobs (name)',
      'DROP INDEX shop.jobs_pkey',
      'CREATE OR REPLACE FUNCTION shop.shout(t text) RETURNS text LANGUAGE sql AS $$ SELECT t $$',
      'DROP FUNCTION shop.shout(text)',
      'CREATE MATERIALIZED VIEW shop.m AS SELECT 1 AS one',
      'ALTER FUNCTION shop.shout(text) RENAME TO yell',
    ],
    ['CREATE TABLE shop.more (id int)', 'CREATE VIEW shop.v AS SELECT 1 AS one', 'ALTER TABLE shop.jobs ADD at date'],
  );
});

test('no statement that changes who may do what', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"define", resource) when { context.privileges };`,
    [
      'GRANT SELECT ON shop.jobs TO PUBLIC',
      'REVOKE SELECT ON shop.jobs FROM PUBLIC',
      'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
      'CREATE ROLE more',
      'ALTER ROLE app SET work_mem = 1024',
      'ALTER TABLE shop.jobs OWNER TO app',
      'ALTER TABLE shop.jobs ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY everybody ON shop.jobs USING (true)',
      'ALTER SCHEMA shop OWNER TO app',
      'REASSIGN OWNED BY app TO app',
      'CREATE SCHEMA s AUTHORIZATION app',
      'CREATE SCHEMA s CREATE TABLE t (id int) GRANT SELECT ON t TO PUBLIC',
    ],
    ['CREATE TABLE shop.more (id int)', `COMMENT ON TABLE shop.jobs IS 'x'`],
  );
});

test('settings by name, harmless ones included', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"set", resource)
     when { ["statement_timeout", "search_path", "session_replication_role"].contains(context.setting) };`,
    [
      'SET statement_timeout = 0',
      'SET LOCAL Statement_Timeout TO 0',
      'RESET statement_timeout',
      `SELECT set_config('statement_timeout', '0', true)`,
      `SELECT pg_catalog.set_config('SEARCH_PATH', 'shop', false)`,
      `SET session_replication_role = 'replica'`,
      `SET SCHEMA 'shop'`,
    ],
    [`SET work_mem = '8MB'`, `SET LOCAL TIME ZONE 'UTC'`],
  );
});

test('relations read and written are told apart', async () => {
  await underPolicy(
    `@reason("Not like this") forbid (principal, action == Action::"write", resource) unless { resource == Table::"shop/shop.jobs" };
     @reason("Not like this") forbid (principal, action == Action::"read", resource == Table::"shop/shop.products");`,
    [
      'UPDATE shop.products SET id = id WHERE id = 1',
      'WITH w AS (DELETE FROM shop.products WHERE id = 1 RETURNING 1) SELECT 1',
      'INSERT INTO shop.jobs SELECT id + 100 FROM shop.products',
      'DELETE FROM shop.jobs USING shop.products p WHERE p.id = jobs.id',
    ],
    ['INSERT INTO shop.jobs VALUES (8)', 'SELECT id FROM shop.orders LIMIT 1'],
  );
});
