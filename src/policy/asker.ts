import type { AccessContext, Decision } from '../model/access.ts';
import type { AccessQuestion } from '../model/statement.ts';
import { circumstancesOf } from './circumstances.ts';
import type { Judge, Scope, Verdict } from './judge.ts';
import { Recent } from './recent.ts';
import { type CounterValues, countersOf } from './thresholds.ts';

/** Decisions one asker keeps by itself; what falls out is put together anew from the set's answers. */
const REMEMBERED = 64;

export interface DecideOptions {
  /** False when no rows will come: saves the search for the row at which the decision changes. True by default. */
  readonly streamsRows?: boolean;
}

/** A question, and who answers it; one judge may answer several questions that cannot be told apart. */
export interface AskerPart {
  readonly question: AccessQuestion;
  readonly judge: Judge;
}

/** A principal and his questions, made ready: what is left to do per statement is a look-up. Keep one as long as its policy set. */
export class Asker {
  readonly #parts: readonly AskerPart[];
  readonly #scope: Scope;
  readonly #ask: (judge: Judge, context: AccessContext, counters: CounterValues, more: number) => Verdict;
  readonly #combine: (answers: { question: AccessQuestion; verdict: Verdict }[]) => Decision;
  readonly #decisions = new Recent<Decision>(REMEMBERED);

  constructor(
    parts: readonly AskerPart[],
    scope: Scope,
    ask: (judge: Judge, context: AccessContext, counters: CounterValues, more: number) => Verdict,
    combine: (answers: { question: AccessQuestion; verdict: Verdict }[]) => Decision,
  ) {
    this.#parts = parts;
    this.#scope = scope;
    this.#ask = ask;
    this.#combine = combine;
  }

  /** Never throws: what cannot be decided is refused. */
  decide(context: AccessContext, options?: DecideOptions): Decision {
    try {
      const counters = countersOf(context);
      const now = this.#at(context, counters, 0);
      if (now.effect !== 'forward' || options?.streamsRows === false || this.#scope.thresholds.none) return now;
      return this.#withAllowance(now, context, counters);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { effect: 'refuse', policies: [], reason: `the policies could not be evaluated: ${why}` };
    }
  }

  /** Goes from turning point to turning point until a row may not leave; the answers on the way are remembered ones. */
  #withAllowance(now: Decision & { effect: 'forward' }, context: AccessContext, counters: CounterValues): Decision {
    const { thresholds } = this.#scope;
    for (
      let more = thresholds.next(counters, 0);
      more < Number.POSITIVE_INFINITY;
      more = thresholds.next(counters, more)
    ) {
      const then = this.#at(context, counters, more);
      if (then.effect !== 'forward') return { ...now, allowance: { rows: context.rows + more - 1, then } };
    }
    return now;
  }

  #at(context: AccessContext, counters: CounterValues, more: number): Decision {
    const key = this.#scope.key(context, counters, more);
    const known = this.#decisions.get(key);
    if (known) return known;
    const decision = this.#combine(
      this.#parts.map(({ question, judge }) => ({
        question,
        verdict: this.#ask(judge, circumstancesOf(question, context), counters, more),
      })),
    );
    this.#decisions.set(key, decision);
    return decision;
  }
}
