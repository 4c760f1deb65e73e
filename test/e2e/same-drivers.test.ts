/** Drivers through the gateway, for somebody from whom nothing is hidden: what a program sees is what it sees directly. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import type { Door } from '../support/clients/door.ts';
import { missing } from '../support/clients/programs.ts';
import { compileJdbcWalk, jdbcMissing, walk, walks } from '../support/clients/walks.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const python = ['psycopg', 'psycopg2', 'pandas'] as const;
// All waiting comes before the first test is named: the runner may begin with what it knows as soon as this file pauses.
const skips = await Promise.all(python.map((name) => missing({ python: walks[name].needs })));
const skipJdbc = await jdbcMissing();
let house: House;
let engineer: Door;

before(async () => {
  house = await openHouse();
  engineer = await house.through('eng', 'engineers');
});
after(() => house[Symbol.asyncDispose]());

for (const [index, name] of python.entries()) {
  test(`${name} sees the same`, { skip: skips[index] ?? false }, async () => {
    const direct = await walk(house.direct, name);
    assert.equal(direct.code, 0, direct.stderr);
    const { code, stdout, stderr } = await walk(engineer, name);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: direct.stdout }, stderr);
  });
}

test('JDBC sees the same', { skip: skipJdbc }, async (t) => {
  const jdbc = await compileJdbcWalk();
  t.after(() => jdbc.remove());
  const direct = await jdbc.run(house.direct);
  assert.equal(direct.code, 0, direct.stderr);
  assert.deepEqual(await jdbc.run(engineer), direct);
});

/** Everything node-postgres can tell of a query: rows, columns with their origin, tag, notices and error fields. */
async function seen(client: pg.Client, query: pg.QueryConfig | pg.QueryArrayConfig | string): Promise<unknown> {
  const notices: unknown[] = [];
  const note = (notice: object) => notices.push({ ...notice, line: '', file: '', routine: '' });
  client.on('notice', note);
  try {
    const result: unknown = await client.query(query);
    const results = (Array.isArray(result) ? result : [result]) as pg.QueryResult[];
    return {
      notices,
      results: results.map(({ command, rowCount, rows, fields }) => ({ command, rowCount, rows, fields })),
    };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { notices, error: { ...error, message: error.message, line: '', file: '', routine: '' } };
  } finally {
    client.off('notice', note);
  }
}

test('node-postgres sees the same: rows, types, column origins, tags, notices and errors', async () => {
  const direct = await house.connect(house.direct);
  const through = await house.connect(engineer);
  const queries: (pg.QueryConfig | pg.QueryArrayConfig | string)[] = [
    'SELECT * FROM shop.customers ORDER BY id LIMIT 30',
    { text: 'SELECT * FROM shop.orders WHERE customer_id = $1 ORDER BY id', values: [7] },
    { text: 'SELECT * FROM shop.order_overview ORDER BY id LIMIT 5', rowMode: 'array' },
    ...[1, 2, 3].map((id) => ({
      name: 'named',
      text: 'SELECT id, email, prefs FROM shop.customers WHERE id = $1',
      values: [id],
    })),
    { name: 'named', text: 'SELECT 1', values: [] },
    {
      text: 'SELECT $1::int4, $2::bytea, $3::text[]',
      values: [1, Buffer.from([0, 255]), ['a', null]],
      binary: true,
    } as pg.QueryConfig,
    'SELECT 1 AS a; SELECT 2 AS b, 3 AS c; CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1), (2)',
    'SELECT shop.order_count(1)',
    'SELECT 1/0',
    { text: 'SELECT nonsense + $1', values: [1] },
    { text: 'INSERT INTO shop.products VALUES ($1, $2, $3)', values: [1, 'again', 1] },
    'SELECT 1; SELECT 1/0; SELECT 2',
    '',
    { text: 'SELECT count(*) FROM shop.visits WHERE at >= $1', values: [new Date('2025-01-01T00:00:00Z')] },
    { text: 'UPDATE t SET a = a + $1', values: [10] },
    'BEGIN; SELECT 1/0',
    'SELECT 1',
    'ROLLBACK',
  ];
  for (const query of queries)
    assert.deepEqual(await seen(through, query), await seen(direct, query), JSON.stringify(query));
});

test('65,535 parameters and a statement of some megabytes pass', async () => {
  const through = await house.connect(engineer);
  const values = Array.from({ length: 65_535 }, (_, index) => index);
  const list = values.map((index) => `$${index + 1}`).join(',');
  const counted = await through.query(`SELECT count(*)::int AS n FROM shop.orders WHERE id IN (${list})`, values);
  assert.equal(counted.rows[0].n, 2500);
  const big = 'x'.repeat(3 * 1024 * 1024);
  assert.equal((await through.query(`SELECT length('${big}') AS n`)).rows[0].n, big.length);
  assert.equal((await through.query('SELECT $1::text AS t', [big])).rows[0].t, big);
});
