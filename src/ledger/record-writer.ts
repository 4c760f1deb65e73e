import type { AuditRecord } from '../model/record.ts';
import { Commitments } from './commitments.ts';
import { EnvelopeWriter } from './envelope.ts';

/** An entry, and the line of the disclosure file that belongs to it. */
export interface WrittenText {
  readonly entry: string;
  /** With its line feed; empty when the entry conceals nothing. */
  readonly disclosures: string;
}

/** Where a record stands in its log. */
export interface Place {
  readonly seq: number;
  /** Milliseconds since the epoch, as the log's order admits it. */
  readonly time: number;
  /** By how many milliseconds the record's own time was behind that. */
  readonly lag: number;
}

/** Writes records out in full. What many records share is looked at once; it is known by the identity of its objects. */
export class RecordWriter {
  readonly #envelopes: EnvelopeWriter;
  readonly #commitments = new Commitments();

  constructor(origin: string) {
    this.#envelopes = new EnvelopeWriter(origin);
  }

  /** @throws LedgerError `ERR_LEDGER_RECORD` */
  write(record: AuditRecord, { seq, time, lag }: Place): WrittenText {
    const { digests, encoded } = this.#commitments.of(record);
    return {
      entry: this.#envelopes.write(record, digests, seq, time, lag),
      disclosures: encoded === '' ? '' : `{"d":[${encoded}],"seq":${seq}}\n`,
    };
  }
}
