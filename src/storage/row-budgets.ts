import type { DatabaseSync } from 'node:sqlite';
import type { BudgetStore, RowsTaken } from '../model/budget.ts';
import { storageError } from './errors.ts';

const SLOT_MS = 5 * 60_000;
const HOUR_SLOTS = 12;
const DAY_SLOTS = 288;
const WRITE_BEHIND_MS = 200;

interface Budget {
  readonly slots: Map<number, number>;
  /** The slot for which the sums hold. */
  slot: number;
  hour: number;
  day: number;
}

/**
 * Rows per principal in slots of five minutes. Decisions read memory; the file follows at most 200 ms later, in one transaction
 * per flush. The spans include the whole oldest slot, so they are up to five minutes longer than an hour or a day, never shorter.
 */
export class RowBudgets implements BudgetStore {
  readonly #database: DatabaseSync;
  readonly #onFailure: (error: unknown) => void;
  readonly #budgets = new Map<string, Budget>();
  /** Rows counted but not yet on disk: principal → slot → rows. */
  #unwritten = new Map<string, Map<number, number>>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(database: DatabaseSync, now: number, onFailure: (error: unknown) => void) {
    this.#database = database;
    this.#onFailure = onFailure;
    const oldest = slotOf(now) - DAY_SLOTS;
    database.prepare('DELETE FROM row_budgets WHERE slot < ?').run(oldest);
    for (const row of database.prepare('SELECT principal_id, slot, rows FROM row_budgets').iterate()) {
      this.#budgetOf(String(row['principal_id'])).slots.set(Number(row['slot']), Number(row['rows']));
    }
  }

  add(principalId: string, rows: number, now: number): void {
    if (rows <= 0) return;
    const slot = slotOf(now);
    const budget = this.#budgetOf(principalId);
    this.#sumUp(budget, slot);
    budget.slots.set(slot, (budget.slots.get(slot) ?? 0) + rows);
    budget.hour += rows;
    budget.day += rows;
    const unwritten = this.#unwritten.get(principalId) ?? new Map<number, number>();
    unwritten.set(slot, (unwritten.get(slot) ?? 0) + rows);
    this.#unwritten.set(principalId, unwritten);
    if (!this.#closed) this.#timer ??= setTimeout(() => this.#writeBehind(), WRITE_BEHIND_MS);
  }

  current(principalId: string, now: number): RowsTaken {
    const budget = this.#budgets.get(principalId);
    if (budget === undefined) return { hour: 0, day: 0 };
    this.#sumUp(budget, slotOf(now));
    return { hour: budget.hour, day: budget.day };
  }

  /** Writes what is not on disk yet. @throws what SQLite throws; nothing is forgotten then. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.size === 0) return;
    const writing = this.#unwritten;
    const upsert = this.#database.prepare(
      'INSERT INTO row_budgets (principal_id, slot, rows) VALUES (?, ?, ?) ON CONFLICT (principal_id, slot) DO UPDATE SET rows = rows + excluded.rows',
    );
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const [principalId, slots] of writing) {
        for (const [slot, rows] of slots) upsert.run(principalId, slot, rows);
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw storageError(error);
    }
    this.#unwritten = new Map();
  }

  /** Last flush; later additions stay in memory. */
  close(): void {
    this.#closed = true;
    this.flush();
  }

  #writeBehind(): void {
    this.#timer = undefined;
    try {
      this.flush();
    } catch (error) {
      this.#onFailure(error);
      // Tried again later; memory, which decisions are made from, is right meanwhile.
      this.#timer ??= setTimeout(() => this.#writeBehind(), WRITE_BEHIND_MS * 10);
    }
  }

  #budgetOf(principalId: string): Budget {
    let budget = this.#budgets.get(principalId);
    if (budget === undefined) {
      budget = { slots: new Map(), slot: -1, hour: 0, day: 0 };
      this.#budgets.set(principalId, budget);
    }
    return budget;
  }

  /** A clock that steps back does not move the sums back: what was counted stays counted. */
  #sumUp(budget: Budget, slot: number): void {
    if (slot <= budget.slot) return;
    budget.slot = slot;
    budget.hour = 0;
    budget.day = 0;
    for (const [at, rows] of budget.slots) {
      if (at < slot - DAY_SLOTS) {
        budget.slots.delete(at);
        continue;
      }
      budget.day += rows;
      if (at >= slot - HOUR_SLOTS) budget.hour += rows;
    }
  }
}

function slotOf(now: number): number {
  return Math.floor(now / SLOT_MS);
}
