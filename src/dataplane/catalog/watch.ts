import type { Oid } from '../../model/catalog.ts';
import { type CatalogPart, FINGERPRINT_SQL, type FoundPart, readPart, SNAPSHOT_SQL } from './fingerprint.ts';
import { IdleChannel, type WatchChannel } from './idle-channel.ts';
import type { Query } from './read.ts';

/** An answer is believed for so many times as long as it took: looking takes a bounded share of the target's time, however big its catalog. */
const BELIEVED = 4;
const MOST_BELIEVED_MS = 1_000;

/** Looks whether a target's catalog is still the one that was read, over a connection of its own. Those who ask at once share a look. */
export class CatalogWatch {
  readonly #channel: IdleChannel;
  #running: Promise<string> | undefined;
  #next: Promise<string> | undefined;
  #answer = '';
  /** In which the answer was found; nothing has changed as long as the target is in the same one. */
  #snapshot: string | undefined;
  /** When the last look began, and how long the last whole one took; milliseconds. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #took = 0;

  constructor(open: () => Promise<WatchChannel>) {
    this.#channel = new IdleChannel(open, () => {
      this.#snapshot = undefined;
    });
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
    this.#channel.close();
  }

  #begin(): Promise<string> {
    const running = this.#channel
      .ask((query) => this.#look(query))
      .finally(() => {
        this.#running = undefined;
      });
    this.#running = running;
    return running;
  }

  async #look(query: Query): Promise<string> {
    const from = performance.now();
    if (!(await this.#isUnchanged(query))) {
      const [answer, snapshot] = (await query(FINGERPRINT_SQL))[0] ?? [];
      this.#took = performance.now() - from;
      this.#answer = answer ?? '';
      this.#snapshot = snapshot ?? undefined;
    }
    this.#askedAt = from;
    return this.#answer;
  }

  /** No transaction that writes has ended since the last answer, so it is still the answer; asked at a fraction of the cost. */
  async #isUnchanged(query: Query): Promise<boolean> {
    if (this.#snapshot === undefined) return false;
    return (await query(SNAPSHOT_SQL))[0]?.[0] === this.#snapshot;
  }
}

/** Of what lies together: so much is looked at again for the sake of others. */
const MOST_TOGETHER = 500;

/** What was found, and all that was looked at. */
interface Found extends FoundPart {
  readonly oids: ReadonlySet<Oid>;
  readonly names: ReadonlySet<string>;
}

interface Batch {
  readonly oids: Set<Oid>;
  readonly names: Set<string>;
  readonly answer: PromiseWithResolvers<CatalogPart>;
}

/** Looks at the parts of a target's catalog that statements speak of. Those who ask while a look is under way share the next one. */
export class CatalogParts {
  readonly #channel: IdleChannel;
  #waiting: Batch | undefined;
  #running = false;
  #found: Found | undefined;
  /** Nothing was written in the target between the last two looks: worth asking whether that is still so. */
  #quiet = true;

  constructor(open: () => Promise<WatchChannel>) {
    this.#channel = new IdleChannel(open, () => {
      this.#found = undefined;
    });
  }

  /** As it is from now on; of more than was asked for. Rejects when the target cannot be asked. */
  look(oids: Iterable<Oid>, names: Iterable<string>): Promise<CatalogPart> {
    this.#waiting ??= { oids: new Set(), names: new Set(), answer: Promise.withResolvers() };
    const { answer } = this.#waiting;
    for (const oid of oids) this.#waiting.oids.add(oid);
    for (const name of names) this.#waiting.names.add(name);
    if (!this.#running) void this.#run();
    return answer.promise;
  }

  close(): void {
    this.#channel.close();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      const batch = this.#waiting;
      this.#waiting = undefined;
      if (batch === undefined) break;
      await this.#channel.ask((query) => this.#look(query, batch)).then(batch.answer.resolve, batch.answer.reject);
    }
    this.#running = false;
  }

  async #look(query: Query, { oids, names }: Batch): Promise<CatalogPart> {
    // Equal snapshots mean nothing where there are none.
    const before = this.#found?.snapshot === undefined ? undefined : this.#found;
    if (this.#quiet && before && isWithin(oids, before.oids) && isWithin(names, before.names)) {
      // No transaction that writes has ended since, so it is still so.
      if ((await query(SNAPSHOT_SQL))[0]?.[0] === before.snapshot) return before.part;
    }
    if (before && before.oids.size + before.names.size < MOST_TOGETHER) {
      for (const oid of before.oids) oids.add(oid);
      for (const name of before.names) names.add(name);
    }
    const found = await readPart(query, oids, names);
    this.#quiet = !before || found.snapshot === before.snapshot;
    this.#found = { ...found, oids, names };
    return found.part;
  }
}

function isWithin<T>(some: ReadonlySet<T>, all: ReadonlySet<T>): boolean {
  for (const one of some) if (!all.has(one)) return false;
  return true;
}
