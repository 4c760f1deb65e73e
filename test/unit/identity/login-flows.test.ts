import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  clientCredentials,
  createIdentityVerifier,
  deviceLogin,
  loopbackLogin,
  refreshLogin,
  tokenForAudience,
} from '../../../src/identity/index.ts';
import type { IssuerConfig } from '../../../src/model/config.ts';
import {
  AUDIENCE,
  CLI_CLIENT,
  SERVICE,
  SERVICE_SECRET,
  startOidcProvider,
  type TestProvider,
} from '../../support/oidc-provider.ts';

let idp: TestProvider;
before(async () => {
  idp = await startOidcProvider();
});
after(() => idp.stop());

const at = (issuer: string): IssuerConfig => ({
  issuer,
  audience: [AUDIENCE],
  algorithms: ['RS256'],
  clockSkew: 30,
  subjectPrefix: '',
  claims: { subject: 'sub', name: 'email', groups: 'groups', kind: 'gh_kind', onBehalfOf: 'act.sub' },
});

test('a person’s and a service’s token are verified by discovery', async () => {
  const verifier = createIdentityVerifier([at(idp.issuer)]);
  const alice = await verifier.verifyToken(await idp.tokenFor('alice'));
  assert.deepEqual(
    [alice.id, alice.kind, alice.groups, alice.name],
    ['alice', 'person', ['analysts'], 'alice@corp.example'],
  );
  const dave = await verifier.verifyToken(await idp.tokenFor('dave'));
  assert.deepEqual([dave.id, dave.mfa], ['dave', true]);
  const job = await verifier.verifyToken(await idp.tokenFor(SERVICE));
  assert.deepEqual([job.id, job.kind, job.groups], [SERVICE, 'service', ['reporting']]);
});

test('the loopback login brings tokens, and serves one redirect only', async () => {
  let redirect: URL | undefined;
  const tokens = await loopbackLogin({
    issuer: idp.issuer,
    clientId: CLI_CLIENT,
    openBrowser: async (url) => {
      const asked = new URL(url).searchParams;
      assert.equal(asked.get('code_challenge_method'), 'S256');
      assert.ok((asked.get('state') ?? '').length >= 22 && (asked.get('nonce') ?? '').length >= 22);
      assert.match(asked.get('redirect_uri') ?? '', /^http:\/\/127\.0\.0\.1:\d+\/callback$/);
      redirect = await idp.logIn(url, 'bob');
      const forged = new URL(redirect);
      forged.searchParams.set('state', 'x'.repeat(43));
      assert.equal((await fetch(forged)).status, 400, 'another state');
      const elsewhere = new URL(redirect);
      elsewhere.pathname = '/';
      assert.equal((await fetch(elsewhere)).status, 400, 'another path');
      assert.equal((await fetch(redirect, { method: 'POST' })).status, 400, 'another method');
      const answers = await Promise.all([fetch(redirect), fetch(redirect)]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400], 'one of two');
      assert.equal(answers[0].headers.get('content-security-policy'), "default-src 'none'");
      assert.ok(!(await answers[0].text()).includes(redirect.searchParams.get('code') ?? 'x'));
    },
  });
  const token = tokenForAudience(tokens, [AUDIENCE]);
  assert.equal(token, tokens.accessToken);
  assert.equal((await createIdentityVerifier([at(idp.issuer)]).verifyToken(token ?? '')).id, 'bob');
  assert.ok((tokens.expiresAt ?? 0) > Date.now());
  await assert.rejects(fetch(redirect ?? ''), 'the port is closed');
});

test('an error that comes back by the redirect ends the login with its reason', async () => {
  const failed = loopbackLogin({
    issuer: idp.issuer,
    clientId: CLI_CLIENT,
    openBrowser: async (url) => {
      const { searchParams } = new URL(url);
      const back = new URL(searchParams.get('redirect_uri') ?? '');
      back.searchParams.set('state', searchParams.get('state') ?? '');
      back.searchParams.set('iss', idp.issuer);
      back.searchParams.set('error', 'access_denied');
      await fetch(back);
    },
  });
  await assert.rejects(failed, { code: 'ERR_IDENTITY_LOGIN_FAILED', message: /access_denied/ });
});

