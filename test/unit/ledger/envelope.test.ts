import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Commitment } from '../../../src/ledger/commitment.ts';
import { Commitments } from '../../../src/ledger/commitments.ts';
import { EnvelopeWriter } from '../../../src/ledger/envelope.ts';
import { conceal, type LedgerError } from '../../../src/ledger/index.ts';
import {
  canonicalJson,
  disclosureDigest,
  isCanonicalJson,
  leafHash,
  parseDisclosure,
  parseEntry,
  type VerifyError,
} from '../../../src/ledger/verify/index.ts';
import type { JsonObject, JsonValue } from '../../../src/model/json.ts';
import type { AuditRecord } from '../../../src/model/record.ts';

const ORIGIN = 'gw.example.com/evidence/1';

const value: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 5 }), tie('value'), { maxKeys: 4 }),
  ),
})).value;
const member = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/)
  .filter((name) => !['k', 'log', 'seq', 'ses', 't', 'v', 'lag'].includes(name));

test('what is written without sorting is canonical JSON of the same object, byte for byte', () => {
  const writer = new EnvelopeWriter(ORIGIN);
  fc.assert(
    fc.property(
      fc.dictionary(member, value, { maxKeys: 6 }),
      fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
      fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 }),
      fc.nat(),
      fc.integer({ min: 0, max: 4e12 }),
      fc.nat({ max: 2 }),
      (clear, session, secrets, seq, time, lag) => {
        const hidden = secrets.map((secret, n) => conceal(`n${n}`, secret));
        const record: AuditRecord = {
          kind: 'query',
          time,
          clear,
          hidden,
          ...(session === undefined ? {} : { session }),
        };
        const same: JsonObject = {
          ...clear,
          ...(hidden.length === 0 ? {} : { _sd: hidden.map(({ digest }) => digest).sort(), _sd_alg: 'sha-256' }),
          ...(session === undefined ? {} : { ses: session }),
          ...(lag === 0 ? {} : { lag }),
          k: 'query',
          log: ORIGIN,
          seq,
          t: new Date(time).toISOString(),
          v: 1,
        };
        const text = writer.write(record, new Commitments().of(record).digests, seq, time, lag);
        assert.equal(text, canonicalJson(same));
        assert.equal(parseEntry(Buffer.from(text)).seq, seq);
      },
    ),
    { numRuns: 500 },
  );
});

test('the known leaf with its three commitments comes out byte for byte', () => {
  const salt = (byte: number) => Buffer.alloc(16, byte).toString('base64url');
  const digests = [
    'f2RF33jeveFtjPbDnLYPVATjt-iRiUr2J-hbn5HfEvE',
    '2G1n1iA6u6Sz2R4ImlT_dRht0c1-U7tKnbnvdeYJwH4',
    'd8SyWazmLWnWpDZWDOLFdVT6AkJwYK7z7FnoBIZNqx8',
  ];
  const hidden = digests.map((digest, n) => ({ encoded: salt(n), digest }));
  const record: AuditRecord = {
    kind: 'query',
    time: Date.parse('2026-07-25T17:20:00.000Z'),
    session: 'ses_7Q',
    clear: { class_uid: 6005, activity_id: 4, action_id: 4, pol: `sha256:${'0'.repeat(64)}` },
  };
  const entry = new EnvelopeWriter(ORIGIN).write(
    record,
    new Commitments().of({ ...record, hidden }).digests,
    0,
    record.time,
    0,
  );
  assert.equal(entry.length, 400);
  assert.equal(
    leafHash(Buffer.from(entry)).toString('hex'),
    '43c9c3d9ad637bc5cc78bbfb143267694ce593cf3a0065ef78ea2ea89e2af172',
  );
});

test('the digest of the disclosure in RFC 9901 is reproduced', () => {
  const encoded = 'WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0';
  assert.equal(disclosureDigest(encoded), 'X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0');
  assert.deepEqual(parseDisclosure(encoded), { salt: '_26bc4LT-ac6q2KI6cBW5es', name: 'family_name', value: 'Möbius' });
});

