import type { CopyInspector } from '../../../masking/index.ts';
import type { Refusal } from '../../../model/refusal.ts';
import { isRefusal } from '../../errors.ts';
import type { Run } from './expectation.ts';

interface Awaited {
  readonly run: Run;
  readonly inspector: CopyInspector | undefined;
}

const NONE: ReadonlyMap<Run, CopyInspector> = new Map();

/** What becomes of a message with COPY data, or of its end. */
export type CopyVerdict = 'forward' | 'drop' | { readonly run: Run; readonly refusal: Refusal };

/**
 * The data that a client sends for COPY … FROM STDIN, and what looks through it. Once something is found, nothing more of that data
 * reaches the target: it is told that the copy failed, and the client's rest is dropped.
 */
export class CopyIn {
  /** In the order in which their data comes. */
  #awaited: Awaited[] = [];
  #dropping = false;

  /** One inspector per run of a COPY … FROM STDIN that has to be looked through; or why that cannot be done. */
  static inspectors(runs: readonly Run[], encoding: string): ReadonlyMap<Run, CopyInspector> | Refusal {
    if (runs.every((run) => run.planned.guard === undefined)) return NONE;
    const found = new Map<Run, CopyInspector>();
    for (const run of runs) {
      const inspector = run.planned.guard?.copyIn(encoding);
      if (inspector === undefined) continue;
      if (isRefusal(inspector)) return inspector;
      found.set(run, inspector);
    }
    return found;
  }

  /** A COPY … FROM STDIN was forwarded. */
  expect(run: Run, inspector: CopyInspector | undefined): void {
    this.#awaited.push({ run, inspector });
  }

  /** The target has ended it: no data for it means anything any more. */
  ended(run: Run): void {
    this.#awaited = this.#awaited.filter((each) => each.run !== run);
  }

  /** A message came that the target takes only when no copy is under way. */
  over(): void {
    if (this.#awaited.length > 0) this.#awaited = [];
    this.#dropping = false;
  }

  data(bytes: Buffer): CopyVerdict {
    if (this.#dropping) return 'drop';
    const first = this.#awaited[0];
    const refusal = first?.inspector?.push(bytes);
    if (!first || !refusal) return 'forward';
    this.#dropping = true;
    return this.#refuse(first, refusal);
  }

  /** CopyDone, or CopyFail when `failed`. */
  end(failed: boolean): CopyVerdict {
    if (this.#dropping) {
      this.#dropping = false;
      return 'drop';
    }
    const first = this.#awaited[0];
    const refusal = failed ? undefined : first?.inspector?.end();
    if (first && refusal) return this.#refuse(first, refusal);
    this.#awaited.shift();
    return 'forward';
  }

  #refuse({ run }: Awaited, refusal: Refusal): CopyVerdict {
    this.#awaited.shift();
    run.refused = refusal;
    return { run, refusal };
  }
}
