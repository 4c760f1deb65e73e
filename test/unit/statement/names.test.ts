import assert from 'node:assert/strict';
import test from 'node:test';
import type { SessionContext } from '../../../src/model/catalog.ts';
import {
  hazardsOf,
  orders,
  publicOrders,
  questionsOf,
  relation,
  session,
  sitesOf,
  statement,
  statements,
} from './world.ts';

const shopFirst: SessionContext = { ...session, searchPath: ['pg_catalog', 'shop', 'public'] };

test('an unqualified name is the first one on the search path', async () => {
  assert.deepEqual(sitesOf(await statement('SELECT * FROM orders')), ['public.orders']);
  assert.deepEqual(sitesOf(await statement('SELECT * FROM orders', { session: shopFirst })), ['shop.orders']);
});

test('a temporary relation comes before all schemas and is no site', async () => {
  const temporary = {
    ...shopFirst,
    searchPath: ['pg_temp_3', ...shopFirst.searchPath],
    temporary: [relation('pg_temp_3.orders', 'id integer')],
    temporarySchema: 'pg_temp_3',
  };
  for (const text of ['SELECT * FROM orders', 'SELECT * FROM pg_temp.orders', 'SELECT * FROM pg_temp_3.orders']) {
    const found = await statement(text, { session: temporary });
    assert.deepEqual([sitesOf(found), questionsOf(found), hazardsOf(found)], [[], [], []], text);
  }
  assert.deepEqual(sitesOf(await statement('SELECT * FROM shop.orders', { session: temporary })), ['shop.orders']);
});

const shadowing: readonly (readonly [string, readonly string[]])[] = [
  ['WITH customers AS (SELECT 1) SELECT * FROM customers', []],
  ['WITH customers AS (SELECT 1) SELECT * FROM shop.customers', ['shop.customers']],
  ['WITH customers AS (SELECT * FROM customers) SELECT * FROM customers', ['shop.customers']],
  ['WITH RECURSIVE customers AS (SELECT 1 UNION SELECT * FROM customers) SELECT * FROM customers', []],
  ['WITH a AS (SELECT * FROM customers), customers AS (SELECT 1) SELECT * FROM a', ['shop.customers']],
  ['WITH RECURSIVE a AS (SELECT * FROM customers), customers AS (SELECT 1) SELECT * FROM a', []],
  ['SELECT * FROM (WITH customers AS (SELECT 1) SELECT * FROM customers) x, customers', ['shop.customers']],
  ['WITH customers AS (SELECT 1) SELECT (SELECT count(*) FROM customers) FROM orders', ['shop.orders']],
  ['WITH customers AS (SELECT 1) SELECT * FROM customers UNION SELECT * FROM customers', []],
  ['(WITH customers AS (SELECT 1) SELECT * FROM customers) UNION SELECT id FROM customers', ['shop.customers']],
  ['WITH customers AS (SELECT 1 AS id) UPDATE orders SET total = 1 FROM customers c', ['shop.orders']],
  ['WITH orders AS (SELECT 1) DELETE FROM orders WHERE id IN (SELECT * FROM orders)', ['shop.orders']],
  [
    'WITH x AS (INSERT INTO orders SELECT * FROM customers RETURNING *) SELECT * FROM x',
    ['shop.orders', 'shop.customers'],
  ],
];
for (const [text, expected] of shadowing) {
  test(`common table expressions shadow as in PostgreSQL: ${text}`, async () => {
    assert.deepEqual(sitesOf(await statement(text, { session: shopFirst })), expected);
  });
}

