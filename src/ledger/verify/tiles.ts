import { VerifyError } from './errors.ts';
import { HASH_BYTES } from './merkle.ts';

/** Hashes in a full tile, and entries in a full bundle. https://c2sp.org/tlog-tiles */
export const TILE_WIDTH = 256;
/** Bundles length-prefix each entry with 16 bits. */
export const LARGEST_ENTRY = 65_535;

/** A tile or bundle is named by its number, and its width when it is not full. */
export interface TileId {
  readonly index: number;
  /** 1–256 */
  readonly width: number;
}

function numberPath(index: number): string {
  if (!Number.isSafeInteger(index) || index < 0)
    throw new VerifyError('ERR_VERIFY_PATH', `No tile has the number ${index}.`);
  let path = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
  }
  return path;
}

function widthPath({ index, width }: TileId): string {
  return width === TILE_WIDTH ? numberPath(index) : `${numberPath(index)}.p/${width}`;
}

/** `tile/<L>/<N>[.p/<W>]` */
export function tilePath(level: number, tile: TileId): string {
  return `tile/${level}/${widthPath(tile)}`;
}

/** `tile/entries/<N>[.p/<W>]` */
export function bundlePath(bundle: TileId): string {
  return `tile/entries/${widthPath(bundle)}`;
}

/** Folder of the partial versions of a tile: obsolete once the full one is there. */
export function partialFolder(path: string): string {
  return `${path}.p`;
}

/** Erasable values of a bundle's entries. Ours, beside the public tree: `disclosures/<N>.ndjson`. */
export function disclosurePath(bundle: number): string {
  return `disclosures/${numberPath(bundle)}.ndjson`;
}

/** How many hashes the tree of `size` entries has on a level: 256^level leaves below each. */
export function hashesOnLevel(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The tiles of a level (or, for level 0, the bundles) in a tree of `size`, from the one that holds hash number `from`. */
export function* tilesOfLevel(size: number, level: number, from = 0): Generator<TileId> {
  const hashes = hashesOnLevel(size, level);
  for (let index = Math.floor(from / TILE_WIDTH); index * TILE_WIDTH < hashes; index += 1) {
    yield { index, width: Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH) };
  }
}

/** @throws VerifyError `ERR_VERIFY_BUNDLE` when a length leads past the end. */
export function parseBundle(bytes: Uint8Array): Buffer[] {
  const bundle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 <= bundle.length ? at + 2 + bundle.readUInt16BE(at) : Number.POSITIVE_INFINITY;
    if (end > bundle.length)
      throw new VerifyError('ERR_VERIFY_BUNDLE', `The entry bundle is cut off in its entry ${entries.length}.`);
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** `uint16 length || entry`, repeated. @throws VerifyError `ERR_VERIFY_BUNDLE` for an entry above 65,535 bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  const bundle = Buffer.allocUnsafe(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > LARGEST_ENTRY)
      throw new VerifyError('ERR_VERIFY_BUNDLE', `An entry has ${entry.length} bytes, above 65,535.`);
    bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bundle;
}

/** @throws VerifyError `ERR_VERIFY_TILE_LENGTH` */
export function parseTile(bytes: Uint8Array, width: number, path: string): Buffer[] {
  if (bytes.length !== width * HASH_BYTES) {
    throw new VerifyError(
      'ERR_VERIFY_TILE_LENGTH',
      `${path} has ${bytes.length} bytes instead of ${width * HASH_BYTES}.`,
    );
  }
  const tile = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: width }, (_, at) => tile.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}
