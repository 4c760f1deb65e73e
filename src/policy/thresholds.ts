import type { AccessContext } from '../model/access.ts';
import { PolicyError } from './errors.ts';
import { COUNTERS, type Counter, type Mentions } from './mentions.ts';

/** The rows that have left, counted over four spans; one more row raises all of them by one. */
export type CounterValues = Readonly<Record<Counter, number>>;

/** @throws PolicyError ERR_POLICY_CONTEXT for what is no count: it would pass for "few" between the turning points. */
export function countersOf(context: AccessContext): CounterValues {
  const counters = {
    rows: context.rows,
    rows_session: context.rowsSession,
    rows_hour: context.rowsHour,
    rows_day: context.rowsDay,
  };
  for (const counter of COUNTERS) {
    const value = counters[counter];
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new PolicyError(
      'ERR_POLICY_CONTEXT',
      `context.${counter} is ${value}, which is not a whole number of 0 or more`,
    );
  }
  return counters;
}

/**
 * The points at which a comparison of a counter with a literal can turn over. A comparison with k, of whatever kind, is constant
 * below k, at k, and above k; between two neighbouring points no policy can tell one value from another.
 */
export class Thresholds {
  /** Counters that are looked at, with their turning points in rising order. */
  readonly #points: readonly (readonly [Counter, readonly number[]])[];

  constructor(policies: readonly Mentions[]) {
    const literals = new Map<Counter, Set<number>>();
    for (const { thresholds } of policies) {
      for (const [counter, values] of thresholds) {
        const known = literals.get(counter) ?? new Set();
        for (const value of values) known.add(value).add(value + 1);
        literals.set(counter, known);
      }
    }
    this.#points = COUNTERS.flatMap((counter) => {
      const points = [...(literals.get(counter) ?? [])].filter((point) => point > 0).sort((a, b) => a - b);
      return points.length > 0 ? [[counter, points] as const] : [];
    });
  }

  get none(): boolean {
    return this.#points.length === 0;
  }

  /** One number for "between which turning points every counter stands", `more` rows from now. Equal numbers, equal answers. */
  region(counters: CounterValues, more: number): number {
    let region = 0;
    for (const [counter, points] of this.#points) {
      const value = counters[counter] + more;
      let passed = 0;
      while (passed < points.length && (points[passed] as number) <= value) passed++;
      region = region * (points.length + 1) + passed;
    }
    return region;
  }

  /** The smallest number of rows above `more` after which the region is another one; Infinity when it stays. */
  next(counters: CounterValues, more: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const [counter, points] of this.#points) {
      const value = counters[counter] + more;
      const point = points.find((each) => each > value);
      if (point !== undefined) next = Math.min(next, point - counters[counter]);
    }
    return next;
  }
}