const positions: readonly string[] = [
  'SELECT * FROM shop.customers',
  'SELECT 1 FROM orders JOIN shop.customers c ON true',
  'SELECT 1 FROM orders, LATERAL (SELECT * FROM shop.customers) x',
  'SELECT (SELECT max(email) FROM shop.customers)',
  'SELECT 1 WHERE EXISTS (SELECT 1 FROM shop.customers)',
  'SELECT ARRAY(SELECT email FROM shop.customers)',
  'SELECT 1 ORDER BY (SELECT email FROM shop.customers LIMIT 1)',
  'SELECT 1 LIMIT (SELECT count(*) FROM shop.customers)',
  'SELECT count(*) FILTER (WHERE true IN (SELECT true FROM shop.customers))',
  'SELECT sum(1) OVER (ORDER BY (SELECT email FROM shop.customers LIMIT 1))',
  'SELECT 1 FROM orders WINDOW w AS (PARTITION BY (SELECT email FROM shop.customers))',
  'SELECT 1 FROM generate_series(1, (SELECT count(*) FROM shop.customers))',
  'VALUES ((SELECT email FROM shop.customers))',
  'TABLE shop.customers',
  'SELECT 1 EXCEPT SELECT id FROM shop.customers',
  'SELECT * FROM ONLY shop.customers',
  'SELECT * FROM shop.customers *',
  'SELECT * FROM shop.customers TABLESAMPLE SYSTEM (10)',
  'SELECT * FROM (orders CROSS JOIN shop.customers) x',
  'COPY shop.customers TO STDOUT',
  'COPY (SELECT * FROM shop.customers) TO STDOUT',
  'EXPLAIN ANALYZE SELECT * FROM shop.customers',
  'DECLARE k CURSOR FOR SELECT * FROM shop.customers',
  'PREPARE p AS SELECT * FROM shop.customers',
  'CREATE TEMP TABLE x AS SELECT * FROM shop.customers',
  'CREATE TEMP TABLE x AS TABLE shop.customers',
  'SELECT * INTO TEMP x FROM shop.customers',
  'CREATE TEMP VIEW x AS SELECT * FROM shop.customers',
  'INSERT INTO orders SELECT id FROM shop.customers',
  'INSERT INTO orders VALUES ((SELECT id FROM shop.customers))',
  'INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = (SELECT email FROM shop.customers)',
  'UPDATE orders SET note = (SELECT email FROM shop.customers)',
  'UPDATE orders o SET note = c.email FROM shop.customers c',
  'DELETE FROM orders USING shop.customers c',
  'MERGE INTO orders o USING shop.customers c ON o.id = c.id WHEN MATCHED THEN DELETE',
  'DELETE FROM orders RETURNING (SELECT email FROM shop.customers LIMIT 1)',
  'SELECT xmlelement(name a, (SELECT email FROM shop.customers))',
  'SELECT * FROM json_to_record((SELECT prefs FROM shop.customers)) AS t(a text)',
  "SELECT * FROM xmltable('/a' PASSING (SELECT xmlelement(name a, email) FROM shop.customers) COLUMNS b text)",
  'SELECT CASE (SELECT email FROM shop.customers) WHEN NULL THEN 1 END',
  'SELECT 1 GROUP BY ROLLUP ((SELECT email FROM shop.customers))',
];
for (const text of positions) {
  test(`a relation is found wherever it stands: ${text}`, async () => {
    const found = await statement(text);
    assert.ok(sitesOf(found).includes('shop.customers'), sitesOf(found).join());
    assert.ok(questionsOf(found).includes('read shop.customers'));
  });
}

test('an undefined relation is reported as PostgreSQL does, with its position in characters', async () => {
  const [hazard] = (await statement("SELECT 'é€😀' FROM shop.missing m")).hazards;
  assert.deepEqual(
    [hazard?.message, hazard?.sqlstate, hazard?.position, hazard?.applies],
    ['relation "shop.missing" does not exist', '42P01', 19, 'everyone'],
  );
  const [plain] = (await statement('SELECT * FROM customers')).hazards;
  assert.equal(plain?.message, 'relation "customers" does not exist');
});

test('pg_temp stands where the path puts it', async () => {
  const temporary = [relation('pg_temp_3.orders', 'id integer')];
  const last = { ...session, temporary, temporarySchema: 'pg_temp_3', searchPath: ['pg_catalog', 'shop', 'pg_temp_3'] };
  assert.deepEqual(sitesOf(await statement('SELECT * FROM orders', { session: last })), ['shop.orders']);
  const script = 'SET search_path = shop, pg_temp; SELECT * FROM orders';
  assert.deepEqual(sitesOf(await statement(`CREATE TEMP TABLE orders (id int); ${script}`)), ['shop.orders']);
  // The session's own path may list pg_temp although the server does not show it yet.
  const unknown = await statement('CREATE TEMP TABLE orders (id int); SELECT * FROM orders', { session });
  assert.deepEqual(hazardsOf(unknown), ['unknown-search-path everyone']);
  assert.deepEqual(hazardsOf(await statement('CREATE TEMP TABLE x (id int); SELECT * FROM x', { session })), []);
});

test('only the own database may be named', async () => {
  assert.deepEqual(sitesOf(await statement('SELECT * FROM shopdb.shop.customers')), ['shop.customers']);
  const [hazard] = (await statement('SELECT * FROM other.shop.customers')).hazards;
  assert.deepEqual([hazard?.code, hazard?.sqlstate, hazard?.applies], ['other-database', '0A000', 'everyone']);
});

