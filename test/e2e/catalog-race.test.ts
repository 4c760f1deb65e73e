/** The catalog changes while a statement waits for the lock of whoever changes it: after the gateway looked, before the target did. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Door } from '../support/clients/door.ts';
import { assertMasked, type House, LABELS, openHouse } from '../support/gateway-house.ts';

/** A table for each test: labels stay with a column that has had one. */
const TABLES = Array.from({ length: 60 }, (_, n) => `race${n}`);
let house: House;
let analyst: Door;
/** Straight to the database, unknown to the gateway. */
let behind: pg.Client;
let used = 0;

const raceLabels = LABELS + TABLES.map((table) => `  shop.${table}: { email: [pii.contact.email] }\n`).join('');
const racePolicy = `permit (principal in Group::"analysts", action == Action::"write", resource in Connection::"shop");
  permit (principal in Group::"analysts", action == Action::"call", resource in Connection::"shop");`;

before(async () => {
  house = await openHouse({
    labels: raceLabels,
    policy: racePolicy,
    prepare: async (server) => {
      const owner = await server.admin();
      await owner.query('SET ROLE app; CREATE TABLE shop.kept (value text)');
      for (const table of TABLES) {
        await owner.query(`CREATE TABLE shop.${table} AS SELECT id, email::text, city FROM shop.customers WHERE id <= 40;
          CREATE VIEW shop.${table}_towns AS SELECT id, city FROM shop.${table};
          CREATE FUNCTION shop.${table}_town(which int) RETURNS text LANGUAGE sql STABLE AS
            'SELECT city FROM shop.${table} WHERE id = which';
          CREATE FUNCTION shop.${table}_many(which int) RETURNS SETOF text LANGUAGE sql STABLE AS
            'SELECT city FROM shop.${table} WHERE id = which'`);
      }
      await owner.end();
    },
  });
  analyst = await house.through('ana', 'analysts');
  behind = await house.server.admin();
  await behind.query('SET ROLE app');
});
after(async () => {
  await behind.end();
  await house[Symbol.asyncDispose]();
});

/** What a client gets to see, be it rows or an error with all its fields. */
async function shown(client: pg.Client, query: string | pg.QueryConfig): Promise<string> {
  try {
    const result: pg.QueryResult | pg.QueryResult[] = await client.query(query);
    return JSON.stringify([result].flat().map(({ rows }) => rows));
  } catch (error) {
    assert.ok(error instanceof Error, String(error));
    return `error: ${JSON.stringify({ ...error, message: error.message })}`;
  }
}

async function copied(client: pg.Client, text: string): Promise<string> {
  let out = '';
  try {
    for await (const chunk of client.query(copyTo(text))) out += String(chunk);
  } catch (error) {
    out += `error: ${error}`;
  }
  return out;
}

