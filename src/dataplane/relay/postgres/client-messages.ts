import type { CopyInspector } from '../../../masking/index.ts';
import type { Refusal } from '../../../model/refusal.ts';
import { type Frame, frameOf } from '../../../wire/bytes/index.ts';
import {
  type FrontendMessage,
  type FunctionCallMessage,
  frontend,
  parseFrontend,
  type SqlText,
} from '../../../wire/postgres/index.ts';
import { parameterDigest } from '../../consent.ts';
import { isRefusal, refusal } from '../../errors.ts';
import { permitHousekeeping, permitRecordedChange, permitRecordedRead } from '../../permit.ts';
import type { Plan, Planned, PlannedStatement } from '../../plan.ts';
import { TAKEN_BACK } from '../../statement-unmask.ts';
import { awaitsLook, canBeHeldOpen, runHeldOpen } from './awaited-change.ts';
import { CopyIn, type CopyVerdict } from './copy-in.ts';
import { type CopyTurn, CopyTurns, unexpectedInCopy } from './copy-turns.ts';
import { REFUSED_NAME, REFUSED_TEXT, type RelayCore } from './core.ts';
import { parseMessage, queryMessage, readStatement, type StatementSource, statementBytes } from './encoding.ts';
import { expectation, type Run } from './expectation.ts';
import { comparableParameters, parameterBytes, parameterOf } from './parameters.ts';
import { declaredCursor, type Portal, type PreparedStatement } from './session-objects.ts';
import { bindUnmasked, consentsBehind, withGrant } from './shown-by-consent.ts';
import { planChanged, readsTheSame, renewUsed } from './used-names.ts';

type Judged = readonly Run[] | Refusal;

/** What the target does not take while COPY data comes. */
const ENDS_COPY: ReadonlySet<FrontendMessage['kind']> = new Set(['query', 'parse', 'bind', 'execute', 'function-call']);

