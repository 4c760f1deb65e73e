import { ApprovalError } from '../../../approval/index.ts';
import type { Decision, Denial } from '../../../model/access.ts';
import type { ApprovalRequest } from '../../../model/approval.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { AuditRecord, Disclosure } from '../../../model/record.ts';
import type { Refusal } from '../../../model/refusal.ts';
import {
  approversText,
  askConsent,
  type Consent,
  type ConsentQuestion,
  denialRefusal,
  parameterDigest,
  standingConsent,
} from '../../consent.ts';
import { refusal } from '../../errors.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';
import type { Session } from '../../session.ts';
import { TAKEN_BACK } from '../../statement-unmask.ts';
import type { Run } from './expectation.ts';
import { describeParameters, parameterBytes } from './parameters.ts';
import type { RunOutcome } from './replies.ts';
import type { Portal } from './session-objects.ts';

/** Rows granted at once to a bounded result: small, since sessions of one person share budgets. */
const SLICE = 256;
/** And far from the bound, when nobody else of the person can be near it either. */
const LARGE_SLICE = 16_384;
/** Ended statements that share one record, and how long the first of them waits for it. */
const MOST_ENDS = 64;
const ENDS_AFTER_MS = 200;

/** How the judge speaks with the waiting client. */
export interface Asking {
  notice(message: string, detail: string, hint: string): void;
  settle(): Promise<void>;
  begin(): AbortSignal;
  end(): void;
}

export interface JudgeInput {
  readonly plan: Plan;
  readonly statements: readonly PlannedStatement[];
  /** Bind message of an extended execution. */
  readonly bind: Buffer | undefined;
  /** Texts and parameter types that stand behind names in the text (EXECUTE, FETCH) or are told apart from it (Parse). */
  readonly behind: readonly string[];
  /** Requests by whose consent what stands behind names shows labels unmasked. */
  readonly consents?: readonly string[];
  /** Where rows of the statement are counted across executions. */
  readonly portalOf: (planned: PlannedStatement) => Portal | undefined;
  readonly asking: Asking;
}

const STREAMS_ROWS = { streamsRows: true } as const;
const NO_ROWS = { streamsRows: false } as const;

type Hold = Extract<Denial, { effect: 'hold' }>;

/** Takes decisions for one session at the moment of execution, grants rows, and writes the records of both. */
export class Judge {
  readonly #session: Session;
  readonly #onLost: (error: unknown) => void;
  #ends: JsonObject[] = [];
  #endsTimer: NodeJS.Timeout | undefined;

  /** `onLost`: a record could not be written. */
  constructor(session: Session, onLost: (error: unknown) => void) {
    this.#session = session;
    this.#onLost = onLost;
  }

  /** All statements of one message are judged before any of them is forwarded. */
  judge(input: JudgeInput): readonly Run[] | Refusal | Promise<readonly Run[] | Refusal> {
    const decisions: Decision[] = [];
    let hold: Hold | undefined;
    for (const planned of input.statements) {
      const decision = this.#decide(planned, input.portalOf(planned)?.rows ?? 0, false);
      if (decision.effect === 'refuse') return denialRefusal(decision);
      if (decision.effect === 'hold') hold = hold ? mergeHolds(hold, decision) : decision;
      decisions.push(decision);
    }
    if (hold) return this.#withConsent(input, hold);
    return input.statements.map((planned, index) => this.#run(input, planned, decisions[index] as Decision, undefined));
  }

  async #withConsent(input: JudgeInput, hold: Hold): Promise<readonly Run[] | Refusal> {
    const question = this.#question(input.plan, input.statements, input, hold);
    const consent = (await standingConsent(this.#session, question)) ?? (await this.#ask(question, input.asking, true));
    if ('code' in consent) return consent;
    const runs: Run[] = [];
    for (const planned of input.statements) {
      const decision = this.#decide(planned, input.portalOf(planned)?.rows ?? 0, true);
      if (decision.effect === 'refuse') return denialRefusal(decision);
      if (decision.effect === 'hold') {
        return refusal('policy-denied', `gatehouse: ${decision.reason}`, {
          hint: 'The policy asks for consent even when it was given; tell its owner.',
        });
      }
      runs.push(this.#run(input, planned, decision, consent));
    }
    return runs;
  }

  #question(
    plan: Plan,
    planned: readonly PlannedStatement[],
    { bind, behind }: Pick<JudgeInput, 'bind' | 'behind'>,
    denial: Hold,
  ): ConsentQuestion {
    return {
      // Without what a name stands for, consent to one `EXECUTE p` would serve for any other.
      text: [plan.text, ...behind].join('\n-- '),
      parameters: parameterDigest(bind && parameterBytes(bind)),
      denial,
      planned,
      world: plan.view.world.version,
      searchPath: plan.searchPath,
    };
  }

  async #ask(question: ConsentQuestion, asking: Asking, settle: boolean): Promise<Consent | Refusal> {
    if (settle) await asking.settle();
    const signal = asking.begin();
    const started = performance.now();
    try {
      return await askConsent(this.#session, question, signal, (request) => this.#announce(request, asking));
    } catch (error) {
      if (error instanceof ApprovalError) return refusal('approval-required', `gatehouse: ${error.message}`);
      throw error;
    } finally {
      asking.end();
      this.#session.services.metrics.observe('hold_seconds', (performance.now() - started) / 1000);
    }
  }

  #announce(request: ApprovalRequest, asking: Asking): void {
    asking.notice(
      `gatehouse: waiting for consent, request ${request.id}: ${request.why}`,
      `It waits for ${approversText(request)}. Cancel the statement to stop waiting.`,
      `An approver decides with: gatehouse requests approve ${request.id}   ${this.#session.services.requestLink(request.id)}`.trimEnd(),
    );
  }

  #decide(planned: PlannedStatement, rows: number, approved: boolean): Decision {
    return planned.asker.decide(
      this.#session.context(planned, rows, approved),
      planned.countsRows ? STREAMS_ROWS : NO_ROWS,
    );
  }