test('a concealed value can be read from its disclosure, and two of the same value look different', () => {
  fc.assert(
    fc.property(fc.string(), value, (name, secret) => {
      const one = conceal(name, secret);
      const two = conceal(name, secret);
      assert.notEqual(one.digest, two.digest);
      const read = parseDisclosure(one.encoded);
      assert.deepEqual(
        JSON.stringify([read.name, read.value]),
        JSON.stringify([name.toWellFormed() === name ? name : read.name, read.value]),
      );
      assert.equal(JSON.stringify(read.value), JSON.stringify(JSON.parse(JSON.stringify(secret))));
      assert.equal(Buffer.from(read.salt, 'base64url').length, 16);
      assert.equal(disclosureDigest(one.encoded), one.digest);
    }),
  );
  assert.equal(Commitment.to('AQ', 'a', 'b').encoded, Buffer.from('["AQ","a","b"]').toString('base64url'));
});

test('thousands of salts are all different', () => {
  const salts = new Set(Array.from({ length: 5_000 }, () => parseDisclosure(conceal('a', 1).encoded).salt));
  assert.equal(salts.size, 5_000);
});

test('a record that canonical JSON cannot carry, or that forges a member of the envelope, is refused', () => {
  const writer = new EnvelopeWriter(ORIGIN);
  const bad: JsonObject[] = [
    { a: 1.5 },
    { a: 2 ** 53 },
    { a: '\ud800' },
    { seq: 1 },
    { _sd: [] },
    { 'a\nb': 1 },
    { 'a"b': 1 },
    { k: 'x' },
    { lag: 3 },
  ];
  for (const clear of bad) {
    const act = () => writer.write({ kind: 'query', time: 0, clear }, '', 0, 0, 0);
    assert.throws(act, (error: LedgerError) => error.code === 'ERR_LEDGER_RECORD', JSON.stringify(clear));
  }
  assert.throws(() => writer.write({ kind: 'query', time: Number.NaN }, '', 0, Number.NaN, 0), {
    code: 'ERR_LEDGER_RECORD',
  });
});

test('canonical JSON sorts by UTF-16 code units and escapes as RFC 8785 says', () => {
  const given = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
  assert.equal(canonicalJson(given), '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}');
  assert.equal(canonicalJson('\u20ac$\u000f\nA\'B"\\\\"/'), '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"');
  assert.equal(canonicalJson([-0, 0, -5]), '[0,0,-5]');
  for (const bad of ['\udc00', 0.1, Number.POSITIVE_INFINITY]) {
    assert.throws(
      () => canonicalJson(bad),
      (error: VerifyError) => error.code === 'ERR_VERIFY_JCS',
    );
  }
});

test('canonical text is told from other text of the same value', () => {
  fc.assert(
    fc.property(value, (given) => assert.ok(isCanonicalJson(JSON.parse(canonicalJson(given)), canonicalJson(given)))),
  );
  for (const text of [
    '{"2":1,"10":2}',
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    '1.0',
    '1e3',
    '-0',
    '"\\u0041"',
    '"\\ud800"',
    '"\\/"',
    ' 1',
    '[1, 2]',
  ]) {
    assert.equal(isCanonicalJson(JSON.parse(text), text), false, text);
  }
  for (const text of ['{"10":2,"2":1}', '"\\\\ud800"', '"\\u0007"', '[]', '{}'])
    assert.equal(isCanonicalJson(JSON.parse(text), text), true, text);
});

test('an entry that is not canonical, or lacks what every entry has, is no entry', () => {
  const good = new EnvelopeWriter(ORIGIN).write({ kind: 'query', time: 0, clear: { a: 1 } }, '', 0, 0, 0);
  assert.equal(parseEntry(Buffer.from(good)).kind, 'query');
  for (const bad of [
    `${good} `,
    good.replace('"a":1,', '"a": 1,'),
    good.replace('"v":1', '"v":2'),
    good.replace('.000Z', 'Z'),
    '[]',
    'null',
    '{',
    good.replace('"a":1', '"a":1.0'),
  ]) {
    assert.throws(
      () => parseEntry(Buffer.from(bad)),
      (error: VerifyError) => error.code === 'ERR_VERIFY_ENTRY_FORMAT',
      bad,
    );
  }
  assert.throws(
    () => parseEntry(Buffer.from([0x7b, 0xff, 0x7d])),
    (error: VerifyError) => error.code === 'ERR_VERIFY_ENTRY_FORMAT',
  );
});
