/**
 * Bounds the work on one script: a small text can name many things many times. Steps are visits of nodes, comparisons of names and
 * bytes of SQL parsed behind names; an honest statement of the largest size takes a fraction of them.
 */
export class Budget {
  #left: number;

  constructor(steps = 20_000_000) {
    this.#left = steps;
  }

  /** Throws BudgetExceeded when too much has been spent. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new BudgetExceeded();
  }
}

/** Never leaves the room: the script becomes opaque. */
export class BudgetExceeded extends Error {
  constructor() {
    super('the statement is too complex');
    this.name = 'BudgetExceeded';
  }
}