/** Runs `next` now, or when the value is there. */
function then<T>(value: T | Promise<T>, next: (value: T) => Promise<void> | undefined): Promise<void> | undefined {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * What each message of a client means: which statement it brings, what it is judged as, and what is forwarded in its place. A handler
 * gives a promise when the next message has to wait for it.
 */
export class ClientMessages {
  readonly #core: RelayCore;
  readonly #terminate: () => void;
  readonly copyIn = new CopyIn();
  readonly copies = new CopyTurns();
  clientEncoding: string;
  /** Gives the unnamed portal back that the query under way takes away: the target keeps it when the query does not get so far. */
  #portalBack: (() => void) | undefined;

  constructor(core: RelayCore, clientEncoding: string, terminate: () => void) {
    this.#core = core;
    this.clientEncoding = clientEncoding;
    this.#terminate = terminate;
  }

  /** Throws WireError when the message is malformed. */
  handle(frame: Frame): Promise<void> | undefined {
    const { pipeline } = this.#core;
    const message = parseFrontend(frame);
    const disturbed = this.copies.disturbedBy(message.kind);
    if (disturbed) return this.#amidCopy(disturbed, frame);
    if (ENDS_COPY.has(message.kind)) this.copyIn.over();
    const unclear = pipeline.skipping ? undefined : this.#unclearName(message);
    if (unclear) return this.#refuse(unclear, '');
    switch (message.kind) {
      case 'query':
        // After an error of the extended protocol the target ignores everything until Sync, a Query too.
        return pipeline.skipping ? undefined : this.#query(message, frame);
      case 'parse':
        return pipeline.skipping ? undefined : this.#parse(message.name, message, message.parameterTypes, frame);
      case 'bind':
        return pipeline.skipping ? undefined : this.#bind(message.portal, message.statement, frame);
      case 'describe':
        return pipeline.skipping ? undefined : this.#describe(message.of, message.name, frame);
      case 'execute':
        return pipeline.skipping ? undefined : this.#execute(message.portal, frame);
      case 'close':
        return pipeline.skipping ? undefined : this.#close(message.of, message.name, frame);
      case 'flush':
        this.#core.forward(permitHousekeeping(frame.bytes));
        return undefined;
      case 'sync':
        // https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-COPY: the server ignores it there.
        if (pipeline.copying) return undefined;
        pipeline.skipping = false;
        pipeline.open = false;
        pipeline.executed = false;
        this.#core.replies.expect(expectation('sync'));
        this.#core.forward(permitHousekeeping(frame.bytes));
        return undefined;
      case 'copy-data':
        // Outside COPY IN the target would ignore them; so they need not reach it.
        if (pipeline.copyIn > 0) this.#copyData(this.copyIn.data(message.data), frame.bytes, false);
        return undefined;
      case 'copy-done':
      case 'copy-fail':
        if (pipeline.copyIn > 0) this.#copyData(this.copyIn.end(message.kind === 'copy-fail'), frame.bytes, true);
        return undefined;
      case 'function-call':
        return pipeline.skipping ? undefined : this.#functionCall(message, frame);
      case 'terminate':
        this.#terminate();
        return undefined;
      case 'password':
        throw new Error('an authentication message came after authentication');
      default:
        return unreachable(message);
    }
  }

  /** Names are compared byte by byte, so they must be the same bytes for the target. */
  #unclearName(message: FrontendMessage): Refusal | undefined {
    if (this.clientEncoding === 'UTF8' && !this.#core.names.stale) return undefined;
    const names = 'portal' in message ? [message.portal] : [];
    if ('name' in message) names.push(message.name);
    if (message.kind === 'bind') names.push(message.statement);
    if (names.every((name) => Buffer.byteLength(name) === name.length)) return undefined;
    return refusal('protocol-unsupported', 'gatehouse: names of statements and portals must be plain ASCII here', {
      sqlstate: '0A000',
      hint: 'Other names are understood in client encoding UTF8, and not right after something that may change it.',
    });
  }

  // --- COPY FROM STDIN ----------------------------------------------------------------------------------------------------

  #copyData(verdict: CopyVerdict, bytes: Buffer, ends: boolean): void {
    const { pipeline } = this.#core;
    if (verdict === 'drop') return;
    if (verdict === 'forward') this.#core.forward(permitHousekeeping(bytes));
    else {
      this.#recordRefusal(verdict.refusal, verdict.run.plan.text, verdict.run.plan);
      this.#core.forward(permitHousekeeping(frontend.copyFail('gatehouse: refused')));
    }
    if (verdict === 'forward' && !ends) return;
    this.copies.done();
    if (pipeline.copying) pipeline.copying = false;
    else pipeline.doneAhead += 1;
  }

  /**
   * At such a message the target fails its copy and ends the session; unless the copy has failed before, and then the message is like any
   * other. It must not be forwarded to find that out, since nobody has judged it: CopyFail does as well.
   */
  async #amidCopy(turn: CopyTurn, frame: Frame): Promise<void> {
    const core = this.#core;
    core.flushTarget();
    await Promise.race([turn.decided.promise, core.ended]);
    if (core.over) return;
    if (!turn.ended) {
      turn.unexpected = unexpectedInCopy(frame.type);
      this.#copyData('forward', frontend.copyFail('gatehouse: another message came'), true);
      core.flushTarget();
      await Promise.race([turn.over.promise, core.ended]);
      if (core.over) return;
    }
    await this.handle(frame);
  }

  // --- simple query -------------------------------------------------------------------------------------------------------

  #query(sql: SqlText, frame: Frame): Promise<void> | undefined {
    // https://www.postgresql.org/docs/18/protocol-flow.html: a simple Query also destroys the unnamed statement and portal.
    this.#core.objects.removePrepared('');
    this.#portalBack = this.#core.objects.removePortal('');
    return then(this.#source(sql, frame.body, 0), (source) => this.#planQuery(source));
  }

  #planQuery(source: StatementSource): Promise<void> | undefined {
    return then(this.#plan(source), (planned) => {
      if ('refusal' in planned) return this.#refuseQuery(planned.refusal, planned.text);
      const asked = { text: planned.plan.text, parameters: '' };
      const chosen = this.#core.names.unmasked(planned.plan, () => asked);
      const { plan } = chosen ?? planned;
      return then(this.#judge(plan, plan.statements, undefined), (judged) =>
        then(chosen ? withGrant(this.#core, plan, judged, { grant: chosen.grant, asked }) : judged, (final) =>
          this.#forwardQuery(plan, final, source),
        ),
      );
    });
  }

  #forwardQuery(plan: Plan, judged: Judged, source: StatementSource): Promise<void> | undefined {
    if (isRefusal(judged)) return this.#refuseQuery(judged, plan.text, plan);
    const limited = judged.findIndex((run) => run.limited);
    if (limited >= 0 && judged.slice(limited + 1).some((run) => run.planned.statement.effect === 'change')) {
      return this.#refuseQuery(
        refusal('policy-denied', 'gatehouse: a change may not follow a row-limited result within one query string', {
          hint: 'Send the statements one by one.',
        }),
        plan.text,
        plan,
      );
    }
    const sql = statementBytes(plan, source);
    if (isRefusal(sql)) return this.#refuseQuery(sql, plan.text, plan);
    const inspectors = CopyIn.inspectors(judged, this.clientEncoding);
    if (isRefusal(inspectors)) return this.#refuseQuery(inspectors, plan.text, plan);
    this.#forwarded(plan, judged, inspectors);
    // Who waits for the end of a query string cannot send it the data it waits for.
    const copies = plan.statements.some(({ statement }) => statement.verb === 'copy-from');
    const waits = !copies && awaitsLook(this.#core, plan, judged);
    if (waits && canBeHeldOpen(judged)) {
      return runHeldOpen(this.#core, plan, judged, sql, (bytes) => this.#recordAndForward(judged, bytes));
    }
    const ended = Promise.withResolvers<unknown>();
    this.#core.replies.expect(
      expectation('query', {
        plan,
        runs: judged,
        undo: this.#portalBack,
        ...(waits ? { settle: ended.resolve } : {}),
      }),
    );
    const crowded = this.#recordAndForward(judged, queryMessage(sql));
    return waits ? Promise.race([ended.promise, this.#core.ended]).then(() => undefined) : crowded;
  }

  #refuseQuery(refused: Refusal, text: string, plan?: Plan): undefined {
    this.#recordRefusal(refused, text, plan);
    this.#core.replies.expect(expectation('query', { refusal: refused, undo: this.#portalBack }));
    this.#core.forward(permitHousekeeping(frontend.query(REFUSED_TEXT)));
  }

  // --- extended query -----------------------------------------------------------------------------------------------------

  #parse(name: string, sql: SqlText, parameterTypes: readonly number[], frame: Frame): Promise<void> | undefined {
    return then(this.#source(sql, frame.body, Buffer.byteLength(name) + 1), (source) =>
      then(this.#plan(source), (planned) => this.#forwardParse(name, parameterTypes, planned, source)),
    );
  }

  #forwardParse(name: string, parameterTypes: readonly number[], planned: Planned, source: StatementSource): undefined {
    const core = this.#core;
    if (core.pipeline.skipping) return;
    if ('refusal' in planned) return this.#refuseParse(name, planned.refusal, planned.text);
    const { plan } = planned;
    if (plan.statements.length > 1) {
      const message = 'cannot insert multiple commands into a prepared statement';
      return this.#refuseParse(name, refusal('statement-opaque', message, { sqlstate: '42601' }), plan.text);
    }
    const sql = statementBytes(plan, source);
    if (isRefusal(sql)) return this.#refuseParse(name, sql, plan.text, plan);
    const undo = core.objects.setPrepared(name, {
      plan,
      planned: plan.statements[0],
      types: parameterTypes,
    });
    core.pipeline.open = true;
    core.replies.expect(expectation('parse', { plan, undo }));
    core.forward(permitHousekeeping(parseMessage(name, sql, parameterTypes)));
    if (plan.witnessed) {
      // A client need not ask for the columns; the metadata witness always does.
      core.replies.expect(expectation('describe', { plan, internal: true }));
      core.forward(permitHousekeeping(frontend.describe('statement', name)));
    }
  }

  #bind(portal: string, statement: string, frame: Frame): Promise<void> | undefined {
    const core = this.#core;
    const prepared = core.objects.prepared(statement);
    // A PREPARE on its way may make it or another one of its name, an error on its way may undo its Close.
    if ((!prepared || core.names.renaming) && core.replies.queue.size > 0)
      return this.#again(() => this.#bind(portal, statement, frame));
    if (!prepared) return this.#refuse(noStatement(statement), '');
    const { bytes } = frame;
    return then(
      this.#confirmed(() => this.#current(statement, prepared)),
      (current) => {
        if (core.pipeline.skipping) return undefined;
        if (isRefusal(current)) return this.#refuse(current, prepared.plan.text);
        const { plan, planned, types = [] } = current;
        const asked = () => ({
          text: [plan.text, ...typesText(types)].join('\n-- '),
          parameters: parameterDigest(comparableParameters(bytes)),
        });
        const chosen = core.names.unmasked(plan, asked);
        if (chosen && this.#sayable(chosen.plan)) {
          bindUnmasked(core, { portal, plan: chosen.plan, types, bytes }, { grant: chosen.grant, asked: asked() });
          return undefined;
        }
        const basis = core.look.basis(plan);
        const undo = core.objects.setPortal(portal, { plan, planned, bind: bytes, types, held: false, basis, rows: 0 });
        core.pipeline.open = true;
        core.replies.expect(expectation('bind', { plan, undo }));
        core.forward(permitHousekeeping(bytes));
        return undefined;
      },
    );
  }

  /** Whether the text can be sent in the client's encoding. */
  #sayable({ forwarded }: Plan): boolean {
    return this.clientEncoding === 'UTF8' || Buffer.byteLength(forwarded) === forwarded.length;
  }

  /** Once the target has answered everything: names mean then what they mean there. */
  async #again(act: () => Promise<void> | undefined): Promise<void> {
    await this.#core.settled();
    if (!this.#core.over && !this.#core.pipeline.skipping) await act();
  }

  /** Looks at the target's catalog first, where somebody has to. */
  #confirmed<T extends object>(next: () => T | Refusal | Promise<T | Refusal>): T | Refusal | Promise<T | Refusal> {
    const unsure = this.#core.names.confirm();
    return unsure ? unsure.then((refused) => refused ?? next()) : next();
  }

  /**
   * A prepared statement's text was substituted for a certain view and meaning of names. When either has changed since, the text is
   * planned again: the same outcome goes on with fresh questions, another one needs a new Parse.
   */
  #current(
    name: string,
    prepared: PreparedStatement,
  ): PreparedStatement | Refusal | Promise<PreparedStatement | Refusal> {
    const { names } = this.#core;
    const { plan } = prepared;
    if (!names.stale && plan.contextVersion === names.version && plan.view.key === names.view().key) return prepared;
    const compare = (planned: Planned): PreparedStatement | Refusal => {
      if ('refusal' in planned) return planned.refusal;
      if (planned.plan.forwarded !== plan.forwarded) return planChanged('since this statement was prepared');
      const renewed = { ...prepared, plan: planned.plan, planned: planned.plan.statements[0] };
      this.#core.objects.setPrepared(name, renewed);
      return renewed;
    };
    const planned = names.plan(plan.text);
    return planned instanceof Promise ? planned.then(compare) : compare(planned);
  }

  /** A statement that the gateway refused in the target's place never reached it: what the target has by that name is an older one. */
  #describe(of: 'statement' | 'portal', name: string, frame: Frame): Promise<void> | undefined {
    const { objects, pipeline, replies } = this.#core;
    const known = of === 'statement' ? objects.prepared(name) : objects.portal(name);
    if (!known && replies.queue.size > 0) return this.#again(() => this.#describe(of, name, frame));
    if (!known) return this.#refuse(of === 'statement' ? noStatement(name) : noPortal(name), '');
    pipeline.open = true;
    replies.expect(expectation('describe', { plan: known.plan }));
    this.#core.forward(permitHousekeeping(frame.bytes));
    return undefined;
  }

  #execute(name: string, frame: Frame): Promise<void> | undefined {
    const { objects, pipeline, replies } = this.#core;
    const portal = objects.portal(name);
    if (!portal && replies.queue.size > 0) return this.#again(() => this.#execute(name, frame));
    if (!portal) return this.#refuse(noPortal(name), '');
    const { bytes } = frame;
    if (portal.planned?.statement.verb === 'declare' && portal.bind === undefined) {
      return this.#executeCursor(name, bytes);
    }
    if (!portal.planned) {
      pipeline.open = true;
      replies.expect(expectation('execute', { plan: portal.plan }));
      this.#core.forward(permitHousekeeping(bytes));
      return undefined;
    }
    return then(
      this.#confirmed(() => this.#currentPortal(name, portal)),
      (current) => {
        if (pipeline.skipping) return undefined;
        if (isRefusal(current)) return this.#refuse(current, portal.plan.text, portal.plan);
        const { plan, planned } = current;
        if (!planned) return undefined;
        const masked = refusedParameters(planned, current.bind, current.types);
        if (masked) return this.#refuse(masked, plan.text, plan);
        const { unmasked } = current;
        return then(this.#judge(plan, [planned], current.bind, current), (judged) =>
          then(unmasked ? withGrant(this.#core, plan, judged, unmasked) : judged, (final) =>
            this.#forwardExecute(plan, bytes, final),
          ),
        );
      },
    );
  }

  /** The same for a portal that is fetched from again: its rows go on being counted. */
  #currentPortal(name: string, portal: Portal): Portal | Refusal | Promise<Portal | Refusal> {
    const { names, objects, session } = this.#core;
    const { plan, unmasked } = portal;
    if (unmasked !== undefined) {
      if (session.services.withdrawn(unmasked.grant.request)) return TAKEN_BACK;
      return names.isCurrent(plan, unmasked.grant) ? portal : planChanged('since the portal was bound');
    }
    if (!names.stale && plan.contextVersion === names.version && plan.view.key === names.view().key) return portal;
    const compare = (planned: Planned): Portal | Refusal => {
      if ('refusal' in planned) return planned.refusal;
      // What it reads was found at Bind, so nothing else may be judged in its place.
      if (planned.plan.forwarded !== plan.forwarded || !readsTheSame(planned.plan, plan)) {
        return planChanged('since the portal was bound');
      }
      const renewed = { ...portal, plan: planned.plan, planned: planned.plan.statements[0] };
      objects.setPortal(name, renewed);
      return renewed;
    };
    const planned = names.plan(plan.text);
    return planned instanceof Promise ? planned.then(compare) : compare(planned);
  }

  /** Execute of a cursor that DECLARE made: judged as the FETCH that it is short for. */
  #executeCursor(name: string, bytes: Buffer): Promise<void> | undefined {
    const { names, objects, pipeline } = this.#core;
    return then(names.plan(`FETCH ALL FROM ${quoteName(name)}`), (planned) => {
      if (pipeline.skipping) return undefined;
      if ('refusal' in planned) return this.#refuse(planned.refusal, planned.text);
      const { plan } = planned;
      return then(this.#judge(plan, plan.statements, undefined, objects.portal(name)), (judged) =>
        this.#forwardExecute(plan, bytes, judged),
      );
    });
  }

  #forwardExecute(plan: Plan, bytes: Buffer, judged: Judged): Promise<void> | undefined {
    const core = this.#core;
    if (core.pipeline.skipping) return undefined;
    if (isRefusal(judged)) return this.#refuse(judged, plan.text, plan);
    const inspectors = CopyIn.inspectors(judged, this.clientEncoding);
    if (isRefusal(inspectors)) return this.#refuse(inspectors, plan.text, plan);
    // A limited result may end in a refusal: nothing of the pipeline may run behind it, or be committed with it, before that is known.
    // A read that stands alone before its Sync has nothing of either.
    const alone = core.aloneBeforeSync && judged.every((run) => run.planned.statement.effect === 'read');
    // Nor may what it wrote be committed before it is sure what that was.
    const limited = (!alone && judged.some((run) => run.limited)) || awaitsLook(core, plan, judged);
    const ended = Promise.withResolvers<unknown>();
    core.pipeline.executed = true;
    this.#forwarded(plan, judged, inspectors);
    core.pipeline.open = true;
    core.replies.expect(expectation('execute', { plan, runs: judged, ...(limited ? { settle: ended.resolve } : {}) }));
    const crowded = this.#recordAndForward(judged, bytes);
    if (!limited) return crowded;
    core.forward(permitHousekeeping(frontend.flush()));
    core.flushTarget();
    return Promise.race([ended.promise, core.ended]).then(() => undefined);
  }

  #close(of: 'statement' | 'portal', name: string, frame: Frame): undefined {
    const { objects, pipeline, replies } = this.#core;
    const undo = of === 'statement' ? objects.removePrepared(name) : objects.removePortal(name);
    pipeline.open = true;
    replies.expect(expectation('close', { undo }));
    this.#core.forward(permitHousekeeping(frame.bytes));
  }

  /** The server lets go of the unnamed statement before it reads the new text, so it is gone after an error too. */
  #refuseParse(name: string, refused: Refusal, text: string, plan?: Plan): undefined {
    this.#refuse(refused, text, plan, name === '' ? this.#core.objects.removePrepared('') : undefined);
  }

  #refuse(refused: Refusal, text: string, plan?: Plan, undo?: () => void): undefined {
    this.#recordRefusal(refused, text, plan);
    this.#core.pipeline.open = true;
    this.#core.replies.expect(expectation('refusal', { refusal: refused, undo }));
    this.#core.forward(permitHousekeeping(frontend.parse(REFUSED_NAME, REFUSED_TEXT)));
  }

  // --- fast-path function call ----------------------------------------------------------------------------------------------

  /** Judged as the SELECT that it is short for. */
  #functionCall(message: FunctionCallMessage, frame: Frame): Promise<void> | undefined {
    const core = this.#core;
    const { oid, arguments: args } = message;
    const given = { parameterFormats: message.argumentFormats, parameters: args };
    const known = core.names.view().world.catalog.functions.find((candidate) => candidate.oid === oid);
    if (!known) {
      const unknown = refusal('protocol-unsupported', `gatehouse: a function with OID ${oid} is not known`, {
        sqlstate: '42883',
      });
      return this.#refuseQuery(unknown, `function ${oid}`);
    }
    const parameters = args.map((_, index) => `$${index + 1}`).join(', ');
    const text = `SELECT ${quoteName(known.schema)}.${quoteName(known.name)}(${parameters})`;
    const { bytes } = frame;
    return then(core.names.plan(text), (planned) => {
      if ('refusal' in planned) return this.#refuseQuery(planned.refusal, text);
      const { plan } = planned;
      const masked = plan.statements[0]?.guard?.parameters((number) => parameterOf(given, number, known.argTypes));
      if (masked) return this.#refuseQuery(masked, text, plan);
      return then(this.#judge(plan, plan.statements, undefined), (judged) => {
        if (isRefusal(judged)) return this.#refuseQuery(judged, text, plan);
        this.#forwarded(plan, judged);
        core.replies.expect(expectation('function-call', { plan, runs: judged }));
        return this.#recordAndForward(judged, bytes);
      });
    });
  }

  /**
   * Text other than ASCII means what the client encoding makes of it. Within a pipeline the target tells of a change only at its end, so
   * it is asked.
   */
  #source(sql: SqlText, body: Buffer, at: number): StatementSource | Promise<StatementSource> {
    const { names } = this.#core;
    if (!names.stale || Buffer.byteLength(sql.text) === sql.text.length)
      return readStatement(sql, body, at, this.clientEncoding);
    const kept = Buffer.from(body);
    return names.renew().then((answered) => {
      if (!names.stale) this.clientEncoding = names.context.clientEncoding ?? 'unknown';
      return readStatement(sql, kept, at, answered ? this.clientEncoding : 'unknown');
    });
  }

  // --- shared -------------------------------------------------------------------------------------------------------------

  #plan(source: StatementSource): Planned | Promise<Planned> {
    return 'refusal' in source ? { refusal: source.refusal, text: '' } : this.#core.names.plan(source.text);
  }

  #judge(
    plan: Plan,
    statements: readonly PlannedStatement[],
    bind: Buffer | undefined,
    portal?: Portal,
  ): Judged | Promise<Judged> {
    const renewed = renewUsed(this.#core, plan, statements);
    if (!renewed) return this.#judgeNow(plan, statements, bind, portal);
    return renewed.then((refused) => refused ?? this.#judgeNow(plan, statements, bind, portal));
  }

  #judgeNow(
    plan: Plan,
    statements: readonly PlannedStatement[],
    bind: Buffer | undefined,
    portal: Portal | undefined,
  ): Judged | Promise<Judged> {
    const { judge, asking } = this.#core;
    if (statements.every(({ statement }) => statement.objects.length === 0)) {
      return judge.judge({ plan, statements, bind, behind: typesText(portal?.types), asking, portalOf: () => portal });
    }
    const consents = consentsBehind(this.#core, statements);
    const cursors = this.#cursors(plan, statements);
    const behind = [...typesText(portal?.types), ...statements.flatMap((planned) => this.#behind(planned))];
    return judge.judge({
      plan,
      statements,
      bind,
      behind,
      consents,
      asking,
      portalOf: (planned) => cursors.get(planned) ?? portal,
    });
  }

  /** What the names in EXECUTE and FETCH stand for. */
  #behind({ statement }: PlannedStatement): readonly string[] {
    const { objects } = this.#core;
    return statement.objects.flatMap(({ kind, act, name }) => {
      const meant = act !== 'use' ? undefined : kind === 'cursor' ? objects.portal(name) : objects.prepared(name);
      if (!meant) return [];
      return [`${quoteName(name)}: ${meant.plan.text}`, ...typesText(meant.types), ...boundText(meant)];
    });
  }

  /** The cursors that statements declare and fetch from: rows are counted over all fetches, those of the same query string too. */
  #cursors(plan: Plan, statements: readonly PlannedStatement[]): ReadonlyMap<PlannedStatement, Portal> {
    const found = new Map<PlannedStatement, Portal>();
    const declared = new Map<string, Portal>();
    for (const planned of statements) {
      for (const { kind, act, name } of planned.statement.objects) {
        if (kind !== 'cursor') continue;
        if (act === 'create') declared.set(name, declaredCursor(plan, planned));
        const cursor = declared.get(name) ?? this.#core.objects.portal(name);
        if (cursor && (act === 'create' || act === 'use')) found.set(planned, cursor);
      }
    }
    return found;
  }

  #forwarded(plan: Plan, runs: readonly Run[], inspectors?: ReadonlyMap<Run, CopyInspector>): void {
    this.#core.names.forwarded(plan);
    for (const run of runs) {
      if (run.planned.statement.verb !== 'copy-from') continue;
      this.#core.pipeline.copyIn += 1;
      this.copyIn.expect(run, inspectors?.get(run));
      this.copies.expect(run);
    }
  }

  /** Records first. A change is sent when its record is durable; a read at once, while its replies are held back until then. */
  #recordAndForward(runs: readonly Run[], bytes: Buffer): Promise<void> | undefined {
    const { judge, session } = this.#core;
    let last: number | undefined;
    for (const run of runs) {
      last = judge.recordForward(run);
      if (last === undefined) return undefined; // the session is over
    }
    if (last === undefined) {
      this.#core.forward(permitHousekeeping(bytes)); // an empty query string
      return undefined;
    }
    if (runs.some((run) => run.planned.statement.effect === 'change')) {
      return this.#core.forwardWhen(permitRecordedChange(bytes, last, session.services.sink));
    }
    this.#core.holdRepliesFor(last);
    this.#core.forward(permitRecordedRead(bytes, last));
    return undefined;
  }

  #recordRefusal(refused: Refusal, text: string, plan?: Plan): void {
    const record = this.#core.judge.recordRefusal(refused, text, plan);
    if (record !== undefined) this.#core.holdRepliesFor(record);
  }
}