/** Resolves when somebody waits for a lock of the target. */
async function someoneWaits(): Promise<void> {
  for (let n = 0; n < 200; n++) {
    const { rows } = await behind.query('SELECT count(*)::int4 AS n FROM pg_locks WHERE NOT granted');
    if (rows[0].n > 0) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error('nobody waited');
}

/** Runs `ask` while `change` is under way, and commits the change as soon as somebody waits for it. */
async function during<T>(change: string, ask: () => Promise<T>): Promise<T> {
  await behind.query('BEGIN');
  try {
    await behind.query(change);
    const answer = ask();
    await someoneWaits();
    await behind.query('COMMIT');
    return await answer;
  } finally {
    await behind.query('ROLLBACK');
  }
}

const swapColumns = (table: string) => `ALTER TABLE shop.${table} RENAME email TO away;
  ALTER TABLE shop.${table} RENAME city TO email; ALTER TABLE shop.${table} RENAME away TO city`;
const swapView = (table: string) => `LOCK TABLE shop.${table};
  CREATE OR REPLACE VIEW shop.${table}_towns AS SELECT id, email AS city FROM shop.${table}`;
const swapFunction = (table: string) => `LOCK TABLE shop.${table};
  CREATE OR REPLACE FUNCTION shop.${table}_town(which int) RETURNS text LANGUAGE sql STABLE AS
    'SELECT email FROM shop.${table} WHERE id = which'`;
const swapTables = (table: string) => `ALTER TABLE shop.${table} RENAME TO ${table}_gone;
  CREATE VIEW shop.${table} AS SELECT id, city AS email, email AS city FROM shop.${table}_gone`;

interface Race {
  readonly what: string;
  readonly change: (table: string) => string;
  readonly asks: (client: pg.Client, table: string) => Promise<string>;
  /** Before the change begins, e.g. to prepare. */
  readonly first?: (client: pg.Client, table: string) => Promise<unknown>;
  /** The session goes on, and the same question is answered, masked. */
  readonly again?: false;
}

const TOWN = /graz|vienna|linz|salzburg/i;
const one = (text: string) => (client: pg.Client, table: string) => shown(client, text.replaceAll('race', table));
const extended = (text: string, name?: string) => (client: pg.Client, table: string) =>
  shown(client, { text: text.replaceAll('race', table), values: [4], ...(name ? { name } : {}) });

const races: readonly Race[] = [
  {
    what: 'a simple query',
    change: swapColumns,
    asks: one('SELECT upper(city) AS u FROM shop.race ORDER BY id LIMIT 3'),
  },
  { what: 'an aggregate', change: swapColumns, asks: one('SELECT max(city) AS u FROM shop.race') },
  {
    what: 'a query string of two',
    change: swapColumns,
    asks: one('SELECT 1; SELECT upper(city) FROM shop.race'),
    again: false,
  },
  {
    what: 'an unnamed statement with a parameter',
    change: swapColumns,
    asks: extended('SELECT upper(city) AS u FROM shop.race WHERE id < $1'),
  },
  {
    what: 'a statement prepared before',
    change: swapColumns,
    first: extended('SELECT upper(city) AS u FROM shop.race WHERE id < $1', 's'),
    asks: extended('SELECT upper(city) AS u FROM shop.race WHERE id < $1', 's'),
    again: false,
  },
  {
    what: 'an EXECUTE',
    change: swapColumns,
    first: one('PREPARE p AS SELECT upper(city) FROM shop.race'),
    asks: one('EXECUTE p'),
    again: false,
  },
  {
    what: 'a COPY',
    change: swapColumns,
    asks: (client, table) => copied(client, `COPY (SELECT upper(city) FROM shop.${table}) TO STDOUT`),
  },
  {
    what: 'a COPY of a table',
    change: swapColumns,
    asks: (client, table) => copied(client, `COPY shop.${table} (city) TO STDOUT`),
  },
  {
    what: 'a table renamed',
    change: swapTables,
    asks: one('SELECT upper(city) AS u FROM shop.race ORDER BY id LIMIT 3'),
  },
  { what: 'a view', change: swapView, asks: one('SELECT upper(city) AS u FROM shop.race_towns ORDER BY id LIMIT 3') },
  {
    what: 'a view with a parameter',
    change: swapView,
    asks: extended('SELECT upper(city) AS u FROM shop.race_towns WHERE id < $1'),
  },
  {
    what: 'a function written in SQL',
    change: swapFunction,
    asks: one('SELECT shop.race_town(id) AS u FROM shop.race WHERE id < 4'),
    again: false,
  },
  {
    what: 'a condition',
    change: swapColumns,
    asks: one("SELECT id AS secret FROM shop.race WHERE city LIKE '%secret%'"),
  },
  {
    what: 'an error',
    change: swapColumns,
    asks: async (client, table) => {
      const text = await one("SELECT 1 / (CASE WHEN city LIKE '%secret%' THEN 0 ELSE 1 END) FROM shop.race")(
        client,
        table,
      );
      return /division/.test(text) ? 'secret: there is one' : text;
    },
  },
];

for (const { what, change, asks, first, again } of races) {
  test(`names that change their meaning while somebody waits show nothing hidden: ${what}`, async () => {
    const table = TABLES[used++] ?? '';
    const client = await house.connect(analyst);
    await first?.(client, table);
    assert.doesNotMatch(await asks(client, table), /error/);
    const text = await during(change(table), () => asks(client, table));
    assertMasked(text.toLowerCase());
    assert.doesNotMatch(text, TOWN);
    assert.match(text, /error/);
    if (again === false) return;
    const answer = await asks(client, table);
    assertMasked(answer.toLowerCase());
    assert.doesNotMatch(answer, /error/);
  });
}

test('EXECUTE of what was prepared before names changed is refused, and prepared again it is masked', async () => {
  const table = TABLES[used++] ?? '';
  const client = await house.connect(analyst);
  const prepare = `PREPARE p AS SELECT upper(city) AS u FROM shop.${table} ORDER BY id LIMIT 3`;
  await client.query(prepare);
  assert.match(await shown(client, 'EXECUTE p'), TOWN);
  await behind.query(`CREATE TABLE shop.${table}_more (city text)`);
  await behind.query('SELECT pg_sleep(1.1)'); // longer than any look is believed
  assert.match(await shown(client, 'EXECUTE p'), TOWN, 'a change of something else');
  await behind.query(swapColumns(table));
  await behind.query('SELECT pg_sleep(1.1)');
  assert.match(await shown(client, 'EXECUTE p'), /cached plan must not change result type/);
  assert.match(await shown(client, { text: 'EXECUTE p', name: 'by-name' }), /cached plan must not change result type/);
  await client.query('DEALLOCATE p');
  await client.query(prepare);
  const text = await shown(client, 'EXECUTE p');
  assert.doesNotMatch(text, /error/);
  assertMasked(text.toLowerCase());
});

test('a cursor that was declared before the labels changed is not fetched from; one about something else is', async () => {
  const table = TABLES[used++] ?? '';
  const client = await house.connect(analyst);
  await client.query('BEGIN');
  await client.query(`DECLARE towns CURSOR FOR SELECT city FROM shop.${table} ORDER BY id`);
  await client.query(`DECLARE numbers CURSOR FOR SELECT id FROM shop.${table} ORDER BY id`);
  assert.match(await shown(client, 'FETCH 1 FROM towns'), TOWN);
  await house.change({ labels: `${raceLabels}  shop.kept: { value: [pii.name] }\n` });
  assert.match(await shown(client, 'FETCH 1 FROM towns'), TOWN, 'a label on something else');
  await house.change({ labels: raceLabels.replace(`shop.${table}: {`, `shop.${table}: { city: [pii.address],`) });
  assert.match(await shown(client, 'SAVEPOINT s'), /\[/);
  assert.match(await shown(client, 'FETCH 1 FROM towns'), /cached plan must not change/);
  await client.query('ROLLBACK');
  await house.change({ labels: raceLabels });
});

test('a cursor whose policy changed is not fetched from', async () => {
  const client = await house.connect(analyst);
  await client.query('BEGIN');
  await client.query('DECLARE c CURSOR FOR SELECT id, city FROM shop.customers ORDER BY id');
  assert.match(await shown(client, 'FETCH 1 FROM c'), TOWN);
  const forbid = 'forbid (principal, action == Action::"read", resource == Table::"shop/shop.customers");';
  await house.change({ policy: racePolicy + forbid });
  assert.match(await shown(client, 'FETCH 1 FROM c'), /42501/);
  await client.query('ROLLBACK');
  await house.change({ policy: racePolicy });
});

/** What a statement would keep of what it read is not kept. */
for (const [what, write, read] of [
  ['INSERT', 'INSERT INTO shop.kept SELECT upper(city) FROM shop.race', 'SELECT value FROM shop.kept'],
  [
    'INSERT … RETURNING',
    'INSERT INTO shop.kept SELECT upper(city) FROM shop.race RETURNING value',
    'SELECT value FROM shop.kept',
  ],
  [
    'CREATE TEMP TABLE AS',
    'CREATE TEMP TABLE mine AS SELECT upper(city) AS value FROM shop.race',
    'SELECT * FROM mine',
  ],
  ['SELECT INTO', 'SELECT upper(city) AS value INTO TEMP mine FROM shop.race', 'SELECT * FROM mine'],
  ['DECLARE', 'DECLARE c CURSOR WITH HOLD FOR SELECT upper(city) FROM shop.race', 'FETCH ALL FROM c'],
] as const) {
  for (const how of ['by simple query', 'by a prepared statement', 'in a transaction'] as const) {
    test(`names that change their meaning while somebody waits leave nothing behind: ${what} ${how}`, async () => {
      const table = TABLES[used++] ?? '';
      const client = await house.connect(analyst);
      const text = write.replaceAll('race', table);
      const query = how === 'by a prepared statement' ? { text, name: 's' } : text;
      if (how === 'in a transaction') await client.query('BEGIN');
      const answer = await during(swapColumns(table), () => shown(client, query));
      assertMasked(answer.toLowerCase());
      assert.match(answer, /40001/);
      for (const then of [read, 'COMMIT', read]) assertMasked((await shown(client, then)).toLowerCase());
      assert.deepEqual((await behind.query("SELECT value FROM shop.kept WHERE value LIKE '%@%'")).rows, []);
    });
  }
}

test('writes that nothing raced are as they are directly, in both protocols', async () => {
  const client = await house.connect(analyst);
  const insert = 'INSERT INTO shop.kept SELECT city FROM shop.customers WHERE id < 4';
  for (const query of [insert, { text: insert, name: 's' }]) {
    const result = await client.query(query);
    assert.deepEqual([result.command, result.rowCount, result.rows], ['INSERT', 3, []]);
    const returning = typeof query === 'string' ? `${insert} RETURNING value` : { text: `${insert} RETURNING value` };
    assert.deepEqual((await client.query(returning)).rows.length, 3);
  }
  const failed = await shown(client, 'INSERT INTO shop.kept SELECT (1 / (id - 1))::text FROM shop.customers');
  assert.match(failed, /22012/);
  assert.match(
    await shown(client, 'INSERT INTO shop.kept SELECT city FROM shop.customers WHERE nothing = 1'),
    /42703.*"position":"61"/,
  );
  await client.query('BEGIN');
  await client.query(insert);
  await client.query('ROLLBACK');
  assert.equal((await client.query('SELECT count(*)::int AS n FROM shop.kept')).rows[0].n, 12);
  assert.equal((await behind.query('DELETE FROM shop.kept')).rowCount, 12);
});

/** What a reader waits for and what does not change what he reads. */
for (const [what, change] of [
  ['another table is made', 'LOCK TABLE shop.race; CREATE TABLE shop.other_race (id int)'],
  [
    'the table is emptied and filled again',
    'TRUNCATE shop.race; INSERT INTO shop.race SELECT id, email, city FROM shop.customers WHERE id <= 40',
  ],
  ['an index is made', 'CREATE INDEX ON shop.race (id); LOCK TABLE shop.race'],
  ['a default is set somewhere else', "LOCK TABLE shop.race; ALTER TABLE shop.kept ALTER value SET DEFAULT 'x'"],
] as const) {
  test(`a statement that waited while ${what} is answered`, async () => {
    const table = TABLES[used++] ?? '';
    const client = await house.connect(analyst);
    const ask = `SELECT id, city, email FROM shop.${table} ORDER BY id`;
    const before = await shown(client, ask);
    assert.match(before, TOWN);
    assert.equal(await during(change.replaceAll('race', table), () => shown(client, ask)), before);
  });
}

/**
 * The last row comes from a function that is first called when the others have left; they fill every buffer on the way. It gives a set, so
 * that the planner does not look into it.
 */
async function bulk(client: pg.Client, table: string, meanwhile: () => Promise<unknown>): Promise<string> {
  const text = `COPY (SELECT n || repeat('x', 1000) FROM generate_series(1, 20000) n UNION ALL
    SELECT shop.${table}_many(id) FROM shop.products WHERE id = 1) TO STDOUT`;
  const chunks: Buffer[] = [];
  let done: Promise<unknown> | undefined;
  try {
    for await (const chunk of client.query(copyTo(text))) {
      done ??= meanwhile();
      await done;
      chunks.push(Buffer.from(chunk));
    }
  } catch (error) {
    chunks.push(Buffer.from(`error: ${error}`));
  }
  return Buffer.concat(chunks).toString();
}

test('what a function reads may change while rows come, and shows nothing hidden; nothing else changes a byte', async () => {
  const table = TABLES[used++] ?? '';
  const client = await house.connect(analyst);
  const direct = await house.connect(house.direct);
  const expected = await bulk(direct, table, async () => undefined);
  assert.match(expected, TOWN);
  assert.equal((await bulk(client, table, async () => undefined)) === expected, true);
  const text = await bulk(client, table, () => behind.query(swapColumns(table)));
  assertMasked(text.slice(-2_000).toLowerCase());
  assert.match(text.slice(-2_000), /error/);
  assertMasked((await bulk(client, table, async () => undefined)).slice(-2_000).toLowerCase());
});
