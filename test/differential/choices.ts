import { dice } from '../fuzz/dice.ts';

/** The decisions of a generator, one number after the other. 0 is always the plainest one, so a record of few and small numbers is a plain case. */
export class Choices {
  readonly taken: number[] = [];
  readonly #next: (below: number) => number;

  private constructor(next: (below: number) => number) {
    this.#next = next;
  }

  static fresh(seed: number): Choices {
    return new Choices(dice(seed));
  }

  /** Takes the decisions of a record again, and 0 beyond its end. */
  static again(record: readonly number[]): Choices {
    let at = 0;
    return new Choices((below) => (record[at++] ?? 0) % below);
  }

  /** @returns a whole number from 0 up to below the one given. */
  below(count: number): number {
    const chosen = count <= 1 ? 0 : this.#next(count);
    this.taken.push(chosen);
    return chosen;
  }

  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent;
  }

  of<T>(options: readonly T[]): T {
    const option = options[this.below(options.length)];
    if (option === undefined) throw new RangeError('nothing to choose from');
    return option;
  }
}

/**
 * A plainer record that still fails: runs of decisions are left out, then made 0, as long as that helps.
 * @param fails Whether the case made of these decisions still fails.
 * @param attempts How many cases to try at most.
 */
export async function shrink(
  record: readonly number[],
  fails: (choices: Choices) => Promise<boolean>,
  attempts = 300,
): Promise<readonly number[]> {
  let best = record;
  let left = attempts;
  const better = async (candidate: readonly number[]): Promise<boolean> => {
    left -= 1;
    const choices = Choices.again(candidate);
    if (!(await fails(choices))) return false;
    best = choices.taken;
    return true;
  };
  for (let run = Math.max(1, record.length >> 1); run >= 1 && left > 0; run >>= 1) {
    for (let at = 0; at < best.length && left > 0; ) {
      const without = [...best.slice(0, at), ...best.slice(at + run)];
      const zeroed = best.map((value, index) => (index >= at && index < at + run ? 0 : value));
      const shorter = best.length;
      if ((await better(without)) && best.length <= shorter) continue;
      if (zeroed.some((value, index) => value !== best[index])) await better(zeroed);
      at += run;
    }
  }
  return best;
}
