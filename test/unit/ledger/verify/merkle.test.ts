import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  CompactRange,
  consistencyPath,
  EMPTY_ROOT,
  inclusionPath,
  leafHash,
  nodeHash,
  rootOf,
  subtreeOf,
  type VerifyError,
  verifyConsistency,
  verifyInclusion,
} from '../../../../src/ledger/verify/index.ts';

/** Roots of sizes 0 to 8 over the reference entries of transparency-dev/merkle. */
const ENTRIES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const leaves = (size: number): Buffer[] => Array.from({ length: size }, (_, n) => leafHash(Buffer.from(`{"n":${n}}`)));
const many = leaves(65_537);

/** RFC 9162 §2.1.1 word for word, to compare the compact range with. */
function naiveRoot(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return EMPTY_ROOT;
  if (hashes.length === 1) return hashes[0] as Buffer;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return nodeHash(naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

function refuses(code: string, act: () => void, why: string): void {
  assert.throws(act, (error: VerifyError) => error.code === code, why);
}

test('the roots of the reference tree are reproduced', () => {
  const hashes = ENTRIES.map((hex) => leafHash(Buffer.from(hex, 'hex')));
  for (const [size, root] of ROOTS.entries()) assert.equal(rootOf(hashes.slice(0, size)).toString('hex'), root);
});

test('the root of 70,000 entries is the known one', () => {
  assert.equal(rootOf(leaves(70_000)).toString('base64'), 'Bgv+86JoCgNF32/SwcmYtPJl1lKSbMhDoRdDYwUbFUc=');
});

test('a compact range gives the root of the definition at every size up to 600', () => {
  const range = new CompactRange();
  for (let size = 0; size <= 600; size += 1) {
    assert.deepEqual(range.root(), naiveRoot(many.slice(0, size)), `size ${size}`);
    range.push(many[size] as Buffer);
  }
});

test('a compact range tells each perfect subtree when its last leaf comes', () => {
  const range = new CompactRange();
  const told: [number, number][] = [];
  for (const leaf of many) {
    range.push(leaf, (height, root) => {
      const size = range.size + 1;
      if (height >= 8) told.push([height, size]);
      if (height === 8) assert.deepEqual(root, rootOf(many.slice(size - 256, size)));
    });
  }
  assert.equal(told.filter(([height]) => height === 8).length, 256);
  assert.deepEqual(
    told.filter(([height]) => height === 16),
    [[16, 65_536]],
  );
});

test('every entry of every tree up to 70 has an inclusion proof, and no other index accepts it', () => {
  for (let size = 1; size <= 70; size += 1) {
    const hashes = many.slice(0, size);
    const root = rootOf(hashes);
    for (let index = 0; index < size; index += 1) {
      const path = inclusionPath(index, size, subtreeOf(hashes));
      verifyInclusion(hashes[index] as Buffer, index, size, path, root);
      refuses(
        'ERR_VERIFY_INCLUSION',
        () => verifyInclusion(many[size] as Buffer, index, size, path, root),
        'another leaf',
      );
      refuses(
        'ERR_VERIFY_INCLUSION',
        () => verifyInclusion(hashes[index] as Buffer, index, size, [...path, root], root),
        'too long',
      );
      if (path.length > 0) {
        refuses(
          'ERR_VERIFY_INCLUSION',
          () => verifyInclusion(hashes[index] as Buffer, index, size, path.slice(1), root),
          'too short',
        );
      }
    }
  }
});

test('every pair of sizes up to 70 has a consistency proof, and another old root is refused', () => {
  const roots = Array.from({ length: 71 }, (_, size) => rootOf(many.slice(0, size)));
  for (let size = 1; size <= 70; size += 1) {
    for (let old = 1; old <= size; old += 1) {
      const path = consistencyPath(old, size, subtreeOf(many.slice(0, size)));
      verifyConsistency(old, size, path, roots[old] as Buffer, roots[size] as Buffer);
      const wrong = roots[(old % 70) + 1] as Buffer;
      refuses(
        'ERR_VERIFY_CONSISTENCY',
        () => verifyConsistency(old, size, path, wrong, roots[size] as Buffer),
        `${old}→${size}`,
      );
      refuses(
        'ERR_VERIFY_CONSISTENCY',
        () => verifyConsistency(old, size, [...path, wrong], roots[old] as Buffer, roots[size] as Buffer),
        'too long',
      );
    }
  }
});

test('proofs hold both ways at random sizes up to 600 and around 65,536, and no changed hash passes', () => {
  const size = fc.oneof(
    { arbitrary: fc.integer({ min: 1, max: 600 }), weight: 9 },
    { arbitrary: fc.constantFrom(65_535, 65_536, 65_537), weight: 1 },
  );
  fc.assert(
    fc.property(size, fc.nat(), fc.nat(), fc.nat(), (n, a, b, c) => {
      const hashes = many.slice(0, n);
      const root = rootOf(hashes);
      const index = a % n;
      const path = inclusionPath(index, n, subtreeOf(hashes));
      verifyInclusion(hashes[index] as Buffer, index, n, path, root);
      const old = (b % n) + 1;
      const oldRoot = rootOf(hashes.slice(0, old));
      const proof = consistencyPath(old, n, subtreeOf(hashes));
      verifyConsistency(old, n, proof, oldRoot, root);
      for (const changed of [path, proof]) {
        if (changed.length === 0) continue;
        const at = c % changed.length;
        const forged = changed.map((hash, k) => (k === at ? flipped(hash, c % 256) : hash));
        const act =
          changed === path
            ? () => verifyInclusion(hashes[index] as Buffer, index, n, forged, root)
            : () => verifyConsistency(old, n, forged, oldRoot, root);
        refuses(changed === path ? 'ERR_VERIFY_INCLUSION' : 'ERR_VERIFY_CONSISTENCY', act, `size ${n}`);
      }
    }),
    { numRuns: 60 },
  );
});

test('hashes of another length and an old size of 0 are refused, which the algorithm alone would accept', () => {
  refuses(
    'ERR_VERIFY_INCLUSION',
    () => verifyInclusion(Buffer.alloc(0), 0, 1, [], Buffer.alloc(0)),
    'empty root and leaf',
  );
  refuses('ERR_VERIFY_CONSISTENCY', () => verifyConsistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT), 'both empty');
  refuses(
    'ERR_VERIFY_CONSISTENCY',
    () => verifyConsistency(0, 5, [], EMPTY_ROOT, rootOf(many.slice(0, 5))),
    'from nothing',
  );
  refuses(
    'ERR_VERIFY_INCLUSION',
    () => verifyInclusion(many[0] as Buffer, 1, 1, [], many[0] as Buffer),
    'index = size',
  );
});

function flipped(hash: Buffer, bit: number): Buffer {
  const copy = Buffer.from(hash);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}
