import type { ColumnDetectors } from '../../../masking/index.ts';

const NOTHING = Buffer.alloc(0);
const HEADER = 5;
const COPY_DATA = 0x64; // d
const NEWLINE = 0x0a;
/** Longest line that is read as one; of a longer one each such piece is read by itself. */
const LONGEST_LINE = 1024 * 1024;

/**
 * Detectors over CopyData messages. A target sends each line as one message, but need not: lines that are spread over messages are put
 * together and leave as one message of their own length. A line is kept back until it is whole.
 */
export class DetectedCopy {
  readonly #columns: ColumnDetectors;
  readonly #binary: boolean;
  /** Bytes of a message that is not whole. */
  #held: Buffer = NOTHING;
  /** Payloads of messages whose line is not whole. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  #stopped = false;

  constructor(columns: ColumnDetectors, binary: boolean) {
    this.#columns = columns;
    this.#binary = binary;
  }

  /** A detector wants the result to end: nothing behind the line leaves. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes a piece of one or more CopyData messages; gives what may leave. */
  push(piece: Buffer): Buffer[] {
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    const out: Buffer[] = [];
    let at = 0;
    let passed = 0;
    while (bytes.length - at >= HEADER) {
      const size = bytes.readUInt32BE(at + 1) + 1;
      if (size > bytes.length - at) break;
      const end = at + size;
      const whole = this.#binary || size === HEADER || bytes[end - 1] === NEWLINE;
      if (whole && this.#line.length === 0) {
        this.#scan(bytes, at + HEADER, end);
      } else {
        if (at > passed) out.push(bytes.subarray(passed, at));
        passed = end;
        this.#line.push(Buffer.from(bytes.subarray(at + HEADER, end)));
        this.#lineBytes += size - HEADER;
        if (whole || this.#lineBytes >= LONGEST_LINE) out.push(this.end());
      }
      at = end;
      if (this.#columns.refusedBy !== undefined) {
        this.#stopped = true;
        break;
      }
    }
    if (at > passed) out.push(bytes.subarray(passed, at));
    this.#held = at === bytes.length || this.#stopped ? NOTHING : Buffer.from(bytes.subarray(at));
    return out;
  }

  /** Nothing more comes: gives the last line as a message, empty when there is none. */
  end(): Buffer {
    if (this.#line.length === 0) return NOTHING;
    const message = Buffer.concat([Buffer.alloc(HEADER), ...this.#line]);
    this.#line = [];
    this.#lineBytes = 0;
    message[0] = COPY_DATA;
    message.writeUInt32BE(message.length - 1, 1);
    this.#scan(message, HEADER, message.length);
    return message;
  }

  #scan(bytes: Buffer, from: number, to: number): void {
    if (this.#columns.looksAt(0)) this.#columns.scan(0, bytes, from, to);
  }
}
