import type { DatabaseSync } from 'node:sqlite';
import {
  bundlePath,
  type DisclosureLine,
  disclosurePath,
  type LogReader,
  parseBundle,
  parseCheckpoint,
  parseDisclosureLine,
  parseEntry,
  parseNote,
  TILE_WIDTH,
} from '../ledger/verify/index.ts';
import { type IndexedEntry, IndexFill } from './session-index-fill.ts';
import { INDEX_TABLES } from './session-index-schema.ts';

/** Bundles per transaction. */
const STRIDE = 8;

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
  }

  /** Takes everything published. @returns the cursor. */
  async catchUp(): Promise<number> {
    const bytes = await this.#reader.read('checkpoint');
    if (bytes === undefined) return this.cursor;
    const { origin, size } = parseCheckpoint(parseNote(bytes).text);
    // Another log, or one that was set back: what is known is not about this one.
    if ((this.#state('origin') ?? origin) !== origin || this.cursor > size) this.clear();
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
      for (const [at, entry] of parsed.entries()) {
        const seq = first + at;
        if (seq < from || seq >= to) continue;
        entries.push({ envelope: parseEntry(entry), disclosures: disclosures.get(seq) ?? [] });
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

  async #disclosures(bundle: number): Promise<Map<number, readonly string[]>> {
    const bytes = await this.#reader.read(disclosurePath(bundle));
    const known = new Map<number, readonly string[]>();
    if (bytes === undefined) return known;
    for (const text of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').split('\n')) {
      const line = lineOrNothing(text);
      if (line !== undefined) known.set(line.seq, line.disclosures);
    }
    return known;
  }

  #state(name: string): string | undefined {
    const row = this.#database.prepare('SELECT value FROM index_state WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }
}

/** The last line may just be being written, or be torn by a crash; it belongs to no published entry then. */
function lineOrNothing(text: string): DisclosureLine | undefined {
  try {
    return parseDisclosureLine(text);
  } catch {
    return undefined;
  }
}
