import { type Frame, type FrameLimit, frameOf, HEADER_BYTES, judgeFrameSize } from './frame.ts';
import { Gathering } from './gathering.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Cuts a byte stream into whole frames. For the client's side of the gateway, where every message is judged as a whole.
 *
 * After `push`, call `next` until it gives undefined; only then may the chunk's memory be used for something else. A frame
 * that lies whole in one chunk is a view of it, not a copy.
 */
export class FrameReader {
  readonly #limit: FrameLimit;
  readonly #gathering = new Gathering();
  #chunk: Buffer = NOTHING;
  #at = 0;

  constructor(limit: FrameLimit) {
    this.#limit = limit;
  }

  /** Bytes taken in that are not yet part of a frame given out. */
  get buffered(): number {
    return this.#gathering.length + this.#chunk.length - this.#at;
  }

  /** Type of the frame that begins next, when its first byte is there and nothing is half read. */
  get nextType(): number | undefined {
    return this.#gathering.length === 0 ? this.#chunk[this.#at] : undefined;
  }

  push(chunk: Buffer): void {
    this.#chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
  }

  /** The next whole frame, or undefined when more bytes are needed. Throws `WireError` on a length beyond its limit. */
  next(): Frame | undefined {
    if (this.#gathering.length > 0) return this.#gather();
    const chunk = this.#chunk;
    const start = this.#at;
    if (chunk.length - start >= HEADER_BYTES) {
      const size = this.#sizeAt(chunk, start);
      if (size <= chunk.length - start) {
        this.#at = start + size;
        return frameOf(chunk.subarray(start, start + size));
      }
    }
    return start < chunk.length ? this.#gather() : undefined;
  }

  /** Bytes that are not part of a frame given out; taking them empties the reader, for another one to go on. */
  rest(): Buffer {
    const unread = this.#chunk.subarray(this.#at);
    const rest = this.#gathering.length > 0 ? Buffer.concat([this.#gathering.release(), unread]) : unread;
    this.#drained();
    return rest;
  }

  #gather(): Frame | undefined {
    const gathering = this.#gathering;
    if (!gathering.hasHeader()) {
      this.#at += gathering.take(this.#chunk, this.#at, HEADER_BYTES);
      if (!gathering.hasHeader()) return this.#drained();
    }
    const size = this.#sizeAt(gathering.bytes, 0);
    this.#at += gathering.take(this.#chunk, this.#at, size);
    return gathering.length === size ? frameOf(gathering.release()) : this.#drained();
  }

  #drained(): undefined {
    this.#chunk = NOTHING;
    this.#at = 0;
  }

  #sizeAt(bytes: Buffer, at: number): number {
    const type = bytes.readUInt8(at);
    return judgeFrameSize(type, bytes.readUInt32BE(at + 1), this.#limit(type));
  }
}
