/** Who gets in, by each way to prove it, and how soon somebody is out again. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import type pg from 'pg';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { Door } from '../support/clients/door.ts';
import { missing, psql } from '../support/clients/programs.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { AUDIENCE, ISSUER } from '../support/gateway-folder.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const skipPsql = await missing({ programs: ['psql'] });
const HOURS = 3600 * 1000;
let house: House;
/** How far the gateway's clock is ahead of the real one, in milliseconds. */
let ahead = 0;

before(async () => {
  house = await openHouse({ clock: () => Date.now() + ahead });
});
after(() => house[Symbol.asyncDispose]());

async function refusedLogin(door: Door): Promise<pg.DatabaseError> {
  const error: unknown = await house.connect(door).then(
    () => assert.fail('let in'),
    (reason: unknown) => reason,
  );
  return error as pg.DatabaseError;
}

test('a token as password: its claims say who it is, whatever user name is given', { skip: skipPsql }, async () => {
  const door = await house.through('ana', 'analysts');
  const { code, stdout, stderr } = await psql({ ...door, user: 'somebody else' }, 'SELECT count(*) FROM shop.products');
  assert.deepEqual([code, stdout], [0, '40\n'], stderr);
  // The index of sessions follows the ledger: it may know of this one a moment later.
  let known = '';
  for (let turn = 0; turn < 200 && !known.includes('"id":"ana"'); turn++) {
    const sessions = await house.control('eng', 'engineers', 'GET', '/v1/sessions');
    assert.equal(sessions.status, 200);
    known = JSON.stringify(sessions.body);
    await sleep(25);
  }
  assert.match(known, /"id":"ana"/);
  assert.doesNotMatch(known, /somebody else/);
});

test('tokens that prove nothing are refused with the reason, and nobody is told a token', async () => {
  const door = await house.through('ana', 'analysts');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sign = (audience: string, issuer: string) =>
    new SignJWT({ groups: ['engineers'] })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setSubject('eve')
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('1h')
      .sign(privateKey);
  const [header, , signature] = door.password.split('.');
  const forged = Buffer.from(
    JSON.stringify({ sub: 'ana', groups: ['engineers'], iss: ISSUER, aud: AUDIENCE, exp: 4e9 }),
  ).toString('base64url');
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  const passwords = {
    expired: await house.token('ana', ['analysts'], {}, Math.floor(Date.now() / 1000) - 600),
    'of a foreign issuer': await sign(AUDIENCE, 'https://elsewhere.test'),
    'signed with another key': await sign(AUDIENCE, ISSUER),
    'for another audience': await house
      .token('ana', ['analysts'], { aud: 'somebody' })
      .then(() => sign('somebody', ISSUER)),
    'with other claims': `${header}.${forged}.${signature}`,
    unsigned: `${none}.${forged}.`,
    garbage: 'no token at all',
    empty: ' ',
  };
  for (const [what, password] of Object.entries(passwords)) {
    const error = await refusedLogin({ ...door, password });
    assert.equal(error.code, '28P01', `${what}: ${error.code} ${error.message}`);
    assert.match(error.message, /^gatehouse: authentication failed: /, what);
    if (password.length > 20)
      assert.ok(!JSON.stringify({ ...error, m: error.message }).includes(password.slice(-20)), what);
  }
});

test('a connection nobody configured, or that policy does not open, is refused', async () => {
  const door = await house.through('ana', 'analysts');
  const unknown = await refusedLogin({ ...door, database: 'warehouse' });
  assert.equal(unknown.code, '3D000');
  const outsider = await refusedLogin(await house.through('out', 'visitors'));
  assert.equal(outsider.code, '42501');
  assert.match(outsider.message, /connect/);
});

