import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import {
  cancelTarget,
  connectTarget,
  TargetError,
  type TargetErrorCode,
  type TargetOptions,
  TargetQueries,
} from '../../../../src/dataplane/target/index.ts';
import { freePort, type PrivatePostgres, startPostgres } from './private-postgres.ts';

let server: PrivatePostgres;
before(async () => {
  server = await startPostgres();
});
after(async () => {
  await server[Symbol.asyncDispose]();
});

function options(user: string, more: Partial<TargetOptions> = {}): TargetOptions {
  return {
    address: { host: 'localhost', port: server.port },
    tls: 'disable',
    database: 'postgres',
    user,
    password: () => 's3cret pass',
    startupParameters: { application_name: 'gatehouse test' },
    deadlineMs: 10_000,
    ...more,
  };
}

async function fails(promise: Promise<unknown>, code: TargetErrorCode, message: RegExp): Promise<TargetError> {
  let failure: unknown;
  await promise.catch((error: unknown) => {
    failure = error;
  });
  assert.ok(failure instanceof TargetError, `expected a TargetError, got ${String(failure)}`);
  assert.equal(failure.code, code, failure.message);
  assert.match(failure.message, message);
  assert.doesNotMatch(failure.message, /s3cret|wrong one/);
  return failure;
}

for (const user of ['trusty', 'md5user', 'scram', 'clear']) {
  test(`${user} logs in over loopback in clear text, and the socket is handed over untouched`, async () => {
    const session = await connectTarget(options(user));
    assert.equal(session.parameters.get('application_name'), 'gatehouse test');
    assert.equal(session.parameters.get('client_encoding'), 'UTF8');
    assert.equal(session.backendKey?.key.length, 4);
    assert.equal(session.transactionStatus, 'I');
    assert.equal(session.leftOver.length, 0);
    assert.ok(session.socket.isPaused());
    for (const event of ['data', 'end', 'close', 'readable'])
      assert.equal(session.socket.listenerCount(event), event === 'end' ? 1 : 0, event);
    session.socket.destroy();
  });
}

for (const user of ['md5user', 'scram', 'clear', 'tlsonly']) {
  test(`${user} logs in over TLS whose certificate is fully verified`, async () => {
    const session = await connectTarget(options(user, { tls: 'verify-full', ca: server.certificate }));
    assert.equal((session.socket as { encrypted?: boolean }).encrypted, true);
    session.socket.destroy();
  });
}

test('over TLS the login is bound to the channel when the server offers it', async () => {
  const queries = await TargetQueries.connect(options('tlsonly', { tls: 'require' }));
  assert.deepEqual(await queries.query('SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()'), [['true']]);
  queries.close();
});

test('the authorities may stand in a file', async () => {
  const ca = join(server.folder, 'ca.pem');
  writeFileSync(ca, server.certificate);
  const session = await connectTarget(options('scram', { tls: 'verify-full', ca }));
  session.socket.destroy();
  await fails(
    connectTarget(options('scram', { tls: 'verify-ca', ca: `${ca}.missing` })),
    'ERR_TARGET_TLS_FAILED',
    /cannot be read/,
  );
});

test('verify-full wants the certificate to name the host, verify-ca does not', async () => {
  const address = { host: '127.0.0.1', port: server.port };
  const ca = server.certificate;
  await fails(
    connectTarget(options('scram', { address, tls: 'verify-full', ca })),
    'ERR_TARGET_TLS_FAILED',
    /not made for 127\.0\.0\.1/,
  );
  const session = await connectTarget(options('scram', { address, tls: 'verify-ca', ca }));
  session.socket.destroy();
});

test('a certificate from an unknown authority is refused, unless nothing is to be verified', async () => {
  for (const tls of ['verify-ca', 'verify-full'] as const) {
    await fails(connectTarget(options('scram', { tls })), 'ERR_TARGET_TLS_FAILED', /no authority that is trusted here/);
  }
  const session = await connectTarget(options('scram', { tls: 'require' }));
  session.socket.destroy();
});

for (const user of ['md5user', 'scram', 'clear']) {
  test(`a wrong password for ${user} is told apart from other failures`, async () => {
    const failure = await fails(
      connectTarget(options(user, { password: () => 'wrong one' })),
      'ERR_TARGET_AUTHENTICATION',
      /refused the login of ".*password authentication failed.*\(28P01\)/,
    );
    assert.equal(failure.sqlstate, '28P01');
  });
}

test('a password that is asked for and not configured', async () => {
  await fails(
    connectTarget(options('scram', { password: () => undefined })),
    'ERR_TARGET_AUTHENTICATION_METHOD',
    /none is configured/,
  );
});

test('an unknown database is named', async () => {
  const failure = await fails(
    connectTarget(options('trusty', { database: 'nosuch' })),
    'ERR_TARGET_REFUSED',
    /database, "nosuch"/,
  );
  assert.equal(failure.sqlstate, '3D000');
});

test('a closed port and an unknown name are told with what to check', async () => {
  const address = { host: '127.0.0.1', port: await freePort() };
  await fails(
    connectTarget(options('trusty', { address })),
    'ERR_TARGET_UNREACHABLE',
    /nothing listens at 127\.0\.0\.1:\d+\. Check/,
  );
  const unknown = { host: 'no-such-host.invalid', port: 5432 };
  await fails(
    connectTarget(options('trusty', { address: unknown })),
    'ERR_TARGET_UNREACHABLE',
    /no-such-host\.invalid/,
  );
});

