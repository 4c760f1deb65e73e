import type { Socket } from 'node:net';
import type { Address } from '../../model/config.ts';
import { type Frame, type FrameLimit, FrameReader, WireError } from '../../wire/bytes/index.ts';
import { TargetError, where } from './errors.ts';

/**
 * Reads a target's frames one at a time and reads no faster than they are asked for. One reader at a time; every method
 * that waits rejects with `TargetError`.
 */
export class FrameChannel {
  readonly #socket: Socket;
  readonly #address: Address;
  readonly #reader: FrameReader;
  #waiting: { readonly resolve: (frame: Frame) => void; readonly reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  readonly #onData = (chunk: Buffer): void => {
    this.#socket.pause();
    this.#reader.push(chunk);
    this.#serve();
  };
  readonly #onError = (error: Error): void => this.#fail(error);
  readonly #onEnd = (): void => this.#fail(undefined);

  constructor(socket: Socket, address: Address, limit: FrameLimit, leftOver?: Buffer) {
    this.#socket = socket;
    this.#address = address;
    this.#reader = new FrameReader(limit);
    if (leftOver) this.#reader.push(leftOver);
    socket.on('data', this.#onData);
    socket.on('error', this.#onError);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.pause();
    if (socket.destroyed) this.#fail(undefined);
  }

  write(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** The next frame; its bytes stay valid. */
  next(): Promise<Frame> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  /** Gives the socket back, paused and without our listeners, together with what was read ahead. */
  release(): Buffer {
    this.#socket.off('data', this.#onData);
    this.#socket.off('error', this.#onError);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#socket.pause();
    return this.#reader.rest();
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    try {
      const frame = this.#reader.next();
      if (frame) {
        this.#waiting = undefined;
        waiting.resolve(frame);
      } else if (this.#failure) {
        this.#waiting = undefined;
        waiting.reject(this.#failure);
      } else {
        this.#socket.resume();
      }
    } catch (error) {
      this.#waiting = undefined;
      waiting.reject(error instanceof WireError ? notPostgres(this.#address, error) : (error as Error));
    }
  }

  #fail(cause: Error | undefined): void {
    this.#failure ??= cause instanceof TargetError ? cause : lost(this.#address, cause);
    this.#serve();
  }
}

function lost(address: Address, cause: Error | undefined): TargetError {
  return new TargetError(
    'ERR_TARGET_LOST',
    `${where(address)} closed the connection. Look into the server's log for the reason.`,
    { cause },
  );
}

export function notPostgres(address: Address, cause: WireError): TargetError {
  return new TargetError(
    'ERR_TARGET_PROTOCOL',
    `${where(address)} does not speak PostgreSQL as it should: ${cause.message} (${cause.code}). Check that host and port belong to a PostgreSQL server.`,
    { cause },
  );
}
