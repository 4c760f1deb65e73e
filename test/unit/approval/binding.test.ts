import assert from 'node:assert/strict';
import test from 'node:test';
import { ApprovalError, bindingHash, bindingKey, canonicalJson, hashBound } from '../../../src/approval/index.ts';
import { bindingOf, principal } from './support.ts';

test('the hash over a bound object is the one that was computed independently', () => {
  assert.equal(
    hashBound({
      exp: '2026-07-25T17:15:00Z',
      masks: 'pol_mask_pii@7',
      nbf: '2026-07-25T17:00:00Z',
      nonce: 'AQEBAQEBAQEBAQEBAQEBAQ',
      params: ['4711'],
      purpose: 'INC-4711 refund check',
      requester: '00u1',
      resource: 'res_pg_prod',
      role: 'app_ro',
      row_limit: 100,
      stmt: 'SELECT id, email, plan FROM customers WHERE id = $1',
      uses: 1,
      v: 1,
    }),
    '132c0d0b9f545247ceaceb67bfd9d70926bc05c2bb2c3c2734c043e2f53eae70',
  );
});

test('every field of the binding, and the nonce, changes the hash', () => {
  const binding = bindingOf(principal('ann'));
  const hashes = new Set([bindingHash(binding, 'n'), bindingHash(binding, 'm')]);
  for (const change of [
    { requester: 'idp|bob' },
    { resource: 'crm' },
    { role: 'owner' },
    { stmt: `${binding.stmt} ` },
    { params: '00' },
    { policies: ['main#2'] },
    { masks: 'sha256:00@2' },
    { searchPath: ['pg_catalog', 'public'] },
    { searchPath: ['public', 'pg_catalog'] },
  ]) {
    hashes.add(bindingHash({ ...binding, ...change }, 'n'));
  }
  assert.equal(hashes.size, 11);
});

test('the key does not depend on the order in which a binding was written', () => {
  const binding = bindingOf(principal('ann'));
  const turned = Object.fromEntries(Object.entries(binding).reverse()) as typeof binding;
  assert.equal(bindingKey(turned), bindingKey(binding));
});

test('canonical JSON sorts by UTF-16 units, escapes as RFC 8785, and refuses what two parties could write differently', () => {
  // RFC 8785 §3.2.3, its own example of sorting.
  const sorted = canonicalJson({
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    1: 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  });
  assert.deepEqual(Object.values(JSON.parse(sorted) as object).sort(), [
    'Carriage Return',
    'Control',
    'Emoji: Grinning Face',
    'Euro Sign',
    'Hebrew Letter Dalet With Dagesh',
    'Latin Small Letter O With Diaeresis',
    'One',
  ]);
  assert.ok(sorted.startsWith('{"\\r":"Carriage Return","1":"One","\u0080":"Control"'));
  assert.ok(sorted.indexOf('\ud83d\ude00') < sorted.indexOf('\ufb33'));
  assert.equal(canonicalJson('\u000f\n"\\/'), '"\\u000f\\n\\"\\\\/"');
  assert.equal(canonicalJson(-0), '0');
  for (const bad of [1.5, Number.NaN, 2 ** 53, '\ud800']) {
    assert.throws(
      () => canonicalJson(bad),
      (error) => error instanceof ApprovalError && error.code === 'ERR_APPROVAL_BAD_BINDING',
    );
  }
});
