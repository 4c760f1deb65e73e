import { type Frame, type FrameLimit, frameOf, HEADER_BYTES, judgeFrameSize } from './frame.ts';
import { Gathering } from './gathering.ts';

const NOTHING = Buffer.alloc(0);

export interface ScanSink {
  /**
   * A run of bytes made of streamed frames of one type; it may begin or end inside a frame. `completed` counts the frames
   * whose last byte lies in this run. The bytes are a view: valid only during the call, unless the chunk lives on.
   */
  run(type: number, bytes: Buffer, completed: number): void;
  /** Any other message, whole, a view as above. Return false to pause after it. */
  frame(frame: Frame): boolean;
  /**
   * Asked when a streamed frame begins and none is allowed any more: how many may begin from here on. The scan goes on in place
   * then; 0 stops it, and so does a sink without this method.
   */
  more?(): number;
}

export interface ScanOptions {
  /** Judged for every frame, streamed ones too; asked once per type, when the scanner is made. */
  readonly limit: FrameLimit;
  /** Types that pass in runs and are never collected. Asked once per type. */
  readonly streamed: (type: number) => boolean;
}

/**
 * Scans the target's byte stream: one pass over the frame headers, no object per row. Rows pass in the pieces in which
 * they arrived, so memory does not depend on their size; every other message is given whole.
 *
 * The sink may call `allow` at any time, but neither `push` nor `resume`. An exception from it, or a `WireError` from here, leaves the scanner unusable.
 */
export class FrameScanner {
  readonly #limits = new Float64Array(256);
  readonly #streams = new Uint8Array(256);
  readonly #gathering = new Gathering();
  #allowed = Number.POSITIVE_INFINITY;
  /** Bytes of the streamed frame in passage that have not arrived yet, and its type. */
  #missing = 0;
  #streamType = 0;
  #rest: Buffer = NOTHING;
  #stopped = false;

  constructor(options: ScanOptions) {
    for (let type = 0; type < 256; type++) {
      this.#limits[type] = options.limit(type);
      this.#streams[type] = options.streamed(type) ? 1 : 0;
    }
  }

  /** How many more streamed frames may begin, from now on; Infinity by default. A frame that has begun always ends. */
  allow(frames: number): void {
    this.#allowed = frames;
  }

  /** How many more streamed frames may begin. */
  get allowed(): number {
    return this.#allowed;
  }

  /** Bytes kept back: left over at a stop, or the beginning of a message that is not yet whole. */
  get held(): number {
    return this.#rest.length + this.#gathering.length;
  }

  /** True when the last run ended inside a streamed frame: nothing else may be written to the receiver before its end. */
  get insideFrame(): boolean {
    return this.#missing > 0;
  }

