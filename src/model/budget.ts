/** Rows a principal has taken, over all his sessions. Spans slide in steps of five minutes and never count too little. */
export interface RowsTaken {
  readonly hour: number;
  readonly day: number;
}

/** The port behind `context.rows_hour` and `context.rows_day`. Synchronous: it is asked for every decision. */
export interface BudgetStore {
  /** Counts rows that are about to leave; visible to `current` at once, on disk at most 200 ms later. `now`: milliseconds since the epoch. */
  add(principalId: string, rows: number, now: number): void;
  current(principalId: string, now: number): RowsTaken;
}
