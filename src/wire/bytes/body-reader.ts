import { isUtf8 } from 'node:buffer';
import { WireError } from '../errors.ts';

/**
 * Reads one message body from front to back and ends where the body ends: nothing here can see the next frame.
 * Integers are big-endian. Every method throws `WireError` when the body is too short for it.
 */
export class BodyReader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#body.length - this.#at;
  }

  byte(): number {
    return this.#body.readUInt8(this.#advance(1));
  }

  int16(): number {
    return this.#body.readInt16BE(this.#advance(2));
  }

  uint16(): number {
    return this.#body.readUInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#body.readInt32BE(this.#advance(4));
  }

  uint32(): number {
    return this.#body.readUInt32BE(this.#advance(4));
  }

  /** The next `length` bytes as a view; `length` may come from the peer. */
  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#body.subarray(start, start + length);
  }

  /** Everything that is left, as a view. */
  rest(): Buffer {
    return this.bytes(this.remaining);
  }

  /** Bytes up to the next NUL, which is read but not returned. */
  cstringBytes(): Buffer {
    const start = this.#at;
    const end = this.#body.indexOf(0, start);
    if (end < 0)
      throw new WireError('ERR_WIRE_UNTERMINATED_STRING', `string from byte ${start} has no end in its message`);
    this.#at = end + 1;
    return this.#body.subarray(start, end);
  }

  /** A NUL-terminated string that must be UTF-8: two different byte strings never read as the same name. */
  cstring(): string {
    const bytes = this.cstringBytes();
    if (!isUtf8(bytes)) throw new WireError('ERR_WIRE_BAD_ENCODING', 'string is not valid UTF-8');
    return bytes.toString('utf8');
  }

  /** A NUL-terminated string for people to read: what is not UTF-8 becomes U+FFFD. Never compare or forward it. */
  displayString(): string {
    return this.cstringBytes().toString('utf8');
  }

  /**
   * A count read from the peer, judged against what the body can still hold.
   * @param each the fewest bytes one item can take
   */
  count(each: number): number {
    const count = this.uint16();
    if (count * each > this.remaining) {
      throw new WireError('ERR_WIRE_TRUNCATED', `${count} items announced, ${this.remaining} bytes left`);
    }
    return count;
  }

  /** Throws when bytes are left over: a message longer than its content hides something. */
  end(): void {
    if (this.remaining > 0) {
      throw new WireError('ERR_WIRE_LEFT_OVER', `${this.remaining} bytes after the end of the message`);
    }
  }

  #advance(length: number): number {
    const start = this.#at;
    if (!(length >= 0 && length <= this.#body.length - start)) {
      throw new WireError('ERR_WIRE_TRUNCATED', `${length} bytes wanted, ${this.#body.length - start} left`);
    }
    this.#at = start + length;
    return start;
  }
}
