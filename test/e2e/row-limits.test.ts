/** A threshold of N rows lets exactly N rows out, counted on the wire, however they are asked for. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { Door } from '../support/clients/door.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const LIMIT = 100;
const SESSION = 150;
const HOUR = 700;
let house: House;
let counter = 0;

before(async () => {
  house = await openHouse({
    policy: `
permit (principal in Group::"limited", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
permit (principal in Group::"sessions", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
permit (principal in Group::"hours", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@reason("At most ${LIMIT} rows")
forbid (principal in Group::"limited", action == Action::"read", resource) when { context.rows > ${LIMIT} };
@reason("At most ${SESSION} rows per session")
forbid (principal in Group::"sessions", action == Action::"read", resource) when { context.rows_session > ${SESSION} };
@reason("At most ${HOUR} rows per hour")
forbid (principal in Group::"hours", action == Action::"read", resource) when { context.rows_hour > ${HOUR} };
`,
  });
});
after(() => house[Symbol.asyncDispose]());

/** A person nobody else is, so that counters begin at nothing. */
const someone = (group: string): Promise<Door> => house.through(`${group}-${counter++}`, group);
const rowsOf = (answer: readonly Message[]): number => answer.filter(({ kind }) => kind === 'data-row').length;
const copied = (answer: readonly Message[]): Buffer =>
  Buffer.concat(answer.flatMap((message) => (message.kind === 'copy-data' ? [message.data] : [])));
const lines = (text: Buffer): number => text.toString('latin1').split('\n').length - 1;
const ends = (answer: readonly Message[]): string[] => answer.slice(-2).map(describe);
const REFUSED = /^error-response (?:42501|54000|53400|P\w+|\w{5})$/;
const all = 'SELECT id FROM shop.orders ORDER BY id';

async function limited(group = 'limited'): Promise<RawClient> {
  return RawClient.connect(await someone(group));
}

test('a simple query: rows up to the limit, then the error, and the session is usable', async () => {
  const client = await limited();
  for (let turn = 0; turn < 2; turn++) {
    const answer = await client.ask(frontend.query(all));
    assert.equal(rowsOf(answer), LIMIT);
    assert.match(ends(answer)[0] ?? '', REFUSED);
    assert.equal(ends(answer)[1], 'ready-for-query I');
  }
  assert.equal(
    rowsOf(await client.ask(frontend.query(`${all} LIMIT ${LIMIT}`))),
    LIMIT,
    'exactly the limit is no refusal',
  );
  assert.equal(
    describe((await client.ask(frontend.query(`${all} LIMIT ${LIMIT}`))).at(-2) as Message),
    `command-complete SELECT ${LIMIT}`,
  );
  const one = await client.ask(frontend.query(`${all} LIMIT ${LIMIT + 1}`));
  assert.equal(rowsOf(one), LIMIT);
  assert.match(ends(one)[0] ?? '', REFUSED);
  client.close();
});

test('what is sent after a refusal is not stopped by the cancel that the refusal caused', async () => {
  const client = await limited();
  for (let turn = 0; turn < 150; turn++) {
    await client.ask(frontend.query(turn % 2 === 0 ? all : `${all} LIMIT ${LIMIT + 1}`));
    const answer = await client.ask(frontend.query(`${all} LIMIT ${LIMIT}`));
    assert.deepEqual(ends(answer), [`command-complete SELECT ${LIMIT}`, 'ready-for-query I']);
  }
  client.close();
});

test('in a transaction the refusal leaves it failed, also when the result was complete before it could be stopped', async () => {
  const client = await limited();
  for (const text of [all, `${all} LIMIT ${LIMIT + 1}`]) {
    await client.ask(frontend.query('BEGIN'));
    const answer = await client.ask(frontend.query(text));
    assert.equal(rowsOf(answer), LIMIT);
    assert.equal(ends(answer)[1], 'ready-for-query E');
    assert.equal(describe((await client.ask(frontend.query('SELECT 1')))[0] as Message), 'error-response 25P02');
    assert.equal(ends(await client.ask(frontend.query('ROLLBACK')))[1], 'ready-for-query I');
  }
  client.close();
});

test('several statements of one query string are counted apart, and stop at the first refusal', async () => {
  const client = await limited();
  const answer = await client.ask(frontend.query(`${all} LIMIT 60; ${all} LIMIT 70; ${all} LIMIT 101; SELECT 1`));
  assert.equal(rowsOf(answer), 60 + 70 + LIMIT);
  assert.match(ends(answer)[0] ?? '', REFUSED);
  client.close();
});

test('the extended protocol, with and without row limits of the client’s own', async () => {
  const client = await limited();
  const bound = [frontend.parse('', all), frontend.bind({})];
  const whole = await client.ask(...bound, frontend.execute(), frontend.sync());
  assert.equal(rowsOf(whole), LIMIT);
  assert.match(ends(whole)[0] ?? '', REFUSED);
  // A portal is one result, however often it is continued.
  client.send(...bound, frontend.execute('', 60), frontend.flush());
  assert.equal(rowsOf(await client.until('portal-suspended')), 60);
  client.send(frontend.execute('', 60), frontend.flush());
  assert.equal(rowsOf(await client.until('error-response')), LIMIT - 60);
  assert.equal(rowsOf(await client.ask(frontend.sync())), 0);
  // Two portals side by side are two results.
  client.send(
    ...[
      frontend.query('BEGIN'),
      frontend.parse('s', all),
      frontend.bind({ portal: 'a', statement: 's' }),
      frontend.bind({ portal: 'b', statement: 's' }),
    ],
    ...['a', 'b', 'a', 'b'].map((portal) => frontend.execute(portal, 40)),
    ...[frontend.execute('a', 40), frontend.execute('b', 40), frontend.sync()],
  );
  await client.until('ready-for-query');
  assert.equal(
    rowsOf(await client.until('ready-for-query')),
    4 * 40 + (LIMIT - 80),
    'the error in a skips what is left of b',
  );
  await client.ask(frontend.query('ROLLBACK'));
  client.close();
});

