import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { type DisclosureLine, disclosureDigest, parseDisclosure, parseDisclosureLine } from './disclosure.ts';
import { type EntryEnvelope, parseEntry } from './entry.ts';
import { type VerifyCode, VerifyError } from './errors.ts';
import { CompactRange, leafHash } from './merkle.ts';
import { parseVkey } from './note.ts';
import {
  bundlePath,
  disclosurePath,
  hashesOnLevel,
  parseBundle,
  parseTile,
  TILE_WIDTH,
  type TileId,
  tilePath,
  tilesOfLevel,
} from './tiles.ts';

/** Where a log is read from: a folder, an HTTP server, an archive. */
export interface LogReader {
  /** Bytes below the log's prefix, e.g. `checkpoint` or `tile/0/000`; undefined when there is nothing at that path. */
  read(path: string): Promise<Uint8Array | undefined>;
}

export interface VerifyOptions {
  /** The log's verifier key, which the auditor MUST have from elsewhere than from the log. */
  readonly vkey: string;
  readonly origin: string;
  /** How far an entry's time may lie before that of an earlier one, in milliseconds; 5,000 by default. */
  readonly driftMs?: number;
  /** A checkpoint seen before: the log must have grown out of it. */
  readonly known?: { readonly size: number; readonly root: Uint8Array };
  /** Called for every entry in order, before the verdict is known. */
  readonly onEntry?: (index: number, bytes: Buffer, leaf: Buffer) => void;
  readonly onProgress?: (entries: number, of: number) => void;
}

export interface VerifyProblem {
  readonly code: VerifyCode;
  readonly message: string;
  /** Entry that it is about. */
  readonly index?: number;
  /** File that it is about. */
  readonly path?: string;
}

export interface Verdict {
  readonly ok: boolean;
  /** Absent when it could not be believed. */
  readonly checkpoint?: Checkpoint;
  /** Entries read and hashed. */
  readonly entries: number;
  /** Concealed values in the entries, and how many of them were disclosed here and fit; the others are erased or withheld. */
  readonly concealed: number;
  readonly disclosed: number;
  /** Milliseconds since the epoch. */
  readonly firstTime?: number;
  readonly lastTime?: number;
  /** Empty when ok; at most 100, the first ones. */
  readonly problems: readonly VerifyProblem[];
}

export const DEFAULT_DRIFT_MS = 5_000;
const MOST_PROBLEMS = 100;
/** 256 = 2^8 */
const TILE_HEIGHT = 8;

/**
 * Verifies a whole log without believing anything but the verifier key: hashes every entry anew, compares every tile,
 * recomputes the root and compares it with the signed one, and reads every entry's number, time and disclosures.
 * Never throws for what it finds: every finding has a code of its own. Rejects only when the reader does.
 */
export async function verifyLog(reader: LogReader, options: VerifyOptions): Promise<Verdict> {
  return await new LogVerification(reader, options).run();
}

/** Throws the verdict's first problem as an error. */
export function assertVerified(verdict: Verdict): void {
  const first = verdict.problems[0];
  if (first !== undefined) throw new VerifyError(first.code, first.message);
}

class LogVerification {
  readonly #reader: LogReader;
  readonly #options: VerifyOptions;
  readonly #problems: VerifyProblem[] = [];
  /** Over the hashes of the entries themselves. */
  readonly #range = new CompactRange();
  /** Over the hashes that the tiles claim; split off at the first difference. */
  #claimed: CompactRange | undefined;
  /** Differences between tiles and entries: which side is wrong is known when the roots are. */
  readonly #differences: { readonly entry: VerifyProblem; readonly tile: VerifyProblem }[] = [];
  readonly #upperDifferences: VerifyProblem[] = [];
  /** Recomputed hashes of the unfinished tile of each level above 0. */
  readonly #upper = new Map<number, Buffer[]>();
  #failed = false;
  #firstTime: number | undefined;
  #lastTime: number | undefined;
  #concealed = 0;
  #disclosed = 0;

  constructor(reader: LogReader, options: VerifyOptions) {
    this.#reader = reader;
    this.#options = options;
  }

