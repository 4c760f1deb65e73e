import type { Refusal } from '../../../model/refusal.ts';
import type { Consent } from '../../consent.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';
import type { DetectedResult, ResultColumns } from './detected-result.ts';
import type { Portal } from './session-objects.ts';

/** One execution of one statement, from forwarding to its last reply. */
export interface Run {
  readonly planned: PlannedStatement;
  readonly plan: Plan;
  /** Number of the statement within the session, from 1. */
  readonly number: number;
  readonly startedAt: number;
  /** Bind message of an extended execution: its parameters are recorded, and consent is bound to them. */
  readonly bind: Buffer | undefined;
  /** As in JudgeInput. */
  readonly behind: readonly string[];
  readonly policies: readonly string[];
  readonly portal: Portal | undefined;
  /** A policy bounds its rows, or they are shown by consent: they are granted in slices. */
  readonly limited: boolean;
  consent: Consent | undefined;
  /** Consent to see labels unmasked in this statement. */
  unmasked: Consent | undefined;
  /** Requests by whose consent it shows what would be masked: when one is taken back, no further row leaves. */
  readonly consents: readonly string[];
  /** Rows delivered by this run; those of the portal are counted there too. */
  rows: number;
  bytes: number;
  /** Rows set aside for it and not yet delivered. */
  reserved: number;
  /** Detectors on its rows, from the first of them on. */
  detected: DetectedResult | undefined;
  /** The client has already been told that the rest does not come. */
  cut: Refusal | undefined;
  /** The gateway made the target fail: what the client is told in the place of the target's error. */
  refused: Refusal | undefined;
  ended: boolean;
}

export type ExpectationKind =
  | 'parse'
  | 'bind'
  | 'describe'
  | 'close'
  | 'execute'
  | 'sync'
  | 'query'
  | 'function-call'
  | 'refusal';

/** What the target still has to answer, in order: one per forwarded message. */
export interface Expectation {
  readonly kind: ExpectationKind;
  /** The gateway's own message: its replies are not the client's. */
  readonly internal: boolean;
  /** Though internal, it stands for something the client sent: its errors and columns are his. */
  readonly instead: boolean;
  readonly plan: Plan | undefined;
  /** `query`: one per statement; `execute`: one. */
  readonly runs: readonly Run[];
  /** Which run the replies belong to now. */
  at: number;
  /** Takes back what the message did to the session's names, when the target refuses it. */
  readonly undo: (() => void) | undefined;
  /** Stands in the place of the target's error. */
  readonly refusal: Refusal | undefined;
  /** The client got its error already: nothing more of this exchange reaches it, but ReadyForQuery. */
  silenced: boolean;
  /** Point in the order of messages at which it was sent. */
  mark: number;
  /** The target has said what columns the rows of this statement have. */
  described: boolean;
  /** Columns of the rows that come now, when somebody needs them. */
  columns: ResultColumns | undefined;
  /** Rows of an internal question. */
  readonly capture: Buffer[] | undefined;
  readonly settle: ((outcome: 'done' | 'failed') => void) | undefined;
}

export function expectation(
  kind: ExpectationKind,
  more: Partial<Omit<Expectation, 'kind' | 'at' | 'described' | 'columns' | 'mark'>> = {},
): Expectation {
  return {
    kind,
    internal: more.internal ?? false,
    instead: more.instead ?? false,
    plan: more.plan,
    runs: more.runs ?? [],
    at: 0,
    undo: more.undo,
    refusal: more.refusal,
    silenced: more.silenced ?? false,
    mark: 0,
    described: false,
    columns: undefined,
    capture: more.capture,
    settle: more.settle,
  };
}

/** First in, first out, without moving elements on every shift. */
export class ExpectationQueue {
  #items: Expectation[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): Expectation | undefined {
    return this.#items[this.#head];
  }

  push(item: Expectation): void {
    this.#items.push(item);
  }

  get second(): Expectation | undefined {
    return this.#items[this.#head + 1];
  }

  /** The items behind the first are taken out for as long as they are of this kind. */
  dropBehindFirst(kind: ExpectationKind): void {
    while (this.#items[this.#head + 1]?.kind === kind) this.#items.splice(this.#head + 1, 1);
  }

  shift(): Expectation | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
