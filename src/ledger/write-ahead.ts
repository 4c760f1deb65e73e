import { crc32 } from 'node:zlib';
import { LedgerError } from './errors.ts';
import type { Form, ShortRecord } from './form.ts';
import type { Place, WrittenText } from './record-writer.ts';
import { LARGEST_ENTRY } from './verify/index.ts';

/*
 * A write-ahead segment is a run of batches. A batch is written by one write, and the next one only after it is durable, so
 * after a crash only the last batch can be torn, and nobody was told that its entries are recorded.
 *
 *   batch  = magic(4) length(4) first(8) count(4) crc(4) (record | form)*      numbers big-endian
 *   record = 0x00 entry length(2) disclosure length(4) entry disclosures       written out
 *          | 0x01 form(4) time(8) lag(8) session length(1) clear length(2) hidden(1) session clear (length(4) plain)*
 *   form   = 0x02 form(4) length(4) text
 *
 * A segment may end in zeros: space set aside, so that a write need not change the file's size.
 *
 * `length` counts what follows the header, `crc` is the CRC-32 of length, first, count and of that. `count` counts the records; the
 * forms that a batch needs and its segment has not stated yet stand behind them. What is written out is an entry and its line of the
 * disclosure file; a short record becomes them when it is published. The magic begins with 0xFF, which stands in no UTF-8 text, so
 * what a client sent cannot pass for a batch.
 */
const MAGIC = Buffer.from([0xff, 0x47, 0x48, 0x57]);
export const BATCH_HEADER = 24;
const WRITTEN_HEADER = 7;
const SHORT_HEADER = 25;
const FORM_HEADER = 9;
const ARENA = 1 << 20;
/** Largest record with its disclosures. */
export const LARGEST_RECORD = 64 << 20;

export const ITEM = { written: 0x00, short: 0x01, form: 0x02 } as const;

export interface Batch {
  /** Header, records and forms. */
  readonly bytes: Buffer;
  /** Index of its first entry. */
  readonly first: number;
  readonly count: number;
}

/** What stands in a batch, in place. */
export type Item =
  | { readonly item: 'written'; readonly entry: Buffer; readonly disclosures: Buffer }
  | {
      readonly item: 'short';
      readonly form: number;
      readonly time: number;
      readonly lag: number;
      readonly session: Buffer;
      readonly clear: Buffer;
      readonly hidden: readonly Buffer[];
    }
  | { readonly item: 'form'; readonly form: number; readonly text: Buffer };

/** Collects records into the next batch, in one piece of memory that is written as it stands. */
export class BatchBuilder {
  #arena = Buffer.allocUnsafeSlow(ARENA);
  #start = 0;
  #end = BATCH_HEADER;
  #first = 0;
  #count = 0;
  /** Forms of the collected records. */
  #forms = new Set<Form>();