test('an answer that another issuer sent is refused (mix-up)', async () => {
  const failed = loopbackLogin({
    issuer: idp.issuer,
    clientId: CLI_CLIENT,
    openBrowser: async (url) => {
      const back = await idp.logIn(url, 'alice');
      back.searchParams.set('iss', 'https://evil.example');
      await fetch(back);
    },
  });
  await assert.rejects(failed, { code: 'ERR_IDENTITY_LOGIN_FAILED' });
});

test('a login nobody completes ends in time', async () => {
  const options = { issuer: idp.issuer, clientId: CLI_CLIENT, openBrowser: () => undefined, timeoutSeconds: 0.2 };
  await assert.rejects(loopbackLogin(options), { code: 'ERR_IDENTITY_LOGIN_TIMEOUT' });
});

test('the device login brings tokens once the person has confirmed the code', async () => {
  const tokens = await deviceLogin({
    issuer: idp.issuer,
    clientId: CLI_CLIENT,
    onPrompt: async ({ userCode, verificationUri, verificationUriComplete, expiresIn }) => {
      assert.match(userCode, /^[A-Z]{4}-[A-Z]{4}$/);
      assert.equal(verificationUri, `${idp.issuer}/device`);
      assert.ok(expiresIn > 0);
      await idp.confirmDevice(verificationUriComplete ?? '', 'carol');
    },
  });
  const principal = await createIdentityVerifier([at(idp.issuer)]).verifyToken(
    tokenForAudience(tokens, [AUDIENCE]) ?? '',
  );
  assert.deepEqual(principal.groups, ['stewards']);
});

test('a device login can be given up', async () => {
  const stop = new AbortController();
  const waiting = deviceLogin({
    issuer: idp.issuer,
    clientId: CLI_CLIENT,
    signal: stop.signal,
    onPrompt: () => stop.abort(),
  });
  await assert.rejects(waiting, { code: 'ERR_IDENTITY_LOGIN_TIMEOUT' });
});

test('client credentials bring a token; a wrong secret brings the issuer’s reason and not the secret', async () => {
  const target = { issuer: idp.issuer, clientId: SERVICE };
  const tokens = await clientCredentials({ ...target, clientSecret: SERVICE_SECRET });
  assert.ok(tokenForAudience(tokens, [AUDIENCE]));
  assert.equal(tokenForAudience(tokens, ['billing']), undefined);
  await assert.rejects(clientCredentials({ ...target, clientSecret: 'wrong-secret-value' }), (error: Error) => {
    assert.match(error.message, /invalid_client/);
    assert.doesNotMatch(error.message, /wrong-secret-value/);
    return true;
  });
});

test('a refresh token brings new tokens', async () => {
  const target = { issuer: idp.issuer, clientId: CLI_CLIENT, scope: 'openid email offline_access' };
  const openBrowser = async (url: string) => {
    await fetch(await idp.logIn(url, 'erin'));
  };
  const first = await loopbackLogin({ ...target, openBrowser });
  assert.ok(first.refreshToken);
  const next = await refreshLogin({ ...target, refreshToken: first.refreshToken });
  assert.notEqual(next.accessToken, first.accessToken);
  assert.ok(next.refreshToken);
});

test('an issuer that is down is said to be down', async () => {
  const lonely = await startOidcProvider();
  await lonely.stop();
  const failed = clientCredentials({ issuer: lonely.issuer, clientId: SERVICE, clientSecret: 'x' });
  await assert.rejects(failed, { code: 'ERR_IDENTITY_LOGIN_FAILED', message: /ECONNREFUSED/ });
  await assert.rejects(
    clientCredentials({ issuer: 'http://idp.example', clientId: SERVICE, clientSecret: 'x' }),
    /not https/,
  );
});

test('after a rotation the new key is found and the old one no longer holds; nobody makes the gateway hammer the issuer', async (t) => {
  const rotating = await startOidcProvider();
  t.after(() => rotating.stop());
  let now = Date.now();
  const verifier = createIdentityVerifier([at(rotating.issuer)], { clock: () => now });
  const old = await rotating.tokenFor('alice');
  await verifier.verifyToken(old);
  await rotating.rotateKeys();
  const fresh = await rotating.tokenFor('alice');
  const fetched = (): number => rotating.hits.get('/jwks') ?? 0;
  const before = fetched();
  await assert.rejects(verifier.verifyToken(fresh), { code: 'ERR_IDENTITY_KEY_UNKNOWN' }, 'within the cooldown');
  assert.equal(fetched(), before);
  now += 30_000;
  const all = await Promise.all(Array.from({ length: 20 }, () => verifier.verifyToken(fresh)));
  assert.equal(all.length, 20);
  assert.equal(fetched(), before + 1, 'twenty at a time share one fetch');
  await assert.rejects(verifier.verifyToken(old), { code: 'ERR_IDENTITY_KEY_UNKNOWN' });
  assert.equal(fetched(), before + 1);
});

