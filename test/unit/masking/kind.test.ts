import assert from 'node:assert/strict';
import test from 'node:test';
import { MaskingError, maskKindFor, pseudonymSettings } from '../../../src/masking/index.ts';
import type { MaskKind, MaskRules } from '../../../src/model/mask.ts';

const rules: MaskRules = {
  default: { kind: 'redact' },
  byLabel: new Map<string, MaskKind>([
    ['pii', { kind: 'pseudonym' }],
    ['pii.contact', { kind: 'partial' }],
    ['pii.contact.email', { kind: 'partial', keepFirst: 2 }],
    ['pii.birth', { kind: 'generalise', to: 'year' }],
    ['pii.age', { kind: 'generalise', to: 'decade' }],
    ['fin.salary', { kind: 'generalise', to: { band: 1000 } }],
    ['fin.bonus', { kind: 'generalise', to: { band: 50 } }],
    ['secret', { kind: 'null' }],
    ['hr.badge', { kind: 'partial', keepLast: 4 }],
    ['hr.desk', { kind: 'partial', keepFirst: 6 }],
    ['hr.room', { kind: 'partial', keepFirst: 2, keepLast: 5 }],
  ]),
};

test('the longest rule that is the label or one of its ancestors decides', () => {
  assert.deepEqual(maskKindFor(['pii.contact.email'], rules), { kind: 'partial', keepFirst: 2 });
  assert.deepEqual(maskKindFor(['pii.contact.email.work'], rules), { kind: 'partial', keepFirst: 2 });
  assert.deepEqual(maskKindFor(['pii.contact.phone'], rules), { kind: 'partial' });
  assert.deepEqual(maskKindFor(['pii.name'], rules), { kind: 'pseudonym' });
  assert.deepEqual(maskKindFor(['piiother'], rules), { kind: 'redact' }, 'a label is no prefix of another word');
  assert.deepEqual(maskKindFor([], rules), { kind: 'redact' });
});

test('of several labels the strictest kind wins, in any order', () => {
  const cases: readonly (readonly [string, string, MaskKind])[] = [
    ['pii.contact.email', 'pii.birth', { kind: 'generalise', to: 'year' }],
    ['pii.birth', 'pii.name', { kind: 'pseudonym' }],
    ['pii.name', 'unknown', { kind: 'redact' }],
    ['unknown', 'secret', { kind: 'null' }],
    ['pii.birth', 'pii.age', { kind: 'generalise', to: 'decade' }],
    ['fin.salary', 'fin.bonus', { kind: 'generalise', to: { band: 1000 } }],
    ['fin.salary', 'pii.birth', { kind: 'redact' }],
  ];
  for (const [a, b, expected] of cases) {
    assert.deepEqual(maskKindFor([a, b], rules), expected, `${a}, ${b}`);
    assert.deepEqual(maskKindFor([b, a], rules), expected, `${b}, ${a}`);
  }
});

test('two partial masks leave what both of them would leave, never an end that one of them hides', () => {
  const both = (...labels: string[]): MaskKind => {
    const kind = maskKindFor(labels, rules);
    assert.deepEqual(maskKindFor(labels.toReversed(), rules), kind);
    return kind;
  };
  assert.deepEqual(both('hr.badge', 'hr.desk'), { kind: 'partial', keepFirst: 0, keepLast: 0 });
  assert.deepEqual(both('hr.badge', 'hr.room'), { kind: 'partial', keepFirst: 0, keepLast: 4 });
  assert.deepEqual(both('hr.desk', 'hr.room'), { kind: 'partial', keepFirst: 2, keepLast: 0 });
  assert.deepEqual(both('hr.desk', 'pii.contact'), { kind: 'partial', keepFirst: 1, keepLast: 0 }, 'its own default');
  assert.deepEqual(both('pii.contact.phone', 'hr.badge'), { kind: 'partial', keepFirst: 0, keepLast: 2 });
});

test('a pseudonym key that is too short is refused', () => {
  assert.throws(
    () => pseudonymSettings(Buffer.alloc(15)),
    (error) => error instanceof MaskingError && error.code === 'ERR_MASKING_KEY_TOO_SHORT',
  );
});
