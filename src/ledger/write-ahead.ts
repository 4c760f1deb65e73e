import { crc32 } from 'node:zlib';
import { LedgerError } from './errors.ts';
import { LARGEST_ENTRY } from './verify/index.ts';

/*
 * A write-ahead segment is a run of batches. A batch is written by one write, and the next one only after it is durable, so
 * after a crash only the last batch can be torn, and nobody was told that its entries are recorded.
 *
 *   batch  = magic(4) length(4) first(8) count(4) crc(4) record*      numbers big-endian
 *   record = entry length(2) disclosure length(4) 0x00 entry disclosures
 *
 * A segment may end in zeros: space set aside, so that a write need not change the file's size.
 *
 * `length` counts the records, `crc` is the CRC-32 of length, first, count and the records. The magic begins with 0xFF, which
 * stands in no UTF-8 text, so what a client sent cannot pass for a batch. The 0x00 before the entry makes it the input of the
 * leaf hash where it lies. Disclosures are one line of the disclosure file, or nothing.
 */
const MAGIC = Buffer.from([0xff, 0x47, 0x48, 0x57]);
export const BATCH_HEADER = 24;
const RECORD_HEADER = 7;
const ARENA = 1 << 20;
/** Largest record with its disclosures. */
export const LARGEST_RECORD = 64 << 20;

export interface Batch {
  /** Header and records. */
  readonly bytes: Buffer;
  /** Index of its first entry. */
  readonly first: number;
  readonly count: number;
}

export interface WrittenRecord {
  readonly entry: Buffer;
  /** `0x00 || entry`, the input of the leaf hash. */
  readonly leafInput: Buffer;
  /** With its line feed; empty when the entry conceals nothing. */
  readonly disclosures: Buffer;
}

