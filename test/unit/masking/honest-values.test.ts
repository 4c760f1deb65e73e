import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { recogniserOf } from '../../../src/masking/index.ts';
import { hasMark } from '../../../src/masking/write-back/marks.ts';
import type { CatalogColumn } from '../../../src/model/catalog.ts';
import type { MaskKind } from '../../../src/model/mask.ts';

const EACH = 6_000;

function column(baseTypeName: string, baseTypeOid: number, category: string): CatalogColumn {
  return {
    attnum: 1,
    name: 'c',
    typeOid: baseTypeOid,
    typmod: -1,
    typeName: baseTypeName,
    baseTypeOid,
    baseTypeName,
    category,
    notNull: false,
    generated: false,
  };
}

const WORDS =
  'backend feedback decode p_model page pin pick plan deal field label name peak middle p_id code email phone map'.split(
    ' ',
  );

/** The same for every run: pieces of hashes of the number. */
function hash(kind: string, index: number): string {
  return createHash('sha256').update(`${kind} ${index}`).digest('hex');
}

function word(index: number, at: number): string {
  return WORDS[Number.parseInt(hash('word', index).slice(at * 2, at * 2 + 2), 16) % WORDS.length] ?? '';
}

const letters = (hex: string): string => hex.replaceAll(/\d/g, (digit) => 'ghijklmnop'[Number(digit)] ?? '');

const corpora: Readonly<Record<string, (index: number) => string>> = {
  'random UUIDs': (n) => hash('v4', n).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-a$4-$5'),
  'UUIDs of version 7': (n) => hash('v7', n).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-7$3-b$4-$5'),
  hashes: (n) => hash('hash', n),
  'hashes in capitals': (n) => hash('hash', n).toUpperCase().slice(0, 24),
  'tokens in base64': (n) => Buffer.from(hash('b64', n), 'hex').toString('base64'),
  'letters from a to p': (n) => letters(hash('letters', n)).slice(0, 22),
  'letters behind another beginning': (n) => `P_${letters(hash('letters', n)).slice(0, 22)}`,
  'letters with more behind them': (n) => `p_${letters(hash('letters', n)).slice(0, 23)}`,
  'letters with something before them': (n) => `up_${letters(hash('letters', n)).slice(0, 22)}`,
  'names of columns': (n) => `p_${word(n, 0)}_${word(n, 1)}_${word(n, 2)}`,
  'words in one': (n) => `p_${word(n, 0)}${word(n, 1)}${word(n, 2)}`.slice(0, 22),
  addresses: (n) => `${word(n, 0)}.${word(n, 1)}${n}@example.org`,
  'addresses that begin like pseudonyms': (n) => `p_${letters(hash('mail', n)).slice(0, 12)}@example.org`,
  'phone numbers': (n) => `+43 660 ${1_000_000 + n}`,
  'card numbers': (n) =>
    `4${String(Number.parseInt(hash('pan', n).slice(0, 12), 16))
      .padStart(15, '0')
      .slice(0, 15)}`,
  'order numbers': (n) => `ORD-2024-${String(n).padStart(6, '0')}`,
  emphasis: (n) => `***${word(n, 0)} ${n}***`,
  'notes with stars': (n) => `${word(n, 0)} ${word(n, 1)} *** ${word(n, 2)} ${n}`,
  products: (n) => `${n} * ${n + 1} ** 2`,
  times: (n) => new Date(n * 86_400_000 * 3 + 1).toISOString(),
  JSON: (n) => JSON.stringify({ id: n, name: `${word(n, 0)} ${word(n, 1)}`, note: '**' }),
};

const SHAPES = [['pii.contact.email'], ['pci.pan'], ['pii.contact.phone'], ['fin.iban'], ['pii.name']];
const KINDS: readonly MaskKind[] = [
  { kind: 'null' },
  { kind: 'redact' },
  { kind: 'partial' },
  { kind: 'partial', keepFirst: 2, keepLast: 2 },
  { kind: 'generalise', to: 'year' },
  { kind: 'pseudonym' },
];

for (const [name, honest] of Object.entries(corpora)) {
  test(`${name} are nobody's mask (${EACH} of them)`, () => {
    const texts = KINDS.flatMap((kind) => SHAPES.map((labels) => recogniserOf(column('text', 25, 'S'), kind, labels)));
    const ids = recogniserOf(column('uuid', 2950, 'U'), { kind: 'pseudonym' }, []);
    for (let index = 1; index <= EACH; index++) {
      const value = honest(index);
      assert.ok(!hasMark(value), value);
      for (const recognise of texts) assert.equal(recognise(value), undefined, value);
      assert.equal(ids(value), undefined, value);
    }
  });
}

test('there are at least 100,000 of them', () => {
  assert.ok(Object.keys(corpora).length * EACH >= 100_000);
});

test('numbers, dates and flags are a mask only where they are the constant of one', () => {
  const redact: MaskKind = { kind: 'redact' };
  const integer = recogniserOf(column('integer', 23, 'N'), redact, []);
  const date = recogniserOf(column('date', 1082, 'D'), redact, []);
  const time = recogniserOf(column('timestamp with time zone', 1184, 'D'), redact, []);
  for (let index = 1; index <= 20_000; index++) {
    assert.equal(integer(String(index * 7)), undefined);
    assert.equal(integer(String(-index)), undefined);
    const day = new Date(index * 86_400_000).toISOString();
    assert.equal(date(day.slice(0, 10)), undefined);
    assert.equal(time(day), undefined);
  }
  for (const zero of ['0', '00', '+0', '-0', ' 0 ']) assert.equal(integer(zero), 'constant', zero);
  for (const epoch of [
    '1970-01-01',
    '01/01/1970',
    '1.1.1970',
    '19700101',
    '1970-01-01 00:00:00',
    '1970-01-01T00:00:00.000Z',
  ])
    assert.equal(date(epoch), 'constant', epoch);
  for (const epoch of [
    '1970-01-01 00:00:00+00',
    '1970-01-01T00:00:00.000Z',
    '1970-01-01 01:00:00+01',
    '1969-12-31 19:00:00-05:00',
  ])
    assert.equal(time(epoch), 'constant', epoch);
});
