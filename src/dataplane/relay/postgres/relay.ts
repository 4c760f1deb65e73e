import type { Socket } from 'node:net';
import type { SessionContext } from '../../../model/catalog.ts';
import type { Refusal } from '../../../model/refusal.ts';
import { gateError, witness } from '../../../masking/index.ts';
import { type Frame, FrameReader } from '../../../wire/bytes/index.ts';
import { encodeNotice, encodeRefusal, type Field, type FrontendSizes, frontend, frontendLimit, type NoticeField, parseFrontend, type SqlText, type TransactionStatus } from '../../../wire/postgres/index.ts';
import { parseSessionContext, SESSION_CONTEXT_SQL } from '../../catalog/index.ts';
import { refusal } from '../../errors.ts';
import { permitHousekeeping, permitRecordedChange, permitRecordedRead, type ForwardPermit } from '../../permit.ts';
import type { Plan, Planned, PlannedStatement } from '../../plan.ts';
import type { Planner } from '../../planner.ts';
import type { Session, SessionEnd } from '../../session.ts';
import type { TargetSession } from '../../target/index.ts';
import type { View } from '../../view.ts';
import { statementText } from './encoding.ts';
import { expectation, type Run } from './expectation.ts';
import { internalRows } from './internal-rows.ts';
import { Judge } from './judge.ts';
import { Replies, type ReplyHost, type RunOutcome } from './replies.ts';
import { type Portal, type PreparedStatement, SessionObjectTable } from './session-objects.ts';

/** Sent in the place of a refused statement, so that the target's transaction state moves exactly as after any error. */
const REFUSED = 'gatehouse: refused';
const REFUSED_NAME = '__gatehouse_refused';
const CONTEXT_NAME = '__gatehouse_context';
const IDLE: TransactionStatus = 'I';
const FAILED: TransactionStatus = 'E';
/** Plans kept per session; a session that sends more different texts starts anew. */
const PLAN_CACHE = 2_000;
/** Below this many bytes several buffers are joined into one write. */
const JOIN_BELOW = 64 * 1024;

export interface RelayOptions {
  readonly session: Session;
  readonly client: Socket;
  readonly target: TargetSession;
  readonly planner: Planner;
  readonly context: SessionContext;
  /** Bytes the client sent after its last authentication message. */
  readonly early: Buffer;
  readonly limits: FrontendSizes;
  readonly cancelTarget: () => void;
  /** The catalog may have changed. */
  readonly catalogChanged: (reason: 'ddl' | 'mismatch') => Promise<void>;
}

/**
 * The relay of one PostgreSQL session: reads the client's messages one by one, has each statement planned, judged and recorded, and only
 * then forwards it; reads the target's replies through {@link Replies}. Everything runs in order; a message that has to wait (consent,
 * durable record, catalog) stops reading from the client.
 */
export class PostgresRelay implements ReplyHost {
  readonly session: Session;
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #options: RelayOptions;
  readonly #reader: FrameReader;
  readonly #replies: Replies;
  readonly #objects = new SessionObjectTable();
  readonly #judge: Judge;
  readonly #plans = new Map<string, Plan>();
  readonly #ended = Promise.withResolvers<SessionEnd>();
  readonly #abort = new AbortController();

