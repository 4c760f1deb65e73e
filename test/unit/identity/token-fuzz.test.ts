import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createIdentityVerifier, IdentityError } from '../../../src/identity/index.ts';
import { parseStrictJson } from '../../../src/identity/strict-json.ts';

const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = { ...(await exportJWK(publicKey)), kid: 'k', use: 'sig' };
const NOW = Date.UTC(2026, 5, 1);
const issuer = {
  issuer: 'https://idp.example',
  audience: ['gatehouse'],
  jwksFile: '/keys',
  algorithms: ['ES256'],
  clockSkew: 30,
  subjectPrefix: '',
  claims: { subject: 'sub', name: 'email', groups: 'groups', kind: 'gh_kind', onBehalfOf: 'act.sub' },
};
const verifier = createIdentityVerifier([issuer], {
  clock: () => NOW,
  readFile: async () => JSON.stringify({ keys: [jwk] }),
});

async function failsClosed(token: string): Promise<void> {
  await assert.rejects(verifier.verifyToken(token), (error) => error instanceof IdentityError);
}

test('no text, and no three parts of anything, prove an identity or break the verifier', async () => {
  const part = fc.oneof(
    fc.base64String(),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc.string(),
  );
  const token = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
  );
  await fc.assert(fc.asyncProperty(token, failsClosed), { numRuns: 500 });
});

test('no header of any shape gets a foreign signature accepted', async () => {
  const body = Buffer.from(
    JSON.stringify({ iss: issuer.issuer, aud: 'gatehouse', sub: 'a', exp: NOW / 1000 + 60 }),
  ).toString('base64url');
  const header = fc.record(
    {
      alg: fc.oneof(fc.constantFrom('ES256', 'none', 'HS256', 'ES384', 'RS256'), fc.jsonValue()),
      kid: fc.oneof(fc.constant('k'), fc.jsonValue()),
      typ: fc.oneof(fc.constantFrom('JWT', 'at+jwt'), fc.jsonValue()),
      jwk: fc.oneof(fc.constant(jwk), fc.jsonValue()),
      jku: fc.webUrl(),
      x5c: fc.jsonValue(),
      crit: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const signature = fc.uint8Array({ minLength: 0, maxLength: 96 });
  await fc.assert(
    fc.asyncProperty(header, signature, (head, bytes) =>
      failsClosed(
        `${Buffer.from(JSON.stringify(head)).toString('base64url')}.${body}.${Buffer.from(bytes).toString('base64url')}`,
      ),
    ),
    { numRuns: 500 },
  );
});

test('whatever an honest issuer signs, the answer is a whole principal or an identity error', async () => {
  const claim = fc.oneof(fc.jsonValue(), fc.constant(undefined));
  const claims = fc.record({
    sub: claim,
    email: claim,
    groups: claim,
    gh_kind: claim,
    act: claim,
    amr: claim,
    acr: claim,
    cnf: claim,
    client_id: claim,
    _claim_names: claim,
  });
  await fc.assert(
    fc.asyncProperty(claims, async (over) => {
      const token = await new SignJWT({
        ...JSON.parse(JSON.stringify(over)),
        iss: issuer.issuer,
        aud: 'gatehouse',
        exp: NOW / 1000 + 60,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .sign(privateKey);
      try {
        const principal = await verifier.verifyToken(token);
        assert.ok(principal.subject.length > 0 && principal.id === principal.subject && principal.name.length > 0);
        assert.ok(principal.groups.every((group) => typeof group === 'string' && group !== ''));
        assert.ok(['person', 'service', 'agent'].includes(principal.kind));
      } catch (error) {
        assert.ok(error instanceof IdentityError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('strict JSON reads what JSON reads, and refuses a name that comes twice', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      assert.deepEqual(parseStrictJson(text), JSON.parse(text));
      assert.deepEqual(parseStrictJson(JSON.stringify(value, null, 2)), JSON.parse(text));
    }),
  );
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), (name, value) => {
      const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
      assert.throws(() => parseStrictJson(`{${member},${member}}`), SyntaxError);
      assert.throws(() => parseStrictJson(`[{"a":{"b":1,${member} , ${member}}}]`), SyntaxError);
    }),
  );
});