const withTemporary = { ...session, temporarySchema: 'pg_temp_3', searchPath: ['pg_temp_3', ...session.searchPath] };
const scripts: readonly (readonly [string, readonly string[]])[] = [
  ['SET search_path TO shop; SELECT * FROM orders', ['shop.orders']],
  ['SET search_path = shop, public; SELECT * FROM orders', ['shop.orders']],
  ["SELECT set_config('search_path', 'shop, \"public\"', false); SELECT * FROM orders", ['shop.orders']],
  ['BEGIN; SET LOCAL search_path = shop; SELECT * FROM orders', ['shop.orders']],
  ['BEGIN; SET LOCAL search_path = shop; COMMIT; SELECT * FROM orders', ['public.orders']],
  ['BEGIN; SET search_path = shop; COMMIT; SELECT * FROM orders', ['shop.orders']],
  ['BEGIN; SET search_path = shop; ROLLBACK; SELECT * FROM orders', ['public.orders']],
  ['CREATE TEMP TABLE orders (id int); SELECT * FROM orders', []],
  ['CREATE TEMP TABLE orders AS SELECT 1; DROP TABLE orders; SELECT * FROM orders', ['public.orders']],
  ['SELECT 1 AS id INTO TEMP orders; TABLE orders', []],
  ['CREATE TEMP VIEW orders AS SELECT 1; TABLE orders', []],
  ['BEGIN; CREATE TEMP TABLE orders (id int); ROLLBACK; SELECT * FROM orders', ['public.orders']],
  ['BEGIN; CREATE TEMP TABLE orders (id int); COMMIT; SELECT * FROM orders', []],
  ['BEGIN; CREATE TEMP TABLE orders (id int) ON COMMIT DROP; COMMIT; SELECT * FROM orders', ['public.orders']],
  ['BEGIN; CREATE TEMP TABLE orders ON COMMIT DROP AS SELECT 1; COMMIT; SELECT * FROM orders', ['public.orders']],
  ['DROP TABLE orders; SELECT * FROM shop.orders', ['shop.orders']],
];
for (const [text, expected] of scripts) {
  test(`a script's own effects on names are followed: ${text}`, async () => {
    const found = await statement(text, { session: withTemporary });
    assert.deepEqual(sitesOf(found), expected);
    assert.deepEqual(hazardsOf(found), []);
  });
}

const unfollowed: readonly string[] = [
  "SELECT set_config('search_path', lower('SHOP'), false); SELECT * FROM orders",
  "SELECT set_config('search_path', 'shop', false) WHERE false; SELECT * FROM orders",
  "SELECT CASE WHEN now() IS NULL THEN set_config('search_path', 'shop', false) END; SELECT * FROM orders",
  "SELECT set_config('search_path', 'shop', false) FROM generate_series(1, 0); SELECT * FROM orders",
  'SELECT shop.run_report(); SELECT * FROM orders',
  'CREATE TEMP TABLE orders (id int); COMMIT; SELECT * FROM orders',
  'SAVEPOINT a; CREATE TEMP TABLE orders (id int); ROLLBACK TO a; SELECT * FROM orders',
  "SELECT set_config(lower('SEARCH_PATH'), 'shop', false); SELECT * FROM orders",
  "SELECT set_config('search_path', lower('SHOP,PG_TEMP'), false); CREATE TEMP TABLE orders (id int); SELECT * FROM orders",
  'RESET search_path; SELECT * FROM orders',
  'RESET ALL; SELECT * FROM orders',
  'DISCARD ALL; SELECT * FROM orders',
  'SET search_path TO DEFAULT; SELECT * FROM orders',
  'ROLLBACK; SELECT * FROM orders',
  'COMMIT; SELECT * FROM orders',
  'SAVEPOINT a; ROLLBACK TO a; SELECT * FROM orders',
  'SET ROLE other; SELECT * FROM orders',
];
for (const text of unfollowed) {
  test(`what only the server knows is not guessed: ${text}`, async () => {
    assert.deepEqual(hazardsOf(await statement(text)), ['unknown-search-path everyone']);
    const qualified = await statement(text.replace(/FROM orders$/, 'FROM shop.orders'));
    assert.deepEqual(sitesOf(qualified), ['shop.orders']);
  });
}

test('a relation made earlier in the script is known by name, and one made by unfollowed DDL is a hazard', async () => {
  const made = await statement('CREATE TABLE shop.fresh (id int); SELECT * FROM shop.fresh');
  assert.deepEqual([questionsOf(made), hazardsOf(made)], [['read shop.fresh'], []]);
  const renamed = await statement('ALTER TABLE shop.customers RENAME TO x; SELECT * FROM shop.x');
  assert.deepEqual(hazardsOf(renamed), ['catalog-changed hidden-anywhere', 'undefined-relation hidden-anywhere']);
});

test('the body of a function that is made is judged when it is called, however it is written', async () => {
  for (const body of [
    'BEGIN ATOMIC SELECT count(*) FROM shop.orders; SELECT count(*) FROM shop.customers; END',
    'RETURN (SELECT count(*) FROM shop.customers)',
    'AS $$ SELECT count(*) FROM shop.customers $$',
  ]) {
    const made = await statement(`CREATE FUNCTION shop.counted() RETURNS bigint LANGUAGE sql ${body}`);
    assert.deepEqual([questionsOf(made), sitesOf(made), hazardsOf(made)], [['define shop'], [], []], body);
  }
});

