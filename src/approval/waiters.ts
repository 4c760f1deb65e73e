import type { ApprovalRequest } from '../model/approval.ts';

interface Waiter {
  readonly resolve: (request: ApprovalRequest) => void;
}

/** Who waits in this process for which request. Holds no state that matters: after a restart clients ask again. */
export class Waiters {
  readonly #waiting = new Map<string, Set<Waiter>>();

  /** `settled` rejects with the signal's reason; `leave` must be called in every case. */
  wait(id: string, signal?: AbortSignal): { settled: Promise<ApprovalRequest>; leave: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<ApprovalRequest>();
    // The caller may leave without ever looking at the promise.
    promise.catch(() => undefined);
    const waiter: Waiter = { resolve };
    const all = this.#waiting.get(id) ?? new Set();
    all.add(waiter);
    this.#waiting.set(id, all);
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const leave = (): void => {
      signal?.removeEventListener('abort', onAbort);
      all.delete(waiter);
      if (all.size === 0 && this.#waiting.get(id) === all) this.#waiting.delete(id);
    };
    return { settled: promise, leave };
  }

  tell(request: ApprovalRequest): void {
    if (request.state === 'pending') return;
    for (const waiter of this.#waiting.get(request.id) ?? []) waiter.resolve(request);
  }

  get size(): number {
    return this.#waiting.size;
  }
}
