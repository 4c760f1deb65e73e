import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend, frontend } from '../../src/wire/postgres/index.ts';
import { FakeTarget } from './support/fake-target.ts';
import { errorOf, firstColumns, frame, tags } from './support/raw-client.ts';
import { Rig, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

/* Targets that lie, stall, die and come back. */
let server: CrashableServer;
let fake: FakeTarget;
let rig: Rig;

before(async () => {
  server = await CrashableServer.create(SCHEMA);
  fake = await FakeTarget.before(server);
  const { host, database, user, password } = server;
  rig = await Rig.open({ host, database, user, password, port: fake.port });
});
afterEach(() => rig.hangUp());
after(async () => {
  await rig[Symbol.asyncDispose]();
  await fake[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function assertServes(): Promise<void> {
  const client = await rig.login();
  assert.deepEqual(firstColumns(await client.query('SELECT 41 + 1')), ['42']);
  client.destroy();
}

const ready = backend.readyForQuery('I');
const done = Buffer.concat([backend.commandComplete('SELECT 1'), ready]);
const row = (...values: readonly (string | null)[]) =>
  backend.dataRow(values.map((value) => (value === null ? null : Buffer.from(value))));
const described = (...names: readonly string[]) =>
  backend.rowDescription(
    names.map((name) => ({
      name,
      tableOid: 0,
      columnNumber: 0,
      typeOid: 25,
      typeSize: -1,
      typeModifier: -1,
      format: 0 as const,
    })),
  );
const STOLEN = 'secret stolen@example.com';

/** Lies after which the session cannot go on. Nothing of them may reach the client as a row. */
const lies: Readonly<Record<string, readonly Buffer[]>> = {
  garbage: [Buffer.alloc(4_096, 0xee)],
  'a page of HTTP': [Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
  'a length of 0': [frame('T', Buffer.alloc(0), 0)],
  'a length of 3': [frame('D', Buffer.alloc(0), 3)],
  'a length of 2^31 - 1': [frame('T', Buffer.alloc(0), 0x7fffffff)],
  'a length of 2^32 - 1': [frame('E', Buffer.alloc(0), 0xffffffff)],
  'a row of 2^32 - 1 bytes': [frame('D', Buffer.alloc(0), 0xffffffff)],
  'an unknown message': [frame('!', Buffer.alloc(8))],
  'a login in the middle of the session': [backend.authenticationCleartext()],
  'ParseComplete in a simple query': [frame('1', Buffer.alloc(0))],
  'an ErrorResponse without its end': [frame('E', Buffer.from('SERROR\0C4200'))],
  CopyBoth: [frame('W', Buffer.from([0, 0, 0]))],
};

for (const [name, answer] of Object.entries(lies)) {
  for (const [group, subject] of [
    ['engineers', 'eve'],
    ['analysts', 'ana'],
  ] as const) {
    test(`a target that answers ${subject} with ${name} is hung up on, and the client is told`, async () => {
      fake.sabotage = { on: '/* lie */', answer, after: 'stall' };
      const client = await rig.login(group, subject);
      client.send(frontend.query('SELECT email FROM people /* lie */'));
      await client.end();
      const error = errorOf(client.replies);
      assert.match(error?.['C'] ?? '', /^08/, client.letters());
      assert.match(error?.['M'] ?? '', /^gatehouse: the target server broke the protocol/);
      assert.equal(client.replies.filter(({ type }) => type === 'D').length, 0);
      assert.doesNotMatch(client.text(), /stolen/);
      for (let turn = 0; turn < 100 && !fake.hungUp; turn++) await sleep(10);
      assert.ok(fake.hungUp);
      fake.sabotage = undefined;
      await assertServes();
    });
  }
}

test('the operator reads of every such target in the log', () => {
  assert.ok(/"level":"error".*the target broke the protocol/.test(rig.log));
});

test('a description that cannot be read hides from nobody who it is for: the session ends before a row', async () => {
  fake.sabotage = {
    on: '/* broken */',
    answer: [frame('T', Buffer.from([0, 9, 0x41])), row(STOLEN), done],
    after: 'stall',
  };
  const client = await rig.login('analysts', 'ana');
  client.send(frontend.query('SELECT email FROM people /* broken */'));
  await client.end();
  assert.match(errorOf(client.replies)?.['C'] ?? '', /^08/);
  assert.doesNotMatch(client.text(), /stolen/);
  fake.sabotage = undefined;
});

test('rows nobody asked for, and answers without a question, end the session', async () => {
  for (const answer of [
    row(STOLEN),
    done,
    ready,
    backend.commandComplete('DROP TABLE'),
    described('email'),
    backend.portalSuspended(),
  ]) {
    // Behind the end of the answer, when nothing is outstanding any more.
    fake.sabotage = { on: '/* more */', answer: [described('a'), row('1'), done, answer], after: 'stall' };
    const client = await rig.login('analysts', 'ana');
    client.send(frontend.query('SELECT 1 /* more */'));
    await client.end();
    assert.match(errorOf(client.replies)?.['C'] ?? '', /^08/);
    assert.doesNotMatch(client.text(), /stolen/);
  }
  fake.sabotage = undefined;
});

test('rows without a description do not reach somebody from whom columns are hidden', async () => {
  fake.sabotage = { on: '/* bare */', answer: [row(STOLEN), row(STOLEN, STOLEN), done], after: 'stall' };
  const client = await rig.login('analysts', 'ana');
  const replies = await client.query('SELECT email FROM people /* bare */');
  fake.sabotage = undefined;
  client.destroy();
  assert.equal(replies.filter(({ type }) => type === 'D').length, 0);
});

test('a description that names a hidden column cuts the result off before its first row', async () => {
  const oid = Number(await server.value("SELECT 'people'::regclass::oid::int"));
  const hidden = backend.rowDescription([
    { name: 'x', tableOid: oid, columnNumber: 2, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 },
  ]);
  fake.sabotage = { on: '/* drift */', answer: [hidden, row(STOLEN), done], after: 'stall' };
  const client = await rig.login('analysts', 'ana');
  client.send(frontend.query('SELECT id FROM people /* drift */'));
  await client.end();
  assert.doesNotMatch(client.text(), /stolen/);
  assert.ok(errorOf(client.replies));
  assert.ok(rig.log.includes('"critical":true'));
  fake.sabotage = undefined;
});

test('more or fewer values than columns are rows like any other for the gateway, and cost it nothing', async () => {
  fake.sabotage = {
    on: '/* odd */',
    answer: [described('a', 'b'), row('1'), row('1', '2', '3'), row(), done],
    after: 'stall',
  };
  const client = await rig.login();
  assert.equal((await client.query('SELECT 1, 2 /* odd */')).filter(({ type }) => type === 'D').length, 3);
  fake.sabotage = undefined;
  client.destroy();
  await assertServes();
});

test('an error without fields, or with odd ones, is still an error for the client', async () => {
  for (const body of ['\0', 'MOnly words\0\0', 'SERROR\0\0', 'ZXYZ\0C\0M\0\0']) {
    for (const group of ['engineers', 'analysts']) {
      fake.sabotage = { on: '/* bare */', answer: [frame('E', Buffer.from(body)), ready], after: 'stall' };
      const client = await rig.login(group, group);
      const replies = await client.query('SELECT email FROM people /* bare */');
      assert.ok(
        replies.some(({ type }) => type === 'E'),
        `${group}: ${client.letters()}`,
      );
      client.destroy();
    }
  }
  fake.sabotage = undefined;
  await assertServes();
});

test('a target that closes in the middle of a row: nothing is put into the row, and the connection ends', async () => {
  const long = row('y'.repeat(60_000));
  const answer = [described('email'), row('x'), long.subarray(0, 20_000)];
  fake.sabotage = { on: '/* half a row */', answer, after: 'close' };
  const client = await rig.login('engineers', 'eve');
  const from = client.replies.length;
  client.send(frontend.query('SELECT email FROM people /* half a row */'));
  await client.end();
  assert.deepEqual(
    client.replies.slice(from).map(({ type }) => type),
    ['T', 'D'],
  );
  assert.ok(
    long.subarray(0, 20_000).equals(client.rest),
    `${client.rest.length} bytes, ${client.rest.toString('latin1').slice(-100)}`,
  );
  await assertServes();
});

test('a target that closes in the middle of a result: what came is delivered, then the end is told', async () => {
  fake.sabotage = { on: '/* cut */', answer: [described('a'), row('1'), row('2').subarray(0, 9)], after: 'close' };
  const client = await rig.login();
  client.send(frontend.query('SELECT 1 /* cut */'));
  await client.end();
  assert.deepEqual(firstColumns(client.replies.slice(0, client.replies.findIndex(({ type }) => type === 'D') + 1)), [
    '1',
  ]);
  fake.sabotage = undefined;
  await assertServes();
});

test('a target that stalls can be left: cancel passes, and the client may go', async () => {
  fake.sabotage = { on: '/* stall */', answer: [described('a'), row('1')], after: 'stall' };
  const client = await rig.login();
  client.send(frontend.query('SELECT 1 /* stall */'));
  await client.until('D');
  client.destroy();
  for (let turn = 0; turn < 200 && !fake.hungUp; turn++) await sleep(10);
  assert.ok(fake.hungUp);
  fake.sabotage = undefined;
  await assertServes();
});

test('a million parameter changes and notices are no way to fill the gateway’s memory', async () => {
  const noise = Buffer.concat(
    Array.from({ length: 20_000 }, (_, index) => backend.parameterStatus(`setting_${index}`, 'x'.repeat(100))),
  );
  fake.sabotage = {
    on: '/* noise */',
    answer: [...Array.from({ length: 10 }, () => noise), described('a'), row('1'), done],
    after: 'stall',
  };
  const client = await rig.login();
  const before = process.memoryUsage().arrayBuffers;
  const replies = await client.query('SELECT 1 /* noise */');
  assert.deepEqual(firstColumns(replies), ['1']);
  client.destroy();
  client.replies.length = 0;
  assert.ok(process.memoryUsage().arrayBuffers - before < 300 * 2 ** 20);
  fake.sabotage = undefined;
  await assertServes();
});

test('a client that leaves while its target is still being connected leaves no session there', async () => {
  fake.delay = 300;
  const quick = [];
  for (let index = 0; index < 5; index++) {
    const client = await rig.connect();
    client.send(frontend.startup(Object.entries({ user: 'eve', database: 'shop' }), 0));
    await client.until('R');
    client.send(frontend.password(await rig.token('eve', ['engineers'])));
    quick.push(client);
  }
  await sleep(400);
  for (const [index, { socket }] of quick.entries()) {
    if (index % 2 === 0) socket.resetAndDestroy();
    else socket.end();
  }
  await sleep(1_500);
  fake.delay = 0;
  const sessions = () =>
    server.value(
      "SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'app' AND application_name <> 'gatehouse catalog'",
    );
  for (let turn = 0; turn < 150 && (await sessions()) !== 0; turn++) await sleep(20);
  assert.equal(await sessions(), 0);
  assert.equal(await rig.metric('gatehouse_sessions_open'), 0);
  assert.equal(await rig.metric('gatehouse_connections_open'), 0);
});

test('a target that dies in the middle of a result and of a transaction; restarted, it serves new sessions', async () => {
  const open = await rig.login();
  await open.query("BEGIN; INSERT INTO notes (body) VALUES ('unfinished')");
  const reading = await rig.login('analysts', 'ana');
  reading.send(frontend.query("SELECT n, repeat('x', 1000) FROM generate_series(1, 10000000) n"));
  await reading.until('D');
  const idle = await rig.login();
  await server.crash();
  for (const client of [open, reading, idle]) {
    await client.end();
    const error = client.replies.findLast(({ type }) => type === 'E');
    if (error || client !== reading)
      assert.match(errorOf(error ? [error] : [])?.['C'] ?? '', /^(57P0[123]|08006|08)/, client.letters());
  }
  const down = await rig.login();
  const error = errorOf(down.replies);
  assert.match(error?.['C'] ?? '', /^0800[16]$/, JSON.stringify(error));
  assert.match(error?.['M'] ?? '', /^gatehouse: the target of connection "shop" cannot be reached/);
  assert.ok(error?.['H']);
  assert.doesNotMatch(
    JSON.stringify(error),
    /app secret|127\.0\.0\.1/,
    'where the target is, is no business of the client',
  );
  assert.ok(/"level":"error".*(cannot be reached|catalog of a target cannot be read)/.test(rig.log));
  await server.start();
  const again = await rig.login();
  assert.deepEqual(tags(await again.query("INSERT INTO notes (body) VALUES ('again')")), ['INSERT 0 1']);
  assert.deepEqual(firstColumns(await again.query("SELECT count(*) FROM notes WHERE body = 'unfinished'")), ['0']);
  again.destroy();
});

test('a target that ends one session by its administrator’s word: the reason reaches the client', async () => {
  const client = await rig.login();
  const [pid] = firstColumns(await client.query('SELECT pg_backend_pid()'));
  await server.value(`SELECT pg_terminate_backend(${pid})`);
  await client.end();
  assert.equal(errorOf(client.replies)?.['C'], '57P01');
  await assertServes();
});