  async run(): Promise<Verdict> {
    const checkpoint = await this.#openCheckpoint();
    if (checkpoint === undefined) return this.#verdict(undefined);
    const { known } = this.#options;
    if (known !== undefined && known.size > checkpoint.size) {
      this.#report(
        'ERR_VERIFY_SHRUNK',
        `The log has ${checkpoint.size} entries, but ${known.size} were seen before: its end was cut off.`,
      );
    }
    for (const bundle of tilesOfLevel(checkpoint.size, 0)) {
      if (!(await this.#bundle(bundle, checkpoint.size))) return this.#verdict(checkpoint);
      this.#options.onProgress?.(this.#range.size, checkpoint.size);
    }
    await this.#unfinishedTiles();
    this.#compareRoots(checkpoint);
    return this.#verdict(checkpoint);
  }

  async #openCheckpoint(): Promise<Checkpoint | undefined> {
    const bytes = await this.#reader.read('checkpoint');
    if (bytes === undefined) {
      this.#report(
        'ERR_VERIFY_CHECKPOINT_MISSING',
        'There is no checkpoint: this is not a log, or its head was removed.',
        { path: 'checkpoint' },
      );
      return undefined;
    }
    return this.#attempt(() => openCheckpoint(bytes, this.#options.origin, parseVkey(this.#options.vkey)), {
      path: 'checkpoint',
    });
  }

  /** @returns false when the rest of the log cannot be judged. */
  async #bundle(id: TileId, size: number): Promise<boolean> {
    const entries = await this.#entries(id);
    if (entries === undefined) return false;
    const leaves = entries.map(leafHash);
    const first = id.index * TILE_WIDTH;
    const claimed = await this.#claimedHashes(0, id);
    this.#compareLeaves(first, leaves, claimed);
    const { known, onEntry } = this.#options;
    const envelopes: (EntryEnvelope | undefined)[] = [];
    for (const [at, entry] of entries.entries()) {
      if (known?.size === first + at) this.#compareKnown(known.root);
      const leaf = leaves[at] as Buffer;
      onEntry?.(first + at, entry, leaf);
      this.#range.push(leaf, (height, root) => this.#completed(height, root));
      this.#claimed?.push(claimed?.[at] ?? leaf);
      envelopes.push(this.#entry(first + at, entry));
    }
    // The tree of all entries is compared after its last one.
    if (known?.size === size && this.#range.size === size) this.#compareKnown(known.root);
    await this.#disclosures(id.index, first, envelopes);
    await this.#finishedTiles();
    return true;
  }

  async #entries(id: TileId): Promise<Buffer[] | undefined> {
    const path = bundlePath(id);
    const found = await this.#readWidth(path, bundlePath({ ...id, width: TILE_WIDTH }));
    if (found === undefined) {
      const message = `The entries from ${id.index * TILE_WIDTH} on are missing (${path}).`;
      this.#report('ERR_VERIFY_BUNDLE_MISSING', message, { path });
      return undefined;
    }
    const parsed = this.#attempt(() => parseBundle(found.bytes), { path });
    if (parsed === undefined) return undefined;
    // A full bundle read in place of a partial one holds younger entries as well.
    const entries = found.instead ? parsed.slice(0, id.width) : parsed;
    if (entries.length === id.width) return entries;
    const few = entries.length < id.width;
    this.#report(
      few ? 'ERR_VERIFY_ENTRY_MISSING' : 'ERR_VERIFY_ENTRY_SURPLUS',
      `${path} holds ${entries.length} entries instead of ${id.width}: one was ${few ? 'removed' : 'added or doubled'}.`,
      { path },
    );
    return undefined;
  }

  /** The file of a partial tile may be gone once the full one is there. https://c2sp.org/tlog-tiles#partial-tiles */
  async #readWidth(path: string, full: string): Promise<{ bytes: Uint8Array; instead: boolean } | undefined> {
    const bytes = await this.#reader.read(path);
    if (bytes !== undefined) return { bytes, instead: false };
    const whole = path === full ? undefined : await this.#reader.read(full);
    return whole && { bytes: whole, instead: true };
  }

  /** The hashes that a tile claims; undefined (and reported) when they cannot be read. */
  async #claimedHashes(level: number, id: TileId): Promise<Buffer[] | undefined> {
    const path = tilePath(level, id);
    const found = await this.#readWidth(path, tilePath(level, { ...id, width: TILE_WIDTH }));
    if (found === undefined) {
      this.#report('ERR_VERIFY_TILE_MISSING', `The hash tile ${path} is missing.`, { path });
      return undefined;
    }
    const width = found.instead ? TILE_WIDTH : id.width;
    return this.#attempt(() => parseTile(found.bytes, width, path).slice(0, id.width), { path });
  }

  #compareLeaves(first: number, leaves: readonly Buffer[], claimed: readonly Buffer[] | undefined): void {
    if (claimed === undefined) return;
    for (const [at, leaf] of leaves.entries()) {
      if (leaf.equals(claimed[at] as Buffer)) continue;
      // Up to this bundle tiles and entries agree.
      this.#claimed ??= this.#range.fork();
      const index = first + at;
      const moved = claimed.some((other) => other.equals(leaf));
      this.#differences.push({
        entry: moved
          ? { code: 'ERR_VERIFY_SEQUENCE', message: `Entry ${index} stands in another entry's place.`, index }
          : { code: 'ERR_VERIFY_ENTRY_HASH', message: `Entry ${index} was changed after it was recorded.`, index },
        tile: { code: 'ERR_VERIFY_TILE', message: `The hash of entry ${index} in its tile was changed.`, index },
      });
    }
  }

  #compareKnown(root: Uint8Array): void {
    if (this.#range.root().equals(root)) return;
    const message = `The first ${this.#range.size} entries are not those that were seen before: the log was rewritten.`;
    this.#report('ERR_VERIFY_FORKED', message);
  }

  #completed(height: number, root: Buffer): void {
    if (height % TILE_HEIGHT !== 0) return;
    const level = height / TILE_HEIGHT;
    const hashes = this.#upper.get(level);
    if (hashes === undefined) this.#upper.set(level, [root]);
    else hashes.push(root);
  }

  /** Compares the upper tiles that have just become full, so that no more than one per level is held. */
  async #finishedTiles(): Promise<void> {
    for (const [level, hashes] of this.#upper) {
      if (hashes.length < TILE_WIDTH) continue;
      const index = hashesOnLevel(this.#range.size, level) / TILE_WIDTH - 1;
      await this.#compareUpper(level, { index, width: TILE_WIDTH }, hashes);
      this.#upper.set(level, []);
    }
  }

  async #unfinishedTiles(): Promise<void> {
    for (const [level, hashes] of this.#upper) {
      if (hashes.length === 0) continue;
      const index = Math.floor(hashesOnLevel(this.#range.size, level) / TILE_WIDTH);
      await this.#compareUpper(level, { index, width: hashes.length }, hashes);
    }
  }

  async #compareUpper(level: number, id: TileId, hashes: readonly Buffer[]): Promise<void> {
    const claimed = await this.#claimedHashes(level, id);
    if (claimed === undefined || hashes.every((hash, at) => hash.equals(claimed[at] as Buffer))) return;
    const path = tilePath(level, id);
    this.#upperDifferences.push({ code: 'ERR_VERIFY_TILE', message: `The hash tile ${path} was changed.`, path });
  }

  #entry(index: number, bytes: Buffer): EntryEnvelope | undefined {
    const envelope = this.#attempt(() => parseEntry(bytes), { index });
    if (envelope === undefined) return undefined;
    const { origin, driftMs = DEFAULT_DRIFT_MS } = this.#options;
    if (envelope.log !== origin) {
      this.#report('ERR_VERIFY_ENTRY_ORIGIN', `Entry ${index} says that it is of the log "${envelope.log}".`, {
        index,
      });
    }
    if (envelope.seq !== index) {
      const message = `The entry at ${index} says that it is number ${envelope.seq}: entries were left out or moved.`;
      this.#report('ERR_VERIFY_SEQUENCE', message, { index });
    }
    if (this.#lastTime !== undefined && envelope.time < this.#lastTime - driftMs) {
      const message = `Entry ${index} is ${this.#lastTime - envelope.time} ms older than an entry before it.`;
      this.#report('ERR_VERIFY_TIME', message, { index });
    }
    this.#firstTime ??= envelope.time;
    this.#lastTime = Math.max(this.#lastTime ?? envelope.time, envelope.time);
    this.#concealed += envelope.concealed.length;
    return envelope;
  }

  async #disclosures(bundle: number, first: number, envelopes: readonly (EntryEnvelope | undefined)[]): Promise<void> {
    const path = disclosurePath(bundle);
    const bytes = await this.#reader.read(path);
    if (bytes === undefined) return;
    const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').split('\n');
    // Behind its published lines, the file of the unfinished bundle may hold lines of entries that are not published yet, and a
    // crash may have torn those.
    const unfinished = envelopes.length < TILE_WIDTH;
    let torn: VerifyError | undefined;
    for (const text of lines) {
      if (text === '') continue;
      const line = readLine(text);
      if (line instanceof VerifyError) {
        torn ??= line;
        continue;
      }
      if (unfinished && line.seq >= first + envelopes.length) continue;
      if (torn !== undefined) this.#report(torn.code, torn.message, { path });
      torn = undefined;
      this.#disclosed += this.#fitting(line, envelopes[line.seq - first], path);
    }
    if (torn !== undefined && !unfinished) this.#report(torn.code, torn.message, { path });
  }

  /** How many of the disclosed values are those that the entry commits to. */
  #fitting(line: DisclosureLine, envelope: EntryEnvelope | undefined, path: string): number {
    let fitting = 0;
    for (const encoded of line.disclosures) {
      if (envelope?.concealed.includes(disclosureDigest(encoded))) fitting += 1;
      else if (this.#attempt(() => parseDisclosure(encoded), { path, index: line.seq }) !== undefined) {
        const message = `A value disclosed for entry ${line.seq} is not the one that was recorded.`;
        this.#report('ERR_VERIFY_DISCLOSURE_FOREIGN', message, { path, index: line.seq });
      }
    }
    return fitting;
  }

  /** Says who is wrong where tiles and entries differ: the side whose root is not the signed one. */
  #compareRoots(checkpoint: Checkpoint): void {
    const entriesAreRight = this.#range.root().equals(checkpoint.root);
    const tilesAreRight = this.#claimed?.root().equals(checkpoint.root) ?? entriesAreRight;
    if (entriesAreRight) {
      for (const { tile } of this.#differences) this.#add(tile);
      for (const problem of this.#upperDifferences) this.#add(problem);
      return;
    }
    if (!tilesAreRight) {
      this.#report(
        'ERR_VERIFY_ROOT',
        'The signed root hash is not that of the entries: they were changed, or the checkpoint is of another tree.',
      );
    }
    for (const { entry } of this.#differences) this.#add(entry);
  }

  #attempt<T>(act: () => T, where: { readonly index?: number; readonly path?: string }): T | undefined {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      this.#report(error.code, error.message, where);
      return undefined;
    }
  }

  #report(code: VerifyCode, message: string, where: { readonly index?: number; readonly path?: string } = {}): void {
    this.#add({ code, message, ...where });
  }

  #add(problem: VerifyProblem): void {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(problem);
    this.#failed = true;
  }

  #verdict(checkpoint: Checkpoint | undefined): Verdict {
    return {
      ok: !this.#failed,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      entries: this.#range.size,
      concealed: this.#concealed,
      disclosed: this.#disclosed,
      ...(this.#firstTime === undefined ? {} : { firstTime: this.#firstTime }),
      ...(this.#lastTime === undefined ? {} : { lastTime: this.#lastTime }),
      problems: this.#problems,
    };
  }
}

function readLine(text: string): DisclosureLine | VerifyError {
  try {
    return parseDisclosureLine(text);
  } catch (error) {
    if (error instanceof VerifyError) return error;
    throw error;
  }
}
