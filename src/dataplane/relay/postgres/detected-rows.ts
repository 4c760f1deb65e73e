import { CONTEXT, type ColumnDetectors } from '../../../masking/index.ts';

const NOTHING = Buffer.alloc(0);
/** Type, length and the number of fields: https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-DATAROW */
const ROW_HEADER = 7;
/** The shortest e-mail address, `a@b.cd`: fewer bytes hold nothing. */
const SHORTEST_VALUE = 6;

/**
 * Detectors over DataRow messages as they stream by, in whatever pieces they arrive. Masks are written in place with as many bytes as the value
 * had, so lengths stay true. What is kept back at the end of a piece is at most the last 512 bytes of a value (or half a header), never a row.
 */
export class DetectedRows {
  readonly #columns: ColumnDetectors;
  /** Bytes not given out yet, and before them up to `CONTEXT` that have been. */
  #held: Buffer = NOTHING;
  #sent = 0;
  /** Fields of the row in passage that are still to come, and bytes of the field in passage that have not been given out. */
  #fields = 0;
  #column = 0;
  #missing = 0;
  #inField = false;
  #stopped = false;

  constructor(columns: ColumnDetectors) {
    this.#columns = columns;
  }

  /** Nothing is kept back: the next byte begins a message. */
  get clear(): boolean {
    return this.#held.length === 0 && !this.#inField && this.#fields === 0;
  }

  /** A detector wants the result to end, and a row has: nothing behind it leaves. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes a piece of one or more messages; gives what may leave, a view of the piece wherever nothing was kept back before it. */
  push(piece: Buffer): Buffer {
    const sent = this.#sent;
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    const end = bytes.length;
    let at = sent;
    if (this.#inField) {
      at = this.#part(bytes, 0, at);
      if (this.#inField) return this.#keep(bytes, sent, at, 0);
    }
    for (;;) {
      if (this.#fields === 0) {
        if (this.#columns.refusedBy !== undefined) {
          this.#stopped = true;
          this.#held = NOTHING;
          this.#sent = 0;
          return bytes.subarray(sent, at);
        }
        if (end - at < ROW_HEADER) return this.#keep(bytes, sent, at, at);
        this.#fields = bytes.readUInt16BE(at + 5);
        this.#column = 0;
        at += ROW_HEADER;
        continue;
      }
      if (end - at < 4) return this.#keep(bytes, sent, at, at);
      const length = Math.max(0, bytes.readInt32BE(at)); // -1 is NULL
      at += 4;
      if (length <= end - at) {
        if (length >= SHORTEST_VALUE && this.#columns.looksAt(this.#column))
          this.#columns.scan(this.#column, bytes, at, at + length);
        at += length;
        this.#fields -= 1;
        this.#column += 1;
        continue;
      }
      this.#inField = true;
      this.#missing = length;
      const field = at;
      at = this.#part(bytes, field, at);
      return this.#keep(bytes, sent, at, field);
    }
  }

  /** Reads on in the field in passage, of which `from`–`at` have left; gives up to where it may leave. */
  #part(bytes: Buffer, from: number, at: number): number {
    const rest = at + this.#missing;
    const last = rest <= bytes.length;
    const to = last ? rest : bytes.length;
    const safe = this.#columns.looksAt(this.#column)
      ? this.#columns.scanPart(this.#column, bytes, from, at, to, last)
      : to;
    this.#missing -= safe - at;
    if (last) {
      this.#inField = false;
      this.#fields -= 1;
      this.#column += 1;
    }
    return safe;
  }

  /** Keeps what may not leave yet, and in a field what stands before it: `from` is where the field begins. */
  #keep(bytes: Buffer, sent: number, at: number, from: number): Buffer {
    this.#sent = this.#inField ? Math.min(CONTEXT, at - from) : 0;
    const begin = at - this.#sent;
    this.#held = begin === bytes.length ? NOTHING : Buffer.from(bytes.subarray(begin));
    return bytes.subarray(sent, at);
  }
}