test('a Unix socket is an address like any other', async () => {
  const session = await connectTarget(options('clear', { address: { host: server.folder, port: server.port } }));
  session.socket.destroy();
});

test('asking for 3.2 is understood by servers that know it and by those that do not', async () => {
  const session = await connectTarget(options('scram', { protocolMinor: 2 }));
  const version = Number.parseInt(session.parameters.get('server_version') ?? '', 10);
  assert.equal(session.backendKey?.key.length, version >= 18 ? 32 : 4);
  session.socket.destroy();
});

test('a running query is cancelled over a connection with the same TLS mode', async () => {
  for (const tls of ['disable', 'require'] as const) {
    const target = options('scram', { tls });
    const session = await connectTarget(target);
    assert.ok(session.backendKey);
    const queries = await TargetQueries.connect(target);
    const key = await keyOf(target);
    const sleeping = fails(
      key.queries.query('SELECT pg_sleep(30)'),
      'ERR_TARGET_QUERY',
      /canceling statement due to user request \(57014\)/,
    );
    const running = `SELECT 1 FROM pg_stat_activity WHERE pid = ${key.pid} AND state = 'active' AND query LIKE '%pg_sleep%'`;
    while ((await queries.query(running)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await cancelTarget(target, key);
    await sleeping;
    assert.deepEqual(await key.queries.query('SELECT 1'), [['1']]);
    queries.close();
    key.queries.close();
    session.socket.destroy();
  }
});

/** A query connection together with its own cancel key. */
async function keyOf(target: TargetOptions) {
  const queries = await TargetQueries.connect(target);
  const { backendKey } = queries;
  assert.ok(backendKey);
  return { queries, ...backendKey };
}

test('queries give text rows of all their statements, one query after the other', async () => {
  const queries = await TargetQueries.connect(options('scram'));
  const results = await Promise.all([
    queries.query('SELECT 1, NULL, $$ä€$$; SELECT 2'),
    queries.query('CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (7); SELECT n FROM t'),
    queries.query(''),
    queries.query("DO $$ BEGIN RAISE NOTICE 'x'; END $$"),
    queries.query('COPY t TO STDOUT'),
  ]);
  assert.deepEqual(results, [[['1', null, 'ä€'], ['2']], [['7']], [], [], []]);
  assert.equal(queries.parameters.get('client_encoding'), 'UTF8');
  queries.close();
  await fails(queries.query('SELECT 1'), 'ERR_TARGET_LOST', /the gateway closed/);
});

test('an error in a query, and a COPY FROM that gets no data, leave the connection usable', async () => {
  const queries = await TargetQueries.connect(options('scram'));
  const failure = await fails(
    queries.query('SELECT * FROM nosuch'),
    'ERR_TARGET_QUERY',
    /relation "nosuch" does not exist \(42P01\)/,
  );
  assert.equal(failure.sqlstate, '42P01');
  await queries.query('CREATE TEMP TABLE t (n int)');
  await fails(queries.query('COPY t FROM STDIN'), 'ERR_TARGET_QUERY', /57014/);
  assert.ok(queries.usable);
  assert.deepEqual(await queries.query('SELECT count(*) FROM t'), [['0']]);
  queries.close();
});

test('a result beyond its bounds closes the connection', async () => {
  const rows = await TargetQueries.connect(options('scram'), { maxRows: 10 });
  await fails(rows.query('SELECT generate_series(1, 11)'), 'ERR_TARGET_TOO_MUCH', /more than 10 rows/);
  assert.ok(!rows.usable);
  await fails(rows.query('SELECT 1'), 'ERR_TARGET_TOO_MUCH', /more than 10 rows/);
  const bytes = await TargetQueries.connect(options('scram'), { maxBytes: 100_000 });
  await fails(
    bytes.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000)"),
    'ERR_TARGET_TOO_MUCH',
    /100000 bytes/,
  );
});

test('a query that takes too long closes the connection', async () => {
  const queries = await TargetQueries.connect(options('scram'), { timeoutMs: 200 });
  const waiting = [queries.query('SELECT pg_sleep(30)'), queries.query('SELECT 1')] as const;
  const second = fails(waiting[1], 'ERR_TARGET_TIMEOUT', /0\.2 s/);
  await fails(waiting[0], 'ERR_TARGET_TIMEOUT', /did not answer a question of the gateway within 0\.2 s/);
  await second;
  assert.ok(!queries.usable);
});

test('a connection that the server ends says so, in the server’s words', async () => {
  const queries = await TargetQueries.connect(options('scram'));
  const admin = await TargetQueries.connect(options('postgres'));
  const waiting = fails(
    queries.query('SELECT pg_sleep(30)'),
    'ERR_TARGET_LOST',
    /ended the connection: terminating connection due to administrator command \(57P01\)/,
  );
  await admin.query(`SELECT pg_terminate_backend(${queries.backendKey?.pid})`);
  await waiting;
  assert.ok(!queries.usable);
  admin.close();
});