/** Collects records into the next batch, in one piece of memory that is written as it stands. */
export class BatchBuilder {
  #arena = Buffer.allocUnsafeSlow(ARENA);
  #start = 0;
  #end = BATCH_HEADER;
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** @throws LedgerError `ERR_LEDGER_TOO_LARGE`; nothing is added then. */
  add(seq: number, entry: string, disclosures: string): void {
    // UTF-8 needs at most three bytes per UTF-16 code unit.
    const most = RECORD_HEADER + 3 * entry.length + disclosures.length;
    if (most > LARGEST_RECORD) throw tooLarge(`${most} bytes`);
    this.#reserve(most);
    const header = this.#end;
    const entryAt = header + RECORD_HEADER;
    const length = this.#arena.write(entry, entryAt, 'utf8');
    if (length > LARGEST_ENTRY) throw tooLarge(`an entry of ${length} bytes where 65,535 are the most`);
    this.#arena.writeUInt16BE(length, header);
    this.#arena.writeUInt32BE(disclosures.length, header + 2);
    this.#arena[header + 6] = 0x00;
    this.#arena.write(disclosures, entryAt + length, 'latin1');
    this.#end = entryAt + length + disclosures.length;
    if (this.#count === 0) this.#first = seq;
    this.#count += 1;
  }

  /** The collected batch, finished; the builder goes on behind it. */
  take(): Batch {
    const bytes = this.#arena.subarray(this.#start, this.#end);
    MAGIC.copy(bytes);
    bytes.writeUInt32BE(bytes.length - BATCH_HEADER, 4);
    bytes.writeUInt32BE(Math.floor(this.#first / 2 ** 32), 8);
    bytes.writeUInt32BE(this.#first % 2 ** 32, 12);
    bytes.writeUInt32BE(this.#count, 16);
    bytes.writeUInt32BE(checksum(bytes), 20);
    const batch = { bytes, first: this.#first, count: this.#count };
    this.#start = this.#end;
    this.#end += BATCH_HEADER;
    this.#count = 0;
    return batch;
  }

  /** Moves the open batch to a new arena when `more` bytes do not fit: the old one still holds batches that are being written. */
  #reserve(more: number): void {
    if (this.#end + more <= this.#arena.length) return;
    const open = Math.max(this.length, BATCH_HEADER);
    const arena = Buffer.allocUnsafeSlow(Math.max(ARENA, 2 * open + more));
    if (this.#end <= this.#arena.length) this.#arena.copy(arena, 0, this.#start, this.#end);
    this.#arena = arena;
    this.#start = 0;
    this.#end = open;
  }
}

function tooLarge(what: string): LedgerError {
  return new LedgerError(
    'ERR_LEDGER_TOO_LARGE',
    `A record cannot be written: it makes ${what}. Conceal long values, or keep a digest of them.`,
  );
}

function checksum(batch: Buffer): number {
  return crc32(batch.subarray(BATCH_HEADER), crc32(batch.subarray(4, 20)));
}

/** The records of a batch, in place. */
export function* recordsOf(batch: Batch): Generator<WrittenRecord> {
  const { bytes } = batch;
  let at = BATCH_HEADER;
  for (let n = 0; n < batch.count; n += 1) {
    const entryAt = at + RECORD_HEADER;
    const entryEnd = entryAt + bytes.readUInt16BE(at);
    const end = entryEnd + bytes.readUInt32BE(at + 2);
    yield {
      entry: bytes.subarray(entryAt, entryEnd),
      leafInput: bytes.subarray(entryAt - 1, entryEnd),
      disclosures: bytes.subarray(entryEnd, end),
    };
    at = end;
  }
}

/**
 * Reads the segments that a crash left, in order. A torn batch is cut off if it is the very last; what was written in it was
 * never reported as recorded.
 * @returns the batches, whose numbers run on without a gap.
 * @throws LedgerError `ERR_LEDGER_WAL_CORRUPT` when something valid follows what cannot be read, or a number is left out.
 */
export function readSegments(segments: readonly { readonly path: string; readonly bytes: Buffer }[]): Batch[] {
  const batches: Batch[] = [];
  let torn: string | undefined;
  for (const { path, bytes } of segments) {
    let at = 0;
    while (at < bytes.length) {
      const batch = batchAt(bytes, at);
      if (batch === undefined) {
        if (isReserved(bytes, at)) break;
        torn ??= `${path} at byte ${at}`;
        const next = bytes.indexOf(MAGIC, at + 1);
        at = next < 0 ? bytes.length : next;
        continue;
      }
      if (torn !== undefined) {
        throw new LedgerError(
          'ERR_LEDGER_WAL_CORRUPT',
          `The write-ahead log is damaged before its end (${torn}): recorded entries would be lost. Restore the ledger's folder from a backup.`,
        );
      }
      const before = batches.at(-1);
      if (before !== undefined && batch.first !== before.first + before.count) {
        throw new LedgerError(
          'ERR_LEDGER_WAL_CORRUPT',
          `The write-ahead log jumps from entry ${before.first + before.count} to ${batch.first} (${path}). Restore the ledger's folder from a backup.`,
        );
      }
      batches.push(batch);
      at += batch.bytes.length;
    }
  }
  return batches;
}

/** Space that was set aside for batches and never written. */
function isReserved(segment: Buffer, at: number): boolean {
  return segment.subarray(at).equals(Buffer.alloc(segment.length - at));
}

function batchAt(segment: Buffer, at: number): Batch | undefined {
  if (at + BATCH_HEADER > segment.length || segment.indexOf(MAGIC, at) !== at) return undefined;
  const end = at + BATCH_HEADER + segment.readUInt32BE(at + 4);
  if (end > segment.length) return undefined;
  const bytes = segment.subarray(at, end);
  if (bytes.readUInt32BE(20) !== checksum(bytes)) return undefined;
  const first = bytes.readUInt32BE(8) * 2 ** 32 + bytes.readUInt32BE(12);
  return { bytes, first, count: bytes.readUInt32BE(16) };
}
