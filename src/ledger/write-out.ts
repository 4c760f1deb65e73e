import type { AuditRecord } from '../model/record.ts';
import { Commitment } from './commitment.ts';
import { LedgerError } from './errors.ts';
import { type Form, parseForm } from './form.ts';
import { RecordWriter } from './record-writer.ts';
import { leafHash } from './verify/index.ts';
import { type Batch, type Item, itemsOf } from './write-ahead.ts';

/** A record as it is published. */
export interface WrittenRecord {
  readonly entry: Buffer;
  readonly leaf: Buffer;
  /** One line of the disclosure file, with its line feed; empty when the entry conceals nothing. */
  readonly disclosures: Buffer;
}

const NOTHING = Buffer.alloc(0);

/**
 * Makes entries of the records in batches: normal work and recovery by the same code. A reader for whole segments, in order: a form
 * holds from the batch that states it to the end of its segment.
 */
class BatchReader {
  readonly #writer: RecordWriter;
  readonly #forms = new Map<number, Form>();

  constructor(origin: string) {
    this.#writer = new RecordWriter(origin);
  }

  /** @throws LedgerError `ERR_LEDGER_WAL_CORRUPT` */
  records(batch: Batch): WrittenRecord[] {
    const items = [...itemsOf(batch)];
    // Forms stand behind the records that need them.
    for (const item of items)
      if (item.item === 'form') this.#forms.set(item.form, parseForm(item.form, item.text.toString('utf8')));
    const records: WrittenRecord[] = [];
    for (const item of items) {
      if (item.item === 'written') records.push(recordOf(item.entry, item.disclosures));
      else if (item.item === 'short') records.push(this.#writeOut(item, batch.first + records.length));
    }
    return records;
  }

  #writeOut(short: Extract<Item, { item: 'short' }>, seq: number): WrittenRecord {
    const form = this.#forms.get(short.form);
    if (form === undefined) {
      throw new LedgerError(
        'ERR_LEDGER_WAL_CORRUPT',
        `Entry ${seq} in the write-ahead log has form ${short.form}, which its segment does not state. Restore the ledger's folder from a backup.`,
      );
    }
    const { time, lag } = short;
    const session = short.session.toString('utf8');
    const record: AuditRecord = {
      kind: form.kind,
      time,
      ...(session === '' ? {} : { session }),
      clear: JSON.parse(short.clear.toString('utf8')),
      sharedClear: form.clear,
      sharedHidden: form.hidden,
      hidden: short.hidden.map((plain) => new Commitment(plain.toString('utf8'))),
    };
    const { entry, disclosures } = this.#writer.write(record, { seq, time, lag });
    return recordOf(Buffer.from(entry), disclosures === '' ? NOTHING : Buffer.from(disclosures, 'latin1'));
  }
}

/** The records of whole segments' batches, in order. */
export function writeOut(origin: string, batches: Iterable<Batch>): WrittenRecord[] {
  const reader = new BatchReader(origin);
  return [...batches].flatMap((batch) => reader.records(batch));
}

function recordOf(entry: Buffer, disclosures: Buffer): WrittenRecord {
  return { entry, leaf: leafHash(entry), disclosures };
}
