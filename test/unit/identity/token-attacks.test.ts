import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import test from 'node:test';
import { exportJWK, exportSPKI, type JWK, SignJWT } from 'jose';
import {
  createIdentityVerifier,
  IdentityError,
  type IdentityErrorCode,
  MAX_TOKEN_BYTES,
} from '../../../src/identity/index.ts';
import type { IssuerConfig } from '../../../src/model/config.ts';

const NOW = Date.UTC(2026, 5, 1, 12);
const seconds = NOW / 1000;
const ISSUER = 'https://idp.example';

interface Signer {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JWK;
}

async function signer(kid: string): Promise<Signer> {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid, use: 'sig' } };
}

const ours = await signer('k1');
const foreign = await signer('k1');

function issuerConfig(over: Partial<IssuerConfig> = {}): IssuerConfig {
  return {
    issuer: ISSUER,
    audience: ['gatehouse'],
    jwksFile: '/keys.json',
    algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
    clockSkew: 30,
    subjectPrefix: '',
    claims: { subject: 'sub', name: 'email', groups: 'groups', kind: 'gh_kind', onBehalfOf: 'act.sub' },
    ...over,
  };
}

function verifier(keys: readonly JWK[] = [ours.jwk], issuers: readonly IssuerConfig[] = [issuerConfig()]) {
  return createIdentityVerifier(issuers, { clock: () => NOW, readFile: async () => JSON.stringify({ keys }) });
}

const claims = {
  iss: ISSUER,
  aud: 'gatehouse',
  sub: 'alice',
  email: 'alice@corp.example',
  iat: seconds,
  exp: seconds + 600,
};

