import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { frontend } from '../../src/wire/postgres/index.ts';
import { errorOf, firstColumns, frame, type RawClient } from './support/raw-client.ts';
import { Rig, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

/*
 * Clients that have not proved who they are: whatever they send, they get one clear error or nothing, the target hears nothing of them,
 * and people who behave are served meanwhile.
 */
const AUTHENTICATION_SECONDS = 2;
let server: CrashableServer;
let rig: Rig;

before(async () => {
  server = await CrashableServer.create(SCHEMA);
  rig = await Rig.open(server, {
    extra: `limits: { authentication_seconds: ${AUTHENTICATION_SECONDS}, max_connections: 400 }`,
  });
});
afterEach(() => rig.hangUp());
after(async () => {
  await rig[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

function startup(parameters: Readonly<Record<string, string>>, minor = 0): Buffer {
  return frontend.startup(Object.entries(parameters), minor);
}

/** The error a client gets before the connection is closed. */
async function refusedWith(client: RawClient): Promise<Readonly<Record<string, string>> | undefined> {
  await client.end();
  return errorOf(client.replies);
}

async function serves(): Promise<void> {
  const client = await rig.login();
  assert.deepEqual(firstColumns(await client.query('SELECT 41 + 1')), ['42']);
  client.destroy();
}

const SSL_REQUEST = frontend.sslRequest();
const ATTACK = frontend.query("INSERT INTO notes (body) VALUES ('smuggled')");

const malformed: Readonly<Record<string, { bytes: Buffer; code: string | undefined }>> = {
  'a length of 0': { bytes: uint32(0, 196_608), code: '08P01' },
  'a length of 1': { bytes: uint32(1, 196_608), code: '08P01' },
  'a length of 3': { bytes: uint32(3, 196_608), code: '08P01' },
  'a length of 7': { bytes: uint32(7, 196_608), code: '08P01' },
  'a length of 2^31 - 1': { bytes: uint32(0x7fffffff, 196_608), code: '08P01' },
  'a length of 2^31': { bytes: uint32(0x80000000, 196_608), code: '08P01' },
  'a length of 2^32 - 1': { bytes: uint32(0xffffffff, 196_608), code: '08P01' },
  'a length above the cap': { bytes: uint32(10_001, 196_608), code: '08P01' },
  'a page request': { bytes: Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), code: '08P01' },
  'protocol 2.0': { bytes: uint32(8, 131_072), code: '0A000' },
  'protocol 4.0': { bytes: uint32(9, 262_144, 0).subarray(0, 9), code: '0A000' },
  'a parameter without a value': {
    bytes: Buffer.concat([uint32(14, 196_608), Buffer.from('user\0\0')]),
    code: '08P01',
  },
  'parameters without an end': {
    bytes: Buffer.concat([uint32(17, 196_608), Buffer.from('user\0bob\0')]),
    code: '08P01',
  },
  'bytes behind the end of the parameters': {
    bytes: Buffer.concat([uint32(20, 196_608), Buffer.from('user\0bob\0\0xx')]),
    code: '08P01',
  },
  'the same parameter twice': {
    bytes: Buffer.concat([uint32(27, 196_608), Buffer.from('user\0bob\0user\0eve\0\0')]),
    code: '08P01',
  },
  'a TLS handshake where no certificate is configured': {
    bytes: Buffer.from('16030100a5010000a1', 'hex'),
    code: undefined,
  },
  'a cancel request without a key': { bytes: uint32(12, 80_877_102, 7), code: '08P01' },
};

for (const [name, { bytes, code }] of Object.entries(malformed)) {
  test(`a connection that begins with ${name} is closed${code ? ` with ${code}` : ''}`, async () => {
    const client = await rig.connect();
    client.send(bytes);
    const error = await refusedWith(client);
    assert.equal(error?.['C'], code);
    if (error) {
      assert.equal(error['S'], 'FATAL');
      assert.match(error['M'] ?? '', /^gatehouse: /);
    }
    await serves();
  });
}

test('the startup parameters of PostgreSQL that would act before the login do not act', async () => {
  for (const more of [{ replication: 'database' }, { replication: 'true' }, { replication: 'on' }]) {
    const client = await rig.connect();
    client.send(startup({ user: 'eve', database: 'shop', ...more }));
    assert.equal((await refusedWith(client))?.['C'], '0A000');
  }
  // A search_path of the startup packet must not have run anything for somebody who fails to log in.
  const client = await rig.connect();
  client.send(startup({ user: 'eve', database: 'shop', search_path: 'evil', options: '-c role=postgres' }));
  await client.until('R');
  client.send(frontend.password('no token'));
  const error = await refusedWith(client);
  assert.equal(error?.['C'], '28P01');
  assert.doesNotMatch(error?.['M'] ?? '', /evil|postgres/);
});

test('settings of the startup packet are judged as SET: another role is refused, a harmless one is taken', async () => {
  for (const more of [
    { options: '-c role=postgres' },
    { options: '-csession_authorization=postgres' },
    { role: 'postgres' },
    { session_authorization: 'postgres' },
  ]) {
    const client = await rig.login('analysts', 'ana', more as Readonly<Record<string, string>>);
    const error = errorOf(client.replies);
    assert.ok(error, JSON.stringify(more));
    assert.match(error['C'] ?? '', /^(42501|0A000|28000)$/, JSON.stringify(error));
    await client.end();
  }
  const client = await rig.login('analysts', 'ana', { options: '-c statement_timeout=7s', datestyle: 'German' });
  assert.deepEqual(firstColumns(await client.query('SHOW statement_timeout')), ['7s']);
  client.destroy();
});

test('a startup packet without user or with an unknown protocol minor is answered in order', async () => {
  const nobody = await rig.connect();
  nobody.send(startup({ database: 'shop' }));
  await nobody.until('R', 'E');
  nobody.send(frontend.password('x'));
  assert.match((await refusedWith(nobody))?.['C'] ?? '', /^28/);
  const future = await rig.connect();
  future.send(startup({ user: 'eve', database: 'shop', '_pq_.compression': 'zstd' }, 99));
  const negotiated = await future.until('v');
  assert.equal(negotiated.body.readUInt16BE(2), 2, 'newest minor that is spoken');
  assert.match(negotiated.body.toString('latin1'), /_pq_\.compression/);
  await future.until('R');
  future.send(frontend.password(await rig.token('eve', ['engineers'])));
  await future.until('Z');
  assert.deepEqual(firstColumns(await future.query('SELECT 1')), ['1']);
  future.destroy();
});

for (const [name, request] of [
  ['SSLRequest', SSL_REQUEST],
  ['GSSENCRequest', frontend.gssEncRequest()],
] as const) {
  test(`a statement behind ${name} in one segment is never executed`, async () => {
    const token = await rig.token('eve', ['engineers']);
    for (const behind of [
      ATTACK,
      Buffer.concat([startup({ user: 'eve', database: 'shop' }), frontend.password(token), ATTACK]),
      Buffer.from([0]),
    ]) {
      const client = await rig.connect();
      client.send(request, behind);
      assert.equal((await refusedWith(client))?.['C'], '08P01');
    }
    assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'smuggled'"), 0);
  });

  test(`${name} may not come for ever`, async () => {
    const client = await rig.connect();
    client.send(request);
    assert.equal(await client.byte(), 'N');
    client.send(request);
    assert.equal(await client.byte(), 'N');
    client.send(request);
    assert.equal((await refusedWith(client))?.['C'], '08P01');
  });
}

test('SSLRequest is answered with N, and the session goes on in clear on loopback', async () => {
  const client = await rig.connect();
  client.send(SSL_REQUEST);
  assert.equal(await client.byte(), 'N');
  client.send(startup({ user: 'eve', database: 'shop' }));
  await client.until('R');
  client.send(frontend.password(await rig.token('eve', ['engineers'])));
  await client.until('Z');
  assert.deepEqual(firstColumns(await client.query('SELECT 1')), ['1']);
  client.destroy();
});

test('statements in the segment of a wrong password are never executed, those behind a right one are', async () => {
  const wrong = await rig.connect();
  wrong.send(startup({ user: 'eve', database: 'shop' }), frontend.password('wrong'), ATTACK);
  assert.equal((await refusedWith(wrong))?.['C'], '28P01');
  assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'smuggled'"), 0);
  const right = await rig.connect();
  right.send(
    startup({ user: 'eve', database: 'shop' }),
    frontend.password(await rig.token('eve', ['engineers'])),
    frontend.query('SELECT 7'),
  );
  await right.when(() => right.letters().includes('DCZ'), 'the early statement');
  assert.deepEqual(firstColumns(right.replies), ['7']);
  right.destroy();
});

const notPassword: Readonly<Record<string, Buffer>> = {
  'a Query': ATTACK,
  'a Parse': frontend.parse('', 'SELECT 1'),
  'an unknown type': frame('!', Buffer.alloc(4)),
  'a password of 2^31 - 1 bytes': frame('p', Buffer.alloc(0), 0x7fffffff),
  'a password of 2^32 - 1 bytes': frame('p', Buffer.alloc(0), 0xffffffff),
  'a password of length 3': frame('p', Buffer.alloc(0), 3),
  'a password of length 0': frame('p', Buffer.alloc(0), 0),
  'a password without its end': frame('p', Buffer.from('abc')),
  'a password with a NUL inside': frame('p', Buffer.from('abc\0def\0')),
  'a password of 70,000 bytes': frame('p', Buffer.alloc(70_000, 0x61)),
};
for (const [name, bytes] of Object.entries(notPassword)) {
  test(`${name} in the place of the password ends the connection`, async () => {
    const client = await rig.connect();
    client.send(startup({ user: 'eve', database: 'shop' }));
    await client.until('R');
    client.send(bytes);
    const error = await refusedWith(client);
    assert.match(error?.['C'] ?? '', /^(08P01|28P01|28000)$/, JSON.stringify(error));
    assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'smuggled'"), 0);
  });
}

const stalls: Readonly<Record<string, (client: RawClient) => void | Promise<void>>> = {
  'says nothing': () => undefined,
  'stops after SSLRequest': (client) => void client.send(SSL_REQUEST),
  'stops after three bytes of a length': (client) => void client.send(Buffer.from([0, 0, 0])),
  'stops inside the startup packet': (client) =>
    void client.send(startup({ user: 'eve', database: 'shop' }).subarray(0, 12)),
  'stops at the password': (client) => void client.send(startup({ user: 'eve', database: 'shop' })),
  'stops inside the password': (client) =>
    void client.send(startup({ user: 'eve' }), frame('p', Buffer.from('ab'), 1_000)),
};
test('a client that stalls is told so and put out at the deadline, counted from its arrival', async () => {
  // All at once, and no subtests: what is done after each test would end the connections of the others.
  await Promise.all(
    Object.entries(stalls).map(async ([name, begin]) => {
      const client = await rig.connect();
      const began = performance.now();
      await sleep(AUTHENTICATION_SECONDS * 500); // what is said late does not prolong it
      await begin(client);
      await client.end();
      const seconds = (performance.now() - began) / 1_000;
      assert.ok(seconds > AUTHENTICATION_SECONDS * 0.8, `${name}: ${seconds} s`);
      assert.match(client.text(), /authentication took too long/, name);
    }),
  );
});

test('an endless startup, one byte now and then, does not outlive the deadline either', async () => {
  const client = await rig.connect();
  const began = performance.now();
  const packet = Buffer.concat([uint32(9_000, 196_608), Buffer.alloc(8_992, 0x61)]);
  let at = 0;
  const drip = setInterval(() => client.send(packet.subarray(at, ++at)), 50);
  await client.end();
  clearInterval(drip);
  assert.ok(performance.now() - began < AUTHENTICATION_SECONDS * 1_450);
  assert.match(rig.log, /did not authenticate in time/);
});

test('200 stalled connections: everybody else is served meanwhile, and they leave nothing behind', async () => {
  const before = await rig.metric('gatehouse_connections_open');
  const stalled = await Promise.all(Array.from({ length: 200 }, () => rig.connect()));
  stalled.forEach((client, index) => {
    if (index % 3 === 0) client.send(SSL_REQUEST);
    if (index % 3 === 1) client.send(Buffer.from([0]));
  });
  const began = performance.now();
  await serves();
  await serves();
  assert.ok(performance.now() - began < 1_500, 'not slowed down');
  await Promise.all(stalled.map((client) => client.end()));
  await stalled[0]?.when(() => true, '');
  for (let turn = 0; turn < 50 && (await rig.metric('gatehouse_connections_open')) > before; turn++) await sleep(20);
  assert.ok((await rig.metric('gatehouse_connections_open')) <= before);
});

test('cancel requests with wrong keys do nothing, however many, nor does the right one at the target; the right key cancels', async () => {
  const client = await rig.login();
  const key = client.replies.find(({ type }) => type === 'K')?.body;
  assert.ok(key);
  const pid = key.readUInt32BE(0);
  const secret = key.subarray(4);
  const running = client.query('SELECT pg_sleep(30)');
  const cancel = async (id: number, bytes: Buffer): Promise<void> => {
    const other = await rig.connect();
    other.send(frontend.cancelRequest(id, bytes));
    await other.end();
    assert.equal(other.received, 0, 'a cancel request is never answered');
  };
  const sleeping = "query LIKE 'SELECT pg_sleep%' AND state = 'active'";
  const pidOf = () => server.value(`SELECT pid FROM pg_stat_activity WHERE ${sleeping}`);
  let targetPid = await pidOf();
  for (let turn = 0; turn < 200 && targetPid === undefined; turn++) {
    await sleep(20);
    targetPid = await pidOf();
  }
  const flipped = Buffer.from(secret);
  flipped.writeUInt8((flipped[0] ?? 0) ^ 1, 0);
  await Promise.all([
    ...Array.from({ length: 40 }, (_, index) => cancel(pid, Buffer.from([index, 1, 2, 3]))),
    cancel(pid, flipped),
    cancel(pid, Buffer.concat([secret, secret])),
    cancel(pid + 1, secret),
    cancelAtTarget(pid, secret),
  ]);
  assert.equal(pid, Number(targetPid), 'clients look for themselves in the views of the database');
  assert.equal(
    await server.value(
      "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'",
    ),
    1,
  );
  await cancel(pid, secret);
  assert.equal(errorOf(await running)?.['C'], '57014');
  assert.deepEqual(firstColumns(await client.query('SELECT 1')), ['1']);
  client.destroy();
});

/** What the gateway gives its client, tried at the database itself. */
async function cancelAtTarget(pid: number, secret: Buffer): Promise<void> {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.end(frontend.cancelRequest(pid, secret));
  await once(socket, 'close');
}

test('tokens that are wrong, expired or of somebody else’s issuer say nothing about the target', async () => {
  const foreign = `${Buffer.from('{"alg":"ES256","kid":"k1"}').toString('base64url')}.${Buffer.from('{"iss":"https://evil.test","sub":"eve","groups":["engineers"]}').toString('base64url')}.AAAA`;
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"iss":"https://idp.test","aud":"gatehouse","sub":"eve","groups":["engineers"],"exp":9999999999}').toString('base64url')}.`;
  for (const token of [
    '',
    'x',
    foreign,
    none,
    await rig.token('eve', ['engineers'], {}, Math.floor(Date.now() / 1_000) - 3_600),
    await rig.token('eve', ['engineers'], { nbf: Math.floor(Date.now() / 1_000) + 3_600 }),
  ]) {
    const client = await rig.connect();
    client.send(startup({ user: 'eve', database: 'shop' }));
    await client.until('R');
    client.send(frontend.password(token));
    const error = await refusedWith(client);
    assert.match(error?.['C'] ?? '', /^28/, token.slice(0, 30));
    assert.doesNotMatch(JSON.stringify(error), /app secret|127\.0\.0\.1/);
  }
});

test('a database that is not configured, and one that policy closes, are told apart from each other only in words', async () => {
  const unknown = await rig.login('engineers', 'eve', { database: 'nowhere' });
  assert.equal(errorOf(unknown.replies)?.['C'], '3D000');
  const stranger = await rig.login('strangers', 'sam');
  assert.equal(errorOf(stranger.replies)?.['C'], '42501');
});
