import assert from 'node:assert/strict';
import test from 'node:test';
import {
  columnsPerStatement,
  detectInSample,
  isScannable,
  MOST_BYTES,
  sampleSql,
} from '../../../src/dataplane/proposals/sample.ts';
import { DETECTOR_FAMILIES, DetectorSet } from '../../../src/masking/index.ts';
import { relation } from '../statement/world.ts';

const table = relation('shop.odd "table"', 'a, b "x"');

test('a sample is bounded, quoted, and drawn by block where the table is large', () => {
  assert.equal(
    sampleSql(table, table.columns, 100, 0),
    'SELECT pg_catalog.left("a"::pg_catalog.text, 1024), pg_catalog.left("b"::pg_catalog.text, 1024) FROM "shop"."odd ""table""" LIMIT 100',
  );
  assert.match(sampleSql(table, table.columns, 100, 1_000_000), / TABLESAMPLE SYSTEM \(0\.012500\) LIMIT 100$/);
  assert.doesNotMatch(sampleSql(table, table.columns, 100, 150), /TABLESAMPLE/);
  assert.doesNotMatch(sampleSql({ ...table, kind: 'foreign-table' }, table.columns, 100, 1_000_000), /TABLESAMPLE/);
});

test('however many rows are asked for, an answer fits', () => {
  for (const rows of [1, 10, 1_000, 10_000]) {
    const columns = columnsPerStatement(rows);
    assert.ok(columns >= 1 && (columns * rows * 4 * 1024 <= MOST_BYTES || columns === 1), `${rows}`);
  }
});

test('values are counted, not hits, and NULL is no value', () => {
  const set = new DetectorSet({ families: new Set(DETECTOR_FAMILIES) });
  const [a, b] = table.columns;
  assert.ok(a && b);
  const found = detectInSample(
    set,
    [a, b],
    [
      ['one@example.org two@example.org', null],
      ['nothing', 'ghp_abcdefghijklmnopqrstuvwxyz0123456789 x@example.org'],
      ['three@example.org', null],
    ],
  );
  assert.deepEqual(
    found.map(({ values, hits }) => [values, hits.map((hit) => [hit.detector.id, hit.values])]),
    [
      [3, [['email', 2]]],
      [
        1,
        [
          ['secret-github', 1],
          ['email', 1],
        ],
      ],
    ],
  );
});

test('text, json, lists of text, numeric and bigint are read; dates, uuids and bytes are not', () => {
  const typed = (category: string, baseTypeOid: number) => ({ ...table.columns[0], category, baseTypeOid }) as never;
  for (const [category, oid] of [
    ['S', 25],
    ['S', 99_999],
    ['U', 3802],
    ['U', 114],
    ['A', 1009],
    ['N', 1700],
    ['N', 20],
  ] as const)
    assert.ok(isScannable(typed(category, oid)), `${oid}`);
  for (const [category, oid] of [
    ['D', 1082],
    ['U', 2950],
    ['U', 17],
    ['N', 23],
    ['A', 1007],
    ['B', 16],
  ] as const)
    assert.ok(!isScannable(typed(category, oid)), `${oid}`);
});