  #run(input: JudgeInput, planned: PlannedStatement, decision: Decision, consent: Consent | undefined): Run {
    this.#session.statements += 1;
    const consents = input.consents ? [...planned.consents, ...input.consents] : planned.consents;
    return {
      planned,
      plan: input.plan,
      number: this.#session.statements,
      startedAt: performance.now(),
      bind: input.bind,
      behind: input.behind,
      portal: input.portalOf(planned),
      policies: decision.policies,
      limited:
        consents.length > 0 ||
        (planned.countsRows &&
          ((decision.effect === 'forward' && decision.allowance !== undefined) || consent?.rowLimit !== undefined)),
      consent,
      unmasked: undefined,
      consents,
      rows: 0,
      bytes: 0,
      reserved: 0,
      detected: undefined,
      cut: undefined,
      refused: undefined,
      ended: false,
    };
  }

  // --- rows ---------------------------------------------------------------------------------------------------------------

  /**
   * How many further rows may leave now. They are set aside at once, so that parallel sessions of the same person cannot both take the
   * last ones; what is not used is given back at the end of the run.
   */
  grant(run: Run): number {
    if (this.#takenBack(run)) return 0;
    const rows = run.portal?.rows ?? run.rows;
    const decision = this.#decide(run.planned, rows, run.consent !== undefined);
    if (decision.effect !== 'forward') return 0;
    let left = decision.allowance === undefined ? Number.POSITIVE_INFINITY : decision.allowance.rows - rows;
    const { rows: meter, clock } = this.#session.services;
    const budgets = consentBudgets(run);
    for (const { key, limit } of budgets) left = Math.min(left, limit - meter.current(key, clock()).day);
    if (left === Number.POSITIVE_INFINITY) return left;
    const slice = Math.max(0, Math.min(left, left > 16 * LARGE_SLICE ? LARGE_SLICE : SLICE));
    run.reserved += slice;
    meter.reserve(this.#session.principal.id, slice);
    for (const { key } of budgets) meter.reserve(key, slice);
    return slice;
  }

  /** The next row needs consent, or may not leave at all. */
  async limitReached(run: Run, asking: Asking): Promise<'continue' | Refusal> {
    if (this.#takenBack(run)) return TAKEN_BACK;
    const rows = run.portal?.rows ?? run.rows;
    const { rows: meter, clock } = this.#session.services;
    const budget = consentBudgets(run).find(({ key, limit }) => meter.current(key, clock()).day >= limit);
    if (budget) {
      return refusal('row-limit', `gatehouse: consent was given for ${budget.limit} rows; the rest was not delivered`, {
        hint: 'Narrow the statement, or ask for consent to more rows.',
      });
    }
    const decision = this.#decide(run.planned, rows, run.consent !== undefined);
    const denial = decision.effect === 'forward' ? decision.allowance?.then : decision;
    if (!denial) return 'continue';
    if (denial.effect === 'refuse' || run.consent) return this.#limitRefusal(denial, rows);
    const question = this.#question(run.plan, [run.planned], run, denial);
    const consent = (await standingConsent(this.#session, question)) ?? (await this.#ask(question, asking, false));
    if ('code' in consent) return consent;
    run.consent = consent;
    // The rows before it are part of what was asked for.
    if (consent.rowLimit !== undefined) meter.deliver(budgetOf(consent), run.rows, clock());
    return 'continue';
  }

  #takenBack({ consents }: Run): boolean {
    return consents.some((request) => this.#session.services.withdrawn(request));
  }

  #limitRefusal(denial: Denial, rows: number): Refusal {
    return refusal('row-limit', `gatehouse: ${denial.reason}`, {
      detail: `${rows} rows were delivered, the rest was not${denial.policies.length > 0 ? ` (policy ${denial.policies.join(', ')})` : ''}.`,
      hint: 'Narrow the statement with WHERE or LIMIT.',
    });
  }

  delivered(run: Run, rows: number): void {
    if (run.portal) run.portal.rows += rows;
    if (!run.planned.countsRows) return;
    const { rows: meter, clock } = this.#session.services;
    const budgets = consentBudgets(run);
    const reserved = Math.min(run.reserved, rows);
    if (reserved > 0) {
      run.reserved -= reserved;
      meter.release(this.#session.principal.id, reserved);
      for (const { key } of budgets) meter.release(key, reserved);
    }
    for (const { key } of budgets) meter.deliver(key, rows, clock());
    this.#session.countRows(rows);
  }

  // --- records ------------------------------------------------------------------------------------------------------------

  /** @returns the record's index in the ledger; undefined when it could not be taken, and the session is over. */
  recordForward(run: Run): number | undefined {
    const { planned } = run;
    this.#session.services.tally.count('statements_total', 'decision=forward');
    return this.#enqueue({
      kind: 'query',
      sharedClear: planned.forwardedAs(run.policies),
      clear: run.consent ? { stmt: run.number, approval: run.consent.request.id } : { stmt: run.number },
      sharedHidden: planned.hidden,
      ...(run.bind ? { hidden: this.#parameters(run.bind) } : {}),
    });
  }

  #enqueue(record: Omit<AuditRecord, 'time' | 'session'>): number | undefined {
    try {
      return this.#session.enqueue(record);
    } catch (error) {
      this.#onLost(error);
      return undefined;
    }
  }

  #parameters(bind: Buffer): readonly Disclosure[] {
    const parameters = describeParameters(bind);
    return parameters.length === 0 ? [] : [this.#session.services.sink.conceal('params', parameters)];
  }

  /** Refusals wait for no disk of their own: every answer to the client waits for the records before it. */
  recordRefusal(refused: Refusal, text: string, plan?: Plan): number | undefined {
    const session = this.#session;
    session.statements += 1;
    const decision = refused.code.startsWith('approval-') ? 'hold' : 'refuse';
    session.services.tally.count('statements_total', `decision=${decision}`);
    const clear: JsonObject = {
      ...(plan?.statements[0]?.clear ?? { policy: session.services.policy().version }),
      code: refused.code,
      decision,
      stmt: session.statements,
    };
    const { sink } = session.services;
    const hidden = plan?.statements.flatMap((planned) => planned.hidden) ?? [
      sink.conceal('statement', text.slice(0, 16_384).toWellFormed()),
    ];
    return this.#enqueue({
      kind: 'query',
      clear,
      hidden: [...hidden.slice(0, 16), sink.conceal('reason', refused.message.toWellFormed())],
    });
  }

  /** Ends are recorded some at a time, a moment later: no statement waits for that. */
  runEnded(run: Run, outcome: RunOutcome, sqlstate?: string): void {
    const { services } = this.#session;
    services.rows.release(this.#session.principal.id, run.reserved);
    for (const { key } of consentBudgets(run)) services.rows.release(key, run.reserved);
    run.reserved = 0;
    if (run.detected?.traceable) services.proposals.note(this.#session.connection.name, run.detected, run.rows);
    services.tally.count('rows_total', '', run.rows);
    services.tally.count('bytes_total', 'direction=out', run.bytes);
    // Members in the order of canonical JSON, which need not be sorted then.
    this.#ends.push({
      bytes: run.bytes,
      ...detectedClear(run),
      ms: Math.round(performance.now() - run.startedAt),
      outcome,
      rows: run.rows,
      ...(sqlstate === undefined ? {} : { sqlstate }),
      stmt: run.number,
    });
    if (this.#ends.length >= MOST_ENDS) this.flushEnds();
    else this.#endsTimer ??= setTimeout(() => this.flushEnds(), ENDS_AFTER_MS);
  }

  /** Hands the records of ended statements to the ledger. */
  flushEnds(): void {
    clearTimeout(this.#endsTimer);
    this.#endsTimer = undefined;
    if (this.#ends.length === 0) return;
    const ends = this.#ends;
    this.#ends = [];
    this.#enqueue({ kind: 'query.end', clear: { ends } });
  }
}

/** How often which detector spoke for which column of the result, counted from 0: never what it found, and no names. */
function detectedClear({ detected }: Run): JsonObject {
  const counts = detected?.counts() ?? [];
  if (counts.length === 0) return {};
  return { detected: counts.map(({ column, detector, hits }) => ({ column, detector: detector.id, hits })) };
}

const NO_BUDGETS: readonly never[] = [];

/** Rows under one consent are counted over all its uses. */
function consentBudgets({ consent, unmasked }: Run): readonly { readonly key: string; readonly limit: number }[] {
  if (consent?.rowLimit === undefined && unmasked?.rowLimit === undefined) return NO_BUDGETS;
  return [consent, unmasked].flatMap((each) =>
    each?.rowLimit === undefined ? [] : [{ key: budgetOf(each), limit: each.rowLimit }],
  );
}

function budgetOf({ request }: Consent): string {
  return `consent ${request.id}`;
}

function mergeHolds(a: Hold, b: Hold): Hold {
  return {
    effect: 'hold',
    policies: [...new Set([...a.policies, ...b.policies])],
    approvers: [...new Set([...a.approvers, ...b.approvers])],
    quorum: Math.max(a.quorum, b.quorum),
    reason: a.reason === b.reason ? a.reason : `${a.reason}; ${b.reason}`,
  };
}