/** Why the parameters of an execution may not be written, when one of them is what a mask shows. */
function refusedParameters(
  { guard }: PlannedStatement,
  bytes: Buffer | undefined,
  types: readonly number[] | undefined,
): Refusal | undefined {
  if (!guard?.looksAtParameters || !bytes) return undefined;
  const bind = parseFrontend(frameOf(bytes));
  return bind.kind === 'bind' ? guard.parameters((number) => parameterOf(bind, number, types)) : undefined;
}

const NO_TEXT: readonly string[] = [];

/** Two types of a parameter can make two statements of one text. */
function typesText(types: readonly number[] | undefined): readonly string[] {
  return types?.some((oid) => oid !== 0) ? [`parameter types: ${types.join(', ')}`] : NO_TEXT;
}

function boundText(meant: PreparedStatement | Portal): readonly string[] {
  const bind = 'bind' in meant ? meant.bind : undefined;
  const digest = parameterDigest(bind && parameterBytes(bind));
  return digest === '' ? [] : [`parameters: sha256:${digest}`];
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function noStatement(name: string): Refusal {
  const what = name === '' ? 'unnamed prepared statement' : `prepared statement "${name}"`;
  return refusal('protocol-violation', `${what} does not exist`, { sqlstate: '26000' });
}

function noPortal(name: string): Refusal {
  return refusal('protocol-violation', `portal "${name}" does not exist`, { sqlstate: '34000' });
}

function unreachable(value: never): never {
  throw new Error(`unhandled message ${JSON.stringify(value)}`);
}
