import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import test from 'node:test';
import {
  decoyVerifier,
  isSessionCredentialId,
  issueSessionCredential,
  principalOfCredential,
  verifySessionSecret,
} from '../../../src/identity/index.ts';
import type { Principal } from '../../../src/model/principal.ts';

const NOW = Date.UTC(2026, 5, 1);
const alice: Principal = {
  id: 'alice',
  issuer: 'https://idp.example',
  subject: 'alice',
  name: 'alice@corp.example',
  kind: 'person',
  groups: ['analysts'],
  mfa: true,
  credential: { type: 'token' },
  expiresAt: NOW + 600_000,
};
const issue = () => issueSessionCredential(alice, { ttlSeconds: 3600, now: NOW });

test('a credential is named, printable, and hard to guess', () => {
  const { id, secret, stored } = issue();
  assert.match(id, /^gs_[0-9a-hjkmnp-tv-z]{26}$/);
  assert.match(secret, /^gsk_[0-9a-hjkmnp-tv-z]{39}$/); // 39 × 5 = 195 bits
  assert.ok(isSessionCredentialId(id));
  assert.ok(
    !isSessionCredentialId('alice') && !isSessionCredentialId(`${id}0`) && !isSessionCredentialId(id.toUpperCase()),
  );
  assert.deepEqual(stored.principal, { ...alice, credential: { type: 'session', id }, expiresAt: NOW + 3_600_000 });
  assert.equal(new Set(Array.from({ length: 50 }, () => issue().secret)).size, 50);
});

test('nothing that is stored contains the secret', () => {
  const { secret, stored } = issue();
  const kept = JSON.stringify(stored, (_name, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );
  assert.ok(!kept.includes(secret) && !kept.includes(secret.slice(4)));
});

test('only the whole secret is accepted', () => {
  const { secret, stored } = issue();
  assert.ok(verifySessionSecret(stored, secret));
  for (const wrong of [
    '',
    secret.slice(0, -1),
    `${secret}0`,
    secret.toUpperCase(),
    `${secret}\0`,
    'x'.repeat(1_000_000),
    issue().secret,
  ]) {
    assert.ok(!verifySessionSecret(stored, wrong));
  }
});

test('the verifier is that of SCRAM-SHA-256', () => {
  const { secret, stored } = issue();
  const { salt, iterations, storedKey, serverKey } = stored.verifier;
  assert.ok(iterations >= 4096);
  const salted = pbkdf2Sync(secret, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  assert.ok(timingSafeEqual(storedKey, createHash('sha256').update(clientKey).digest()));
  assert.ok(timingSafeEqual(serverKey, createHmac('sha256', salted).update('Server Key').digest()));
});

test('an expired or revoked credential gives no principal', () => {
  const { stored } = issue();
  assert.equal(principalOfCredential(stored, NOW + 3_599_999).id, 'alice');
  assert.throws(() => principalOfCredential(stored, NOW + 3_600_000), { code: 'ERR_IDENTITY_CREDENTIAL_EXPIRED' });
  assert.throws(() => principalOfCredential({ ...stored, revokedAt: NOW }, NOW), {
    code: 'ERR_IDENTITY_CREDENTIAL_REVOKED',
  });
});

test('a lifetime that is no lifetime is refused', () => {
  for (const ttlSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 8 * 24 * 3600]) {
    assert.throws(() => issueSessionCredential(alice, { ttlSeconds, now: NOW }), {
      code: 'ERR_IDENTITY_CREDENTIAL_LIFETIME',
    });
  }
});

test('an unknown id gets the same decoy every time, and another id another one', () => {
  const key = Buffer.alloc(32, 1);
  assert.deepEqual(decoyVerifier('gs_x', key), decoyVerifier('gs_x', key));
  assert.notDeepEqual(decoyVerifier('gs_x', key).salt, decoyVerifier('gs_y', key).salt);
  const real = issue().stored.verifier;
  const decoy = decoyVerifier('gs_x', key);
  assert.equal(decoy.salt.length, real.salt.length);
  assert.equal(decoy.iterations, real.iterations);
});