test('a site covers the reference and nothing else', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['SELECT * FROM shop . "orders" AS o', 'shop . "orders"'],
    ['SELECT * FROM /* a */ ONLY /* b */ (shop.orders) o', 'ONLY /* b */ (shop.orders)'],
    ['SELECT * FROM ONLY shop.orders o', 'ONLY shop.orders'],
    ['SELECT * FROM shop.orders * o', 'shop.orders *'],
    ["SELECT 'ä' FROM shop.orders", 'shop.orders'],
    ['SELECT * FROM shop.U&"\\006frders" o', 'shop.U&"\\006frders"'],
    ['SELECT * FROM shop.U&"!006frders" UESCAPE \'!\' o', 'shop.U&"!006frders" UESCAPE \'!\''],
    ['TABLE shop.orders', 'TABLE shop.orders'],
    ['COPY shop.orders (id, total) TO STDOUT', 'shop.orders (id, total)'],
    ['SELECT * FROM shop.orders o TABLESAMPLE BERNOULLI (10) REPEATABLE (3)', 'shop.orders'],
  ];
  for (const [text, expected] of cases) {
    const [site] = (await statement(text)).sites;
    assert.equal(Buffer.from(text).toString('utf8', site?.start, site?.end), expected, text);
  }
  const [sampled] = (
    await statement('SELECT * FROM shop.orders o TABLESAMPLE BERNOULLI (10) REPEATABLE (3) WHERE true')
  ).sites;
  assert.equal(sampled?.sample, 'TABLESAMPLE BERNOULLI (10) REPEATABLE (3)');
});

test('a site says which columns can be seen', async () => {
  const columns = async (text: string) => {
    const site = (await statement(text)).sites.find((candidate) => candidate.form !== 'target');
    return site?.columns === 'all' ? 'all' : [...(site?.columns ?? [])].sort();
  };
  assert.deepEqual(await columns('SELECT id FROM shop.customers'), ['id']);
  assert.deepEqual(await columns('SELECT count(*) FROM shop.customers'), []);
  assert.deepEqual(await columns('SELECT c.id FROM shop.customers c WHERE c.email = $1 ORDER BY country'), [
    'country',
    'email',
    'id',
  ]);
  assert.deepEqual(await columns('SELECT id FROM shop.orders o JOIN shop.customers c USING (id)'), ['id']);
  assert.deepEqual(await columns('SELECT q.id FROM (SELECT id FROM shop.customers) q'), ['id']);
  assert.deepEqual(await columns('SELECT * FROM (SELECT id FROM shop.customers) q'), ['id']);
  for (const text of [
    'SELECT * FROM shop.customers',
    'SELECT c.* FROM shop.customers c',
    'SELECT c FROM shop.customers c',
    'SELECT row_to_json(customers) FROM shop.customers',
    'SELECT (c).email FROM shop.customers c',
    'SELECT 1 FROM shop.customers NATURAL JOIN shop.orders',
    'SELECT a FROM shop.customers c(a, b)',
    'TABLE shop.customers',
    'COPY shop.customers TO STDOUT',
    'SELECT j FROM (shop.customers CROSS JOIN shop.orders) j',
    'SELECT (SELECT c) FROM shop.customers c',
  ]) {
    assert.equal(await columns(text), 'all', text);
  }
});

test('statements of a script keep their own text and offsets', async () => {
  const text = "SELECT 'ä'; \n SELECT * FROM shop.orders ;;";
  const found = await statements(text);
  assert.deepEqual(
    found.map((item) => item.text),
    ["SELECT 'ä'", 'SELECT * FROM shop.orders'],
  );
  assert.deepEqual(
    found.map((item) => Buffer.from(text).toString('utf8', item.start, item.end)),
    found.map((item) => item.text),
  );
  assert.deepEqual(
    (await statements(' ; -- nothing')).map((item) => item.verb),
    ['empty'],
  );
});

test('equal statements with other literals have one fingerprint', async () => {
  const one = await statement("SELECT * FROM shop.orders WHERE id = 1 AND 'a' = 'b'");
  const two = await statement("SELECT * FROM shop.orders WHERE id = 27 AND 'x' = 'y'");
  const other = await statement('SELECT id FROM shop.orders WHERE id = 1');
  assert.match(one.fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(one.fingerprint, two.fingerprint);
  assert.notEqual(one.fingerprint, other.fingerprint);
});

assert.notEqual(orders.oid, publicOrders.oid);
