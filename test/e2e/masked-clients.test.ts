/** What an analyst's tools get: every row, every type, and nothing of what is hidden from her, whatever client and message she uses. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Door } from '../support/clients/door.ts';
import { doorEnvironment } from '../support/clients/door.ts';
import { missing, psql, pythonProgram, runProgram } from '../support/clients/programs.ts';
import { compileJdbcWalk, jdbcMissing, walk, walks } from '../support/clients/walks.ts';
import { assertMasked, type House, openHouse, PSEUDONYM, SECRET } from '../support/gateway-house.ts';

const skipPsql = await missing({ programs: ['psql'] });
const skipPsycopg = await missing({ python: walks.psycopg.needs });
const skipPandas = await missing({ python: walks.pandas.needs });
const skipJdbc = await jdbcMissing();
let house: House;
let analyst: Door;

before(async () => {
  house = await openHouse();
  analyst = await house.through('ana', 'analysts');
});
after(() => house[Symbol.asyncDispose]());

test('psql shows masked values in the simple protocol, in cursors, prepared statements and COPY', {
  skip: skipPsql,
}, async () => {
  const { code, stdout, stderr } = await psql(
    analyst,
    `SELECT * FROM shop.customers ORDER BY id LIMIT 10;
     TABLE shop.payments;
     SELECT * FROM shop.visits; SELECT * FROM shop.visits_2024; SELECT * FROM shop.customer_contacts; SELECT * FROM shop.order_overview;
     SELECT * FROM shop.city_totals; SELECT * FROM shop."Kunden Straße";
     SELECT to_jsonb(c), c::text, row_to_json(c) FROM shop.customers c LIMIT 5;
     SELECT email_lower, upper(email), md5(email) = md5('Person1@secret1.example'), (address).street, prefs ->> 'contact' FROM shop.customers;
     SELECT string_agg(email, ','), max(phone), array_agg(card_number) FROM shop.customers;
     WITH c AS (SELECT * FROM shop.customers) SELECT c.* FROM c JOIN shop.payments p ON p.order_id = c.id;
     BEGIN; DECLARE c CURSOR FOR SELECT email, phone FROM shop.customers; FETCH 5 FROM c; FETCH ALL FROM c; COMMIT;
     PREPARE p (int) AS SELECT email, full_name FROM shop.customers WHERE id = $1; EXECUTE p (1); EXECUTE p (2);
     COPY shop.customers (id, full_name, email, phone, birth_date) TO STDOUT; COPY shop.payments TO STDOUT (FORMAT csv, HEADER);
     COPY (SELECT * FROM shop.customers) TO STDOUT (FORMAT binary);
     CREATE TEMP TABLE mine AS SELECT * FROM shop.customers; SELECT * FROM mine; SELECT email FROM mine \\gdesc
     \\copy (SELECT email FROM shop.visits) TO PROGRAM 'cat'
     EXPLAIN (VERBOSE) SELECT email FROM shop.customers WHERE email = 'x';
     \\set FETCH_COUNT 20
     SELECT email FROM shop.customers;`,
  );
  assert.equal(code, 0);
  assert.equal(stderr, '');
  assert.ok(stdout.length > 100_000);
  assertMasked(stdout);
  assert.ok(PSEUDONYM.test(stdout));
});

test('masked values keep their types; joins and counts over pseudonyms still work', async () => {
  const client = await house.connect(analyst);
  const direct = await house.connect(house.direct);
  const text = 'SELECT * FROM shop.customers ORDER BY id LIMIT 40';
  const [masked, raw] = [await client.query(text), await direct.query(text)];
  const shape = ({ fields }: pg.QueryResult) =>
    fields.map(({ name, dataTypeID, dataTypeModifier }) => [name, dataTypeID, dataTypeModifier]);
  const types = (result: pg.QueryResult) => shape(result).filter(([name]) => name !== 'email');
  assert.deepEqual(types(masked), types(raw));
  for (const [index, row] of masked.rows.entries()) {
    const truth = raw.rows[index];
    assert.match(row.email, PSEUDONYM);
    assert.deepEqual(
      [row.id, row.city, row.tags, row.created_at],
      [truth.id, truth.city, truth.tags, truth.created_at],
    );
    assert.equal(row.birth_date.getFullYear(), truth.birth_date.getFullYear());
    if (truth.card_number !== null) assert.equal(row.card_number.trim(), `***${truth.card_number.slice(-4)}`);
    assert.equal(row.phone === null, truth.phone === null);
  }
  const counted =
    'SELECT count(DISTINCT email)::int AS n, count(DISTINCT a.id)::int AS joined FROM shop.customers a JOIN shop.customers b USING (email)';
  assert.deepEqual((await client.query(counted)).rows, (await direct.query(counted)).rows);
  const probe = await client.query('SELECT id FROM shop.customers WHERE email = $1', ['Person1@secret1.example']);
  assert.equal(probe.rowCount, 0, 'a raw value finds nothing');
});

test('the extended protocol, binary results and named statements executed again are masked', async () => {
  const client = await house.connect(analyst);
  for (let turn = 1; turn <= 3; turn++) {
    const named = await client.query({
      name: 'by id',
      text: 'SELECT email, phone FROM shop.customers WHERE id = $1',
      values: [turn],
    });
    assert.match(named.rows[0].email, PSEUDONYM);
    assert.equal(named.rows[0].phone, '***');
  }
  const binary = {
    text: 'SELECT email, birth_date, prefs FROM shop.customers WHERE id = $1',
    values: [2],
    binary: true,
  };
  const { rows } = await client.query(binary as pg.QueryConfig);
  assertMasked(JSON.stringify(rows));
  const Cursorless = new pg.Query({
    text: 'SELECT c FROM shop.customers c WHERE id < $1',
    values: [9],
    rows: 3,
  } as pg.QueryConfig);
  const seen: unknown[] = [];
  Cursorless.on('row', (row) => seen.push(row));
  client.query(Cursorless);
  await new Promise((done, fail) => Cursorless.on('end', done).on('error', fail));
  assert.equal(seen.length, 8);
  assertMasked(JSON.stringify(seen));
});

test('COPY through a stream is masked, and complete', async () => {
  const client = await house.connect(analyst);
  let text = '';
  for await (const chunk of client.query(copyTo('COPY shop.visits TO STDOUT (FORMAT csv)'))) text += chunk;
  assert.equal(text.trim().split('\n').length, 500);
  assertMasked(text);
});

test('psycopg gets masked values in text, binary, COPY, served cursors and pipelines', {
  skip: skipPsycopg,
}, async () => {
  const script = `${import.meta.dirname}/../support/clients/psycopg_masked.py`;
  const { code, stdout, stderr } = await runProgram(pythonProgram(), [script], { env: doorEnvironment(analyst) });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /done\n$/);
  assertMasked(stdout);
});

test('a pandas export is complete and masked', { skip: skipPandas }, async () => {
  const [masked, raw] = [await walk(analyst, 'pandas'), await walk(house.direct, 'pandas')];
  assert.equal(masked.code, 0, masked.stderr);
  assert.ok(SECRET.test(raw.stdout));
  assertMasked(masked.stdout);
  assert.equal(masked.stdout.split('\n').length, raw.stdout.split('\n').length);
});

test('JDBC gets masked values, also from suspended portals and binary transfer', { skip: skipJdbc }, async (t) => {
  const jdbc = await compileJdbcWalk();
  t.after(() => jdbc.remove());
  const [masked, raw] = [await jdbc.run(analyst, true), await jdbc.run(house.direct, true)];
  assert.equal(masked.code, 0, masked.stderr);
  assertMasked(masked.stdout);
  assert.equal(masked.stdout.split('\n').length, raw.stdout.split('\n').length);
});

test('pg_dump of what an analyst may read holds masked rows', {
  skip: skipPsql,
}, async () => {
  const { code, stdout, stderr } = await runProgram(
    'pg_dump',
    ['--data-only', '-t', 'shop.customers', '-t', 'shop.payments', '-t', 'shop.orders'],
    { env: doorEnvironment(analyst) },
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /COPY shop\.customers/);
  assertMasked(stdout);
});
