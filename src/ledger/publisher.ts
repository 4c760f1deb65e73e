import { CHECKPOINT } from './paths.ts';
import type { CheckpointSigner } from './signer.ts';
import type { LedgerStorage, PublishedFile, SplicedFile } from './storage.ts';
import {
  bundlePath,
  type Checkpoint,
  CompactRange,
  disclosurePath,
  encodeBundle,
  HASH_BYTES,
  hashesOnLevel,
  partialFolder,
  TILE_WIDTH,
  tilePath,
} from './verify/index.ts';
import type { WrittenRecord } from './write-out.ts';

/** 256 = 2^8 */
const TILE_HEIGHT = 8;

/**
 * Turns durable batches into the public tree. Owned by one caller, who never has two commits under way.
 * Holds the right edge only: the unfinished bundle and the unfinished tile of each level.
 */
export class Publisher {
  readonly #storage: LedgerStorage;
  readonly #signer: CheckpointSigner;
  readonly #origin: string;
  readonly #range = new CompactRange();
  /** Entries of the unfinished bundle. */
  #entries: Buffer[] = [];
  /** Hashes of the unfinished tile, by level. */
  readonly #tiles: Buffer[][] = [[]];
  /** Bytes of each disclosure file that is still written to, by bundle. */
  readonly #written = new Map<number, number>();
  /** The last published partial tile, by level: an upper one seldom changes. */
  readonly #partialPaths = new Map<number, string>();
  #published: Checkpoint;

  constructor(storage: LedgerStorage, signer: CheckpointSigner, origin: string) {
    this.#storage = storage;
    this.#signer = signer;
    this.#origin = origin;
    this.#published = { origin, size: 0, root: this.#range.root() };
  }

  get published(): Checkpoint {
    return this.#published;
  }

  /** Takes over an entry that is published already. */
  restore(entry: Buffer, leaf: Buffer): void {
    this.#take(Buffer.from(entry), leaf);
    this.#turn(undefined);
  }

  /** Ends the restoring: what is published is what was restored. `disclosed` = bytes of the last disclosure file that belong to it. */
  restored(disclosed: number): void {
    this.#published = { origin: this.#origin, size: this.#range.size, root: this.#range.root() };
    this.#written.set(Math.floor(this.#range.size / TILE_WIDTH), disclosed);
  }

  /**
   * Publishes durable records: disclosures and tiles, then the checkpoint that speaks for them. When it resolves, the
   * write-ahead log of these records is not needed any more; when it rejects, what is published is unknown.
   */
  async commit(records: readonly WrittenRecord[]): Promise<Checkpoint> {
    const files: PublishedFile[] = [];
    const disclosures = new Map<number, Buffer[]>();
    const obsolete: string[] = [];
    for (const record of records) {
      const bundle = Math.floor(this.#range.size / TILE_WIDTH);
      if (record.disclosures.length > 0) {
        const lines = disclosures.get(bundle);
        if (lines === undefined) disclosures.set(bundle, [record.disclosures]);
        else lines.push(record.disclosures);
      }
      // Copies: they would keep alive all that was written out together.
      this.#take(Buffer.from(record.entry), Buffer.from(record.leaf));
      if (this.#turn({ files, obsolete })) await nextTurn();
    }
    this.#partials(files);
    // Commit point 1: the records are durable in the write-ahead log; everything below can be made again from it.
    if (disclosures.size > 0) await this.#disclose(disclosures);
    await this.#storage.publish(files);
    const checkpoint = { origin: this.#origin, size: this.#range.size, root: this.#range.root() };
    // Commit point 2: the checkpoint. Before it, readers see the old tree; after it, the new one, whose tiles are all there.
    await this.#storage.replace(CHECKPOINT, this.#signer.sign(checkpoint));
    this.#published = checkpoint;
    if (obsolete.length > 0) await this.#storage.remove(obsolete);
    return checkpoint;
  }

  #take(entry: Buffer, leaf: Buffer): void {
    this.#entries.push(entry);
    (this.#tiles[0] as Buffer[]).push(leaf);
    this.#range.push(leaf, (height, root) => {
      if (height % TILE_HEIGHT !== 0) return;
      const level = height / TILE_HEIGHT;
      const tile = this.#tiles[level];
      if (tile === undefined) this.#tiles[level] = [root];
      else tile.push(root);
    });
  }

  /** Puts away what the last entry completed. @returns whether that was a bundle. */
  #turn(out: { files: PublishedFile[]; obsolete: string[] } | undefined): boolean {
    if (this.#entries.length < TILE_WIDTH) return false;
    const bundle = this.#range.size / TILE_WIDTH - 1;
    if (out !== undefined) {
      const path = bundlePath({ index: bundle, width: TILE_WIDTH });
      out.files.push({ path, bytes: encodeBundle(this.#entries) });
      out.obsolete.push(partialFolder(path));
    }
    this.#entries = [];
    for (const [level, tile] of this.#tiles.entries()) {
      if (tile.length < TILE_WIDTH) continue;
      const index = hashesOnLevel(this.#range.size, level) / TILE_WIDTH - 1;
      if (out !== undefined) {
        const path = tilePath(level, { index, width: TILE_WIDTH });
        out.files.push({ path, bytes: Buffer.concat(tile, TILE_WIDTH * HASH_BYTES) });
        out.obsolete.push(partialFolder(path));
      }
      this.#tiles[level] = [];
    }
    return true;
  }

  #partials(files: PublishedFile[]): void {
    const index = Math.floor(this.#range.size / TILE_WIDTH);
    if (this.#entries.length > 0) {
      files.push({ path: bundlePath({ index, width: this.#entries.length }), bytes: encodeBundle(this.#entries) });
    }
    for (const [level, tile] of this.#tiles.entries()) {
      if (tile.length === 0) continue;
      const id = { index: Math.floor(hashesOnLevel(this.#range.size, level) / TILE_WIDTH), width: tile.length };
      const path = tilePath(level, id);
      if (this.#partialPaths.get(level) === path) continue;
      this.#partialPaths.set(level, path);
      files.push({ path, bytes: Buffer.concat(tile) });
    }
  }

  async #disclose(disclosures: ReadonlyMap<number, readonly Buffer[]>): Promise<void> {
    const files: SplicedFile[] = [];
    let last: { readonly bundle: number; readonly end: number } | undefined;
    for (const [bundle, lines] of disclosures) {
      const offset = this.#written.get(bundle) ?? 0;
      const bytes = Buffer.concat(lines);
      last = { bundle, end: offset + bytes.length };
      files.push({ path: disclosurePath(bundle), offset, bytes });
    }
    await this.#storage.splice(files);
    // Only the last one is written to again.
    this.#written.clear();
    if (last !== undefined) this.#written.set(last.bundle, last.end);
  }
}

/** Hashing thousands of entries in one go would be felt as a pause by every connection. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