test('a pipeline behind a refused result is skipped up to Sync', async () => {
  const client = await limited();
  const one = (text: string) => [frontend.parse('', text), frontend.bind({}), frontend.execute()];
  const answer = await client.ask(
    ...one('SELECT 1'),
    ...one(`${all} LIMIT ${LIMIT + 1}`),
    ...one('SELECT 2'),
    frontend.sync(),
  );
  assert.equal(rowsOf(answer), 1 + LIMIT);
  assert.equal(ends(answer)[1], 'ready-for-query I');
  client.close();
});

test('a cursor’s rows are counted over its fetches, in SQL and by name', async () => {
  const client = await limited();
  await client.ask(frontend.query(`BEGIN; DECLARE c SCROLL CURSOR FOR ${all}`));
  assert.equal(rowsOf(await client.ask(frontend.query('FETCH 70 FROM c'))), 70);
  const answer = await client.ask(frontend.query('FETCH 70 FROM c'));
  assert.equal(rowsOf(answer), LIMIT - 70);
  assert.equal(ends(answer)[1], 'ready-for-query E');
  await client.ask(frontend.query('ROLLBACK'));
  await client.ask(frontend.query(`BEGIN; DECLARE c SCROLL CURSOR FOR ${all}`));
  await client.ask(frontend.query('FETCH 60 FROM c; MOVE BACKWARD ALL IN c'));
  assert.equal(
    rowsOf(await client.ask(frontend.query('FETCH 60 FROM c'))),
    LIMIT - 60,
    'the same rows again are rows again',
  );
  client.close();
});

test('a cursor declared and fetched in one query string is one result too', async () => {
  const client = await limited();
  const answer = await client.ask(
    frontend.query(`BEGIN; DECLARE c CURSOR FOR ${all}; FETCH 60 FROM c; FETCH 60 FROM c`),
  );
  client.close();
  assert.equal(rowsOf(answer), LIMIT);
});

test('COPY, text and csv and binary, with and without a header, stops at the limit', async () => {
  const client = await limited();
  for (const [options, header] of [
    ['', 0],
    ['(FORMAT csv)', 0],
    ['(FORMAT csv, HEADER)', 1],
    ['(HEADER)', 1],
  ] as const) {
    for (const source of ['shop.orders (id)', `(${all})`]) {
      const answer = await client.ask(frontend.query(`COPY ${source} TO STDOUT ${options}`));
      const count = lines(copied(answer));
      assert.ok(count <= LIMIT + header && count >= LIMIT - 1, `${options} ${source}: ${count}`);
      assert.match(ends(answer)[0] ?? '', REFUSED, options);
    }
  }
  const binary = copied(
    await client.ask(frontend.query(`COPY (SELECT id::int8 FROM shop.orders) TO STDOUT (FORMAT binary)`)),
  );
  const tuples = (binary.length - 19) / (2 + 4 + 8);
  assert.ok(tuples <= LIMIT && tuples >= LIMIT - 2, `${tuples}`);
  const exact = await client.ask(frontend.query(`COPY (${all} LIMIT ${LIMIT}) TO STDOUT`));
  assert.equal(lines(copied(exact)), LIMIT);
  assert.equal(ends(exact)[0], `command-complete COPY ${LIMIT}`);
  client.close();
});

test('a session’s rows are counted over its statements', async () => {
  const client = await limited('sessions');
  let total = 0;
  for (let turn = 0; turn < 5; turn++) total += rowsOf(await client.ask(frontend.query(`${all} LIMIT 40`)));
  assert.equal(total, SESSION);
  client.close();
});

test('parallel sessions of one person share the budget of an hour, to the row', async () => {
  const door = await someone('hours');
  const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(door)));
  let total = 0;
  for (let turn = 0; turn < 4; turn++) {
    const answers = await Promise.all(clients.map((client) => client.ask(frontend.query(`${all} LIMIT 90`))));
    total += answers.reduce((sum, answer) => sum + rowsOf(answer), 0);
    assert.ok(total <= HOUR, `${total}`);
  }
  // What was set aside for a result that did not need it is there for the next one.
  for (let turn = 0; turn < 10; turn++)
    total += rowsOf(await (clients[0] as RawClient).ask(frontend.query(`${all} LIMIT 90`)));
  assert.equal(total, HOUR);
  const again = await RawClient.connect(door);
  assert.equal(rowsOf(await again.ask(frontend.query(all))), 0, 'a new session brings no new rows');
  for (const client of [...clients, again]) client.close();
});

test('rows that never leave the server are not counted', async () => {
  const client = await limited();
  assert.equal(rowsOf(await client.ask(frontend.query('SELECT count(*) FROM shop.orders'))), 1);
  assert.equal(
    ends(await client.ask(frontend.query(`CREATE TEMP TABLE t AS ${all}`)))[0],
    'command-complete SELECT 2500',
  );
  assert.equal(
    ends(await client.ask(frontend.query(`DECLARE h CURSOR WITH HOLD FOR ${all}`)))[0],
    'command-complete DECLARE CURSOR',
  );
  client.close();
});
