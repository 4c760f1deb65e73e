import { HEADER_BYTES } from './frame.ts';

const FIRST_BYTES = 1024;

/**
 * Collects one frame that did not lie whole in a chunk. Memory grows with what has arrived, never with what the header
 * announces, so a peer cannot make the gateway reserve memory by announcing alone.
 */
export class Gathering {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes gathered so far. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  hasHeader(): boolean {
    return this.#length >= HEADER_BYTES;
  }

  /** Takes bytes from `chunk[at..]` until `target` bytes are gathered or the chunk ends; gives how many it took. */
  take(chunk: Buffer, at: number, target: number): number {
    const taken = Math.min(target - this.#length, chunk.length - at);
    if (taken <= 0) return 0;
    const length = this.#length + taken;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(target, Math.max(FIRST_BYTES, length, this.#length * 2)));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.#length, at, at + taken);
    this.#length = length;
    return taken;
  }

  /** Gives away what was gathered and starts anew: the bytes belong to the receiver. */
  release(): Buffer {
    const bytes = this.bytes;
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return bytes;
  }
}