  get count(): number {
    return this.#count;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** @throws LedgerError `ERR_LEDGER_TOO_LARGE`; nothing is added then. */
  add(seq: number, { entry, disclosures }: WrittenText): void {
    // UTF-8 needs at most three bytes per UTF-16 code unit.
    const most = WRITTEN_HEADER + 3 * entry.length + disclosures.length;
    if (most > LARGEST_RECORD) throw tooLarge(`${most} bytes`);
    this.#reserve(most);
    const arena = this.#arena;
    const header = this.#end;
    const entryAt = header + WRITTEN_HEADER;
    const length = arena.write(entry, entryAt, 'utf8');
    if (length > LARGEST_ENTRY) throw tooLarge(`an entry of ${length} bytes where 65,535 are the most`);
    arena[header] = ITEM.written;
    arena.writeUInt16BE(length, header + 1);
    arena.writeUInt32BE(disclosures.length, header + 3);
    arena.write(disclosures, entryAt + length, 'latin1');
    this.#took(seq, entryAt + length + disclosures.length);
  }

  /** @throws LedgerError `ERR_LEDGER_TOO_LARGE`; nothing is added then. */
  addShort(seq: number, { form, session, clear, hidden }: ShortRecord, { time, lag }: Omit<Place, 'seq'>): void {
    let most = SHORT_HEADER + 3 * (session.length + clear.length);
    for (const { plain } of hidden) most += 4 + 3 * plain.length;
    if (most > LARGEST_RECORD / 2) throw tooLarge(`${most} bytes`);
    this.#reserve(most);
    const arena = this.#arena;
    const header = this.#end;
    let at = header + SHORT_HEADER;
    at += arena.write(session, at, 'utf8');
    const clearAt = at;
    at += arena.write(clear, at, 'utf8');
    arena[header] = ITEM.short;
    writeUint32(arena, form.id, header + 1);
    arena.writeDoubleBE(time, header + 5);
    arena.writeDoubleBE(lag, header + 13);
    arena[header + 21] = clearAt - header - SHORT_HEADER;
    arena[header + 22] = (at - clearAt) >> 8;
    arena[header + 23] = (at - clearAt) & 0xff;
    arena[header + 24] = hidden.length;
    for (const { plain } of hidden) {
      const length = arena.write(plain, at + 4, 'utf8');
      writeUint32(arena, length, at);
      at += 4 + length;
    }
    this.#forms.add(form);
    this.#took(seq, at);
  }

  /** The collected batch, finished; the builder goes on behind it. `stated`: forms that its segment holds already; they become more. */
  take(stated: Set<Form>): Batch {
    for (const form of this.#forms) {
      if (stated.has(form)) continue;
      stated.add(form);
      this.#state(form);
    }
    this.#forms.clear();
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

  #state({ id, text }: Form): void {
    this.#reserve(FORM_HEADER + 3 * text.length);
    const arena = this.#arena;
    const header = this.#end;
    const length = arena.write(text, header + FORM_HEADER, 'utf8');
    arena[header] = ITEM.form;
    writeUint32(arena, id, header + 1);
    writeUint32(arena, length, header + 5);
    this.#end = header + FORM_HEADER + length;
  }

  #took(seq: number, end: number): void {
    this.#end = end;
    if (this.#count === 0) this.#first = seq;
    this.#count += 1;
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

/** By hand: this runs for every statement, and the checks of writeUInt32BE cost more than the bytes. */
function writeUint32(bytes: Buffer, value: number, at: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
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

/** What a batch holds, in place, in order. Its checksum is taken to be right. */
export function* itemsOf({ bytes }: Batch): Generator<Item> {
  let at = BATCH_HEADER;
  const take = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const header = at;
    switch (bytes[at]) {
      case ITEM.written: {
        at += WRITTEN_HEADER;
        const entry = take(bytes.readUInt16BE(header + 1));
        yield { item: 'written', entry, disclosures: take(bytes.readUInt32BE(header + 3)) };
        break;
      }
      case ITEM.short: {
        at += SHORT_HEADER;
        const session = take(bytes.readUInt8(header + 21));
        const clear = take(bytes.readUInt16BE(header + 22));
        const hidden: Buffer[] = [];
        for (let left = bytes.readUInt8(header + 24); left > 0; left -= 1) hidden.push(take(take(4).readUInt32BE()));
        const [time, lag] = [bytes.readDoubleBE(header + 5), bytes.readDoubleBE(header + 13)];
        yield { item: 'short', form: bytes.readUInt32BE(header + 1), time, lag, session, clear, hidden };
        break;
      }
      case ITEM.form:
        at += FORM_HEADER;
        yield { item: 'form', form: bytes.readUInt32BE(header + 1), text: take(bytes.readUInt32BE(header + 5)) };
        break;
      default:
        throw new LedgerError(
          'ERR_LEDGER_WAL_CORRUPT',
          `The write-ahead log holds a batch (from entry ${bytes.readUInt32BE(12)}) that this version cannot read. Open the ledger with the version that wrote it.`,
        );
    }
  }
}

/** The batches that lie one behind the other, checked before. */
export function* batchesOf(bytes: Buffer): Generator<Batch> {
  for (let at = 0; at < bytes.length; ) {
    const batch = batchAt(bytes, at);
    if (batch === undefined) throw new RangeError(`no batch at byte ${at}`);
    yield batch;
    at += batch.bytes.length;
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
