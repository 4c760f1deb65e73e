import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { frontend } from '../../src/wire/postgres/index.ts';
import { errorOf, firstColumns, frame, type RawClient, tags } from './support/raw-client.ts';
import { LABELS, POLICY, Rig, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

/*
 * Clients that have logged in and then break every rule of the protocol. An analyst attacks: what he must not see or do is the measure.
 */
let server: CrashableServer;
let rig: Rig;

before(async () => {
  server = await CrashableServer.create(SCHEMA);
  rig = await Rig.open(server, {
    labels: LABELS,
    policies: {
      'main.cedar': `${POLICY}
permit (principal in Group::"temps", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@reason("At most 10 rows")
forbid (principal in Group::"temps", action == Action::"read", resource) when { context.rows > 10 };
@approval("owners")
@reason("Notes are read with consent")
forbid (principal in Group::"analysts", action == Action::"read", resource == Table::"shop/public.notes")
unless { context.approved };
`,
    },
    extra: 'limits: { max_statement_bytes: 2097152 }\napprovals: { mode: wait, wait_seconds: 60 }',
  });
});
afterEach(() => rig.hangUp());
after(async () => {
  await rig[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const { bind, close, copyData, copyDone, copyFail, describe, execute, flush, parse, query, sync } = frontend;
const INSERT = "INSERT INTO people VALUES (0, 'smuggled')";
const LEAK = 'SELECT email FROM people';

/** Whatever the client got: no hidden value among it. */
function assertNothingLeaked(client: RawClient): void {
  assert.doesNotMatch(client.text(), /secret\d+@/);
}

async function assertNothingSmuggled(): Promise<void> {
  assert.equal(await server.value('SELECT count(*)::int FROM people WHERE id <= 0'), 0);
}

async function assertServes(client: RawClient): Promise<void> {
  assert.deepEqual(firstColumns(await client.query('SELECT 41 + 1')), ['42']);
}

/** The target has no session of the gateway left but these. */
async function sessionsAtTarget(atMost: number): Promise<void> {
  const count = () =>
    server.value(
      "SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'app' AND application_name <> 'gatehouse catalog'",
    );
  for (let turn = 0; turn < 200 && Number(await count()) > atMost; turn++) await sleep(20);
  assert.ok(Number(await count()) <= atMost);
}

const broken: Readonly<Record<string, Buffer>> = {
  'length 0': frame('Q', Buffer.from(`${LEAK}\0`), 0),
  'length 1': frame('Q', Buffer.from(`${LEAK}\0`), 1),
  'length 3': frame('Q', Buffer.from(`${LEAK}\0`), 3),
  'length 2^31 - 1': frame('Q', Buffer.from(`${LEAK}\0`), 0x7fffffff),
  'length 2^31': frame('Q', Buffer.from(`${LEAK}\0`), 0x80000000),
  'length 2^32 - 1': frame('Q', Buffer.from(`${LEAK}\0`), 0xffffffff),
  'a Bind of 2^30 bytes': frame('B', Buffer.alloc(0), 0x40000000),
  'CopyData of 2^30 bytes': frame('d', Buffer.alloc(0), 0x40000000),
  'a Sync with a body': frame('S', Buffer.from('x')),
  'an unknown type': frame('!', Buffer.from('x')),
  'a type of the server': frame('D', Buffer.from([0, 1, 0, 0, 0, 1, 0x41])),
  'an authentication message': frame('p', Buffer.from('secret\0')),
  CopyBoth: frame('W', Buffer.alloc(3)),
  'a Query without its end': frame('Q', Buffer.from(LEAK)),
  'an empty Query body': frame('Q', Buffer.alloc(0)),
  'a Query with a second statement behind a NUL': frame('Q', Buffer.from(`SELECT 1\0${INSERT}\0`)),
  'a Parse with a statement behind a NUL': frame('P', Buffer.from(`\0SELECT 1\0${INSERT}\0\0\0`)),
  'a Parse that promises more types than it has': frame('P', Buffer.from('\0SELECT 1\0\xff\xff', 'latin1')),
  'a Bind that promises more values than it has': frame('B', Buffer.from('\0\0\0\0\xff\xff\0\0', 'latin1')),
  'a Bind with a value of length -2': frame('B', Buffer.from('\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0', 'latin1')),
  'a Bind with a value of length 2^31 - 1': frame('B', Buffer.from('\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0', 'latin1')),
  'a Describe of neither kind': frame('D', Buffer.from('X\0')),
  'a Close of neither kind': frame('C', Buffer.from('X\0')),
  'an Execute without a row limit': frame('E', Buffer.from('\0')),
};
for (const [name, bytes] of Object.entries(broken)) {
  test(`${name} ends the session with 08P01; nothing behind it is taken for a message`, async () => {
    const client = await rig.login('analysts', 'ana');
    client.send(bytes, query(INSERT), query(LEAK));
    await client.end();
    const error = errorOf(client.replies);
    assert.equal(error?.['C'], '08P01', JSON.stringify(error));
    assert.equal(error?.['S'], 'FATAL');
    assertNothingLeaked(client);
    await assertNothingSmuggled();
  });
}

test('a message split at every byte, and many in one segment, mean the same', async () => {
  const client = await rig.login('analysts', 'ana');
  const bytes = Buffer.concat([
    parse('', 'SELECT $1::int + 1'),
    bind({ parameters: [Buffer.from('41')] }),
    describe('portal'),
    execute(),
    sync(),
  ]);
  for (let cut = 1; cut < bytes.length; cut++) {
    const from = client.replies.length;
    client.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(bytes.subarray(cut));
    await client.when(() => client.replies.slice(from).some(({ type }) => type === 'Z'), `cut at ${cut}`);
    assert.deepEqual(firstColumns(client.replies.slice(from)), ['42']);
  }
  const from = client.replies.length;
  client.send(...Array.from({ length: 500 }, () => bytes));
  const ready = () => client.replies.slice(from).filter(({ type }) => type === 'Z').length;
  await client.when(() => ready() === 500, '500 pipelined answers');
  assert.equal(firstColumns(client.replies.slice(from)).filter((value) => value === '42').length, 500);
  client.destroy();
});

test('a NUL inside Query text hides nothing, whatever follows', async () => {
  for (const text of [`SELECT 1\0; ${INSERT}`, `SELECT 1 --\0\n; ${INSERT}`, `\0${INSERT}`, `SELECT '\0'; ${INSERT}`]) {
    const client = await rig.login('analysts', 'ana');
    client.send(frame('Q', Buffer.from(`${text}\0`)));
    await client.end();
    assert.equal(errorOf(client.replies)?.['C'], '08P01');
  }
  await assertNothingSmuggled();
});

test('Bind with 65,535 parameters works, and the codec cannot say more', async () => {
  const client = await rig.login('engineers', 'eve');
  const most = 65_535;
  // As an IN list the server would need minutes; a value list of types keeps the statement flat.
  const text = `SELECT $1::int + $${most}::int, ${Array.from({ length: 1_000 }, (_, index) => `$${index + 2}::int`).join()}`;
  const rest = `VALUES ${Array.from({ length: most }, (_, index) => `($${index + 1}::int)`).join()}`;
  assert.ok(text.length < rest.length);
  const values = Array.from({ length: most }, (_, index) => Buffer.from(`${index % 10}`));
  const replies = await client.ask(parse('', rest), bind({ parameters: values }), execute(), sync());
  assert.equal(errorOf(replies), undefined, JSON.stringify(errorOf(replies)));
  assert.equal(firstColumns(replies).length, most);
  assert.throws(() => bind({ parameters: [...values, null] }));
  await assertServes(client);
  client.destroy();
});

test('names of statements and portals cannot be confused', async () => {
  const client = await rig.login('analysts', 'ana');
  const go = (...messages: readonly Buffer[]) => client.ask(...messages, sync());
  // Prepared with one meaning, parsed again under the same name, bound before and after.
  assert.equal(errorOf(await go(parse('s', 'SELECT 1')))?.['C'], undefined);
  assert.equal(errorOf(await go(parse('s', LEAK)))?.['C'], '42P05', 'a named statement cannot be replaced');
  assert.deepEqual(firstColumns(await go(bind({ statement: 's' }), execute())), ['1']);
  await go(close('statement', 's'), parse('s', INSERT));
  assert.equal(errorOf(await go(bind({ statement: 's' }), execute()))?.['C'], '42501');
  // Parse of the unnamed statement between Bind and Execute does not change what the portal runs.
  const replies = await go(parse('', 'SELECT 2'), bind({}), parse('', INSERT), execute());
  assert.deepEqual(firstColumns(replies), ['2']);
  // A failed Parse leaves no trace of a name.
  await go(parse('t', 'SELECT nonsense FROM nowhere'));
  assert.equal(errorOf(await go(bind({ statement: 't' }), execute()))?.['C'], '26000');
  // A simple query destroys the unnamed statement.
  await go(parse('', 'SELECT 3'));
  await client.query('SELECT 4');
  assert.equal(errorOf(await go(bind({}), execute()))?.['C'], '26000');
  // PREPARE of SQL and Parse share one space of names.
  await client.query('PREPARE u AS SELECT 5');
  assert.deepEqual(firstColumns(await go(bind({ statement: 'u' }), execute())), ['5']);
  assert.equal(errorOf(await client.query(`PREPARE v AS ${INSERT}; EXECUTE v`))?.['C'], '42501');
  await client.query('DEALLOCATE ALL');
  assert.equal(errorOf(await go(bind({ statement: 'u' }), execute()))?.['C'], '26000');
  assertNothingLeaked(client);
  await assertNothingSmuggled();
  client.destroy();
});

test('portals that are not there, not any more, or not yet', async () => {
  const client = await rig.login('analysts', 'ana');
  assert.equal(errorOf(await client.ask(execute('nowhere'), sync()))?.['C'], '34000');
  assert.equal(errorOf(await client.ask(describe('portal', 'nowhere'), sync()))?.['C'], '34000');
  assert.equal(errorOf(await client.ask(describe('statement', 'nowhere'), sync()))?.['C'], '26000');
  assert.equal(errorOf(await client.ask(bind({ statement: 'nowhere' }), sync()))?.['C'], '26000');
  assert.equal(errorOf(await client.ask(close('portal', 'nowhere'), close('statement', 'nowhere'), sync())), undefined);
  // A portal ends with its transaction.
  await client.ask(parse('', 'SELECT generate_series(1, 10)'), bind({ portal: 'p' }), execute('p', 2), sync());
  assert.equal(errorOf(await client.ask(execute('p', 2), sync()))?.['C'], '34000');
  // Within one it goes on where it stopped.
  await client.query('BEGIN');
  const first = await client.ask(
    parse('', 'SELECT generate_series(1, 5)'),
    bind({ portal: 'p' }),
    execute('p', 2),
    execute('p', 2),
    sync(),
  );
  assert.deepEqual(firstColumns(first), ['1', '2', '3', '4']);
  assert.equal(first.filter(({ type }) => type === 's').length, 2);
  assert.deepEqual(firstColumns(await client.ask(execute('p', 0), sync())), ['5']);
  await client.query('COMMIT');
  client.destroy();
});

test('after an error everything up to Sync is ignored, also what would be allowed', async () => {
  const client = await rig.login('engineers', 'eve');
  const body = 'after an error';
  const insert = `INSERT INTO notes (body) VALUES ('${body}')`;
  for (const wrong of [
    parse('', 'SELEC'),
    parse('', 'SELECT nowhere'),
    execute('nowhere'),
    bind({ statement: 'nowhere' }),
  ]) {
    const replies = await client.ask(wrong, parse('', insert), bind({}), execute(), flush(), execute(), sync());
    assert.equal(replies.filter(({ type }) => type === 'E').length, 1);
    assert.deepEqual(tags(replies), []);
  }
  assert.equal(await server.value(`SELECT count(*)::int FROM notes WHERE body = '${body}'`), 0);
  await assertServes(client);
  client.destroy();
});

test('a simple query behind an error of the extended protocol is ignored until Sync, as the server ignores it', async () => {
  const client = await rig.login('engineers', 'eve');
  const replies = await client.ask(execute('nowhere'), query("INSERT INTO notes (body) VALUES ('ignored')"), sync());
  assert.deepEqual(tags(replies), []);
  await assertServes(client);
  assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'ignored'"), 0);
});

test('statements that the server ignores lend their row limit to no other statement', async () => {
  for (const wrong of [execute('nowhere'), parse('', 'SELEC')]) {
    const client = await rig.login('temps', 'tom');
    client.send(wrong, query('SELECT 1'), query('SELECT 1'), sync(), query('SELECT id FROM people'));
    await sleep(500);
    const rows = client.replies.filter(({ type }) => type === 'D').length;
    client.destroy();
    assert.ok(rows <= 10, `${rows} rows left`);
  }
});

test('a portal bound while an earlier Sync was not answered yet is there for its Execute', async () => {
  const client = await rig.login('engineers', 'eve');
  client.send(parse('', 'SELECT pg_sleep(0.2)'), bind({}), execute(), sync(), parse('', 'SELECT 8'), bind({}));
  await client.until('Z');
  const replies = await client.ask(execute(), sync());
  assert.equal(errorOf(replies)?.['M'], undefined);
  assert.deepEqual(firstColumns(replies), ['8']);
  client.destroy();
});

test('an unsynced pipeline that is refused in its middle does nothing behind the refusal', async () => {
  const client = await rig.login('analysts', 'ana');
  const replies = await client.ask(
    ...[parse('', 'SELECT 1'), bind({}), execute()],
    ...[parse('', INSERT), bind({}), execute()],
    ...[parse('', 'SELECT 2'), bind({}), execute()],
    sync(),
  );
  assert.deepEqual(firstColumns(replies), ['1']);
  assert.equal(errorOf(replies)?.['C'], '42501');
  assert.equal(replies.filter(({ type }) => type === 'E').length, 1);
  await assertServes(client);
  await assertNothingSmuggled();
  client.destroy();
});

test('COPY messages outside of COPY are ignored and reach nobody', async () => {
  const client = await rig.login('engineers', 'eve');
  client.send(copyData(Buffer.from('1\tx\n')), copyDone(), copyFail('no'));
  await assertServes(client);
  // Nor behind a COPY that never began.
  const replies = await client.ask(query('COPY nowhere FROM STDIN'), copyData(Buffer.from('1\n')), copyDone());
  assert.equal(errorOf(replies)?.['C'], '42P01');
  await assertServes(client);
  client.destroy();
});

test('COPY FROM STDIN: by simple query, by pipeline with an early Sync as libpq sends it, failed, and with a statement in its middle', async () => {
  const client = await rig.login('engineers', 'eve');
  const rows = (from: number) => [
    copyData(Buffer.from(`${from}\tcopied\n`)),
    copyData(Buffer.from(`${from + 1}\tcopied\n`)),
    copyDone(),
  ];
  assert.deepEqual(tags(await client.ask(query('COPY people FROM STDIN'), ...rows(1_000))), ['COPY 2']);
  const failed = await client.ask(
    query('COPY people FROM STDIN'),
    copyData(Buffer.from('1002\tcopied\n')),
    copyFail('changed my mind'),
  );
  assert.equal(errorOf(failed)?.['C'], '57014');
  await assertServes(client);
  assert.equal(await server.value("SELECT count(*)::int FROM people WHERE email = 'copied'"), 2);
  client.destroy();
});

test('extended COPY FROM STDIN with Sync behind Execute, which the server ignores', async () => {
  const client = await rig.login('engineers', 'eve');
  const began = client.until('G');
  client.send(parse('', 'COPY people FROM STDIN'), bind({}), describe('portal'), execute(), sync());
  await began;
  const replies = await client.ask(copyData(Buffer.from('2000\textended\n')), copyDone(), sync());
  assert.deepEqual(tags(replies), ['COPY 1']);
  await assertServes(client);
  await assertServes(client);
  client.destroy();
});

test('a statement in the middle of COPY data is not executed', async () => {
  const client = await rig.login('engineers', 'eve');
  client.send(query('COPY people FROM STDIN'));
  await client.until('G');
  client.send(
    copyData(Buffer.from('3000\tmiddle\n')),
    query("INSERT INTO people VALUES (3001, 'middle')"),
    copyDone(),
    query('SELECT 1'),
  );
  await client.when(() => client.closed || client.letters().includes('E'), 'an error');
  await sleep(100);
  assert.equal(await server.value("SELECT count(*)::int FROM people WHERE email = 'middle'"), 0);
  client.destroy();
});

test('a client that is gone in the middle of a result, of COPY in and out, or of a wait for consent leaves nothing behind', async () => {
  await sessionsAtTarget(0);
  const series = await rig.login('engineers', 'eve');
  series.send(query("SELECT n, repeat('x', 1000) FROM generate_series(1, 1000000) n"));
  await series.until('D');
  series.destroy();
  const out = await rig.login('engineers', 'eve');
  out.send(query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT"));
  await out.until('d');
  out.socket.resetAndDestroy();
  const into = await rig.login('engineers', 'eve');
  into.send(query('COPY people FROM STDIN'));
  await into.until('G');
  into.send(copyData(Buffer.from('4000\tabandoned\n')));
  into.destroy();
  const open = await rig.login('engineers', 'eve');
  await open.query("BEGIN; INSERT INTO notes (body) VALUES ('abandoned')");
  open.socket.resetAndDestroy();
  const held = await rig.login('analysts', 'ana');
  held.send(query('SELECT * FROM notes'));
  const notice = await held.until('N', 'E');
  assert.equal(notice.type, 'N', held.text());
  held.destroy();
  const half = await rig.login('engineers', 'eve');
  half.send(frame('Q', Buffer.from('SELECT'), 1_000));
  half.socket.end();
  await sessionsAtTarget(0);
  assert.equal(await server.value("SELECT count(*)::int FROM people WHERE email = 'abandoned'"), 0);
  assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'abandoned'"), 0);
  assert.equal(await rig.metric('gatehouse_sessions_open'), 0);
  assert.ok(!rig.log.includes('a statement could not be handled'));
});

test('a statement that was on its way when the client left is executed or not, but never unrecorded; Terminate ends in order', async () => {
  const client = await rig.login('engineers', 'eve');
  client.send(
    query("INSERT INTO notes (body) VALUES ('last words')"),
    frontend.terminate(),
    query("INSERT INTO notes (body) VALUES ('from beyond')"),
  );
  await client.end();
  await sessionsAtTarget(0);
  assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'from beyond'"), 0);
});

test('statements of many sizes: below the cap they run, above it they are refused and the session lives', async () => {
  const client = await rig.login('engineers', 'eve');
  const long = (bytes: number) => `SELECT length('${'x'.repeat(bytes)}')`;
  assert.deepEqual(firstColumns(await client.query(long(1_500_000))), ['1500000']);
  for (const bytes of [2_100_000, 8_000_000, 40_000_000]) {
    const error = errorOf(await client.query(long(bytes)));
    assert.match(error?.['M'] ?? '', /at most 2097152/);
    assert.equal(error?.['S'], 'ERROR');
    await assertServes(client);
    const extended = errorOf(await client.ask(parse('', long(bytes)), bind({}), execute(), sync()));
    assert.match(extended?.['M'] ?? '', /at most 2097152/);
    await assertServes(client);
  }
  client.destroy();
});

/** LIBRARIES: what breaks the grammar's instance when it reaches it. */
const poison: readonly string[] = [
  `SELECT ${'1+'.repeat(20_000)}1`,
  `SELECT ${'('.repeat(20_000)}1${')'.repeat(20_000)}`,
  `SELECT 1 WHERE ${'true AND '.repeat(20_000)}true`,
  `SELECT 1 WHERE ${'NOT '.repeat(20_000)}true`,
  `SELECT ${'(SELECT '.repeat(5_000)}1${')'.repeat(5_000)}`,
  `SELECT 1${' UNION SELECT 1'.repeat(20_000)}`,
  `SELECT ${'CASE WHEN true THEN '.repeat(5_000)}1${' END'.repeat(5_000)}`,
  `SELECT ${'f('.repeat(20_000)}1${')'.repeat(20_000)}`,
  `SELECT '{}'::jsonb${" -> 'a'".repeat(20_000)}`,
  `SELECT ${'-'.repeat(20_001).replaceAll('-', '- ')}1`,
  `DO $$ BEGIN ${'IF true THEN '.repeat(5_000)} NULL; ${'END IF; '.repeat(5_000)} END $$`,
  `SELECT ${'ARRAY['.repeat(10_000)}1${']'.repeat(10_000)}`,
];
test('no statement poisons the parser: the known attacks by two clients at once, then everybody parses on', async () => {
  const [one, two, good] = await Promise.all([
    rig.login('analysts', 'ana'),
    rig.login('analysts', 'abe'),
    rig.login('analysts', 'ann'),
  ]);
  for (let round = 0; round < 4; round++) {
    for (const statement of poison) {
      const [first, second] = await Promise.all([
        one.query(statement),
        two.ask(parse('', statement), bind({}), execute(), sync()),
      ]);
      // Some are flat enough to be answered; whatever comes is one answer, and the session goes on.
      assert.equal(first.filter(({ type }) => type === 'Z').length, 1);
      assert.equal(second.filter(({ type }) => type === 'Z').length, 1);
      assert.deepEqual(firstColumns(await good.query('SELECT id FROM people WHERE id = 7')), ['7']);
    }
  }
  await assertServes(one);
  await assertServes(two);
  assert.match(firstColumns(await good.query(`${LEAK} WHERE id = 7`))[0] ?? '', /^(?!secret)/, 'and masks go on');
  assertNothingLeaked(good);
  for (const client of [one, two, good]) client.destroy();
});
