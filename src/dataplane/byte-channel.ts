import type { Socket } from 'node:net';

/** The client is gone: nobody is left to be told anything. */
export class ChannelEnded extends Error {
  override readonly name = 'ChannelEnded';
}

/**
 * Reads exactly as many bytes as asked for from a socket, before the relay takes it over: during start-up each message decides what the
 * next bytes mean, so nothing may be read ahead and lost.
 */
export class ByteChannel {
  #socket: Socket;
  #chunks: Buffer[] = [];
  #size = 0;
  #waiting:
    | { readonly bytes: number; readonly resolve: (bytes: Buffer) => void; readonly reject: (error: Error) => void }
    | undefined;
  #failure: Error | undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#waiting && this.#size >= this.#waiting.bytes) this.#serve();
    else if (!this.#waiting) this.#socket.pause();
  };
  readonly #onEnd = (): void => this.fail(new ChannelEnded('the client closed the connection'));
  readonly #onError = (cause: Error): void => this.fail(new ChannelEnded(cause.message, { cause }));

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
    socket.pause();
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Bytes that arrived and were not asked for yet. */
  get buffered(): number {
    return this.#size;
  }

  #listen(): void {
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('close', this.#onEnd);
    this.#socket.on('error', this.#onError);
  }

  #unlisten(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('error', this.#onError);
  }

  /** Resolves with exactly `bytes` bytes; rejects when the socket ends first. One read at a time. */
  read(bytes: number): Promise<Buffer> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#size >= bytes) return Promise.resolve(this.#take(bytes));
    return new Promise((resolve, reject) => {
      this.#waiting = { bytes, resolve, reject };
      this.#socket.resume();
    });
  }

  /** Throws why the channel has ended, when it has. */
  assertOpen(): void {
    if (this.#failure) throw this.#failure;
  }

  /** What has been read ahead is given back; the caller owns the socket again. Throws when the channel has ended: nobody would hear of it any more. */
  release(): Buffer {
    this.assertOpen();
    this.#unlisten();
    this.#socket.pause();
    return this.#take(this.#size);
  }

  /** Goes on over another socket (TLS over this one). The old one keeps an error handler, since its errors surface there. */
  replace(socket: Socket): void {
    this.#unlisten();
    this.#socket.on('error', () => undefined);
    this.#socket = socket;
    this.#listen();
    socket.pause();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#failure);
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    this.#waiting = undefined;
    this.#socket.pause();
    waiting.resolve(this.#take(waiting.bytes));
  }

  #take(bytes: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    const taken = all.subarray(0, bytes);
    const rest = all.subarray(bytes);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
    return taken;
  }
}
