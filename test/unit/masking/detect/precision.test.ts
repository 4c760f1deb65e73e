import assert from 'node:assert/strict';
import test from 'node:test';
import {
  ColumnDetectors,
  DETECTOR_FAMILIES,
  type DetectedColumn,
  DetectorSet,
} from '../../../../src/masking/detect/index.ts';
import { POSITIVES } from './positives.ts';
import { LOOK_ALIKES, random } from './values.ts';

const set = new DetectorSet({ families: new Set(DETECTOR_FAMILIES) });
const text = (name: string): DetectedColumn => ({ name, writing: 'text' });

/** Hits by detector in one column of values, read as a result's column is. */
function hitsOf(values: readonly string[], name = ''): Map<string, number> {
  const columns = new ColumnDetectors(set, () => 'report', [text(name)]);
  for (const value of values) {
    const bytes = Buffer.from(value);
    columns.scan(0, bytes, 0, bytes.length);
  }
  const hits = new Map<string, number>();
  for (const { detector, hits: count } of columns.counts()) {
    const id = detector.family === 'secret' ? 'secret' : detector.id;
    hits.set(id, (hits.get(id) ?? 0) + count);
  }
  return hits;
}

const ROWS = 2_000;
const MIN_PRECISION = 0.99;
const MIN_RECALL = 0.99;

test('of more than 100,000 look-alikes fewer than one in 5,000 is taken for a value', (t) => {
  const draw = random(20_261_123);
  const wrong = new Map<string, number>();
  let rows = 0;
  for (const [name, make] of Object.entries(LOOK_ALIKES)) {
    const values = Array.from({ length: ROWS }, (_, row) => make(draw, row));
    rows += values.length;
    for (const [id, count] of hitsOf(values, name)) wrong.set(`${name}: ${id}`, count);
  }
  const total = [...wrong.values()].reduce((sum, count) => sum + count, 0);
  t.diagnostic(`${rows} look-alikes, ${total} taken for something: ${JSON.stringify(Object.fromEntries(wrong))}`);
  assert.ok(rows >= 100_000, `${rows} rows`);
  assert.ok(total <= rows / 5_000, JSON.stringify(Object.fromEntries(wrong)));
  for (const [where, count] of wrong) assert.ok(count <= ROWS / 100, `${where} ${count}`);
});

test('every detector has at least 99 % recall on a column of its own, and 99 % precision beside the look-alikes', () => {
  const draw = random(7);
  const wrong = new Map<string, number>();
  for (const [name, make] of Object.entries(LOOK_ALIKES)) {
    const values = Array.from({ length: ROWS }, (_, row) => make(draw, row));
    for (const [id, count] of hitsOf(values, name)) wrong.set(id, (wrong.get(id) ?? 0) + count);
  }
  for (const [id, make] of Object.entries(POSITIVES)) {
    const found = hitsOf(Array.from({ length: ROWS }, () => make(draw))).get(id) ?? 0;
    assert.ok(found >= ROWS * MIN_RECALL, `recall of ${id}: ${found} of ${ROWS}`);
    const precision = found / (found + (wrong.get(id) ?? 0));
    assert.ok(precision >= MIN_PRECISION, `precision of ${id}: ${precision}`);
  }
});

test('in running text, values whose form or issuer is plain are found', () => {
  const draw = random(11);
  for (const id of ['email', 'phone', 'iban', 'jwt', 'secret', 'id-fi', 'id-us']) {
    const make = POSITIVES[id];
    assert.ok(make);
    const values = Array.from({ length: 500 }, (_, row) => `Row ${row}: seen ${make(draw)}, checked 2026-11-23.`);
    const found = hitsOf(values).get(id) ?? 0;
    assert.ok(found >= 495, `${id}: ${found} of 500`);
  }
});

test('a word before a bare number, or the name of its column, says what it is where chance would not', () => {
  const draw = random(13);
  const make = POSITIVES['id-nl'];
  assert.ok(make);
  const noisy = LOOK_ALIKES['order_no_9'];
  assert.ok(noisy);
  const mixed = Array.from({ length: 400 }, (_, row) => (row % 4 === 0 ? make(draw) : noisy(draw, row)));
  assert.ok((hitsOf(mixed, 'reference').get('id-nl') ?? 0) < 8, 'a quarter of a column is not enough');
  assert.ok((hitsOf(mixed, 'customer_bsn').get('id-nl') ?? 0) >= 100, 'the name of the column speaks');
  const said = mixed.map((value, row) => (row % 4 === 0 ? `BSN: ${value}` : `order ${value}`));
  assert.ok((hitsOf(said, 'note').get('id-nl') ?? 0) >= 100, 'so does the word before');
});
