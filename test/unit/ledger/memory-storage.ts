import {
  type Batch,
  LedgerError,
  type LedgerStorage,
  type PublishedFile,
  type SplicedFile,
  type WriteAheadSegment,
  type WrittenRecord,
  writeOut,
} from '../../../src/ledger/index.ts';

/** Both halves of "the write failed", and the middle. */
export type Fault = 'rejected' | 'rejected-but-stored' | 'half-stored';

/** What survives a crash: shared by the storages that are opened over it one after the other. */
export class Disk {
  readonly files = new Map<string, Buffer>();

  clone(): Disk {
    const copy = new Disk();
    for (const [path, bytes] of this.files) copy.files.set(path, Buffer.from(bytes));
    return copy;
  }
}

/**
 * Ledger storage in memory. `failAt` makes the n-th write (from 1) fail in the given way; `dead` makes every later one fail
 * without being stored, as when the process was killed there.
 */
export class MemoryStorage implements LedgerStorage {
  readonly disk: Disk;
  writes = 0;
  /** Which call each write was, for messages. */
  readonly log: string[] = [];
  failAt = Number.POSITIVE_INFINITY;
  fault: Fault = 'rejected';
  dead = false;
  error: () => Error = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  #locked = false;

  constructor(disk = new Disk()) {
    this.disk = disk;
  }

  async lock(): Promise<void> {
    if (this.#locked) throw new LedgerError('ERR_LEDGER_LOCKED', 'locked');
    this.#locked = true;
  }

  async unlock(): Promise<void> {
    this.#locked = false;
  }

  async read(path: string): Promise<Buffer | undefined> {
    return this.disk.files.get(path);
  }

  async list(folder: string): Promise<string[]> {
    const names = new Set<string>();
    for (const path of this.disk.files.keys()) {
      if (path.startsWith(`${folder}/`)) names.add(path.slice(folder.length + 1).split('/')[0] as string);
    }
    return [...names].sort();
  }

  async createSecret(path: string, bytes: Uint8Array): Promise<void> {
    if (this.disk.files.has(path)) throw new LedgerError('ERR_LEDGER_EXISTS', path);
    await this.#write(`create ${path}`, [() => this.disk.files.set(path, Buffer.from(bytes))]);
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#write(`replace ${path}`, [() => this.disk.files.set(path, Buffer.from(bytes))]);
  }

  async publish(files: readonly PublishedFile[]): Promise<void> {
    for (const { path, bytes } of files) {
      const present = this.disk.files.get(path);
      if (present !== undefined && !present.equals(bytes)) throw new LedgerError('ERR_LEDGER_IMMUTABLE', path);
    }
    await this.#write(
      `publish ${files.map(({ path }) => path).join(' ')}`,
      files.map(
        ({ path, bytes }) =>
          () =>
            this.disk.files.set(path, Buffer.from(bytes)),
      ),
    );
  }

  async splice(files: readonly SplicedFile[]): Promise<void> {
    await this.#write(
      `splice ${files.map(({ path }) => path).join(' ')}`,
      files.flatMap(({ path, offset, bytes }) => {
        const old = this.disk.files.get(path) ?? Buffer.alloc(0);
        if (offset > old.length) throw new Error(`splice of ${path} at ${offset} beyond its ${old.length} bytes`);
        const half = Math.floor(bytes.length / 2);
        return [
          () => this.disk.files.set(path, Buffer.concat([old.subarray(0, offset), bytes.subarray(0, half)])),
          () => this.disk.files.set(path, Buffer.concat([old.subarray(0, offset), bytes])),
        ];
      }),
    );
  }

  async remove(paths: readonly string[]): Promise<void> {
    const removals = paths.flatMap((path) =>
      [...this.disk.files.keys()].filter((known) => known === path || known.startsWith(`${path}/`)),
    );
    await this.#write(
      `remove ${paths.join(' ')}`,
      removals.map((path) => () => this.disk.files.delete(path)),
    );
  }

  async writeOut(origin: string, batches: readonly Batch[]): Promise<readonly WrittenRecord[]> {
    return writeOut(origin, batches);
  }

  async createSegment(path: string): Promise<WriteAheadSegment> {
    if (this.disk.files.has(path)) throw new LedgerError('ERR_LEDGER_EXISTS', path);
    await this.#write(`segment ${path}`, [() => this.disk.files.set(path, Buffer.alloc(0))]);
    return {
      append: async (bytes: Buffer) => {
        const old = this.disk.files.get(path) ?? Buffer.alloc(0);
        const half = Math.floor(bytes.length / 2);
        await this.#write(`append ${path}`, [
          () => this.disk.files.set(path, Buffer.concat([old, bytes.subarray(0, half)])),
          () => this.disk.files.set(path, Buffer.concat([old, bytes])),
        ]);
      },
      close: async () => undefined,
    };
  }

  async #write(what: string, steps: readonly (() => void)[]): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.dead) throw this.error();
    this.writes += 1;
    this.log.push(what);
    const failing = this.writes === this.failAt;
    const done =
      !failing || this.fault === 'rejected-but-stored'
        ? steps.length
        : this.fault === 'rejected'
          ? 0
          : Math.ceil(steps.length / 2);
    for (const step of steps.slice(0, done)) step();
    if (!failing) return;
    this.dead = this.fault !== 'rejected-but-stored' || this.dead;
    throw this.error();
  }
}
