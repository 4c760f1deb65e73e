import type { DatabaseSync } from 'node:sqlite';
import {
  bundlePath,
  disclosurePath,
  type LogReader,
  parseBundle,
  parseCheckpoint,
  parseNote,
  TILE_WIDTH,
} from '../ledger/verify/index.ts';
import { type DisclosureFile, disclosureFile, type IndexedEntry, indexedEntry } from './session-index-entry.ts';
import { IndexFill } from './session-index-fill.ts';
import { INDEX_TABLES } from './session-index-schema.ts';

/** Bundles per transaction. */
const STRIDE = 16;

/**
 * Follows a log: takes what its checkpoint speaks for and the index does not have yet. Signatures and hashes are not looked
 * at here (opening and auditing the ledger do that), so the index is a convenience and never evidence.
 */
export class IndexTail {
  readonly #reader: LogReader;
  readonly #database: DatabaseSync;
  readonly #fill: IndexFill;

  constructor(reader: LogReader, database: DatabaseSync) {
    this.#reader = reader;
    this.#database = database;
    this.#fill = new IndexFill(database);
  }

  /** Entries that are in the index. */
  get cursor(): number {
    return Number(this.#state('cursor') ?? 0);
  }

  /** Forgets everything, to be read again from the ledger. */
  clear(): void {
    this.#database.exec('BEGIN IMMEDIATE');
    for (const table of INDEX_TABLES) this.#database.exec(`DELETE FROM ${table}`);
    this.#database.exec('COMMIT');
    this.#fill.forget();
  }

  /** Takes everything published. @returns the cursor. */
  async catchUp(): Promise<number> {
    const bytes = await this.#reader.read('checkpoint');
    if (bytes === undefined) return this.cursor;
    const { origin, size } = parseCheckpoint(parseNote(bytes).text);
    // Another log, or one that was set back: what is known is not about this one.
    const foreign = (this.#state('origin') ?? origin) !== origin || this.cursor > size;
    // Cursor and counts are written together, so this is an index that somebody has changed.
    const changed = this.#state('taken') !== this.#state('cursor');
    if (foreign || changed) this.clear();
    this.#database.prepare('INSERT OR REPLACE INTO index_state (name, value) VALUES (?, ?)').run('origin', origin);
    while (this.cursor < size) {
      const from = this.cursor;
      const to = Math.min(size, (Math.floor(from / TILE_WIDTH) + STRIDE) * TILE_WIDTH);
      this.#fill.take(await this.#entries(from, to, size), to);
    }
    return this.cursor;
  }

  async #entries(from: number, to: number, size: number): Promise<IndexedEntry[]> {
    const entries: IndexedEntry[] = [];
    for (let bundle = Math.floor(from / TILE_WIDTH); bundle * TILE_WIDTH < to; bundle += 1) {
      const first = bundle * TILE_WIDTH;
      const parsed = await this.#bundle(bundle, Math.min(TILE_WIDTH, size - first));
      const disclosures = await this.#disclosures(bundle);
      for (let at = Math.max(0, from - first); at < parsed.length && first + at < to; at += 1) {
        entries.push(indexedEntry(first + at, parsed[at] as Buffer, disclosures));
      }
    }
    return entries;
  }

  async #bundle(index: number, width: number): Promise<Buffer[]> {
    const path = bundlePath({ index, width });
    // The partial one goes when the full one is there.
    const bytes =
      (await this.#reader.read(path)) ?? (await this.#reader.read(bundlePath({ index, width: TILE_WIDTH })));
    if (bytes === undefined) throw new Error(`The session index cannot read ${path} of the ledger.`);
    return parseBundle(bytes).slice(0, width);
  }

  async #disclosures(bundle: number): Promise<DisclosureFile> {
    return disclosureFile(await this.#reader.read(disclosurePath(bundle)));
  }

  #state(name: string): string | undefined {
    const row = this.#database.prepare('SELECT value FROM index_state WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }
}
