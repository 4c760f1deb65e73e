import assert from 'node:assert/strict';
import test from 'node:test';
import { statement } from './world.ts';

const filtered = async (sql: string): Promise<string[]> =>
  (await statement(sql)).sites.map(({ columns, filtered = columns }) =>
    filtered === 'all' ? 'all' : [...filtered].sort().join(),
  );

test('columns that only stand in the plain select list filter nothing', async () => {
  assert.deepEqual(await filtered('SELECT name, email AS e FROM shop.customers'), ['']);
  assert.deepEqual(await filtered('SELECT * FROM shop.customers WHERE id = 1'), ['id']);
  assert.deepEqual(await filtered('SELECT c.* FROM shop.customers c LIMIT 5'), ['']);
});

test('every other place counts as a filter, and what hides behind a new name as well', async () => {
  for (const sql of [
    `SELECT name FROM shop.customers WHERE email LIKE 'a%'`,
    'SELECT email FROM shop.customers ORDER BY 1',
    'SELECT DISTINCT email FROM shop.customers',
    'SELECT email FROM shop.customers GROUP BY 1',
    `SELECT CASE WHEN email = 'a' THEN 1 END FROM shop.customers`,
    `SELECT 1 FROM (SELECT email AS e FROM shop.customers) c WHERE e = 'a'`,
    `WITH c AS (SELECT email AS e FROM shop.customers) SELECT e FROM c`,
    `WITH c AS (SELECT email AS e FROM shop.customers) SELECT count(*) FROM c WHERE e = 'a'`,
    'WITH c AS (SELECT email AS e FROM shop.customers) SELECT e FROM c ORDER BY e',
    'SELECT email FROM shop.customers UNION SELECT email FROM shop.customers',
  ]) {
    for (const columns of await filtered(sql)) assert.match(columns, /email|all/, sql);
  }
  const [, source] = await filtered(
    `INSERT INTO shop.orders (id) SELECT id FROM shop.customers RETURNING (SELECT 1 FROM shop.customers WHERE email = 'a')`,
  );
  assert.match(source ?? '', /email/);
  assert.deepEqual(await filtered('SELECT name FROM shop.customers c WHERE c IS NOT NULL'), ['all']);
  assert.deepEqual(await filtered('SELECT total FROM shop.orders NATURAL JOIN shop.customers'), ['all', 'all']);
});
