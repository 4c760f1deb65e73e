import type { Query } from './read.ts';

/*
 * A number that changes whenever something of users' making is created, altered or dropped: what a catalog row is about, and the transaction
 * that wrote it (`xmin`). Statistics that VACUUM and ANALYZE keep in pg_class are written in place, so they change nothing; temporary
 * relations are left out, each session is asked about its own. Objects of the system begin below 16384 (FirstNormalObjectId).
 * https://www.postgresql.org/docs/18/ddl-system-columns.html
 */
const TEMPORARY = "ARRAY(SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')";
const WRITTEN: readonly { readonly catalog: string; readonly key: string; readonly where: string }[] = [
  { catalog: 'pg_namespace', key: 'oid', where: "nspname !~ '^pg_(toast_)?temp_'" },
  { catalog: 'pg_class', key: 'oid', where: "oid >= 16384 AND relpersistence <> 't'" },
  {
    catalog: 'pg_attribute',
    key: '(attrelid::int8 << 16) | (attnum::int8 & 65535)',
    where: `attrelid >= 16384 AND attrelid <> ALL (${TEMPORARY})`,
  },
  { catalog: 'pg_rewrite', key: 'oid', where: `oid >= 16384 AND ev_class <> ALL (${TEMPORARY})` },
  { catalog: 'pg_trigger', key: 'oid', where: `oid >= 16384 AND tgrelid <> ALL (${TEMPORARY})` },
  { catalog: 'pg_proc', key: 'oid', where: 'oid >= 16384' },
  {
    catalog: 'pg_inherits',
    key: '(inhrelid::int8 << 32) | inhparent::int8',
    where: `inhrelid >= 16384 AND inhrelid <> ALL (${TEMPORARY})`,
  },
  { catalog: 'pg_operator', key: 'oid', where: 'oid >= 16384' },
  { catalog: 'pg_cast', key: 'oid', where: 'oid >= 16384' },
  {
    catalog: 'pg_type',
    key: 'oid',
    where:
      "oid >= 16384 AND typnamespace <> ALL (ARRAY(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'))",
  },
];

export const FINGERPRINT_SQL = `SELECT pg_catalog.concat_ws(' ', ${WRITTEN.map(
  ({ catalog, key, where }, n) =>
    `(SELECT pg_catalog.concat_ws('/', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashint8extended((${key})::int8, xmin::text::int8))) FROM pg_catalog.${catalog} t${n} WHERE ${where})`,
).join(', ')})`;

export async function readFingerprint(query: Query): Promise<string> {
  return (await query(FINGERPRINT_SQL))[0]?.[0] ?? '';
}

export interface WatchChannel {
  readonly query: Query;
  readonly close: () => Promise<void> | void;
}

/** An answer is believed for so many times as long as it took: looking takes a bounded share of the target's time, however big its catalog. */
const BELIEVED = 4;
const MOST_BELIEVED_MS = 1_000;
/** Nobody has asked for so long: the connection is given back. */
const IDLE_MS = 10_000;

/** Looks whether a target's catalog is still the one that was read, over a connection of its own. Those who ask at once share a look. */
export class CatalogWatch {
  readonly #open: () => Promise<WatchChannel>;
  #channel: Promise<WatchChannel> | undefined;
  #running: Promise<string> | undefined;
  #next: Promise<string> | undefined;
  #answer = '';
  /** When the last look began, and how long it took; milliseconds. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #took = 0;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(open: () => Promise<WatchChannel>) {
    this.#open = open;
  }

  /** The fingerprint of a moment ago, when that is recent enough. */
  get recent(): string | undefined {
    const age = performance.now() - this.#askedAt;
    return age <= Math.min(BELIEVED * this.#took, MOST_BELIEVED_MS) ? this.#answer : undefined;
  }

  /** The fingerprint as it is from now on. Rejects when the target cannot be asked. */
  look(): Promise<string> {
    if (!this.#running) return this.#begin();
    // One under way may have looked before what the caller must not miss.
    this.#next ??= this.#running
      .catch(() => '')
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #begin(): Promise<string> {
    const running = this.#ask().finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #ask(): Promise<string> {
    const known = this.#channel !== undefined;
    try {
      return await this.#once();
    } catch (error) {
      this.#drop();
      // A connection that has stood idle may have been closed by the target.
      if (!known || this.#closed) throw error;
      return await this.#once();
    }
  }

  async #once(): Promise<string> {
    this.#channel ??= this.#open();
    const channel = await this.#channel;
    const from = performance.now();
    const answer = await readFingerprint(channel.query);
    this.#took = performance.now() - from;
    this.#askedAt = from;
    this.#answer = answer;
    if (this.#closed) this.#drop();
    else if (this.#idle) this.#idle.refresh();
    else this.#idle = setTimeout(() => this.#drop(), IDLE_MS).unref();
    return answer;
  }

  #drop(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const channel = this.#channel;
    this.#channel = undefined;
    channel?.then((open) => open.close()).catch(() => undefined);
  }
}
