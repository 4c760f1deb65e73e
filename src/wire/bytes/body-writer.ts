import { WireError } from '../errors.ts';

/** Largest frame that PostgreSQL itself takes or makes (MaxAllocSize - 1); also far from where 32-bit lengths wrap. */
export const MAX_FRAME_BYTES = 0x3ffffffe;

/** Builds a message body, or a whole frame when a type letter is given. Throws `WireError` on what the wire cannot say. */
export class BodyWriter {
  #buffer: Buffer;
  #at = 0;
  readonly #framed: boolean;

  /** @param type one ASCII letter: `finish` then gives type, length and body. Without it, the body alone. */
  constructor(type?: string, sizeHint = 128) {
    this.#buffer = Buffer.allocUnsafe(sizeHint + 5);
    this.#framed = type !== undefined;
    if (type !== undefined) {
      this.byte(type.charCodeAt(0));
      this.uint32(0);
    }
  }

  byte(value: number): this {
    this.#range(value, 0, 0xff);
    const at = this.#grow(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  int16(value: number): this {
    this.#range(value, -0x8000, 0x7fff);
    const at = this.#grow(2);
    this.#buffer.writeInt16BE(value, at);
    return this;
  }

  uint16(value: number): this {
    this.#range(value, 0, 0xffff);
    const at = this.#grow(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    this.#range(value, -0x80000000, 0x7fffffff);
    const at = this.#grow(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  uint32(value: number): this {
    this.#range(value, 0, 0xffffffff);
    const at = this.#grow(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** UTF-8 and a NUL. A NUL inside the text would hide what follows it, so it is refused. */
  cstring(text: string): this {
    if (text.includes('\0')) throw new WireError('ERR_WIRE_NOT_ENCODABLE', 'a string on the wire cannot hold a NUL');
    const length = Buffer.byteLength(text, 'utf8');
    const start = this.#grow(length + 1);
    this.#buffer.write(text, start, 'utf8');
    this.#buffer[start + length] = 0;
    return this;
  }

  /** Length-prefixed value; null is length -1. */
  value(value: Uint8Array | null): this {
    if (value === null) return this.int32(-1);
    return this.int32(value.length).bytes(value);
  }

  finish(): Buffer {
    if (this.#framed) this.#buffer.writeUInt32BE(this.#at - 1, 1);
    return this.#buffer.subarray(0, this.#at);
  }

  #range(value: number, least: number, most: number): void {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new WireError('ERR_WIRE_NOT_ENCODABLE', `${value} is not a whole number from ${least} to ${most}`);
    }
  }

  /** Makes room and gives where it begins. The buffer may be another one afterwards. */
  #grow(by: number): number {
    const start = this.#at;
    const end = start + by;
    if (end > MAX_FRAME_BYTES) {
      throw new WireError('ERR_WIRE_NOT_ENCODABLE', `a message of ${end} bytes is longer than ${MAX_FRAME_BYTES}`);
    }
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, start);
      this.#buffer = larger;
    }
    this.#at = end;
    return start;
  }
}
