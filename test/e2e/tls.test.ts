/** TLS towards clients: asked for, direct, verified, and bound to the credential. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { Door } from '../support/clients/door.ts';
import { missing, psql } from '../support/clients/programs.ts';
import { describe, RawClient } from '../support/clients/raw-client.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const skip = await missing({ programs: ['openssl', 'psql'] });
let house: House;
let door: Door;
let certificate: string;

before(async () => {
  if (skip !== false) return;
  house = await openHouse({
    extra: 'tls: { cert: ./cert.pem, key: ./key.pem }',
    prepare: async (_server, folder) => {
      certificate = join(folder, 'cert.pem');
      await promisify(execFile)('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...[
          '-subj',
          '/CN=localhost',
          '-addext',
          'subjectAltName=DNS:localhost',
          '-keyout',
          join(folder, 'key.pem'),
          '-out',
          certificate,
        ],
      ]);
    },
  });
  door = await house.through('ana', 'analysts');
});
after(() => house?.[Symbol.asyncDispose]());

test('psql encrypts when it is asked to, and verifies who answers', { skip }, async () => {
  const as = (env: NodeJS.ProcessEnv) => psql(door, `\\conninfo\nSELECT count(*) FROM shop.products`, { env });
  for (const env of [
    { PGSSLMODE: 'require' },
    { PGSSLMODE: 'prefer' },
    { PGSSLMODE: 'verify-full', PGSSLROOTCERT: certificate, PGHOST: 'localhost', PGHOSTADDR: door.host },
  ]) {
    const { code, stdout, stderr } = await as(env);
    assert.deepEqual([code, stdout.split('\n').at(-2)], [0, '40'], stderr);
    assert.match(stdout, /SSL connection \(protocol: TLSv1\.3/);
  }
  const other = await as({
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: certificate,
    PGHOST: 'elsewhere.test',
    PGHOSTADDR: door.host,
  });
  assert.equal(other.code, 2);
  assert.match(other.stderr, /does not match/);
  const clear = await as({ PGSSLMODE: 'disable' });
  assert.equal(clear.code, 0, 'loopback may do without');
});

test('a session credential is bound to the channel', { skip }, async () => {
  const issued = await issueOverTls();
  const { code, stdout, stderr } = await psql(
    { ...door, user: issued.id, password: issued.secret },
    'SELECT count(*) FROM shop.products',
    {
      env: { PGSSLMODE: 'require', PGCHANNELBINDING: 'require' },
    },
  );
  assert.deepEqual([code, stdout], [0, '40\n'], stderr);
});

test('direct TLS needs no question first, but the protocol’s name', { skip }, async () => {
  const direct = async (ALPNProtocols: string[]) => {
    const socket = tls.connect({
      host: door.host,
      port: door.port,
      ca: await readFile(certificate),
      servername: 'localhost',
      ALPNProtocols,
    });
    socket.on('error', () => undefined);
    return socket;
  };
  const socket = await direct(['postgresql']);
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, 'postgresql');
  const client = new RawClient(socket);
  client.startUp({ user: 'ana', database: 'shop' });
  client.send(frontend.password(door.password));
  await client.until('ready-for-query');
  assert.equal((await client.ask(frontend.query('SELECT 1'))).map(describe).at(-2), 'command-complete SELECT 1');
  client.close();
  for (const wrong of [['http/1.1'], []]) {
    const refused = await direct(wrong);
    refused.resume();
    await new Promise<void>((closed) => refused.once('close', () => closed()));
  }
});

test('bytes smuggled in behind the question for TLS are refused', { skip }, async () => {
  const socket = connect(door.port, door.host);
  await once(socket, 'connect');
  socket.write(
    Buffer.concat([frontend.sslRequest(), frontend.startup(Object.entries({ user: 'eve', database: 'shop' }), 0)]),
  );
  const said: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => said.push(chunk));
  await once(socket, 'close');
  assert.match(Buffer.concat(said).toString(), /unencrypted data after SSL request/);
});

async function issueOverTls(): Promise<{ id: string; secret: string }> {
  const { request } = await import('node:https');
  const { host, port } = house.gateway.addresses.control;
  const sent = request({
    ...{
      host,
      port,
      method: 'POST',
      path: '/v1/credentials',
      ca: await readFile(certificate),
      servername: 'localhost',
    },
    headers: { authorization: `Bearer ${door.password}`, 'content-type': 'application/json' },
  });
  sent.end('{}');
  const [answer] = await once(sent, 'response');
  let text = '';
  for await (const chunk of answer) text += chunk;
  return JSON.parse(text);
}