test('an issuer that goes down keeps its keys for an hour, then nobody logs in with them', async (t) => {
  const failing = await startOidcProvider({ tokenSeconds: 4 * 3600 });
  t.after(() => failing.stop());
  let now = Date.now();
  const verifier = createIdentityVerifier([at(failing.issuer)], { clock: () => now });
  const token = await failing.tokenFor('alice');
  await failing.pause();
  assert.match((await verifier.warm())[0]?.problem ?? '', /did not answer/);
  await assert.rejects(verifier.verifyToken(token), { code: 'ERR_IDENTITY_KEYS_UNAVAILABLE' });
  await failing.resume();
  now += 30_000;
  assert.deepEqual(await verifier.warm(), []);
  await verifier.verifyToken(token);
  await failing.pause();
  now += 60 * 60_000;
  await verifier.verifyToken(token);
  now += 11 * 60_000;
  await assert.rejects(verifier.verifyToken(token), { code: 'ERR_IDENTITY_KEYS_UNAVAILABLE' });
  await failing.resume();
  now += 30_000;
  await verifier.verifyToken(token);
});

test('a new configuration keeps the keys of the one before while the issuer is down', async (t) => {
  const failing = await startOidcProvider();
  t.after(() => failing.stop());
  const before = createIdentityVerifier([at(failing.issuer)]);
  const token = await failing.tokenFor('alice');
  await before.verifyToken(token);
  await failing.pause();
  const after = createIdentityVerifier([{ ...at(failing.issuer), subjectPrefix: 'corp:' }], { previous: before });
  assert.equal((await after.verifyToken(token)).id, 'corp:alice');
  const without = createIdentityVerifier([at(failing.issuer)]);
  await assert.rejects(without.verifyToken(token), { code: 'ERR_IDENTITY_KEYS_UNAVAILABLE' });
});

test('an issuer whose metadata names another issuer, or keys over http elsewhere, is not believed', async () => {
  const issuer = 'https://idp.example';
  const answers: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ issuer: 'https://evil.example', jwks_uri: 'https://idp.example/jwks' }, /another issuer/],
    [{ issuer: `${issuer}/`, jwks_uri: 'https://idp.example/jwks' }, /another issuer/],
    [{ issuer, jwks_uri: 'http://idp.example/jwks' }, /not https/],
    [{ issuer, jwks_uri: 'file:///etc/passwd' }, /not https/],
    [{ issuer }, /no jwks_uri/],
  ];
  for (const [metadata, reason] of answers) {
    const verifier = createIdentityVerifier([at(issuer)], { fetch: async () => Response.json(metadata) });
    assert.match((await verifier.warm())[0]?.problem ?? '', reason);
  }
  const huge = createIdentityVerifier([at(issuer)], { fetch: async () => new Response('x'.repeat(2_000_000)) });
  assert.match((await huge.warm())[0]?.problem ?? '', /more than/);
});

test('a key file is read again when it changes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-jwks-'));
  t.after(() => rm(folder, { recursive: true }));
  const jwksFile = join(folder, 'jwks.json');
  const rotating = await startOidcProvider();
  t.after(() => rotating.stop());
  const save = async (): Promise<void> => {
    await writeFile(jwksFile, await (await fetch(`${rotating.issuer}/jwks`)).text());
    await utimes(jwksFile, 0, 0); // the content counts, not its date
  };
  await save();
  let now = Date.now();
  const verifier = createIdentityVerifier([{ ...at(rotating.issuer), jwksFile }], { clock: () => now });
  const old = await rotating.tokenFor('alice');
  await verifier.verifyToken(old);
  await rotating.rotateKeys();
  await save();
  now += 1000;
  await verifier.verifyToken(await rotating.tokenFor('alice'));
  await assert.rejects(verifier.verifyToken(old), { code: 'ERR_IDENTITY_KEY_UNKNOWN' });
  await writeFile(jwksFile, 'half writ');
  now += 1000;
  await verifier.verifyToken(await rotating.tokenFor('bob'));
  now += 3_700_000;
  const problems = await verifier.warm();
  assert.match(problems[0]?.problem ?? '', /not JSON/);
});
