import type { ForwardPermit } from '../../permit.ts';

interface Delayed {
  permit: ForwardPermit | undefined;
}

/**
 * Bytes for the target in their order. A change stands here until its record is durable, and everything behind it waits too, so that
 * many pipelined changes can share one write of the ledger.
 */
export class Outbox {
  #ready: Buffer[] = [];
  #delayed: Delayed[] = [];
  readonly #onReady: () => void;
  readonly #onFailure: () => void;

  /** `onReady`: something can be sent that could not before. `onFailure`: a record could not be written; nothing more is sent. */
  constructor(onReady: () => void, onFailure: () => void) {
    this.#onReady = onReady;
    this.#onFailure = onFailure;
  }

  /** Messages that wait for a record, or behind one that does. */
  get waiting(): number {
    return this.#delayed.length;
  }

  add(permit: ForwardPermit): void {
    if (this.#delayed.length === 0) this.#ready.push(permit.bytes);
    else this.#delayed.push({ permit });
  }

  addWhen(permit: Promise<ForwardPermit>): void {
    const delayed: Delayed = { permit: undefined };
    this.#delayed.push(delayed);
    permit.then(
      (minted) => {
        delayed.permit = minted;
        this.#advance();
      },
      () => this.#onFailure(),
    );
  }

  /** What may be sent now; the caller sends it. */
  take(): readonly Buffer[] {
    const ready = this.#ready;
    if (ready.length > 0) this.#ready = [];
    return ready;
  }

  #advance(): void {
    let free = 0;
    for (const { permit } of this.#delayed) {
      if (!permit) break;
      this.#ready.push(permit.bytes);
      free += 1;
    }
    if (free === 0) return;
    this.#delayed = this.#delayed.slice(free);
    this.#onReady();
  }
}