function mint(
  over: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key = ours.privateKey,
): Promise<string> {
  const body = Object.fromEntries(Object.entries({ ...claims, ...over }).filter(([, value]) => value !== undefined));
  return new SignJWT(body).setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'JWT', ...header }).sign(key);
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A token whose header and payload are exactly these texts, signed as they are. */
async function mintRaw(header: string, payload: string): Promise<string> {
  const { createSign } = await import('node:crypto');
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createSign('RSA-SHA256').update(input).sign(ours.privateKey, 'base64url')}`;
}

async function refused(token: string, code: IdentityErrorCode, by = verifier()): Promise<IdentityError> {
  let caught: unknown;
  try {
    await by.verifyToken(token);
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof IdentityError, `expected a refusal, got ${String(caught)}`);
  assert.equal(caught.code, code);
  for (const part of token.split('.').filter((part) => part.length > 8)) {
    assert.ok(!caught.message.includes(part) && !caught.clientMessage.includes(part), 'no part of a token is repeated');
  }
  assert.doesNotMatch(
    caught.clientMessage,
    /idp\.example|gatehouse,|alice|k1/,
    'the client learns nothing of the configuration',
  );
  return caught;
}

test('a good token gives its principal', async () => {
  const principal = await verifier().verifyToken(await mint({ groups: ['analysts'] }));
  assert.deepEqual(principal, {
    id: 'alice',
    issuer: ISSUER,
    subject: 'alice',
    name: 'alice@corp.example',
    kind: 'person',
    groups: ['analysts'],
    mfa: false,
    credential: { type: 'token' },
    expiresAt: (seconds + 600 + 30) * 1000,
  });
});

const attacks: readonly (readonly [name: string, token: () => Promise<string> | string, code: IdentityErrorCode])[] = [
  ['alg none with an empty signature', () => `${encode({ alg: 'none' })}.${encode(claims)}.`, 'ERR_IDENTITY_ALGORITHM'],
  ['alg none with some signature', () => `${encode({ alg: 'none' })}.${encode(claims)}.AAAA`, 'ERR_IDENTITY_ALGORITHM'],
  ['alg nOnE', () => `${encode({ alg: 'nOnE' })}.${encode(claims)}.AAAA`, 'ERR_IDENTITY_ALGORITHM'],
  ['no alg at all', () => `${encode({ typ: 'JWT' })}.${encode(claims)}.AAAA`, 'ERR_IDENTITY_ALGORITHM'],
  [
    'HS256 keyed with the public key',
    async () => {
      const secret = new TextEncoder().encode(await exportSPKI(ours.publicKey));
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret);
    },
    'ERR_IDENTITY_ALGORITHM',
  ],
  ['an algorithm outside the list', () => mint({}, { alg: 'RS512' }), 'ERR_IDENTITY_ALGORITHM'],
  [
    'an algorithm that does not fit the key',
    () => `${encode({ alg: 'ES256', kid: 'k1' })}.${encode(claims)}.${encode('x'.repeat(64))}`,
    'ERR_IDENTITY_KEY_UNKNOWN',
  ],
  ['a foreign key under a known kid', () => mint({}, {}, foreign.privateKey), 'ERR_IDENTITY_SIGNATURE'],
  ['an unknown kid', () => mint({}, { kid: 'k2' }, foreign.privateKey), 'ERR_IDENTITY_KEY_UNKNOWN'],
  [
    'a kid that is a path',
    () => mint({}, { kid: '../../../../dev/null' }, foreign.privateKey),
    'ERR_IDENTITY_KEY_UNKNOWN',
  ],
  ['a kid that is no text', () => mint({}, { kid: ['k1'] }, foreign.privateKey), 'ERR_IDENTITY_KEY_UNKNOWN'],
  [
    'its own key in the header (jwk)',
    () => mint({}, { jwk: foreign.jwk }, foreign.privateKey),
    'ERR_IDENTITY_SIGNATURE',
  ],
  [
    'the address of its own keys (jku)',
    () => mint({}, { jku: 'https://evil.example/keys' }, foreign.privateKey),
    'ERR_IDENTITY_SIGNATURE',
  ],
  [
    'the address of its own certificate (x5u)',
    () => mint({}, { x5u: 'https://evil.example/cert' }, foreign.privateKey),
    'ERR_IDENTITY_SIGNATURE',
  ],
  [
    'a critical header',
    () => mintRaw('{"alg":"RS256","kid":"k1","crit":["exp"],"exp":1}', JSON.stringify(claims)),
    'ERR_IDENTITY_CRITICAL_HEADER',
  ],
  [
    'an unencoded payload (b64)',
    () => mintRaw('{"alg":"RS256","kid":"k1","crit":["b64"],"b64":false}', JSON.stringify(claims)),
    'ERR_IDENTITY_CRITICAL_HEADER',
  ],
  ['a logout token', () => mint({}, { typ: 'logout+jwt' }), 'ERR_IDENTITY_TYPE'],
  ['a DPoP proof', () => mint({}, { typ: 'dpop+jwt' }), 'ERR_IDENTITY_TYPE'],
  ['a nested token', () => mint({}, { cty: 'JWT' }), 'ERR_IDENTITY_TYPE'],
  [
    'a security event without a type',
    () => mint({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }, { typ: undefined }),
    'ERR_IDENTITY_CLAIMS',
  ],
  ['a token bound to a key', () => mint({ cnf: { jkt: 'abc' } }), 'ERR_IDENTITY_CLAIMS'],
  ['an unknown issuer', () => mint({ iss: 'https://evil.example' }), 'ERR_IDENTITY_ISSUER_UNKNOWN'],
  ['an issuer with a trailing slash', () => mint({ iss: `${ISSUER}/` }), 'ERR_IDENTITY_ISSUER_UNKNOWN'],
  ['an issuer in other letters', () => mint({ iss: 'https://IDP.example' }), 'ERR_IDENTITY_ISSUER_UNKNOWN'],
  ['no issuer', () => mint({ iss: undefined }), 'ERR_IDENTITY_CLAIMS'],
  ['a list of issuers', () => mint({ iss: [ISSUER] }), 'ERR_IDENTITY_CLAIMS'],
  ['another audience', () => mint({ aud: 'billing' }), 'ERR_IDENTITY_AUDIENCE'],
  ['an audience that only begins alike', () => mint({ aud: ['gatehouse2', 'gate'] }), 'ERR_IDENTITY_AUDIENCE'],
  ['no audience', () => mint({ aud: undefined }), 'ERR_IDENTITY_AUDIENCE'],
  ['expired beyond the skew', () => mint({ iat: seconds - 700, exp: seconds - 30 }), 'ERR_IDENTITY_EXPIRED'],
  ['no expiry', () => mint({ exp: undefined }), 'ERR_IDENTITY_CLAIMS'],
  ['an expiry that is a text', () => mint({ exp: String(seconds + 600) }), 'ERR_IDENTITY_CLAIMS'],
  ['not valid yet', () => mint({ nbf: seconds + 31 }), 'ERR_IDENTITY_NOT_YET_VALID'],
  ['made in the future', () => mint({ iat: seconds + 31 }), 'ERR_IDENTITY_NOT_YET_VALID'],
  ['made after it expires', () => mint({ iat: seconds + 20, exp: seconds + 10 }), 'ERR_IDENTITY_CLAIMS'],
  [
    'made two months ago and valid for years',
    () => mint({ iat: seconds - 60 * 86_400, exp: seconds + 1e8 }),
    'ERR_IDENTITY_EXPIRED',
  ],
  ['no subject', () => mint({ sub: undefined }), 'ERR_IDENTITY_CLAIMS'],
  ['an empty subject', () => mint({ sub: '' }), 'ERR_IDENTITY_CLAIMS'],
  ['a subject with a line break', () => mint({ sub: 'alice\nroot' }), 'ERR_IDENTITY_CLAIMS'],
  ['a subject that looks like another one', () => mint({ sub: 'alice\u200b' }), 'ERR_IDENTITY_CLAIMS'],
  ['a subject that is an object', () => mint({ sub: { id: 'alice' } }), 'ERR_IDENTITY_CLAIMS'],
  ['groups that are a number', () => mint({ groups: 7 }), 'ERR_IDENTITY_CLAIMS'],
  ['a group that is an object', () => mint({ groups: ['analysts', { name: 'admins' }] }), 'ERR_IDENTITY_CLAIMS'],
  [
    'too many groups',
    () => mint({ groups: Array.from({ length: 1001 }, (_, index) => `g${index}`) }),
    'ERR_IDENTITY_CLAIMS',
  ],
  ['groups left out by the issuer', () => mint({ _claim_names: { groups: 'src1' } }), 'ERR_IDENTITY_CLAIMS'],
  ['a kind nobody knows', () => mint({ gh_kind: 'root' }), 'ERR_IDENTITY_CLAIMS'],
  [
    'a claim that is there twice',
    () => mintRaw('{"alg":"RS256","kid":"k1"}', JSON.stringify(claims).replace('{', '{"sub":"mallory",')),
    'ERR_IDENTITY_TOKEN_MALFORMED',
  ],
  [
    'a claim twice, once escaped',
    () => mintRaw('{"alg":"RS256","kid":"k1"}', JSON.stringify(claims).replace('{', '{"s\\u0075b":"mallory",')),
    'ERR_IDENTITY_TOKEN_MALFORMED',
  ],
  [
    'a header that is there twice',
    () => mintRaw('{"alg":"none","alg":"RS256","kid":"k1"}', JSON.stringify(claims)),
    'ERR_IDENTITY_TOKEN_MALFORMED',
  ],
  ['a payload that is a list', () => mintRaw('{"alg":"RS256","kid":"k1"}', '[]'), 'ERR_IDENTITY_TOKEN_MALFORMED'],
  [
    'a payload that is no UTF-8',
    () => `${encode({ alg: 'RS256' })}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.AAAA`,
    'ERR_IDENTITY_TOKEN_MALFORMED',
  ],
  ['an encrypted token', () => 'eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d', 'ERR_IDENTITY_TOKEN_MALFORMED'],
  ['two parts', () => `${encode({ alg: 'RS256' })}.${encode(claims)}`, 'ERR_IDENTITY_TOKEN_MALFORMED'],
  ['no token', () => '', 'ERR_IDENTITY_TOKEN_MALFORMED'],
  ['a password', () => 'correct horse battery staple', 'ERR_IDENTITY_TOKEN_MALFORMED'],
  ['more than 16 KiB', () => mint({ padding: 'x'.repeat(MAX_TOKEN_BYTES) }), 'ERR_IDENTITY_TOKEN_TOO_LARGE'],
];

for (const [name, token, code] of attacks) {
  test(`refused: ${name}`, async () => {
    await refused(await token(), code);
  });
}

test('every single changed character of a good token is refused', async () => {
  const token = await mint();
  const by = verifier();
  for (let at = 0; at < token.length; at++) {
    const other = token[at] === 'A' ? 'B' : 'A';
    const changed = token.slice(0, at) + other + token.slice(at + 1);
    await assert.rejects(by.verifyToken(changed), IdentityError, `character ${at}`);
  }
});

test('times are allowed to differ by exactly the skew', async () => {
  const by = verifier();
  await by.verifyToken(await mint({ exp: seconds - 29, iat: seconds - 60 }));
  await by.verifyToken(await mint({ nbf: seconds + 30, iat: seconds + 30 }));
});

test('a token without a kid is checked against every key that fits', async () => {
  const second = await signer('k2');
  const by = verifier([second.jwk, ours.jwk]);
  assert.equal((await by.verifyToken(await mint({}, { kid: undefined }))).id, 'alice');
  await refused(await mint({}, { kid: undefined }, foreign.privateKey), 'ERR_IDENTITY_SIGNATURE', by);
});

test('a shared secret or a private key in the published set is not used', async () => {
  const secret = randomBytes(32);
  const shared: JWK = { kty: 'oct', k: secret.toString('base64url'), kid: 's', alg: 'HS256' };
  const by = verifier([shared, ours.jwk], [issuerConfig({ algorithms: ['RS256', 'HS256'] })]);
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 's' }).sign(secret);
  await assert.rejects(by.verifyToken(token), IdentityError);
  await refused(await mint(), 'ERR_IDENTITY_KEYS_UNAVAILABLE', verifier([shared]));
});

test('the same subject of two issuers is two principals, and one issuer cannot speak for the other', async () => {
  const other = await signer('k1');
  const OTHER = 'https://ci.example';
  const by = createIdentityVerifier(
    [issuerConfig({ jwksFile: '/a' }), issuerConfig({ issuer: OTHER, jwksFile: '/b', subjectPrefix: 'ci:' })],
    { clock: () => NOW, readFile: async (path) => JSON.stringify({ keys: [path === '/a' ? ours.jwk : other.jwk] }) },
  );
  assert.equal((await by.verifyToken(await mint())).id, 'alice');
  assert.equal((await by.verifyToken(await mint({ iss: OTHER }, {}, other.privateKey))).id, 'ci:alice');
  await refused(await mint({ iss: ISSUER }, {}, other.privateKey), 'ERR_IDENTITY_SIGNATURE', by);
  await refused(await mint({ iss: OTHER }), 'ERR_IDENTITY_SIGNATURE', by);
});

test('a remembered token is refused once it expires or its key is withdrawn', async () => {
  let keys = [ours.jwk];
  const by = createIdentityVerifier([issuerConfig()], { readFile: async () => JSON.stringify({ keys }) });
  const token = await mint();
  const short = await mint({ exp: seconds + 10 });
  const first = await by.verifyToken(token, NOW);
  await by.verifyToken(short, NOW);
  assert.equal(await by.verifyToken(token, NOW + 1000), first, 'answered from memory');
  await by.verifyToken(short, NOW + 39_999);
  await assert.rejects(by.verifyToken(short, NOW + 40_000), { code: 'ERR_IDENTITY_EXPIRED' });
  keys = [foreign.jwk];
  await assert.rejects(by.verifyToken(token, NOW + 50_000), { code: 'ERR_IDENTITY_SIGNATURE' });
  keys = [ours.jwk];
  assert.equal((await by.verifyToken(token, NOW + 60_000)).id, 'alice');
});

test('a principal cannot be changed by whoever got it', async () => {
  const principal = await verifier().verifyToken(await mint({ groups: ['analysts'] }));
  assert.ok(Object.isFrozen(principal) && Object.isFrozen(principal.groups) && Object.isFrozen(principal.credential));
});

test('claims are found at dotted paths, and under names that have dots themselves', async () => {
  const names = {
    subject: 'sub',
    name: 'who.mail',
    groups: 'https://corp.example/groups',
    kind: 'gh_kind',
    onBehalfOf: 'act.sub',
  };
  const by = verifier([ours.jwk], [issuerConfig({ claims: names })]);
  const principal = await by.verifyToken(
    await mint({
      who: { mail: 'a@b' },
      'https://corp.example/groups': 'analysts, stewards ops',
      act: { sub: 'bob' },
      gh_kind: 'agent',
      amr: ['pwd', 'otp'],
    }),
  );
  assert.equal(principal.name, 'a@b');
  assert.deepEqual(principal.groups, ['analysts', 'stewards', 'ops']);
  assert.equal(principal.onBehalfOf, 'bob');
  assert.equal(principal.kind, 'agent');
  assert.equal(principal.mfa, true);
});

test('a claim path never reaches the prototype of an object', async () => {
  const by = verifier(
    [ours.jwk],
    [issuerConfig({ claims: { ...issuerConfig().claims, subject: 'constructor.name' } })],
  );
  await refused(await mint(), 'ERR_IDENTITY_CLAIMS', by);
});

const kinds: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ['client credentials', { sub: 'report-job', client_id: 'report-job', email: undefined }, 'service'],
  ['an authorized party that is the subject', { sub: 'job', azp: 'job', email: undefined }, 'service'],
  ['a person at a client', { client_id: 'gatehouse-cli' }, 'person'],
  [
    'a CI job',
    { sub: 'repo:corp/app:ref:refs/heads/main', repository: 'corp/app', workflow: 'report', email: undefined },
    'service',
  ],
  ['a pod', { sub: 'system:serviceaccount:reports:job', email: undefined }, 'service'],
  ['a person', {}, 'person'],
];
for (const [name, over, kind] of kinds) {
  test(`without a kind claim, ${name} is a ${kind}`, async () => {
    assert.equal((await verifier().verifyToken(await mint(over))).kind, kind);
  });
}
