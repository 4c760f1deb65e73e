import type { Refusal } from '../../../model/refusal.ts';
import type { FrontendMessage } from '../../../wire/postgres/index.ts';
import { refusal } from '../../errors.ts';
import type { Run } from './expectation.ts';

/** What a target in COPY FROM STDIN takes, or ignores. At any other message it fails the copy and closes the connection. */
const TAKEN: ReadonlySet<FrontendMessage['kind']> = new Set([
  ...(['copy-data', 'copy-done', 'copy-fail', 'flush', 'sync', 'terminate', 'password'] as const),
]);

/** One COPY FROM STDIN, from its forwarding to its end. */
export interface CopyTurn {
  readonly run: Run;
  /** The client has said that it sends no more, or may not. */
  done: boolean;
  ended: boolean;
  /** What the target's complaint about the gateway's CopyFail stands for. */
  unexpected: Refusal | undefined;
  /** Resolves when the target takes data, or has ended it. */
  readonly decided: PromiseWithResolvers<void>;
  readonly over: PromiseWithResolvers<void>;
}

/** Whose data the client is to send now. */
export class CopyTurns {
  #turns: CopyTurn[] = [];
  /** A message came that the target did not expect, while it was still copying. */
  disturbed = false;

  /** A COPY FROM STDIN was forwarded. */
  expect(run: Run): void {
    this.#turns.push({
      run,
      done: false,
      ended: false,
      unexpected: undefined,
      decided: Promise.withResolvers(),
      over: Promise.withResolvers(),
    });
  }

  /** The copy that a message of this kind comes in the midst of, or may do: until the target answers nobody can tell. */
  disturbedBy(kind: FrontendMessage['kind']): CopyTurn | undefined {
    return this.#turns.length === 0 || TAKEN.has(kind) ? undefined : this.#turns.find(({ done }) => !done);
  }

  /** The end of the data was sent. */
  done(): void {
    const turn = this.#turns.find(({ done }) => !done);
    if (turn) turn.done = true;
  }

  /** The target takes data. */
  begins(run: Run | undefined): void {
    this.#turns.find((turn) => turn.run === run)?.decided.resolve();
  }

  /** What a client is to be told in the place of the target's error. */
  refusalFor(run: Run, sqlstate: string | undefined): Refusal | undefined {
    const turn = this.#turns.find((each) => each.run === run);
    if (turn?.unexpected === undefined || sqlstate !== '57014') return undefined;
    this.disturbed = true;
    return turn.unexpected;
  }

  ended(run: Run): void {
    const turn = this.#turns.find((each) => each.run === run);
    if (!turn) return;
    this.#turns = this.#turns.filter((each) => each !== turn);
    turn.ended = true;
    turn.decided.resolve();
    turn.over.resolve();
  }
}

export function unexpectedInCopy(type: number): Refusal {
  const shown = type.toString(16).toUpperCase().padStart(2, '0');
  return refusal('protocol-violation', `unexpected message type 0x${shown} during COPY from stdin`);
}