  /**
   * Scans a chunk. Gives false when it stopped early: a streamed frame begins and none is allowed, or the sink paused.
   * The rest is then kept (copied) until `resume`; a chunk pushed before that is only kept behind it.
   */
  push(chunk: Buffer, sink: ScanSink): boolean {
    if (!this.#stopped) return this.#scan(chunk, false, sink);
    this.#rest = Buffer.concat([this.#rest, chunk]);
    return false;
  }

  /** Goes on with what was left over. Gives false when it stopped again. */
  resume(sink: ScanSink): boolean {
    const rest = this.#rest;
    this.#rest = NOTHING;
    this.#stopped = false;
    return this.#scan(rest, true, sink);
  }

  #scan(chunk: Buffer, owned: boolean, sink: ScanSink): boolean {
    let at = 0;
    for (;;) {
      if (this.#gathering.length > 0) {
        at = this.#gather(chunk, at);
        if (!this.#gatheredAll()) return true;
        if (!this.#giveGathered(sink)) return this.#stop(chunk, at, owned);
        continue;
      }
      const left = chunk.length - at;
      if (left === 0) return true;
      if (this.#missing === 0) {
        if (left < HEADER_BYTES) {
          this.#gather(chunk, at);
          return true;
        }
        if (this.#streams[chunk.readUInt8(at)] === 0) {
          const size = this.#sizeAt(chunk, at);
          if (size > left) {
            this.#gather(chunk, at);
            return true;
          }
          const more = sink.frame(frameOf(chunk.subarray(at, at + size)));
          at += size;
          if (!more) return this.#stop(chunk, at, owned);
          continue;
        }
      }
      const next = this.#passRun(chunk, at, sink);
      if (next === at && !this.#grantsMore(sink)) return this.#stop(chunk, at, owned);
      at = next;
    }
  }

  /** Passes the longest run of one streamed type that begins at `at`; gives where it ended, `at` itself when none is allowed. */
  #passRun(chunk: Buffer, at: number, sink: ScanSink): number {
    const end = chunk.length;
    let cursor = at;
    let completed = 0;
    if (this.#missing > 0) {
      cursor = Math.min(end, at + this.#missing);
      this.#missing -= cursor - at;
      if (this.#missing === 0) completed = 1;
    } else {
      this.#streamType = chunk.readUInt8(at);
    }
    const type = this.#streamType;
    const limit = this.#limits[type] as number;
    let allowed = this.#allowed;
    try {
      while (allowed >= 1 && end - cursor >= HEADER_BYTES && chunk[cursor] === type) {
        // Read by hand: this line runs once per row, and the checks of readUInt32BE took half of a bulk result's time here.
        const length =
          (((chunk[cursor + 1] as number) << 24) |
            ((chunk[cursor + 2] as number) << 16) |
            ((chunk[cursor + 3] as number) << 8) |
            (chunk[cursor + 4] as number)) >>>
          0;
        cursor += judgeFrameSize(type, length, limit);
        allowed--;
        if (cursor > end) {
          this.#missing = cursor - end;
          cursor = end;
          break;
        }
        completed++;
      }
    } finally {
      // Also before a broken header: what passes does not depend on how the stream was cut.
      this.#allowed = allowed;
      if (cursor > at) sink.run(type, chunk.subarray(at, cursor), completed);
    }
    return cursor;
  }

  /** Collects the message that begins at `at` (or began earlier); of a streamed one only the header. */
  #gather(chunk: Buffer, at: number): number {
    let next = at + this.#gathering.take(chunk, at, HEADER_BYTES);
    if (this.#gathering.hasHeader()) next += this.#gathering.take(chunk, next, this.#gatherSize());
    return next;
  }

  #gatheredAll(): boolean {
    return this.#gathering.hasHeader() && this.#gathering.length === this.#gatherSize();
  }

  #gatherSize(): number {
    const header = this.#gathering.bytes;
    const size = this.#sizeAt(header, 0);
    return this.#streams[header.readUInt8(0)] === 1 ? HEADER_BYTES : size;
  }

  /** False when the scan has to stop: a streamed frame that is not allowed, or a sink that pauses. */
  #giveGathered(sink: ScanSink): boolean {
    const type = this.#gathering.bytes.readUInt8(0);
    if (this.#streams[type] === 0) return sink.frame(frameOf(this.#gathering.release()));
    if (this.#allowed < 1 && !this.#grantsMore(sink)) return false;
    const header = this.#gathering.release();
    this.#allowed--;
    this.#streamType = type;
    this.#missing = this.#sizeAt(header, 0) - HEADER_BYTES;
    sink.run(type, header, this.#missing === 0 ? 1 : 0);
    return true;
  }

  #grantsMore(sink: ScanSink): boolean {
    if (sink.more === undefined) return false;
    this.#allowed = sink.more();
    return this.#allowed >= 1;
  }

  #stop(chunk: Buffer, at: number, owned: boolean): false {
    const rest = chunk.subarray(at);
    this.#rest = owned ? rest : Buffer.from(rest);
    this.#stopped = true;
    return false;
  }

  #sizeAt(bytes: Buffer, at: number): number {
    const type = bytes.readUInt8(at);
    return judgeFrameSize(type, bytes.readUInt32BE(at + 1), this.#limits[type] as number);
  }
}
