/** What a session remembers cannot be used to see more: search_path, transactions, names that are parsed again, refusals in between. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { Door } from '../support/clients/door.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { assertMasked, type House, openHouse, PSEUDONYM } from '../support/gateway-house.ts';

let house: House;
let analyst: Door;

before(async () => {
  house = await openHouse({
    prepare: async (server) => {
      const admin = await server.admin();
      // A table of the same name without anything to hide: names alone say nothing.
      await admin.query(
        `SET ROLE app; CREATE SCHEMA plain; CREATE TABLE plain.customers (email text); INSERT INTO plain.customers VALUES ('open@plain.example')`,
      );
      await admin.end();
    },
  });
  analyst = await house.through('ana', 'analysts');
});
after(() => house[Symbol.asyncDispose]());

const email = async (client: pg.Client, text: string | pg.QueryConfig): Promise<string> =>
  String((await client.query(text)).rows[0]?.email);
const code = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => assert.fail('nothing was refused'),
    (reason: unknown) => reason,
  );
  return String((error as pg.DatabaseError).code);
};
const EMAIL = 'SELECT email FROM customers ORDER BY 1 LIMIT 1';
const OPEN = 'open@plain.example';

test('search_path decides which table is meant: SET, set_config, SET LOCAL, ROLLBACK, savepoints, DISCARD ALL', async () => {
  const client = await house.connect(analyst);
  assert.equal(await code(client.query(EMAIL)), '42P01');
  await client.query('SET search_path = shop');
  assert.match(await email(client, EMAIL), PSEUDONYM);
  await client.query('SET search_path = plain, shop');
  assert.equal(await email(client, EMAIL), OPEN);
  await client.query('BEGIN');
  await client.query('SET LOCAL search_path = shop');
  assert.match(await email(client, EMAIL), PSEUDONYM);
  await client.query('COMMIT');
  assert.equal(await email(client, EMAIL), OPEN);
  await client.query('BEGIN; SET search_path = shop');
  assert.match(await email(client, EMAIL), PSEUDONYM);
  await client.query('SAVEPOINT s; SET search_path = plain');
  assert.equal(await email(client, EMAIL), OPEN);
  await client.query('ROLLBACK TO s');
  assert.match(await email(client, EMAIL), PSEUDONYM);
  await client.query('ROLLBACK');
  assert.equal(await email(client, EMAIL), OPEN);
  await client.query(`SELECT set_config('search_path', 'shop', false)`);
  assert.match(await email(client, EMAIL), PSEUDONYM);
  await client.query('DISCARD ALL');
  assert.equal(await code(client.query(EMAIL)), '42P01');
});

test('search_path within one query string is followed, statement by statement', async () => {
  const client = await house.connect(analyst);
  const results: unknown = await client.query(
    `SET search_path = plain; ${EMAIL}; SET search_path = shop; ${EMAIL}; RESET search_path`,
  );
  const [, first, , second] = results as pg.QueryResult[];
  assert.equal(first?.rows[0].email, OPEN);
  assert.match(second?.rows[0].email, PSEUDONYM);
});

test('search_path from startup options, and a temporary table in front of it', async () => {
  const client = await house.connect(analyst, { options: '-c search_path=shop' });
  assert.match(await email(client, EMAIL), PSEUDONYM);
  await client.query(`CREATE TEMP TABLE customers AS SELECT 'mine@own.example' AS email`);
  assert.equal(await email(client, EMAIL), 'mine@own.example');
  await client.query('DROP TABLE pg_temp.customers');
  assert.match(await email(client, EMAIL), PSEUDONYM);
});

test('a prepared statement whose names mean something else now is not run with the old meaning', async () => {
  const client = await RawClient.connect(analyst, { options: '-c search_path=plain' });
  const run = async () => {
    const answer = await client.ask(frontend.bind({ statement: 'p' }), frontend.execute(), frontend.sync());
    return { text: firstValues(answer), lines: answer.map(describe) };
  };
  await client.ask(frontend.parse('p', EMAIL), frontend.sync());
  assert.equal((await run()).text, OPEN);
  await client.ask(frontend.query('SET search_path = shop'));
  const after = await run();
  assertMasked(after.text);
  assert.doesNotMatch(after.text, /open@plain/);
  await client.ask(frontend.query('SET search_path = plain'));
  assert.equal((await run()).text, OPEN);
  client.close();
});

test('names of prepared statements and portals that are parsed again, closed and used again mean the newest', async () => {
  const client = await RawClient.connect(analyst);
  const parse = (name: string, text: string) => client.ask(frontend.parse(name, text), frontend.sync());
  const run = (name: string) => client.ask(frontend.bind({ statement: name }), frontend.execute(), frontend.sync());
  await parse('s', 'SELECT id FROM shop.products ORDER BY id LIMIT 1');
  assert.equal(firstValues(await run('s')), '1');
  assert.deepEqual((await parse('s', 'SELECT email FROM shop.customers')).map(describe), [
    'error-response 42P05',
    'ready-for-query I',
  ]);
  assert.equal(firstValues(await run('s')), '1');
  await client.ask(frontend.close('statement', 's'), frontend.sync());
  assert.equal((await run('s')).map(describe)[0], 'error-response 26000');
  await parse('s', 'SELECT email FROM shop.customers ORDER BY id');
  assert.match(firstValues(await run('s')), PSEUDONYM);
  // The unnamed statement is replaced by each Parse, and by each simple query.
  await parse('', 'SELECT 1');
  await parse('', 'SELECT email FROM shop.customers ORDER BY id');
  assert.match(firstValues(await run('')), PSEUDONYM);
  await client.ask(frontend.query('SELECT 2'));
  assert.equal((await run('')).map(describe)[0], 'error-response 26000');
  // A Parse that fails leaves no name; a Parse that is skipped after an error neither.
  await client.ask(
    frontend.parse('t', 'SELECT nonsense'),
    frontend.parse('u', 'SELECT email FROM shop.customers'),
    frontend.sync(),
  );
  for (const name of ['t', 'u']) assert.equal((await run(name)).map(describe)[0], 'error-response 26000');
  // SQL-level names are the same names.
  await client.ask(frontend.query('PREPARE v AS SELECT email FROM shop.customers ORDER BY id'));
  assert.match(firstValues(await run('v')), PSEUDONYM);
  await client.ask(frontend.query('DEALLOCATE ALL'));
  assert.equal((await run('v')).map(describe)[0], 'error-response 26000');
  client.close();
});

test('writes, definitions and what can carry raw values out are refused, and the session goes on', async () => {
  const client = await house.connect(analyst);
  for (const text of [
    `UPDATE shop.customers SET city = 'X'`,
    'DELETE FROM shop.order_lines',
    `INSERT INTO shop.products VALUES (77, 'x', 1)`,
    'TRUNCATE shop.order_lines',
    'CREATE TABLE shop.loot AS SELECT 1 AS one',
    'DROP TABLE shop.products',
    `GRANT SELECT ON shop.customers TO PUBLIC`,
    'WITH gone AS (DELETE FROM shop.order_lines RETURNING *) SELECT * FROM gone',
    `DO $$ BEGIN RAISE NOTICE '%', (SELECT email FROM shop.customers LIMIT 1); END $$`,
    `SELECT * FROM query_to_xml('SELECT email FROM shop.customers', true, true, '')`,
    'SELECT * FROM shop.employees',
    'SELECT * FROM shop.staff',
    'SELECT shop.order_count(1)',
    'SELECT name FROM shop.employees LIMIT 0',
    'VACUUM shop.products',
  ]) {
    const refused = await code(client.query(text));
    assert.ok(['42501', '0A000'].includes(refused), `${text} → ${refused}`);
  }
  const admin = await house.server.admin();
  assert.equal((await admin.query('SELECT count(*)::int AS n FROM shop.order_lines')).rows[0].n, 5000);
  await admin.end();
  assert.equal((await client.query('SELECT count(*)::int AS n FROM shop.orders')).rows[0].n, 2500);
});

test('in a failed transaction names that it would have made are answered as the target does', async () => {
  const client = await house.connect(analyst);
  await client.query('BEGIN');
  assert.equal(await code(client.query('DECLARE k CURSOR FOR SELECT wrong FROM shop.products')), '42703');
  for (const text of ['FETCH ALL FROM k', 'EXECUTE nothing', 'SELECT * FROM shop.nothing', "SELECT pg_read_file('x')"])
    assert.equal(await code(client.query(text)), '25P02', text);
  assert.equal(await code(client.query('SELECT FROM WHERE')), '42601');
  assert.equal((await client.query('COMMIT')).command, 'ROLLBACK');
  assert.equal(await code(client.query('FETCH ALL FROM k')), '34000');
});

test('a refusal leaves a transaction failed as any error does; ROLLBACK and savepoints recover', async () => {
  const client = await house.connect(analyst);
  await client.query('BEGIN');
  assert.equal(await code(client.query('SELECT * FROM shop.employees')), '42501');
  assert.equal(await code(client.query('SELECT 1')), '25P02');
  assert.equal((await client.query('COMMIT')).command, 'ROLLBACK');
  await client.query('BEGIN; CREATE TEMP TABLE kept (a int); SAVEPOINT s');
  assert.equal(await code(client.query({ text: 'SELECT * FROM shop.employees WHERE id = $1', values: [1] })), '42501');
  await client.query('ROLLBACK TO s');
  await client.query('COMMIT');
  assert.equal((await client.query('SELECT count(*)::int AS n FROM kept')).rows[0].n, 0);
  // In a query string the refusal comes before anything of it ran.
  assert.equal(await code(client.query('CREATE TEMP TABLE never (a int); SELECT * FROM shop.employees')), '42501');
  assert.equal(await code(client.query('SELECT * FROM never')), '42P01');
});

test('a refusal in a pipeline skips everything up to Sync', async () => {
  const client = await RawClient.connect(analyst);
  const one = (text: string) => [frontend.parse('', text), frontend.bind({}), frontend.execute()];
  const answer = await client.ask(
    ...one('SELECT 1'),
    ...one('SELECT * FROM shop.employees'),
    ...one('SELECT 2'),
    frontend.close('statement', ''),
    frontend.sync(),
  );
  assert.deepEqual(answer.slice(-2).map(describe), ['error-response 42501', 'ready-for-query I']);
  assert.equal(answer.filter(({ kind }) => kind === 'data-row').length, 1);
  assert.equal(answer.filter(({ kind }) => kind === 'error-response').length, 1);
  assert.deepEqual((await client.ask(...one('SELECT 3'), frontend.sync())).at(-1), {
    kind: 'ready-for-query',
    status: 'I',
  });
  client.send(...one('SELECT * FROM shop.employees'), frontend.flush());
  assert.equal((await client.until('error-response')).filter(({ kind }) => kind === 'data-row').length, 0);
  assert.deepEqual((await client.ask(frontend.sync())).map(describe), ['ready-for-query I']);
  client.close();
});

test('error positions point into the client’s own text, in both protocols', async () => {
  const client = await house.connect(analyst);
  for (const text of [
    'SELECT c.id, c.nonsense FROM shop.customers c',
    'SELECT email FROM shop.customers WHERE nonsense = 1',
    'SELECT (SELECT max(email) FROM shop.customers), ü, nonsense FROM shop.payments',
    'SELECT email FROM shop.customers JOIN shop.visits USING (nonsense)',
    `SELECT 1 FROM shop.customers, shop.payments WHERE full_name || 'äöü' = nonsense`,
  ]) {
    for (const query of [text, { text: `${text} -- $1`, values: [] }]) {
      const error: unknown = await client.query(query).catch((reason: unknown) => reason);
      const { position, code: sqlstate } = error as pg.DatabaseError;
      const unknown = text.includes('ü,')
        ? 'ü'
        : text.includes('USING')
          ? 'nonsense)'
          : text.includes('c.nonsense')
            ? 'c.nonsense'
            : 'nonsense';
      assert.equal(sqlstate, '42703');
      if (!text.includes('USING'))
        assert.equal(
          [...text]
            .slice(Number(position) - 1)
            .join('')
            .indexOf(unknown),
          0,
          text,
        );
    }
  }
});

/** Values of the first row as text, or the error. */
function firstValues(answer: readonly Message[]): string {
  for (const message of answer) {
    if (message.kind === 'data-row') return message.values.map((value) => value?.toString() ?? 'null').join('|');
    if (message.kind === 'error-response') return describe(message);
  }
  return 'nothing';
}

test('a query string that makes a temporary table and shows what is in it is refused, and one by one its statements work', async () => {
  const client = await house.connect(analyst);
  for (const make of [
    'CREATE TEMP TABLE kept AS SELECT email FROM shop.customers',
    'SELECT email INTO TEMP kept FROM shop.customers',
  ]) {
    assert.equal(await code(client.query(`${make}; SELECT email FROM kept ORDER BY 1 LIMIT 1`)), '0A000', make);
    await client.query(make);
    assert.match(await email(client, 'SELECT email FROM kept ORDER BY 1 LIMIT 1'), PSEUDONYM, make);
    await client.query('DROP TABLE kept; SELECT 1');
  }
  await client.end();
});
