import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { conceal } from '../../../src/ledger/conceal.ts';
import { Forms } from '../../../src/ledger/form.ts';
import { RecordWriter } from '../../../src/ledger/record-writer.ts';
import { BatchBuilder } from '../../../src/ledger/write-ahead.ts';
import { writeOut } from '../../../src/ledger/write-out.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import type { AuditRecord } from '../../../src/model/record.ts';
import { NOW, ORIGIN } from './fixture.ts';

const writer = new RecordWriter(ORIGIN);
const admit = (record: AuditRecord) => void writer.write(record, { seq: 0, time: record.time, lag: 0 });

const name = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/)
  .filter((each) => !['k', 'lag', 'log', 'seq', 'ses', 't', 'v'].includes(each));
const value = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: 'binary' }));
const clear = fc.dictionary(name, value, { noNullPrototype: true });
const hidden = fc.array(
  fc.tuple(fc.string({ unit: 'binary' }), fc.jsonValue()).map(([what, json]) => conceal(what, json as JsonObject)),
  { maxLength: 4 },
);

test('a short record becomes, when it is published, what it would have been written out at once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(clear, hidden), { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), clear, hidden, fc.string({ unit: 'binary', maxLength: 20 }), fc.nat()), {
        minLength: 1,
        maxLength: 20,
      }),
      (shared, records) => {
        const forms = new Forms(admit);
        const builder = new BatchBuilder();
        const expected = records.map(([which, own, secrets, session, late], seq) => {
          const [sharedClear, sharedHidden] = shared[which % shared.length] as (typeof shared)[number];
          const record: AuditRecord = {
            kind: which % 2 === 0 ? 'query' : 'query.end',
            time: NOW + seq,
            ...(session === '' ? {} : { session: session.toWellFormed() }),
            clear: own,
            hidden: secrets,
            sharedClear,
            sharedHidden,
          };
          const place = { seq, time: NOW + seq, lag: late };
          const short = forms.shorten(record);
          if (short === undefined) builder.add(seq, writer.write(record, place));
          else builder.addShort(seq, short, place);
          return writer.write(record, place);
        });
        const written = writeOut(ORIGIN, [builder.take(new Set())]);
        assert.deepEqual(
          written.map(({ entry, disclosures }) => ({ entry: `${entry}`, disclosures: `${disclosures}` })),
          expected,
        );
      },
    ),
    { numRuns: 300 },
  );
});

const SHARED = { decision: 'forward' };

test('the first record of a class is written out: most classes have one', () => {
  const forms = new Forms(admit);
  const record: AuditRecord = { kind: 'query', time: NOW, sharedClear: { decision: 'forward' } };
  assert.equal(forms.shorten(record), undefined);
  assert.ok(forms.shorten(record));
});

test('what canonical JSON cannot carry is not shortened, so that it is refused when it is recorded', () => {
  const forms = new Forms(admit);
  const record = (more: Partial<AuditRecord>): AuditRecord => ({
    kind: 'query',
    time: NOW,
    sharedClear: SHARED,
    ...more,
  });
  for (const shortened of [false, true])
    assert.equal(forms.shorten(record({ clear: { stmt: 1 } })) !== undefined, shortened);
  for (const more of [
    { clear: { stmt: 1.5 } },
    { clear: { stmt: 2 ** 53 } },
    { clear: { seq: 1 } },
    { clear: { 'a-b': 1 } },
    { clear: { word: '\ud800' } },
    { clear: { nested: { a: 1 } } },
    { time: Number.NaN },
    { time: NOW + 0.5 },
    { time: 9e15 },
    { session: '\udc00' },
    { session: 'x'.repeat(86) },
  ]) {
    assert.equal(forms.shorten(record(more)), undefined, JSON.stringify(more));
  }
  const sharedClear = { half: 0.5 };
  assert.equal(forms.shorten(record({ sharedClear })), undefined);
  assert.throws(() => forms.shorten(record({ sharedClear })), { code: 'ERR_LEDGER_RECORD' });
});

test('each segment states the forms that its own records have, so that it can be read without those before it', () => {
  const forms = new Forms(admit);
  const builder = new BatchBuilder();
  forms.shorten({ kind: 'query', time: NOW, sharedClear: SHARED });
  const shorten = (stmt: number) => {
    const short = forms.shorten({ kind: 'query', time: NOW, clear: { stmt }, sharedClear: SHARED });
    assert.ok(short);
    return short;
  };
  const place = { time: NOW, lag: 0 };
  const first = new Set<never>();
  builder.addShort(0, shorten(0), place);
  const stating = builder.take(first);
  builder.addShort(1, shorten(1), place);
  const leaning = builder.take(first);
  builder.addShort(2, shorten(2), place);
  const next = builder.take(new Set());
  assert.ok(leaning.bytes.length < stating.bytes.length);
  assert.equal(writeOut(ORIGIN, [stating, leaning]).length, 2);
  assert.equal(writeOut(ORIGIN, [next]).length, 1);
  assert.throws(() => writeOut(ORIGIN, [leaning]), { code: 'ERR_LEDGER_WAL_CORRUPT' });
});
