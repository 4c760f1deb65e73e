import assert from 'node:assert/strict';
import test from 'node:test';
import {
  bundlePath,
  encodeBundle,
  parseBundle,
  tilePath,
  tilesOfLevel,
  type VerifyError,
} from '../../../../src/ledger/verify/index.ts';

test('tile paths are those of the specification', () => {
  assert.equal(tilePath(0, { index: 1_234_067, width: 256 }), 'tile/0/x001/x234/067');
  assert.equal(tilePath(2, { index: 0, width: 1 }), 'tile/2/000.p/1');
  assert.equal(bundlePath({ index: 273, width: 112 }), 'tile/entries/273.p/112');
  assert.equal(bundlePath({ index: 1_000, width: 256 }), 'tile/entries/x001/000');
});

test('a tree of 70,000 has the tiles that the specification counts', () => {
  const widths = (level: number) => [...tilesOfLevel(70_000, level)].map(({ width }) => width);
  assert.deepEqual([widths(0).length, widths(0).at(-1)], [274, 112]);
  assert.deepEqual(widths(1), [256, 17]);
  assert.deepEqual(widths(2), [1]);
  assert.deepEqual(widths(3), []);
});

test('no tile is named when there is no hash for it', () => {
  assert.deepEqual([...tilesOfLevel(0, 0)], []);
  assert.deepEqual([...tilesOfLevel(256, 0)], [{ index: 0, width: 256 }]);
  assert.deepEqual([...tilesOfLevel(255, 1)], []);
});

test('a bundle gives back its entries, and is refused when it is cut at any byte within one', () => {
  const entries = [Buffer.from('a'), Buffer.alloc(0), Buffer.from('xyz'), Buffer.alloc(65_535, 7)];
  const bundle = encodeBundle(entries);
  assert.deepEqual(parseBundle(bundle), entries);
  const borders = new Set([0, 3, 5, 10]);
  for (let cut = 0; cut < 40; cut += 1) {
    const act = () => parseBundle(bundle.subarray(0, cut));
    if (borders.has(cut)) assert.doesNotThrow(act);
    else assert.throws(act, (error: VerifyError) => error.code === 'ERR_VERIFY_BUNDLE', `cut at ${cut}`);
  }
});

test('an entry of 65,536 bytes fits in no bundle', () => {
  assert.throws(
    () => encodeBundle([Buffer.alloc(65_536)]),
    (error: VerifyError) => error.code === 'ERR_VERIFY_BUNDLE',
  );
});
