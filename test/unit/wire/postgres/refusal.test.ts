import assert from 'node:assert/strict';
import test from 'node:test';
import type { Refusal, RefusalCode } from '../../../../src/model/refusal.ts';
import { frameOf } from '../../../../src/wire/bytes/index.ts';
import { encodeNotice, encodeRefusal, parseBackend, refusalTable } from '../../../../src/wire/postgres/index.ts';

function said(bytes: Buffer): Record<string, string> {
  const message = parseBackend(frameOf(bytes));
  assert.ok(message.kind === 'error-response' || message.kind === 'notice-response');
  return Object.fromEntries(message.fields.map(({ code, value }) => [code, value]));
}

test('a refusal says what, why and what to do in the fields that clients show', () => {
  const refusal: Refusal = {
    code: 'approval-required',
    message: 'This export waits for consent.',
    detail: 'Exports above 1000 rows need an owner.',
    hint: 'Request abc was opened.',
    position: 8,
  };
  assert.deepEqual(said(encodeRefusal(refusal)), {
    S: 'ERROR',
    V: 'ERROR',
    C: '42501',
    M: 'This export waits for consent.',
    D: 'Exports above 1000 rows need an owner.',
    H: 'Request abc was opened.',
    P: '8',
    F: 'gatehouse',
    L: '1',
    R: 'approval_required',
  });
  assert.equal(said(encodeRefusal(refusal, 'FATAL'))['V'], 'FATAL');
  assert.equal(said(encodeRefusal({ ...refusal, sqlstate: '42P01' }))['C'], '42P01');
});

test('every refusal has a SQLSTATE of five characters and ends the session only when it must', () => {
  for (const [code, { sqlstate, severity }] of Object.entries(refusalTable)) {
    assert.match(sqlstate, /^[0-9A-Z]{5}$/, code);
    const fields = said(encodeRefusal({ code: code as RefusalCode, message: 'x' }));
    assert.equal(fields['C'], sqlstate);
    assert.equal(fields['V'], severity);
  }
  for (const code of [
    'policy-denied',
    'approval-required',
    'row-limit',
    'statement-opaque',
    'plan-changed',
    'ledger-unavailable',
  ] as const) {
    assert.equal(refusalTable[code].severity, 'ERROR', code);
  }
});

test('a changed plan is said in the words to which drivers react, our own follow as detail', () => {
  const fields = said(encodeRefusal({ code: 'plan-changed', message: 'Labels of shop.customers changed.' }));
  assert.equal(fields['C'], '0A000');
  assert.equal(fields['M'], 'cached plan must not change result type');
  assert.equal(fields['R'], 'RevalidateCachedQuery');
  assert.equal(fields['D'], 'Labels of shop.customers changed.');
});

test('texts that quote a client cannot break the message', () => {
  const fields = said(
    encodeRefusal({ code: 'policy-denied', message: 'a\0b', detail: 'x'.repeat(100_000), hint: '\0' }),
  );
  assert.equal(fields['M'], 'a\u2400b');
  assert.equal(fields['D']?.length, 8192);
  assert.equal(fields['H'], '\u2400');
});

test('a notice is a notice', () => {
  const bytes = encodeNotice('waiting for consent', { hint: 'gatehouse requests show abc' });
  assert.equal(bytes[0], 'N'.charCodeAt(0));
  assert.deepEqual(said(bytes), {
    S: 'NOTICE',
    V: 'NOTICE',
    C: '00000',
    M: 'waiting for consent',
    H: 'gatehouse requests show abc',
  });
  assert.equal(said(encodeNotice('x', { severity: 'WARNING' }))['C'], '01000');
});
