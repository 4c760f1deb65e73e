import { LedgerError } from './errors.ts';
import { type CheckpointPace, Ledger } from './ledger.ts';
import { CHECKPOINT, KEY, segmentNumber, segmentPath, VKEY, WRITE_AHEAD } from './paths.ts';
import { Publisher } from './publisher.ts';
import { createSigner, generateLogKey } from './signer.ts';
import type { LedgerStorage } from './storage.ts';
import {
  bundlePath,
  disclosurePath,
  EMPTY_ROOT,
  parseDisclosureLine,
  parseEntry,
  partialFolder,
  TILE_WIDTH,
  type Verdict,
  verifyLog,
} from './verify/index.ts';
import { type Batch, readSegments } from './write-ahead.ts';
import { type WrittenRecord, writeOut } from './write-out.ts';

export interface InitLedgerOptions {
  readonly storage: LedgerStorage;
  /** Name of the log for ever, e.g. `gw.example.com/evidence/1`: no space, no plus sign. */
  readonly origin: string;
  /** PKCS #8 PEM of an Ed25519 key that exists already; a new one is made by default. */
  readonly key?: string;
}

export interface OpenLedgerOptions {
  readonly storage: LedgerStorage;
  readonly origin: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly pace?: Partial<CheckpointPace>;
  readonly onProgress?: (entries: number, of: number) => void;
}

/**
 * Creates a log: its key and its empty tree. Never done by openLedger: a ledger that is missing is a finding.
 * @returns the verifier key, to be given to auditors.
 * @throws LedgerError `ERR_LEDGER_EXISTS` when anything of a log is there already.
 */
export async function initLedger(options: InitLedgerOptions): Promise<{ readonly vkey: string }> {
  const { storage, origin } = options;
  await storage.lock();
  try {
    if ((await storage.read(CHECKPOINT)) !== undefined) throw exists(CHECKPOINT);
    for (const folder of ['tile', 'disclosures', WRITE_AHEAD]) {
      if ((await storage.list(folder)).length > 0) throw exists(`${folder}/`);
    }
    // A key without a checkpoint is a creation that was interrupted: it is finished.
    const begun = await storage.read(KEY);
    const pem = begun?.toString('utf8') ?? options.key ?? generateLogKey();
    const signer = createSigner(origin, pem);
    const empty = signer.sign({ origin, size: 0, root: EMPTY_ROOT });
    if (begun === undefined) await storage.createSecret(KEY, Buffer.from(pem));
    await storage.replace(VKEY, Buffer.from(`${signer.vkey}\n`));
    await storage.replace(CHECKPOINT, empty);
    return { vkey: signer.vkey };
  } finally {
    await storage.unlock();
  }
}

function exists(path: string): LedgerError {
  return new LedgerError(
    'ERR_LEDGER_EXISTS',
    `There is a ledger already (${path}). Open it, or choose another folder.`,
  );
}

/**
 * Opens a log as its only writer, by verifying all of it with the auditor's own function and then taking over what a crash
 * left in the write-ahead log.
 * @throws LedgerError `ERR_LEDGER_LOCKED`, `ERR_LEDGER_NOT_FOUND`, `ERR_LEDGER_VERIFY`, `ERR_LEDGER_WAL_…`,
 *   `ERR_LEDGER_PUBLISHED_AHEAD`, `ERR_LEDGER_STORAGE` …; nothing is changed in the first four cases.
 */
