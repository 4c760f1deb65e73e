import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import test from 'node:test';
import { formatSessionBearer, paths } from '../../../src/controlplane/contract/index.ts';
import { FailureLimit } from '../../../src/controlplane/failure-limit.ts';
import { principal } from '../approval/support.ts';
import { type Bench, controlBench, ISSUER, token } from './support.ts';

async function credentialFor(bench: Bench, bearer: string): Promise<{ id: string; bearer: string; expiresAt: string }> {
  const { status, body } = await bench.call('POST', paths.credentials(), { token: bearer, body: {} });
  assert.equal(status, 201);
  const id = String(body['id']);
  return { id, bearer: formatSessionBearer(id, String(body['secret'])), expiresAt: String(body['expiresAt']) };
}

test('a session credential opens the API until it is revoked, and cannot be exchanged for another', async (t) => {
  const bench = await controlBench(t);
  const ann = await token('ann', { groups: ['analysts'] });
  const credential = await credentialFor(bench, ann);
  const who = await bench.call('GET', paths.whoami(), { token: credential.bearer });
  assert.equal(who.body['id'], 'idp|ann');
  assert.equal(who.body['credential'], 'session');
  assert.equal((await bench.call('GET', paths.sessions(), { token: credential.bearer })).status, 200);
  const more = await bench.call('POST', paths.credentials(), { token: credential.bearer, body: {} });
  assert.deepEqual([more.status, more.body['code']], [403, 'ERR_CONTROLPLANE_TOKEN_REQUIRED']);

  const listed = await bench.call('GET', paths.credentials(), { token: ann });
  assert.equal((listed.body['items'] as { state: string }[])[0]?.state, 'active');
  assert.doesNotMatch(listed.text, /gsk_|verifier|salt/);
  const eve = await token('eve');
  assert.equal((await bench.call('DELETE', paths.credential(credential.id), { token: eve })).status, 404);

  bench.live.push({
    id: 'ses_by_credential',
    principal: principal('ann', { credential: { type: 'session', id: credential.id } }),
    connection: 'shop',
    client: 'psql',
    sourceIp: '10.0.0.1',
    startedAt: 0,
    statements: 0,
    rows: 0,
  });
  const revoked = await bench.call('DELETE', paths.credential(credential.id), { token: ann });
  assert.deepEqual([revoked.status, revoked.body['state'], revoked.body['sessionsEnded']], [200, 'revoked', 1]);
  assert.deepEqual(
    bench.killed.map((one) => one.id),
    ['ses_by_credential'],
  );
  assert.equal((await bench.call('GET', paths.whoami(), { token: credential.bearer })).status, 401);
  assert.deepEqual(
    bench.sink.records.map((record) => [record.kind, record.clear?.['before'], record.clear?.['after']]),
    [
      ['cred.issued', null, 'active'],
      ['cred.revoked', 'active', 'revoked'],
    ],
  );
});

test('a session credential does not outlive the token it was made of, nor the configured time', async (t) => {
  const short = await controlBench(t);
  const soon = await credentialFor(short, await token('ann', { seconds: 120 }));
  assert.ok(Date.parse(soon.expiresAt) <= Date.now() + 120_000);
  const capped = await controlBench(t, { maxCredentialSeconds: 600, credentialsOutliveTokens: true });
  const later = await credentialFor(capped, await token('ann', { seconds: 120 }));
  const left = Date.parse(later.expiresAt) - Date.now();
  assert.ok(left > 500_000 && left <= 600_000, String(left));
  const tooLong = await capped.call('POST', paths.credentials(), {
    token: await token('ann'),
    body: { ttlSeconds: 12 * 3600 + 1 },
  });
  assert.equal(tooLong.status, 400);
});

test('a credential that cannot be recorded is not issued', async (t) => {
  const bench = await controlBench(t);
  bench.sink.failing = true;
  const ann = await token('ann');
  const answer = await bench.call('POST', paths.credentials(), { token: ann, body: {} });
  assert.deepEqual([answer.status, answer.body['code']], [503, 'ERR_CONTROLPLANE_NOT_RECORDED']);
  assert.deepEqual(await bench.options.credentials.listFor('idp|ann'), []);
  const killed = await bench.call('DELETE', `${paths.session('ses_ann')}?reason=enough`, { token: ann });
  assert.equal(killed.status, 503);
  assert.deepEqual(bench.killed, []);
});

