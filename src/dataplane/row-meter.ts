import type { BudgetPort } from './services.ts';

/**
 * Rows per principal over long spans, across sessions of this node. Rows that a running result may still deliver are set aside here at
 * once, so that parallel sessions of one person cannot both take the last ones; they become consumption when they leave.
 */
export class RowMeter {
  readonly #budgets: BudgetPort;
  readonly #reserved = new Map<string, number>();

  constructor(budgets: BudgetPort) {
    this.#budgets = budgets;
  }

  current(principal: string, now: number): { readonly hour: number; readonly day: number } {
    const { hour, day } = this.#budgets.current(principal, now);
    const reserved = this.#reserved.get(principal) ?? 0;
    return { hour: hour + reserved, day: day + reserved };
  }

  reserve(principal: string, rows: number): void {
    this.#reserved.set(principal, (this.#reserved.get(principal) ?? 0) + rows);
  }

  release(principal: string, rows: number): void {
    const left = (this.#reserved.get(principal) ?? 0) - rows;
    if (left > 0) this.#reserved.set(principal, left);
    else this.#reserved.delete(principal);
  }

  deliver(principal: string, rows: number, now: number): void {
    this.#budgets.add(principal, rows, now);
  }
}
