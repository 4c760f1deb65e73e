/** An error of the grammar is answered by the gateway, in the server's own words. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import pg from 'pg';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;
before(async () => {
  house = await openHouse();
});
after(() => house[Symbol.asyncDispose]());

const STATEMENTS = [
  'SELEC 1',
  'SELECT 1 FROM',
  'SELECT * FROM t LIMIT 10, 20',
  "SELECT 'open",
  'SELECT "open',
  'SELECT $$open',
  'SELECT /* open',
  'SELECT ""',
  "SELECT E'\\u12'",
  "SELECT E'ä \\uzz'",
  "SELECT U&'\\+0061F'",
  "SELECT U&'\\zzzz'",
  'SELECT U&"d\\z"',
  "SELECT E'\\ud800'",
  "CREATE ROLE a UNENCRYPTED PASSWORD 'x'",
  'CREATE ROLE public',
  'CREATE ROLE none',
  'GRANT a TO current_role_not, none',
  'DROP ROLE current_user',
  'CREATE POLICY p ON t AS ugly',
  'DROP OPERATOR === (int)',
  'CREATE SCHEMA IF NOT EXISTS s CREATE TABLE t (a int)',
  'CREATE TABLE t (a int REFERENCES b MATCH PARTIAL)',
  'CREATE TABLE t (a int CHECK (a > 0) DEFERRABLE)',
  'CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES b ON UPDATE SET NULL (a))',
  'CREATE EXTENSION e FROM old',
  'CREATE TABLE t PARTITION OF p FOR VALUES WITH (MODULUS 1, MODULUS 2, REMAINDER 0)',
  'CREATE AGGREGATE a(OUT int) (SFUNC = f)',
  'CREATE RECURSIVE VIEW v (a) AS SELECT 1 WITH CHECK OPTION',
  'ALTER TABLE t ALTER COLUMN 99999 SET STATISTICS 1',
  'SELECT 1::float(0)',
  'SELECT 1::float(99)',
  'SELECT UNIQUE (SELECT 1)',
  'SELECT sum(a) OVER (ROWS BETWEEN UNBOUNDED FOLLOWING AND CURRENT ROW) FROM t',
  'SELECT sum(a) OVER (ROWS BETWEEN 1 FOLLOWING AND CURRENT ROW) FROM t',
  'SELECT sum(a) OVER (ROWS BETWEEN 1 PRECEDING AND UNBOUNDED PRECEDING) FROM t',
  'SELECT sum(a) OVER (ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM t',
  'SELECT sum(a) OVER (ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING) FROM t',
  'SELECT sum(a) OVER (ROWS UNBOUNDED FOLLOWING) FROM t',
  'ALTER DATABASE a.b SET TABLESPACE x',
  'COMMENT ON COLUMN a.b.c.d.e IS 1',
];

async function said(client: pg.Client, sql: string): Promise<unknown> {
  try {
    await client.query(sql);
    return 'no error';
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    const { severity, code, message, detail, hint, position } = error;
    return { severity, code, message, detail, hint, position };
  }
}

test('errors of the grammar have the code, the message, the hint and the place that the server gives', async () => {
  const direct = await house.connect(house.direct);
  const through = await house.connect(await house.through('eva', 'engineers'));
  const differences: unknown[] = [];
  for (const sql of STATEMENTS) {
    const [ours, theirs] = [await said(through, sql), await said(direct, sql)];
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) differences.push({ sql, ours, theirs });
  }
  assert.deepEqual(differences, []);
});
