import assert from 'node:assert/strict';
import test from 'node:test';
import { Commitments } from '../../../src/ledger/commitments.ts';
import { conceal } from '../../../src/ledger/conceal.ts';
import { EnvelopeWriter } from '../../../src/ledger/envelope.ts';
import type { AuditRecord } from '../../../src/model/record.ts';

const one = conceal('statement', 'SELECT 1');
const two = conceal('tables', ['shop.t']);
const three = conceal('params', ['7']);

test('what is shared and what is not make one sorted list, as if all had been given at once', () => {
  const commitments = new Commitments();
  const sharedHidden = [one, two];
  const record: AuditRecord = { kind: 'query', time: 0, sharedHidden, hidden: [three] };
  const sorted = [one, two, three].map(({ digest }) => digest).sort();
  for (let again = 0; again < 2; again += 1) {
    const { digests, encoded } = commitments.of(record);
    assert.deepEqual(JSON.parse(digests), sorted);
    assert.deepEqual(
      JSON.parse(`[${encoded}]`),
      [one, two, three].map((each) => each.encoded),
    );
  }
  assert.deepEqual(commitments.of({ kind: 'query', time: 0 }), { digests: '', encoded: '', sorted: [] });
  assert.deepEqual(JSON.parse(commitments.of({ kind: 'query', time: 0, hidden: [three] }).digests), [three.digest]);
});

test('the same commitment twice is written once, whichever way it came', () => {
  const commitments = new Commitments();
  for (const record of [
    { sharedHidden: [one, one], hidden: [] },
    { sharedHidden: [one], hidden: [one] },
    { hidden: [one, one] },
  ]) {
    const { digests, encoded } = commitments.of({ kind: 'query', time: 0, ...record });
    assert.deepEqual([JSON.parse(digests), JSON.parse(`[${encoded}]`)], [[one.digest], [one.encoded]]);
  }
});

test('an entry with shared members is the entry that has them all as its own', () => {
  const writer = new EnvelopeWriter('gw.example/evidence/1');
  const sharedClear = { verb: 'select', labels: ['pii', 'a"b'], masked: 2 };
  const shared = writer.write({ kind: 'query', time: 5, session: 's', sharedClear, clear: { stmt: 3 } }, '', 9, 5, 0);
  const own = writer.write({ kind: 'query', time: 5, session: 's', clear: { ...sharedClear, stmt: 3 } }, '', 9, 5, 0);
  assert.equal(shared, own);
  assert.equal(
    writer.write({ kind: 'query', time: 5, session: 's', sharedClear, clear: { stmt: 3, masked: 7 } }, '', 9, 5, 0),
    own.replace('"masked":2', '"masked":7'),
    'of two members of one name the record’s own is meant',
  );
  for (const bad of [{ seq: 1 }, { a: 0.5 }, { 'a"b': 1 }]) {
    assert.throws(() => writer.write({ kind: 'query', time: 5, sharedClear: bad }, '', 9, 5, 0), {
      code: 'ERR_LEDGER_RECORD',
    });
  }
});
