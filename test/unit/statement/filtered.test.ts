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

const EMAIL_IS_FREE: readonly string[] = [
  'SELECT id, email FROM shop.customers WHERE id = 1 ORDER BY id',
  'SELECT (email) FROM shop.customers LIMIT 1',
  'SELECT c.*, c.id AS n FROM shop.customers c ORDER BY name, lower(country), c.id DESC NULLS LAST OFFSET 3',
  'SELECT email FROM shop.customers FOR UPDATE',
  'SELECT email FROM shop.customers TABLESAMPLE system (10)',
  'DECLARE c CURSOR FOR SELECT email FROM shop.customers',
  'PREPARE p AS SELECT email FROM shop.customers',
  'EXPLAIN SELECT email FROM shop.customers',
  'COPY (SELECT email FROM shop.customers) TO STDOUT',
  'COPY shop.customers TO STDOUT',
  'COPY shop.customers (email) TO STDOUT',
];

const EMAIL_FILTERS: readonly string[] = [
  'SELECT country FROM shop.customers GROUP BY country HAVING max(email) > $$x$$',
  'SELECT email FROM shop.customers EXCEPT SELECT name FROM shop.customers',
  'SELECT email FROM shop.customers INTERSECT SELECT name FROM shop.customers',
  'SELECT name FROM shop.customers UNION SELECT email FROM shop.customers',
  'SELECT DISTINCT ON (email) id FROM shop.customers',
  'SELECT id, row_number() OVER (PARTITION BY email) FROM shop.customers',
  'SELECT id, row_number() OVER (ORDER BY email) FROM shop.customers',
  'SELECT id, row_number() OVER w FROM shop.customers WINDOW w AS (ORDER BY email)',
  'SELECT count(DISTINCT email) FROM shop.customers',
  'SELECT count(*) FILTER (WHERE email IS NULL) FROM shop.customers',
  'SELECT min(email) FROM shop.customers',
  'SELECT max(email) FROM shop.customers',
  'SELECT array_agg(id ORDER BY email) FROM shop.customers',
  'SELECT id FROM shop.orders WHERE EXISTS (SELECT 1 FROM shop.customers c WHERE c.email = $$x$$)',
  'SELECT id FROM shop.orders WHERE $$x$$ IN (SELECT email FROM shop.customers)',
  'SELECT id FROM shop.orders WHERE $$x$$ = ANY (SELECT email FROM shop.customers)',
  'SELECT (SELECT email FROM shop.customers LIMIT 1)',
  'SELECT id FROM shop.customers ORDER BY (SELECT 1 WHERE email IS NULL)',
  'SELECT a.id FROM shop.customers a JOIN shop.customers b USING (email)',
  'SELECT o.id FROM shop.orders o JOIN shop.customers c ON c.email = $$x$$',
  'SELECT o.id FROM shop.orders o LEFT JOIN LATERAL (SELECT email AS e FROM shop.customers) c ON e = $$x$$',
  'SELECT id FROM shop.customers LIMIT (SELECT length(min(email)) FROM shop.customers)',
  'SELECT GROUPING(email) FROM shop.customers GROUP BY GROUPING SETS ((email), ())',
  'SELECT email FROM shop.customers GROUP BY ROLLUP (email)',
  'SELECT coalesce(email, name) FROM shop.customers',
  'SELECT email = $$x$$ FROM shop.customers',
  'SELECT generate_series(1, length(email)) FROM shop.customers',
  'SELECT email AS x FROM shop.customers ORDER BY x',
  'SELECT email AS id FROM shop.customers ORDER BY id',
  'SELECT id, c.email AS country FROM shop.customers c ORDER BY name, country DESC NULLS LAST',
  'SELECT id, email FROM shop.customers ORDER BY id, 2',
  'SELECT id, name FROM shop.customers ORDER BY id, customers.email',
  'SELECT x FROM (SELECT email FROM shop.customers) AS c (x) WHERE x > $$a$$',
  'SELECT x.a FROM shop.customers AS x (a, b, c) WHERE c = $$q$$',
  'SELECT id FROM shop.customers WHERE customers.*::text LIKE $$x$$',
  'SELECT row_to_json(c) FROM shop.customers c',
  'VALUES ((SELECT max(email) FROM shop.customers))',
  'WITH RECURSIVE r AS (SELECT email FROM shop.customers UNION SELECT r.email FROM r) SELECT email FROM r',
  'MERGE INTO shop.orders o USING shop.customers c ON c.email = $$x$$ WHEN MATCHED THEN DO NOTHING',
  'DELETE FROM shop.orders USING shop.customers c WHERE c.email = $$x$$',
  'UPDATE shop.orders SET id = 1 FROM shop.customers c WHERE c.email = $$x$$',
  'COPY (SELECT id FROM shop.customers WHERE email IS NULL) TO STDOUT',
  'EXPLAIN SELECT id FROM shop.customers WHERE email IS NULL',
  'DECLARE c CURSOR FOR SELECT id FROM shop.customers ORDER BY email',
  // What is kept can be searched there, where nobody asks any more.
  'CREATE TEMP TABLE t AS SELECT email FROM shop.customers',
  'CREATE TEMP TABLE t AS TABLE shop.customers',
  'SELECT email INTO TEMP t FROM shop.customers',
  'CREATE TEMP VIEW v AS SELECT email FROM shop.customers',
  'CREATE MATERIALIZED VIEW shop.v AS SELECT email FROM shop.customers',
  'EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT email FROM shop.customers',
  'PREPARE p AS SELECT email FROM shop.customers; CREATE TEMP TABLE t AS EXECUTE p',
  'INSERT INTO public.orders (note) SELECT email FROM shop.customers',
];

test('whether a column decides about rows, their groups or their order, is told for every place it can stand in', async () => {
  for (const sql of EMAIL_IS_FREE)
    for (const columns of await filtered(sql)) assert.doesNotMatch(columns, /email|all/, sql);
  for (const sql of EMAIL_FILTERS) assert.match((await filtered(sql)).join(' '), /email|all/, sql);
});
