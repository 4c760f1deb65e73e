import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseRelationName, quoteIdentifier } from '../../../src/masking/index.ts';

test('a relation name reads as SQL reads it', () => {
  const names: readonly (readonly [string, ReturnType<typeof parseRelationName>])[] = [
    ['shop.customers', { schema: 'shop', name: 'customers' }],
    ['Shop.CUSTOMERS', { schema: 'shop', name: 'customers' }],
    ['customers', { name: 'customers' }],
    ['shop."Kunden Straße"', { schema: 'shop', name: 'Kunden Straße' }],
    ['"a.b"."c""d"', { schema: 'a.b', name: 'c"d' }],
    ['shop.Straße_1$', { schema: 'shop', name: 'straße_1$' }],
    ['"🙂".ÄRGER', { schema: '🙂', name: 'Ärger' }],
  ];
  for (const [written, expected] of names) assert.deepEqual(parseRelationName(written), expected, written);
});

test('what is no relation name is not read as one', () => {
  for (const written of [
    '',
    '.',
    'a.',
    '.b',
    'a.b.c',
    'a b',
    'a. b',
    '1a',
    '"',
    '""',
    'a."b',
    "a.'b'",
    'a.b;',
    'a.b --',
    '"a"b',
  ]) {
    assert.equal(parseRelationName(written), undefined, written);
  }
});

test('every quoted name is read back as itself', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(name, name, (schema, relation) => {
      const written = `${quoteIdentifier(schema)}.${quoteIdentifier(relation)}`;
      assert.deepEqual(parseRelationName(written), { schema, name: relation });
    }),
  );
});