test('tokens in the clear are refused from other machines, and from behind a proxy', async (t) => {
  const { call } = await controlBench(t);
  const ann = await token('ann');
  const far = await call('GET', paths.whoami(), { token: ann, from: '192.0.2.7' });
  assert.deepEqual([far.status, far.body['code']], [403, 'ERR_CONTROLPLANE_TLS_REQUIRED']);
  for (const headers of [{ 'x-forwarded-for': '192.0.2.7' }, { forwarded: 'for=192.0.2.7' }, { 'x-real-ip': '::1' }]) {
    assert.equal(
      (await call('GET', paths.whoami(), { token: ann, headers: headers as Record<string, string> })).status,
      403,
    );
    assert.equal((await call('GET', paths.metrics(), { headers: headers as Record<string, string> })).status, 401);
  }
  for (const from of ['127.3.2.1', '::1', '::ffff:127.0.0.1']) {
    assert.equal((await call('GET', paths.whoami(), { token: ann, from })).status, 200, from);
  }
  assert.equal((await call('GET', paths.metrics(), { from: '192.0.2.7' })).status, 401);
  assert.equal((await call('GET', paths.health(), { from: '192.0.2.7' })).status, 200);
});

test('an address that keeps failing has to wait, others do not', async (t) => {
  const { call } = await controlBench(t);
  const ann = await token('ann');
  const bad = { token: 'gs_00000000000000000000000000.gsk_000000000000000000000000000000000000000' };
  const old = { token: await token('ann', { seconds: -60 }) };
  for (let n = 0; n < 610; n++) assert.equal((await call('GET', paths.whoami(), old)).status, 401);
  assert.equal((await call('GET', paths.whoami(), { token: ann })).status, 200, 'an expired token is no attack');
  for (let n = 0; n < 600; n++) assert.equal((await call('GET', paths.whoami(), bad)).status, 401);
  const waiting = await call('GET', paths.whoami(), { token: ann });
  assert.equal(waiting.status, 429);
  assert.ok(Number(waiting.headers['retry-after']) > 0);
  assert.equal((await call('GET', paths.whoami(), { token: ann, from: '127.0.0.2' })).status, 200);
  assert.equal((await call('GET', paths.health())).status, 200);
});

test('the limit of failures forgets after a minute and does not grow with the number of addresses', async () => {
  const limit = new FailureLimit();
  for (let n = 0; n < 60; n++) limit.failed('192.0.2.7', 1_000);
  assert.equal(limit.waitSeconds('192.0.2.7', 2_000), 59);
  assert.equal(limit.waitSeconds('192.0.2.8', 2_000), 0);
  assert.equal(limit.waitSeconds('192.0.2.7', 61_000), 0);
  for (let n = 0; n < 60; n++) limit.failed(`2001:db8:0:1::${n.toString(16)}`, 1_000);
  assert.equal(limit.waitSeconds('2001:0db8:0000:0001:ffff::1', 2_000), 59);
  assert.equal(limit.waitSeconds('2001:db8:0:2::1', 2_000), 0);
  for (let n = 0; n < 20_000; n++) limit.failed(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, 2_000);
  assert.equal(limit.waitSeconds('192.0.2.7', 2_000), 0, 'the oldest was forgotten');
});

test('malformed credentials are refused as such', async (t) => {
  const { plane } = await controlBench(t);
  for (const authorization of [
    'Basic YTpi',
    'Bearer',
    'Bearer a b',
    'Bearer \u00e9',
    'Bearer gs_x.y',
    'Bearer ..',
    `Bearer ${'a'.repeat(20_000)}`,
  ]) {
    const response = await plane.server.inject({ url: paths.whoami(), headers: { authorization } });
    assert.equal(response.statusCode, 401, authorization.slice(0, 20));
    assert.equal(
      response.headers['www-authenticate'],
      'Bearer realm="gatehouse", resource_metadata="http://localhost/.well-known/oauth-protected-resource"',
    );
  }
});

