import type { Socket } from 'node:net';
import { TargetError, where } from './errors.ts';
import type { TargetOptions } from './options.ts';

/** One clock and one signal over every step of an attempt: when either fires, the socket of the moment is destroyed. */
export class Deadline implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #socket: Socket | undefined;
  #failure: TargetError | undefined;
  #step = 'connecting';

  constructor(options: Pick<TargetOptions, 'address' | 'deadlineMs' | 'signal'>) {
    const at = where(options.address);
    this.#timer = setTimeout(() => {
      const seconds = Math.round(options.deadlineMs / 100) / 10;
      this.#fire(
        'ERR_TARGET_TIMEOUT',
        `${at} did not answer within ${seconds} s while ${this.#step}. Check that a PostgreSQL server listens there, that no firewall drops the packets, and that it is not overloaded.`,
      );
    }, options.deadlineMs);
    this.#signal = options.signal;
    this.#onAbort = () => this.#fire('ERR_TARGET_ABORTED', `connecting to ${at} was given up while ${this.#step}.`);
    if (this.#signal?.aborted) this.#onAbort();
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Names what comes next, for the message; throws when it is too late for it. */
  enter(step: string): void {
    this.#step = step;
    if (this.#failure) throw this.#failure;
  }

  /** Watches over this socket from now on. */
  guard(socket: Socket): void {
    this.#socket = socket;
    if (this.#failure) socket.destroy(this.#failure);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  #fire(code: 'ERR_TARGET_TIMEOUT' | 'ERR_TARGET_ABORTED', message: string): void {
    this.#failure ??= new TargetError(code, message);
    this.#socket?.destroy(this.#failure);
  }
}