  #view: View;
  #context: SessionContext;
  #contextVersion = 1;
  /** Something forwarded since may have changed what names mean. */
  #contextStale = false;
  /** The same, and the transaction it happened in is still open: its end may change it back. */
  #contextTouched = false;
  #catalogTouched = false;
  #clientEncoding: string;
  #status: TransactionStatus = IDLE;
  /** Extended-protocol messages were forwarded since the last Sync. */
  #inPipeline = false;
  /** The target ignores everything until Sync, and so do we. */
  #skipping = false;
  #busy = false;
  #over = false;
  #draining = false;
  /** Reads whose record is not durable yet: no reply passes meanwhile. */
  #undurable = 0;
  #backlog: Buffer[] = [];
  #targetPaused = false;
  #toClient: Buffer[] = [];
  #toTarget: Buffer[] = [];
  #idleWaiters: (() => void)[] = [];
  #waitingForConsent: AbortController | undefined;
  #copyIn = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.session = options.session;
    this.#client = options.client;
    this.#target = options.target.socket;
    this.#context = options.context;
    this.#clientEncoding = options.target.parameters.get('client_encoding') ?? 'UTF8';
    this.#reader = new FrameReader(frontendLimit(options.limits));
    this.#replies = new Replies(this);
    this.#judge = new Judge(this.session);
    this.#view = this.session.view(this.#world());
    this.#status = options.target.transactionStatus;
  }

  /** Resolves with the reason when the session is over and both sockets are closed. */
  run(): Promise<SessionEnd> {
    const client = this.#client;
    const target = this.#target;
    client.on('data', (chunk: Buffer) => this.#clientData(chunk));
    client.on('error', () => this.end('client-closed'));
    client.on('close', () => this.end('client-closed'));
    client.on('end', () => this.end('client-closed'));
    client.on('drain', () => this.#targetMayFlow());
    target.on('data', (chunk: Buffer) => this.#targetData(chunk));
    target.on('error', () => this.#targetLost());
    target.on('close', () => this.#targetLost());
    target.on('drain', () => {
      if (!this.#busy && !this.#over) client.resume();
    });
    if (this.#options.target.leftOver.length > 0) this.#targetData(this.#options.target.leftOver);
    if (this.#options.early.length > 0) this.#clientData(this.#options.early);
    target.resume();
    client.resume();
    return this.#ended.promise;
  }

  /** Ends the session; a message for the client first, when it should know why. */
  end(reason: SessionEnd, farewell?: Refusal): void {
    if (this.#over) return;
    // What was judged and recorded before the client left still reaches the target, as it would directly.
    if (reason === 'terminated' || reason === 'client-closed') this.#flushTarget();
    this.#over = true;
    this.#replies.close();
    this.#abort.abort();
    this.#waitingForConsent?.abort();
    if (farewell && !this.#client.destroyed) this.#client.write(encodeRefusal(farewell, 'FATAL'));
    for (const wake of this.#idleWaiters.splice(0)) wake();
    this.#client.end();
    this.#client.destroySoon();
    if (!this.#target.destroyed && reason !== 'target-lost') this.#target.end(frontend.terminate());
    this.#target.destroySoon();
    this.#ended.resolve(reason);
  }

  /** Ends the session at once when nothing is running, else as soon as the transaction is over. */
  drain(): void {
    this.#draining = true;
    if (this.#status === IDLE && this.#replies.queue.size === 0 && !this.#busy) this.#endDrained();
  }

  #endDrained(): void {
    this.end('shutdown', refusal('shutting-down', 'gatehouse: the gateway is shutting down', { hint: 'Connect again.' }));
  }

  /** The client's cancel request: ends a wait for consent, or asks the target. */
  cancel(): void {
    if (this.#waitingForConsent) this.#waitingForConsent.abort();
    else this.#options.cancelTarget();
  }

  get transactionStatus(): TransactionStatus {
    return this.#status;
  }

  // --- client → target ----------------------------------------------------------------------------------------------------

  #clientData(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#clientViolation(error);
      return;
    }
    this.#pump();
  }

  #clientViolation(error: unknown): void {
    const what = error instanceof Error ? error.message : String(error);
    this.session.services.log.warn({ session: this.session.id, error: what }, 'the client broke the protocol; session ended');
    this.end('protocol-violation', refusal('protocol-violation', `gatehouse: protocol violation: ${what}`));
  }

  #pump(): void {
    while (!this.#busy && !this.#over) {
      let waiting: Promise<void> | undefined;
      try {
        const frame = this.#reader.next();
        if (!frame) break;
        waiting = this.#message(frame);
      } catch (error) {
        this.#clientViolation(error);
        return;
      }
      if (waiting) {
        this.#busy = true;
        this.#flushTarget();
        this.#client.pause();
        waiting.then(
          () => this.#goOn(),
          (error: unknown) => this.#failed(error),
        );
        return;
      }
    }
    this.#flushTarget();
  }

  #goOn(): void {
    this.#busy = false;
    if (this.#over) return;
    this.#pump();
    if (!this.#busy && !this.#target.writableNeedDrain) this.#client.resume();
    if (this.#draining && this.#status === IDLE && this.#replies.queue.size === 0 && !this.#busy) this.#endDrained();
  }

  #failed(error: unknown): void {
    if (this.#over) return;
    this.session.services.log.error({ session: this.session.id, error }, 'a statement could not be handled; session ended');
    this.end('internal-error', refusal('internal-error', 'gatehouse: internal error; the statement was not forwarded'));
  }

  #message(frame: Frame): Promise<void> | undefined {
    const message = parseFrontend(frame);
    switch (message.kind) {
      case 'query':
        this.#skipping = false;
        return this.#query(message);
      case 'parse':
        return this.#skipping ? undefined : this.#parse(message.name, message, message.parameterTypes);
      case 'bind':
        return this.#skipping ? undefined : this.#bind(message.portal, message.statement, frame);
      case 'describe':
        return this.#skipping ? undefined : this.#describe(message.of, message.name, frame);
      case 'execute':
        return this.#skipping ? undefined : this.#execute(message.portal, frame);
      case 'close':
        if (!this.#skipping) this.#close(message.of, message.name, frame);
        return undefined;
      case 'flush':
        this.#forward(permitHousekeeping(frame.bytes));
        return undefined;
      case 'sync':
        this.#skipping = false;
        this.#inPipeline = false;
        this.#replies.expect(expectation('sync'));
        this.#forward(permitHousekeeping(frame.bytes));
        return undefined;
      case 'copy-data':
      case 'copy-done':
      case 'copy-fail':
        // Outside COPY IN the target would ignore them; so they need not reach it.
        if (this.#copyIn) this.#forward(permitHousekeeping(frame.bytes));
        if (message.kind !== 'copy-data') this.#copyIn = false;
        return undefined;
      case 'function-call':
        this.#skipping = false;
        return this.#functionCall(message.oid, message.arguments.length, frame);
      case 'terminate':
        this.end('terminated');
        return undefined;
      case 'password':
        throw new Error('an authentication message after authentication');
      default:
        return unreachable(message);
    }
  }

  /** The only way to the target. */
  #forward(permit: ForwardPermit): void {
    this.#toTarget.push(permit.bytes);
  }

  #flushTarget(): void {
    if (this.#toTarget.length === 0 || this.#over) return;
    const buffers = this.#toTarget;
    this.#toTarget = [];
    if (!write(this.#target, buffers)) this.#client.pause();
  }

  // --- simple query -------------------------------------------------------------------------------------------------------

  #query(sql: SqlText): Promise<void> | undefined {
    const planned = this.#planFor(sql);
    return planned instanceof Promise ? planned.then((value) => this.#planQuery(value)) : this.#planQuery(planned);
  }

  #planQuery(planned: Planned): Promise<void> | undefined {
    if ('refusal' in planned) return this.#refuseQuery(planned.refusal, planned.text);
    const { plan } = planned;
    const judged = this.#judgeAll(plan, plan.statements, undefined);
    if (judged instanceof Promise) return judged.then((value) => this.#forwardQuery(plan, value));
    return this.#forwardQuery(plan, judged);
  }

  #forwardQuery(plan: Plan, judged: readonly Run[] | Refusal): Promise<void> | undefined {
    if (!Array.isArray(judged)) return this.#refuseQuery(judged as Refusal, plan.text, plan);
    const runs = judged as Run[];
    const limitedFirst = runs.findIndex((run) => run.limited);
    if (runs.length > 1 && limitedFirst >= 0 && runs.slice(limitedFirst + 1).some((run) => run.planned.statement.effect === 'change')) {
      return this.#refuseQuery(
        refusal('policy-denied', 'gatehouse: a change may not follow a row-limited result within one query string', {
          hint: 'Send the statements one by one.',
        }),
        plan.text,
        plan,
      );
    }
    const bytes = frontend.query(plan.forwarded);
    const send = (permit: ForwardPermit) => {
      this.#touch(plan);
      this.#replies.expect(expectation('query', { plan, runs }));
      this.#forward(permit);
    };
    return this.#recordAndForward(runs, bytes, send);
  }

  #refuseQuery(refused: Refusal, text: string, plan?: Plan): undefined {
    this.#recordRefusal(refused, text, plan);
    this.#replies.expect(expectation('query', { refusal: refused }));
    this.#forward(permitHousekeeping(frontend.query(REFUSED)));
    return undefined;
  }

  // --- extended query -----------------------------------------------------------------------------------------------------

  #parse(name: string, sql: SqlText, parameterTypes: readonly number[]): Promise<void> | undefined {
    const planned = this.#planFor(sql);
    if (planned instanceof Promise) return planned.then((value) => this.#planParse(name, parameterTypes, value));
    this.#planParse(name, parameterTypes, planned);
    return undefined;
  }

  #planParse(name: string, parameterTypes: readonly number[], planned: Planned): void {
    if (this.#skipping) return;
    if ('refusal' in planned) {
      this.#refuseExtended(planned.refusal, planned.text);
      return;
    }
    const { plan } = planned;
    if (plan.statements.length > 1) {
      this.#refuseExtended(
        refusal('statement-opaque', 'cannot insert multiple commands into a prepared statement', { sqlstate: '42601' }),
        plan.text,
      );
      return;
    }
    const prepared: PreparedStatement = { plan, planned: plan.statements[0], sqlLevel: false };
    const undo = this.#objects.setPrepared(name, prepared);
    this.#inPipeline = true;
    this.#replies.expect(expectation('parse', { plan, undo }));
    this.#forward(permitHousekeeping(frontend.parse(name, plan.forwarded, parameterTypes)));
    if (plan.witnessed) {
      this.#replies.expect(expectation('describe', { plan, internal: true }));
      this.#forward(permitHousekeeping(frontend.describe('statement', name)));
    }
  }

  #bind(portalName: string, statementName: string, frame: Frame): Promise<void> | undefined {
    const prepared = this.#objects.prepared(statementName);
    if (!prepared) {
      const what = statementName === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${statementName}" does not exist`;
      this.#refuseExtended(refusal('protocol-violation', what, { sqlstate: '26000' }), '');
      return undefined;
    }
    const bytes = frame.bytes;
    const go = (current: Refusal | PreparedStatement) => {
      if (this.#skipping) return;
      if ('code' in current) {
        this.#refuseExtended(current, prepared.plan.text);
        return;
      }
      const undo = this.#objects.setPortal(portalName, {
        plan: current.plan,
        planned: current.planned,
        bind: bytes,
        held: false,
        rows: 0,
      });
      this.#inPipeline = true;
      this.#replies.expect(expectation('bind', { plan: current.plan, undo }));
      this.#forward(permitHousekeeping(bytes));
    };
    const current = this.#current(statementName, prepared);
    if (current instanceof Promise) return current.then(go);
    go(current);
    return undefined;
  }

  /**
   * A prepared statement's text was substituted for a certain view and name-resolution context. When either has changed since, the text
   * is planned again: the same outcome goes on with fresh questions, another one needs a new Parse.
   */
  #current(name: string, prepared: PreparedStatement): Promise<PreparedStatement | Refusal> | PreparedStatement | Refusal {
    if (!this.#contextStale && prepared.plan.view.key === this.#freshView().key && prepared.plan.contextVersion === this.#contextVersion) {
      return prepared;
    }
    const again = (planned: Planned): PreparedStatement | Refusal => {
      if ('refusal' in planned) return planned.refusal;
      if (planned.plan.forwarded !== prepared.plan.forwarded) {
        return refusal('plan-changed', 'cached plan must not change result type', {
          detail: 'gatehouse: what is hidden from you, or what the names mean, has changed since this statement was prepared.',
          hint: 'Prepare the statement again.',
        });
      }
      const renewed = { ...prepared, plan: planned.plan, planned: planned.plan.statements[0] };
      this.#objects.setPrepared(name, renewed);
      return renewed;
    };
    const planned = this.#planText(prepared.plan.text);
    return planned instanceof Promise ? planned.then(again) : again(planned);
  }

  #describe(target: 'statement' | 'portal', name: string, frame: Frame): undefined {
    const plan = target === 'statement' ? this.#objects.prepared(name)?.plan : this.#objects.portal(name)?.plan;
    this.#inPipeline = true;
    this.#replies.expect(expectation('describe', { plan }));
    this.#forward(permitHousekeeping(frame.bytes));
    return undefined;
  }

  #execute(portalName: string, frame: Frame): Promise<void> | undefined {
    const portal = this.#objects.portal(portalName);
    if (!portal) {
      this.#refuseExtended(refusal('protocol-violation', `portal "${portalName}" does not exist`, { sqlstate: '34000' }), '');
      return undefined;
    }
    const bytes = frame.bytes;
    if (!portal.planned) {
      this.#inPipeline = true;
      this.#replies.expect(expectation('execute', { plan: portal.plan }));
      this.#forward(permitHousekeeping(bytes));
      return undefined;
    }
    if (portal.plan.view.key !== this.#freshView().key) {
      this.#refuseExtended(
        refusal('plan-changed', 'cached plan must not change result type', { detail: 'gatehouse: what is hidden from you has changed since the portal was bound.' }),
        portal.plan.text,
      );
      return undefined;
    }
    const judged = this.#judgeAll(portal.plan, [portal.planned], portal.bind, portal);
    if (judged instanceof Promise) return judged.then((value) => this.#forwardExecute(portal.plan, bytes, value));
    return this.#forwardExecute(portal.plan, bytes, judged);
  }

  #forwardExecute(plan: Plan, bytes: Buffer, judged: readonly Run[] | Refusal): Promise<void> | undefined {
    if (this.#skipping) return undefined;
    if (!Array.isArray(judged)) {
      this.#recordRefusal(judged as Refusal, plan.text, plan);
      this.#refuseExtended(judged as Refusal);
      return undefined;
    }
    const runs = judged as Run[];
    const limited = runs.some((run) => run.limited);
    let settled: Promise<unknown> | undefined;
    const send = (permit: ForwardPermit) => {
      this.#touch(plan);
      this.#inPipeline = true;
      let settle: ((outcome: 'done' | 'failed') => void) | undefined;
      if (limited) {
        // A limited result may end in a refusal: nothing of the pipeline may run behind it before that is known.
        const gate = Promise.withResolvers<unknown>();
        settled = gate.promise;
        settle = gate.resolve;
      }
      this.#replies.expect(expectation('execute', { plan, runs, settle }));
      this.#forward(permit);
      if (limited) this.#forward(permitHousekeeping(frontend.flush()));
    };
    const waiting = this.#recordAndForward(runs, bytes, send);
    if (waiting) return waiting.then(() => settled).then(() => undefined);
    return settled?.then(() => undefined);
  }

  #close(target: 'statement' | 'portal', name: string, frame: Frame): void {
    if (target === 'statement') this.#objects.removePrepared(name);
    else this.#objects.removePortal(name);
    this.#inPipeline = true;
    this.#replies.expect(expectation('close'));
    this.#forward(permitHousekeeping(frame.bytes));
  }

  #refuseExtended(refused: Refusal, text?: string): void {
    if (text !== undefined) this.#recordRefusal(refused, text);
    this.#inPipeline = true;
    this.#replies.expect(expectation('refusal', { refusal: refused }));
    this.#forward(permitHousekeeping(frontend.parse(REFUSED_NAME, REFUSED, [])));
  }

  // --- fast-path function call ----------------------------------------------------------------------------------------------

  #functionCall(oid: number, count: number, frame: Frame): Promise<void> | undefined {
    const known = this.#world().catalog.functions.find((candidate) => candidate.oid === oid);
    if (!known) return this.#refuseFunction(refusal('protocol-unsupported', `function with OID ${oid} is not known to the gateway`), `function ${oid}`);
    const parameters = Array.from({ length: count }, (_, index) => `$${index + 1}`).join(', ');
    const bytes = frame.bytes;
    // Judged as the SELECT that it is short for.
    const planned = this.#planText(`SELECT ${quote(known.schema)}.${quote(known.name)}(${parameters})`);
    const go = (value: Planned): Promise<void> | undefined => {
      if ('refusal' in value) return this.#refuseFunction(value.refusal, value.text);
      if (value.plan.changed) return this.#refuseFunction(refusal('statement-unmaskable', 'gatehouse: this function cannot be called by the fast path'), value.plan.text);
      const judged = this.#judgeAll(value.plan, value.plan.statements, undefined);
      const forward = (runs: readonly Run[] | Refusal) => {
        if (!Array.isArray(runs)) return this.#refuseFunction(runs as Refusal, value.plan.text);
        return this.#recordAndForward(runs as Run[], bytes, (permit) => {
          this.#replies.expect(expectation('function-call', { plan: value.plan, runs: runs as Run[] }));
          this.#forward(permit);
        });
      };
      return judged instanceof Promise ? judged.then(forward) : forward(judged);
    };
    return planned instanceof Promise ? planned.then(go) : go(planned);
  }

  #refuseFunction(refused: Refusal, text: string): undefined {
    return this.#refuseQuery(refused, text);
  }

  // --- judging ------------------------------------------------------------------------------------------------------------

  #judgeAll(plan: Plan, statements: readonly PlannedStatement[], bind: Buffer | undefined, portal?: Portal) {
    return this.#judge.judge({
      plan,
      statements,
      bind,
      portalOf: (planned) => this.#cursorOf(planned) ?? portal,
      asking: this.#asking,
    });
  }

  /** The cursor that a FETCH reads: its rows are counted over all fetches. */
  #cursorOf(planned: PlannedStatement): Portal | undefined {
    const use = planned.statement.objects.find((object) => object.kind === 'cursor' && object.act === 'use');
    return use && this.#objects.portal(use.name);
  }

  // --- planning -----------------------------------------------------------------------------------------------------------

  #world() {
    return this.session.services.worlds.current(this.session.connection.name);
  }

  #freshView(): View {
    const view = this.session.view(this.#world());
    if (view !== this.#view) {
      this.#view = view;
      this.#plans.clear();
    }
    return view;
  }

  #planFor(sql: SqlText): Planned | Promise<Planned> {
    const text = statementText(sql, this.#clientEncoding);
    if (typeof text !== 'string') return { refusal: text, text: '' };
    return this.#planText(text);
  }

  #planText(text: string): Planned | Promise<Planned> {
    if (this.#contextStale) return this.#refreshContext().then(() => this.#planNow(text));
    return this.#planNow(text);
  }

  #planNow(text: string): Planned | Promise<Planned> {
    const view = this.#freshView();
    const known = this.#plans.get(text);
    if (known && known.contextVersion === this.#contextVersion) return { plan: known };
    const planned = this.#plan(text, view);
    if ('refusal' in planned && planned.refusal.sqlstate?.startsWith('42P01') && !this.#catalogTouched) {
      // Perhaps younger than the snapshot.
      return this.#options.catalogChanged('mismatch').then(() => this.#plan(text, this.#freshView()));
    }
    return planned;
  }

  #plan(text: string, view: View): Planned {
    const started = performance.now();
    const planned = this.#options.planner.plan(
      {
        text,
        view,
        session: this.#context,
        contextVersion: this.#contextVersion,
        objects: this.#objects.names,
        principal: this.session.principal,
      },
      this.session.services.policy(),
    );
    this.session.services.metrics.observe('gatehouse_plan_seconds', (performance.now() - started) / 1000);
    if ('plan' in planned && cacheable(planned.plan)) {
      if (this.#plans.size >= PLAN_CACHE) this.#plans.clear();
      this.#plans.set(text, planned.plan);
    }
    return planned;
  }

  /** Marks what a forwarded plan may change; the answers are asked for before the next name is resolved. */
  #touch(plan: Plan): void {
    if (plan.changesContext) {
      this.#contextStale = true;
      this.#contextTouched = true;
    }
    if (plan.changesCatalog) this.#catalogTouched = true;
    for (const { statement } of plan.statements) {
      if (statement.verb === 'copy-from') this.#copyIn = true;
    }
  }

  /** Waits for all replies, then asks the target what names mean now. */
  async #refreshContext(): Promise<void> {
    await this.#settled();
    if (this.#over || this.#status === FAILED || this.#skipping || !this.#contextStale) return;
    const rows = await this.#ask(SESSION_CONTEXT_SQL);
    if (!rows) return;
    this.#contextStale = false;
    const context = parseSessionContext(rows);
    if (JSON.stringify(context) === JSON.stringify(this.#context)) return;
    this.#context = context;
    this.#contextVersion += 1;
    this.#plans.clear();
  }

  /** Resolves when no reply is outstanding. */
  async #settled(): Promise<void> {
    if (this.#replies.queue.size === 0) return;
    if (this.#inPipeline) this.#forward(permitHousekeeping(frontend.flush()));
    this.#flushTarget();
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** A question of the gateway's own in the client's session; undefined when the target did not answer it. */
  async #ask(sql: string): Promise<(string | null)[][] | undefined> {
    const capture: Buffer[] = [];
    const { promise, resolve } = Promise.withResolvers<'done' | 'failed'>();
    const internal = { internal: true } as const;
    const wasInPipeline = this.#inPipeline;
    this.#replies.expect(expectation('parse', internal));
    this.#replies.expect(expectation('bind', internal));
    this.#replies.expect(expectation('execute', { ...internal, capture, settle: resolve }));
    this.#replies.expect(expectation('close', internal));
    this.#replies.expect(expectation('close', internal));
    this.#forward(
      permitHousekeeping(
        Buffer.concat([
          frontend.parse(CONTEXT_NAME, sql, []),
          frontend.bind({ portal: CONTEXT_NAME, statement: CONTEXT_NAME }),
          frontend.execute(CONTEXT_NAME, 0),
          frontend.close('portal', CONTEXT_NAME),
          frontend.close('statement', CONTEXT_NAME),
          wasInPipeline ? frontend.flush() : frontend.sync(),
        ]),
      ),
    );
    if (!wasInPipeline) this.#replies.expect(expectation('sync', internal));
    this.#flushTarget();
    const outcome = await Promise.race([promise, this.#overPromise()]);
    if (outcome !== 'done') return undefined;
    await this.#settled();
    return internalRows(capture);
  }

  #overPromise(): Promise<'over'> {
    return new Promise((resolve) => {
      if (this.#over) resolve('over');
      else this.#abort.signal.addEventListener('abort', () => resolve('over'), { once: true });
    });
  }

  // --- recording ----------------------------------------------------------------------------------------------------------

  /**
   * Records first. A change is forwarded when its record is durable; a read at once, while its replies are held back until then.
   */
  #recordAndForward(runs: readonly Run[], bytes: Buffer, send: (permit: ForwardPermit) => void): Promise<void> | undefined {
    const records = runs.map((run) => this.#judge.recordForward(run));
    const last = records.at(-1);
    if (!last) {
      send(permitHousekeeping(bytes));
      return undefined;
    }
    const all = records.length === 1 ? last : Promise.all(records).then(() => last);
    if (runs.some((run) => run.planned.statement.effect === 'change')) {
      return permitRecordedChange(bytes, all).then(send, () => this.#ledgerLost());
    }
    this.#holdRepliesFor(all);
    send(permitRecordedRead(bytes, all));
    return undefined;
  }

  #recordRefusal(refused: Refusal, text: string, plan?: Plan): void {
    this.#holdRepliesFor(this.#judge.recordRefusal(refused, text, plan));
  }

  /** Nothing the target says from now on reaches the client before the record is durable. */
  #holdRepliesFor(record: Promise<unknown>): void {
    this.#undurable += 1;
    record.then(
      () => {
        this.#undurable -= 1;
        if (this.#undurable === 0) this.#targetMayFlow();
      },
      () => this.#ledgerLost(),
    );
  }

  #ledgerLost(): void {
    if (this.#over) return;
    this.session.services.log.error({ session: this.session.id }, 'the ledger cannot be written; session ended');
    this.end(
      'ledger-unavailable',
      refusal('ledger-unavailable', 'gatehouse: the audit ledger cannot be written, so nothing may pass', {
        hint: 'Tell the operator of the gateway.',
      }),
    );
  }

  readonly #asking = {
    /** Tells the waiting client what it waits for. */
    notice: (message: string, detail: string, hint: string): void => {
      this.emit(encodeNotice(message, { detail, hint }));
      this.flush();
    },
    /** Everything before it must have been answered, so that the notice stands in the right place. */
    settle: (): Promise<void> => this.#settled(),
    begin: (): AbortSignal => {
      this.#waitingForConsent = new AbortController();
      return AbortSignal.any([this.#waitingForConsent.signal, this.#abort.signal]);
    },
    end: (): void => {
      this.#waitingForConsent = undefined;
    },
  };

  // --- target → client ----------------------------------------------------------------------------------------------------

  #targetData(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#undurable > 0 || this.#replies.stopped || this.#backlog.length > 0) {
      this.#backlog.push(chunk);
      this.#pauseTarget();
      return;
    }
    this.#scan(chunk);
  }

  #scan(chunk: Buffer): void {
    try {
      this.#replies.push(chunk);
    } catch (error) {
      this.protocolViolation(error instanceof Error ? error.message : String(error));
    }
    if (this.#replies.stopped) this.#pauseTarget();
    else this.#wakeIdle();
  }

  #pauseTarget(): void {
    if (this.#targetPaused) return;
    this.#targetPaused = true;
    this.#target.pause();
  }

  #targetMayFlow(): void {
    while (this.#backlog.length > 0 && this.#undurable === 0 && !this.#replies.stopped && !this.#over) {
      const chunk = this.#backlog.shift();
      if (chunk) this.#scan(chunk);
    }
    if (this.#targetPaused && this.#backlog.length === 0 && this.#undurable === 0 && !this.#replies.stopped && !this.#client.writableNeedDrain) {
      this.#targetPaused = false;
      this.#target.resume();
    }
  }

  #wakeIdle(): void {
    if (this.#replies.queue.size > 0 || this.#idleWaiters.length === 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #targetLost(): void {
    if (this.#over) return;
    if (this.#backlog.length > 0 && this.#undurable > 0) {
      // What the target said last is still waiting for its record.
      setTimeout(() => this.#targetLost(), 20);
      return;
    }
    this.session.services.log.warn({ session: this.session.id, connection: this.session.connection.name }, 'the target closed the connection');
    this.end(
      'target-lost',
      refusal('target-lost', 'gatehouse: the target server closed the connection', { hint: 'Connect again; a running transaction was rolled back.' }),
    );
  }

  emit(bytes: Buffer): void {
    this.#toClient.push(bytes);
  }

  flush(): void {
    if (this.#toClient.length === 0) return;
    const buffers = this.#toClient;
    this.#toClient = [];
    if (this.#client.destroyed) return;
    if (!write(this.#client, buffers)) this.#pauseTarget();
  }

  grant(run: Run): number {
    return this.#judge.grant(run);
  }

  async limitReached(run: Run): Promise<'continue' | Refusal> {
    return this.#judge.limitReached(run, this.#asking);
  }

  cancelTarget(): void {
    this.#options.cancelTarget();
  }

  counted(run: Run, rows: number): void {
    this.#judge.delivered(run, rows);
  }

  runEnded(run: Run, outcome: RunOutcome, sqlstate?: string): void {
    this.#judge.runEnded(run, outcome, sqlstate).catch(() => this.#ledgerLost());
    if (outcome === 'ok' || outcome === 'suspended') this.#applyObjects(run);
    this.#copyIn &&= run.planned.statement.verb !== 'copy-from';
  }

  /** What the statement did to names, once the target has said that it did. */
  #applyObjects(run: Run): void {
    for (const object of run.planned.statement.objects) {
      if (object.kind === 'prepared-statement') {
        if (object.act === 'create') this.#objects.setPrepared(object.name, { plan: run.plan, planned: run.planned, sqlLevel: true });
        else if (object.act === 'remove') this.#objects.removePrepared(object.name);
        else if (object.act === 'remove-all') this.#objects.removeAllPrepared();
      } else if (object.act === 'create') {
        const held = /\bwith\s+hold\b/i.test(run.planned.statement.text);
        this.#objects.setPortal(object.name, { plan: run.plan, planned: run.planned, held, rows: 0 });
      } else if (object.act === 'remove') this.#objects.removePortal(object.name);
      else if (object.act === 'remove-all') this.#objects.removeAllPortals();
    }
  }

  witness(fields: readonly Field[], plan: Plan | undefined): 'ok' | 'stale' | 'violation' {
    const view = plan?.view ?? this.#view;
    const current = this.#freshView();
    const verdict = witness(fields, view.hidden, view.world.catalog, this.#context.temporary);
    if (verdict === 'stale') return witness(fields, current.hidden, current.world.catalog, this.#context.temporary);
    return verdict;
  }

  async refreshForWitness(): Promise<void> {
    await this.#options.catalogChanged('mismatch');
  }

  maskViolation(plan: Plan | undefined): void {
    const { log, metrics } = this.session.services;
    log.error({ session: this.session.id, critical: true }, 'a hidden column was about to leave; the result was cut off before its first row');
    metrics.count('gatehouse_mask_violations_total');
    void this.session
      .record('alert.raised', { alert: 'mask-violation', severity: 'critical' }, plan ? plan.statements.flatMap((planned) => planned.hidden) : [])
      .catch(() => undefined);
    this.end(
      'mask-violation',
      refusal('mask-violation', 'gatehouse: the result would have shown a hidden column; nothing of it was delivered', {
        hint: 'The catalog changed while the statement ran. Connect again; if it happens again, tell the operator.',
      }),
    );
  }

  gateFields(fields: readonly NoticeField[], plan: Plan | undefined): readonly NoticeField[] {
    const hidden = (plan?.view ?? this.#view).hidden.size > 0;
    let gated = hidden ? gateError(fields, hidden) : fields;
    if (plan?.changed) {
      gated = gated.map((field) =>
        field.code === 'P' ? { code: 'P', value: String(plan.originalPosition(Number(field.value))) } : field,
      );
    }
    return gated;
  }

  parameterStatus(name: string, value: string): void {
    if (name === 'client_encoding') this.#clientEncoding = value;
    else if (name === 'application_name') this.session.application = value;
  }

  ready(status: TransactionStatus): void {
    if (this.#contextTouched && status !== this.#status) this.#contextStale = true; // COMMIT, ROLLBACK, ROLLBACK TO
    if (status === IDLE) this.#contextTouched = false;
    this.#status = status;
    if (status === IDLE) {
      this.#objects.endTransaction();
      if (this.#catalogTouched) {
        this.#catalogTouched = false;
        void this.#options.catalogChanged('ddl').catch(() => undefined);
      }
      if (this.#draining && this.#replies.queue.size === 0 && !this.#busy) this.#endDrained();
    }
  }

  skipUntilSync(): void {
    this.#skipping = true;
  }

  abortTransaction(how: 'pipeline' | 'query'): void {
    if (how === 'pipeline') {
      this.#replies.expect(expectation('refusal', { internal: true }));
      this.#forward(permitHousekeeping(frontend.parse(REFUSED_NAME, REFUSED, [])));
    } else {
      const item = expectation('query');
      item.silenced = true;
      this.#replies.expect(item);
      this.#forward(permitHousekeeping(frontend.query(REFUSED)));
    }
    this.#flushTarget();
  }

  idle(): void {
    this.#targetMayFlow();
    this.#wakeIdle();
  }

  protocolViolation(what: string): void {
    this.session.services.log.error({ session: this.session.id, what }, 'the target broke the protocol; session ended');
    this.end('protocol-violation', refusal('target-lost', `gatehouse: the target server broke the protocol: ${what}`));
  }
}

/** Plans that depend on names of the session are made anew each time. */
function cacheable(plan: Plan): boolean {
  return plan.statements.every(({ statement }) => statement.objects.length === 0);
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function write(socket: Socket, buffers: readonly Buffer[]): boolean {
  if (buffers.length === 1) return socket.write(buffers[0] as Buffer);
  let total = 0;
  for (const buffer of buffers) total += buffer.length;
  if (total <= JOIN_BELOW) return socket.write(Buffer.concat(buffers, total));
  socket.cork();
  let flowing = true;
  for (const buffer of buffers) flowing = socket.write(buffer);
  socket.uncork();
  return flowing;
}

function unreachable(value: never): never {
  throw new Error(`unhandled message ${JSON.stringify(value)}`);
}