test('a session credential logs in by SCRAM, and revoking it ends its sessions', { skip: skipPsql }, async () => {
  const door = await house.through('ana', 'analysts');
  const issued = await house.control('ana', 'analysts', 'POST', '/v1/credentials', { ttlSeconds: 600 });
  assert.equal(issued.status, 201, JSON.stringify(issued.body));
  const { id, secret } = issued.body;
  assert.match(id, /^gs_/);
  const own = { ...door, user: id, password: secret };
  const { code, stdout, stderr } = await psql(own, 'SELECT count(*) FROM shop.products', {
    env: { PGREQUIREAUTH: 'scram-sha-256' },
  });
  assert.deepEqual([code, stdout], [0, '40\n'], stderr);
  for (const wrong of [
    { ...own, password: `${secret}x` },
    { ...own, user: `${id.slice(0, -1)}0` },
    { ...own, user: `gs_${'0'.repeat(26)}` },
  ]) {
    assert.equal((await refusedLogin(wrong)).code, '28P01');
  }
  const client = await house.connect(own);
  await client.query('BEGIN');
  const ended = new Promise<pg.DatabaseError>((done) =>
    client.once('error', (error) => done(error as pg.DatabaseError)),
  );
  const revoked = await house.control('ana', 'analysts', 'DELETE', `/v1/credentials/${id}`);
  assert.deepEqual([revoked.status, revoked.body.state, revoked.body.sessionsEnded], [200, 'revoked', 1]);
  const error = await ended;
  assert.equal(error.code, '57P01');
  assert.match(error.message, /revoked/);
  assert.notEqual((await refusedLogin(own)).code, undefined);
});

test('OAUTHBEARER: a token is enough, and who brings none is told where to get one', async () => {
  const { password: token } = await house.through('ana', 'analysts');
  const sasl = async (response: string) => {
    const client = await bare();
    client.startUp({ user: 'oauth', database: 'shop' });
    const [offer] = await client.until('authentication');
    assert.deepEqual(offer, { kind: 'authentication', method: 'sasl', mechanisms: ['OAUTHBEARER'] });
    client.send(frontend.saslInitial('OAUTHBEARER', Buffer.from(response)));
    return client;
  };
  const good = await sasl(`n,,\x01auth=Bearer ${token}\x01\x01`);
  await good.until('ready-for-query');
  assert.equal((await good.ask(frontend.query('SELECT 1'))).length, 4);
  good.close();
  for (const response of ['n,,\x01auth=\x01\x01', 'n,,\x01auth=Bearer eyJ.no.token\x01\x01']) {
    const client = await sasl(response);
    const [challenge] = await client.until('authentication');
    assert.ok(challenge?.kind === 'authentication' && challenge.method === 'sasl-continue');
    const told = JSON.parse(challenge.data.toString());
    assert.deepEqual(
      [told.status, told['openid-configuration']],
      ['invalid_token', `${ISSUER}/.well-known/openid-configuration`],
    );
    client.send(frontend.saslResponse(Buffer.of(1)));
    assert.deepEqual((await client.rest()).map(describe), ['error-response 28P01']);
  }
});

test('garbage before the login, and messages out of turn, end the connection with an error', async () => {
  const door = await house.through('ana', 'analysts');
  const after = async (bytes: Buffer): Promise<Message[]> => {
    const client = await bare();
    client.startUp({ user: 'ana', database: 'shop' });
    await client.until('authentication');
    client.send(bytes);
    return client.rest();
  };
  for (const bytes of [
    frontend.query('SELECT 1'),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0x70, 0x7f, 0xff, 0xff, 0xff]),
  ]) {
    assert.deepEqual((await after(bytes)).map(describe), ['error-response 08P01']);
  }
  const client = await RawClient.connect(door);
  client.send(frontend.password(door.password));
  assert.ok((await client.rest()).map(describe).every((line) => line === 'error-response 08P01'));
});

test('an identity that expires takes its live session with it', async () => {
  const client = await house.connect(await house.through('ana', 'analysts'));
  await client.query('BEGIN');
  const ended = new Promise<pg.DatabaseError>((done) =>
    client.once('error', (error) => done(error as pg.DatabaseError)),
  );
  ahead = 2 * HOURS;
  try {
    const error = await ended;
    assert.equal(error.code, '57P01');
    assert.match(error.message, /expired/);
    assert.equal((await refusedLogin(await house.through('ana', 'analysts'))).code, '28P01');
  } finally {
    ahead = 0;
  }
});

/** A connection that has said nothing yet. */
async function bare(): Promise<RawClient> {
  const { port, host } = await house.through('', 'analysts');
  const socket = connect(port, host);
  await once(socket, 'connect');
  return new RawClient(socket);
}