export async function openLedger(options: OpenLedgerOptions): Promise<Ledger> {
  const { storage } = options;
  await storage.lock();
  try {
    return await recover(options);
  } catch (error) {
    await storage.unlock().catch(() => undefined);
    if (error instanceof LedgerError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new LedgerError(
      'ERR_LEDGER_STORAGE',
      `The ledger could not be opened: ${why}. Look at the disk, then try again.`,
      {
        cause: error,
      },
    );
  }
}

async function recover(options: OpenLedgerOptions): Promise<Ledger> {
  const { storage, origin, clock } = options;
  const pem = await storage.read(KEY);
  if (pem === undefined) {
    throw new LedgerError(
      'ERR_LEDGER_NOT_FOUND',
      'There is no ledger key here. Create the ledger once with "gatehouse init"; if there was one, restore it from a backup.',
    );
  }
  const signer = createSigner(origin, pem.toString('utf8'));
  const segments = await readWriteAhead(storage);
  const batches = readSegments(segments.files);

  const publisher = new Publisher(storage, signer, origin);
  // Hashes of the published entries that the write-ahead log holds too.
  const firstWritten = batches[0]?.first ?? Number.POSITIVE_INFINITY;
  const published: Buffer[] = [];
  const verdict = await verifyLog(storage, {
    vkey: signer.vkey,
    origin,
    onEntry: (index, entry, leaf) => {
      publisher.restore(entry, leaf);
      if (index >= firstWritten) published.push(leaf);
    },
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
  const size = sizeOf(verdict);
  const fresh = unpublished(origin, batches, size, published);
  if (batches.length === 0 && segments.files.length === 0 && size > 0) {
    throw new LedgerError(
      'ERR_LEDGER_WAL_MISSING',
      "The write-ahead log is missing, and with it perhaps the last entries. Restore the ledger's folder from a backup.",
    );
  }
  await refuseAhead(storage, size + fresh.length);
  publisher.restored(await disclosedBytes(storage, size));
  if (fresh.length > 0) await publisher.commit(fresh);

  const number = segments.last + 1;
  const segment = await storage.createSegment(segmentPath(number));
  await storage.remove(segments.files.map(({ path }) => path));
  return new Ledger({
    storage,
    publisher,
    origin,
    vkey: signer.vkey,
    clock,
    pace: { milliseconds: 1_000, entries: 256, rest: 250, ...options.pace },
    segment,
    segmentNumber: number,
    lastTime: Math.max(verdict.lastTime ?? 0, latestOf(fresh)),
  });
}

interface Segments {
  readonly files: readonly { readonly path: string; readonly bytes: Buffer }[];
  /** Highest number in use. */
  readonly last: number;
}

async function readWriteAhead(storage: LedgerStorage): Promise<Segments> {
  const files: { path: string; bytes: Buffer }[] = [];
  let last = 0;
  for (const name of await storage.list(WRITE_AHEAD)) {
    const number = segmentNumber(name);
    if (number === undefined) continue;
    last = Math.max(last, number);
    const bytes = await storage.read(segmentPath(number));
    if (bytes !== undefined) files.push({ path: segmentPath(number), bytes });
  }
  return { files, last };
}

function sizeOf(verdict: Verdict): number {
  const first = verdict.problems[0];
  if (verdict.ok && verdict.checkpoint !== undefined) return verdict.checkpoint.size;
  throw new LedgerError(
    'ERR_LEDGER_VERIFY',
    `The ledger does not verify, so it is not opened: ${first?.message ?? ''} (${first?.code ?? 'no checkpoint'}) Keep the folder as evidence and restore it from a backup.`,
    { cause: first },
  );
}

/** The records behind the checkpoint. What lies before it must be what was published. */
function unpublished(
  origin: string,
  batches: readonly Batch[],
  size: number,
  published: readonly Buffer[],
): WrittenRecord[] {
  const first = batches[0]?.first ?? size;
  if (first > size) {
    throw new LedgerError(
      'ERR_LEDGER_WAL_MISSING',
      `The entries ${size} to ${first - 1} are neither published nor in the write-ahead log. Restore the ledger's folder from a backup.`,
    );
  }
  const records = writeOut(origin, batches);
  for (const [at, { leaf }] of records.slice(0, size - first).entries()) {
    const known = published[at];
    if (known !== undefined && !leaf.equals(known)) {
      throw new LedgerError(
        'ERR_LEDGER_WAL_MISMATCH',
        `Entry ${first + at} in the write-ahead log is not the published one. Keep the folder as evidence and restore it from a backup.`,
      );
    }
  }
  return records.slice(size - first);
}

/** Bundles that nobody committed to mean that checkpoint and write-ahead log were set back to an older state. */
async function refuseAhead(storage: LedgerStorage, size: number): Promise<void> {
  const full = bundlePath({ index: Math.floor(size / TILE_WIDTH), width: TILE_WIDTH });
  const widths = (await storage.list(partialFolder(full))).map(Number);
  const ahead = widths.some((width) => width > size % TILE_WIDTH) || (await storage.read(full)) !== undefined;
  if (ahead) {
    throw new LedgerError(
      'ERR_LEDGER_PUBLISHED_AHEAD',
      `More than ${size} entries were published, but checkpoint and write-ahead log end there: they were set back to an older state. Restore the whole folder from one backup.`,
    );
  }
}

/** How much of the unfinished bundle's disclosure file belongs to published entries; what follows is written again from the write-ahead log. */
async function disclosedBytes(storage: LedgerStorage, size: number): Promise<number> {
  const bytes = await storage.read(disclosurePath(Math.floor(size / TILE_WIDTH)));
  if (bytes === undefined) return 0;
  let at = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, at)) {
    if (!isPublished(bytes.toString('utf8', at, end), size)) break;
    at = end + 1;
  }
  return at;
}

function isPublished(line: string, size: number): boolean {
  try {
    return parseDisclosureLine(line).seq < size;
  } catch {
    // Torn by the crash; the verification has found nothing published behind it.
    return false;
  }
}

function latestOf(records: readonly WrittenRecord[]): number {
  return records.reduce((latest, { entry }) => Math.max(latest, parseEntry(entry).time), 0);
}
