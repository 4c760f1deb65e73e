import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { frontend } from '../../src/wire/postgres/index.ts';
import { errorOf, firstColumns, RawClient } from './support/raw-client.ts';
import { Rig, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

const AUTHENTICATION_SECONDS = 2;
let server: CrashableServer;
let rig: Rig;
const certificates = mkdtempSync(join(tmpdir(), 'gatehouse-fault-tls-'));

before(async () => {
  const cert = join(certificates, 'cert.pem');
  const key = join(certificates, 'key.pem');
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  server = await CrashableServer.create(SCHEMA);
  rig = await Rig.open(server, {
    extra: `tls: { cert: ${cert}, key: ${key} }\nlimits: { authentication_seconds: ${AUTHENTICATION_SECONDS} }`,
  });
});
after(async () => {
  await rig[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(certificates, { recursive: true, force: true });
});

const SSL_REQUEST = frontend.sslRequest();
const STARTUP = frontend.startup(Object.entries({ user: 'eve', database: 'shop' }), 0);
const ATTACK = frontend.query("INSERT INTO notes (body) VALUES ('smuggled')");

async function handshake(client: RawClient, alpn: readonly string[] = []): Promise<TLSSocket> {
  client.socket.removeAllListeners('data');
  return new Promise((resolve, reject) => {
    const secure = connectTls({ socket: client.socket, rejectUnauthorized: false, ALPNProtocols: [...alpn] }, () =>
      resolve(secure),
    );
    secure.once('error', reject);
    secure.once('close', () => reject(new Error('closed during the handshake')));
  });
}

async function login(secure: TLSSocket): Promise<RawClient> {
  const client = new RawClient(secure);
  client.send(STARTUP);
  await client.until('R');
  client.send(frontend.password(await rig.token('eve', ['engineers'])));
  await client.until('Z');
  return client;
}

async function encrypted(): Promise<RawClient> {
  const client = await rig.connect();
  client.send(SSL_REQUEST);
  assert.equal(await client.byte(), 'S');
  return login(await handshake(client));
}

test('SSLRequest leads to an encrypted session', async () => {
  const client = await encrypted();
  assert.deepEqual(firstColumns(await client.query('SELECT 1')), ['1']);
  client.destroy();
});

test('clear text behind SSLRequest in one segment is refused before any TLS, and never executed', async () => {
  const token = await rig.token('eve', ['engineers']);
  const client = await rig.connect();
  client.send(SSL_REQUEST, STARTUP, frontend.password(token), ATTACK);
  await client.end();
  assert.equal(errorOf(client.replies)?.['C'], '08P01');
  assert.equal(await server.value('SELECT count(*)::int FROM notes'), 0);
});

test('clear text after the S, in the place of a handshake, is no session', async () => {
  const token = await rig.token('eve', ['engineers']);
  const client = await rig.connect();
  client.send(SSL_REQUEST);
  assert.equal(await client.byte(), 'S');
  client.send(STARTUP, frontend.password(token), ATTACK);
  await client.end();
  assert.doesNotMatch(client.letters(), /[RZ]/);
  assert.equal(await server.value('SELECT count(*)::int FROM notes'), 0);
});

test('a second SSLRequest inside TLS is refused', async () => {
  const first = await rig.connect();
  first.send(SSL_REQUEST);
  assert.equal(await first.byte(), 'S');
  const client = new RawClient(await handshake(first));
  client.send(SSL_REQUEST);
  await client.end();
  assert.equal(errorOf(client.replies)?.['C'], '08P01');
});

test('direct TLS needs the name of the protocol', async () => {
  const right = await login(await handshake(await rig.connect(), ['postgresql']));
  assert.deepEqual(firstColumns(await right.query('SELECT 1')), ['1']);
  right.destroy();
  for (const alpn of [[], ['http/1.1']]) {
    const client = await rig.connect();
    const secure = await handshake(client, alpn).catch(() => undefined);
    if (secure) {
      const wrong = new RawClient(secure);
      wrong.send(STARTUP);
      await wrong.end();
      assert.equal(wrong.received, 0, 'not one word');
    }
  }
});

/** A ClientHello that stops in its middle. */
const TRUNCATED = Buffer.from('1603010200010001fc0303', 'hex');
test('a handshake that is cut short, garbled or never begun ends at the deadline', { concurrency: true }, async (t) => {
  const begin: Readonly<Record<string, readonly Buffer[]>> = {
    'nothing after SSLRequest': [SSL_REQUEST],
    'half a ClientHello after SSLRequest': [SSL_REQUEST, TRUNCATED],
    'half a ClientHello at once': [TRUNCATED],
  };
  await Promise.all(
    Object.entries(begin).map(([name, [first, second]]) =>
      t.test(name, async () => {
        const client = await rig.connect();
        const began = performance.now();
        client.send(first ?? Buffer.alloc(0));
        if (first === SSL_REQUEST) await client.byte();
        if (second) client.send(second);
        await client.end();
        const seconds = (performance.now() - began) / 1_000;
        assert.ok(seconds > AUTHENTICATION_SECONDS * 0.8 && seconds < AUTHENTICATION_SECONDS + 3, `${seconds} s`);
      }),
    ),
  );
  const client = await encrypted();
  assert.deepEqual(firstColumns(await client.query('SELECT 1')), ['1']);
  client.destroy();
});

test('bytes that are no TLS record end an encrypted session at once; nothing of them is executed', async () => {
  // Somebody on the path, who can send what he likes but has no keys.
  const towards: Socket[] = [];
  const middle = createServer((socket) => {
    const upstream = connect(rig.address.port, rig.address.host);
    towards.push(upstream);
    socket.on('error', () => undefined);
    upstream.on('error', () => undefined);
    socket.pipe(upstream).pipe(socket);
    upstream.on('close', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(middle, 'listening');
  try {
    const plain = await RawClient.connect({ host: '127.0.0.1', port: (middle.address() as AddressInfo).port });
    plain.send(SSL_REQUEST);
    assert.equal(await plain.byte(), 'S');
    const client = await login(await handshake(plain));
    assert.ok((await sessions()) >= 1);
    towards[0]?.write(ATTACK);
    await client.end();
    await noSession();
  } finally {
    middle.close();
  }
  assert.equal(await server.value('SELECT count(*)::int FROM notes'), 0);
});

test('a session cut off without the farewell of TLS is over', async () => {
  const client = await encrypted();
  assert.ok((await sessions()) >= 1);
  client.socket.destroy();
  await noSession();
});

/** The target has no session of the gateway any more. */
async function noSession(): Promise<void> {
  for (let turn = 0; turn < 200 && (await sessions()) > 0; turn++) await sleep(20);
  assert.equal(await sessions(), 0);
}

async function sessions(): Promise<number> {
  return Number(
    await server.value(
      "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND application_name <> 'gatehouse catalog'",
    ),
  );
}
