import { hash } from 'node:crypto';
import { VerifyError } from './errors.ts';

/** SHA-256, in bytes. */
export const HASH_BYTES = 32;

/** SHA-256. Asked for as text because making a small Buffer in native code costs more than reading 64 digits. */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', bytes, 'hex'), 'hex');
}

const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;

/** Root of the tree without leaves: SHA-256 of nothing. https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 */
export const EMPTY_ROOT: Buffer = sha256(Buffer.alloc(0));

/** `SHA-256(0x00 || entry)`. https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 */
export function leafHash(entry: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(entry.length + 1);
  input[0] = LEAF_PREFIX;
  input.set(entry, 1);
  return sha256(input);
}

const pair = Buffer.alloc(1 + 2 * HASH_BYTES, NODE_PREFIX);

/** `SHA-256(0x01 || left || right)`. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return sha256(pair);
}

/**
 * The right edge of a growing tree: one hash per perfect subtree, O(log n) in all.
 * Grows by whole leaves, and tells the root and the perfect subtrees that each leaf completes.
 */
export class CompactRange {
  #size = 0;
  /** Roots of the perfect subtrees, largest first. */
  readonly #edge: Buffer[] = [];

  get size(): number {
    return this.#size;
  }

  /** Adds a leaf hash. `completed(height, root)` is called for every perfect subtree of 2^height leaves that it completes, height ≥ 1. */
  push(leaf: Buffer, completed?: (height: number, root: Buffer) => void): void {
    let node = leaf;
    let height = 0;
    // 2^53 is out of reach of a log, 2^31 is not: no bit operators on the size.
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      node = nodeHash(this.#edge.pop() as Buffer, node);
      height += 1;
      completed?.(height, node);
    }
    this.#edge.push(node);
    this.#size += 1;
  }

  /** A copy that grows on its own. */
  fork(): CompactRange {
    const copy = new CompactRange();
    copy.#size = this.#size;
    copy.#edge.push(...this.#edge);
    return copy;
  }

  root(): Buffer {
    let root = this.#edge.at(-1);
    if (root === undefined) return EMPTY_ROOT;
    for (let at = this.#edge.length - 2; at >= 0; at -= 1) root = nodeHash(this.#edge[at] as Buffer, root);
    return root;
  }
}

/** Root over leaf hashes. */
export function rootOf(leaves: Iterable<Buffer>): Buffer {
  const range = new CompactRange();
  for (const leaf of leaves) range.push(leaf);
  return range.root();
}

/** Largest power of two below `size` (> 1). */
function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/** Hash of the subtree over leaves [from, to). */
type Subtree = (from: number, to: number) => Buffer;

/** Subtree hashes over leaf hashes in memory. */
export function subtreeOf(leaves: readonly Buffer[]): Subtree {
  return (from, to) => rootOf(leaves.slice(from, to));
}

/** RFC 9162 §2.1.3.1: audit path of the leaf `index` in the tree of `size` leaves, leaf to root. */
export function inclusionPath(index: number, size: number, subtree: Subtree): Buffer[] {
  const path: Buffer[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      path.push(subtree(middle, to));
      to = middle;
    } else {
      path.push(subtree(from, middle));
      from = middle;
    }
  }
  return path.reverse();
}

/** RFC 9162 §2.1.4.1: proof that the tree of `oldSize` leaves is a prefix of the tree of `size` leaves. */
export function consistencyPath(oldSize: number, size: number, subtree: Subtree): Buffer[] {
  const path: Buffer[] = [];
  let from = 0;
  let to = size;
  let whole = true;
  while (oldSize !== to) {
    const middle = from + split(to - from);
    if (oldSize <= middle) {
      path.push(subtree(middle, to));
      to = middle;
    } else {
      path.push(subtree(from, middle));
      from = middle;
      whole = false;
    }
  }
  if (!whole) path.push(subtree(from, to));
  return path.reverse();
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === HASH_BYTES;
}

function isPosition(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

/** Position in a tree of any size up to 2^53. */
function half(n: number): number {
  return Math.floor(n / 2);
}

/**
 * RFC 9162 §2.1.3.2. Refuses hashes that are not 32 bytes long, which the RFC's algorithm alone would let pass.
 * @throws VerifyError `ERR_VERIFY_INCLUSION`
 */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): void {
  const wrong = (why: string): never => {
    throw new VerifyError('ERR_VERIFY_INCLUSION', `Entry ${index} is not proved to be in the tree of ${size}: ${why}.`);
  };
  if (!isPosition(index) || !isPosition(size) || index >= size) wrong('the index is not below the tree size');
  if (!isHash(leaf) || !isHash(root) || !path.every(isHash)) wrong('a hash is not 32 bytes long');
  let fn = index;
  let sn = size - 1;
  let r: Uint8Array = leaf;
  for (const p of path) {
    if (sn === 0) wrong('the path is too long');
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      r = nodeHash(r, p);
    }
    fn = half(fn);
    sn = half(sn);
  }
  if (sn !== 0) wrong('the path is too short');
  if (!Buffer.from(r).equals(root)) wrong('the path leads to another root');
}

/**
 * RFC 9162 §2.1.4.2. Refuses an old size of 0 (which proves nothing) and hashes that are not 32 bytes long.
 * @throws VerifyError `ERR_VERIFY_CONSISTENCY`
 */
export function verifyConsistency(
  oldSize: number,
  size: number,
  path: readonly Uint8Array[],
  oldRoot: Uint8Array,
  root: Uint8Array,
): void {
  const wrong = (why: string): never => {
    throw new VerifyError(
      'ERR_VERIFY_CONSISTENCY',
      `The tree of ${oldSize} is not proved to be a prefix of the tree of ${size}: ${why}.`,
    );
  };
  if (!isPosition(oldSize) || !isPosition(size) || oldSize === 0 || oldSize > size) wrong('the sizes make no sense');
  if (!isHash(oldRoot) || !isHash(root) || !path.every(isHash)) wrong('a hash is not 32 bytes long');
  if (oldSize === size) {
    if (path.length > 0) wrong('equal sizes need no path');
    if (!Buffer.from(oldRoot).equals(root)) wrong('equal sizes have different roots');
    return;
  }
  const isPowerOfTwo = 2 ** Math.round(Math.log2(oldSize)) === oldSize;
  const proof = isPowerOfTwo ? [oldRoot, ...path] : path;
  const [first, ...others] = proof;
  if (first === undefined || path.length === 0) throw wrong('the path is empty');
  let fn = oldSize - 1;
  let sn = size - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  let fr: Uint8Array = first;
  let sr: Uint8Array = first;
  for (const c of others) {
    if (sn === 0) wrong('the path is too long');
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(c, fr);
      sr = nodeHash(c, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = nodeHash(sr, c);
    }
    fn = half(fn);
    sn = half(sn);
  }
  if (sn !== 0) wrong('the path is too short');
  if (!Buffer.from(fr).equals(oldRoot)) wrong('the path does not start from the old root');
  if (!Buffer.from(sr).equals(root)) wrong('the path leads to another root');
}