test('no token and no secret reaches a log, and no answer says more than it should', async (t) => {
  const bench = await controlBench(t);
  const ann = await token('ann', { groups: ['analysts'] });
  const credential = await credentialFor(bench, ann);
  await bench.call('GET', paths.whoami(), { token: credential.bearer });
  await bench.call('GET', paths.whoami(), { token: `${credential.bearer.slice(0, -1)}0` });
  await bench.call('GET', `${paths.sessions()}?text=secretword`, { token: await token('ann', { foreign: true }) });
  const log = bench.logged.join('\n');
  assert.ok(bench.logged.length >= 4);
  for (const secret of [ann, ann.split('.')[2], credential.bearer.split('.')[1], 'secretword']) {
    assert.ok(secret !== undefined && !log.includes(secret));
  }
});

test('a mistake of ours is logged, and answered without its words', async (t) => {
  const bench = await controlBench(t, {
    connections: () => {
      throw new Error('password is hunter2');
    },
  });
  const answer = await bench.call('GET', paths.connections(), { token: await token('ann') });
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /hunter2/);
});

test('large bodies, large headers and bodies that are no JSON are turned away', async (t) => {
  const bench = await controlBench(t);
  const ann = await token('ann');
  const { port } = await bench.plane.listen({ host: '127.0.0.1', port: 0 });
  const post = (body: string, headers: Record<string, string>): Promise<number> =>
    fetch(`http://127.0.0.1:${port}${paths.credentials()}`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${ann}`, ...headers },
    }).then((response) => response.status);
  assert.equal(await post(JSON.stringify({ pad: 'x'.repeat(70_000) }), { 'content-type': 'application/json' }), 413);
  assert.equal(await post('ttlSeconds=60', { 'content-type': 'application/x-www-form-urlencoded' }), 415);
  assert.equal(await post('{"__proto__": {"x": 1}}', { 'content-type': 'application/json' }), 400);
  const huge = await new Promise<number | undefined>((resolve, reject) => {
    httpRequest({ port, host: '127.0.0.1', path: '/healthz', headers: { 'x-pad': 'x'.repeat(40_000) } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  assert.equal(huge, 431);
  const garbage = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('\x16\x03\x01 not http\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk))).on('close', () => resolve(text));
  });
  assert.match(garbage, /^HTTP\/1\.1 400/);
});

test('whoever wants to log in is told where, without an identity, in two forms', async (t) => {
  const issuers = [
    { issuer: ISSUER, clientId: 'cli', audience: ['gatehouse'], scopes: ['openid', 'email'] },
    { issuer: 'https://ci.example', audience: ['a', 'b'], scopes: ['openid'] },
  ];
  const { call } = await controlBench(t, { login: () => issuers });
  const stranger = { from: '192.0.2.7' };
  const told = await call('GET', paths.login(), stranger);
  assert.deepEqual(told.body, { issuers });
  const headers = { host: 'gw.example:6400' };
  const metadata = await call('GET', paths.protectedResource(), { ...stranger, headers });
  assert.deepEqual(metadata.body, {
    resource: 'http://gw.example:6400',
    resource_name: 'Gatehouse',
    authorization_servers: [ISSUER, 'https://ci.example'],
    scopes_supported: ['openid', 'email'],
    bearer_methods_supported: ['header'],
  });
  for (const host of ['evil"example', 'a/b', 'x@y', '[zz]', 'gw.example:99999']) {
    const answer = await call('GET', paths.protectedResource(), { headers: { host } });
    assert.ok(answer.status >= 400, host);
    const refused = await call('GET', paths.whoami(), { headers: { host } });
    assert.ok(!String(refused.headers['www-authenticate']).includes(host), host);
  }
  const { call: silent } = await controlBench(t);
  assert.deepEqual((await silent('GET', paths.login())).body, { issuers: [] });
});
