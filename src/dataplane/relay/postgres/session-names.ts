import type { StatementUnmaskGrant, UnmaskGrants } from '../../../model/approval.ts';
import type { SessionContext } from '../../../model/catalog.ts';
import type { MaskRules } from '../../../model/mask.ts';
import type { Refusal } from '../../../model/refusal.ts';
import type { TransactionStatus } from '../../../wire/postgres/index.ts';
import { frontend } from '../../../wire/postgres/index.ts';
import { readSessionContext } from '../../catalog/index.ts';
import { refusal } from '../../errors.ts';
import { permitHousekeeping } from '../../permit.ts';
import type { Plan, Planned, PlannedStatement } from '../../plan.ts';
import type { Planner } from '../../planner.ts';
import type { PolicyPort } from '../../services.ts';
import { grantFor, onlyShows } from '../../statement-unmask.ts';
import type { View } from '../../view.ts';
import type { World } from '../../world.ts';
import type { RelayCore } from './core.ts';
import { expectation } from './expectation.ts';
import { internalRows } from './internal-rows.ts';

const CONTEXT_NAME = '__gatehouse_context';
/** Statements whose meaning does not depend on names: they need no fresh answer, and some of them must be a transaction's first. */
const NAMELESS: ReadonlySet<string> = new Set([
  ...['begin', 'commit', 'rollback', 'savepoint', 'release', 'rollback-to', 'prepare-transaction'],
  ...['set', 'reset', 'show', 'discard', 'deallocate', 'listen', 'unlisten', 'notify', 'empty'],
]);
/** May set settings back to what they were when the session began. */
const EMPTIES: ReadonlySet<string> = new Set(['reset', 'discard']);
/** Plans kept per session; a session that sends more different texts starts anew. */
const PLAN_CACHE = 2_000;

/** Timed out, or cancelled by the client: what was asked on the way to his statement ends as his statement would. */
const UNANSWERED = refusal(
  'target-unavailable',
  'gatehouse: canceling statement: what its names mean could not be asked',
  {
    sqlstate: '57014',
    detail:
      'A statement before it may have changed what names mean, and the question to the target was canceled or timed out.',
    hint: 'Send it again, with a longer statement_timeout or lock_timeout where one is set.',
  },
);

class Unanswered extends Error {}

export interface SessionNamesOptions {
  readonly core: RelayCore;
  readonly planner: Planner;
  readonly context: SessionContext;
  /** Reads the catalog anew because something does not fit. */
  readonly refreshCatalog: (reason: 'ddl' | 'mismatch') => Promise<void>;
}

/** A world and what this session's open transaction lays over it. */
interface Overlay {
  readonly base: World;
  readonly context: SessionContext;
  readonly world: World;
}

/**
 * What names mean in one session, and the plans made with that meaning. Whenever a forwarded statement may have changed it, the target
 * itself is asked before the next name is resolved; nothing is simulated across messages.
 */
export class SessionNames {
  readonly #options: SessionNamesOptions;
  readonly #core: RelayCore;
  readonly #plans = new Map<string, Plan>();
  #view: View;
  #policy: PolicyPort | undefined;
  #masks: MaskRules | undefined;
  #decisive = '';
  #unmasks: UnmaskGrants | undefined;
  #context: SessionContext;
  #version = 1;
  /** Something forwarded since the last answer may have changed what names mean. */
  #stale = false;
  /** The same, and the transaction it happened in is still open: its end may change it back. */
  #touched = false;
  #catalogTouched = false;
  /** Something on its way makes or removes prepared statements or cursors by SQL. */
  #renaming = false;
  #overlay: Overlay | undefined;
  #status: TransactionStatus = 'I';

  constructor(options: SessionNamesOptions) {
    this.#options = options;
    this.#core = options.core;
    this.#context = options.context;
    this.#view = this.#core.session.view(this.#world());
  }

  get context(): SessionContext {
    return this.#context;
  }

  get version(): number {
    return this.#version;
  }

  get stale(): boolean {
    return this.#stale;
  }

  /** A PREPARE, DECLARE, DEALLOCATE … is on its way: what such names mean is known once it is answered. */
  get renaming(): boolean {
    if (this.#core.replies.queue.size === 0) this.#renaming = false;
    return this.#renaming;
  }

  /** The principal's view of the world as both are now. */
  view(): View {
    const { session } = this.#core;
    const world = this.#world();
    const policy = session.services.policy();
    const decisive = policy.hiddenColumnsVary ? policy.hiddenColumnsKey(session.context(undefined, 0)) : '';
    // Asked for every message: only what can change the answer is looked at.
    const { masks } = session.services.config();
    const unmasks = session.unmasks();
    const same =
      world === this.#view.world && policy === this.#policy && masks === this.#masks && unmasks === this.#unmasks;
    if (same && decisive === this.#decisive) return this.#view;
    this.#policy = policy;
    this.#masks = masks;
    this.#unmasks = unmasks;
    this.#decisive = decisive;
    const view = session.view(world);
    if (view !== this.#view) {
      this.#view = view;
      this.#plans.clear();
    }
    return view;
  }

  #world(): World {
    const { services, connection } = this.#core.session;
    const base = services.worlds.current(connection.name);
    const context = this.#context;
    if (!context.uncommitted && !context.uncommittedFunctions) return base;
    if (this.#overlay?.base !== base || this.#overlay.context !== context) {
      this.#overlay = { base, context, world: services.worlds.overlay(base, context) };
    }
    return this.#overlay.world;
  }

  /**
   * Somebody from whom something is hidden may only go on with a catalog that was the target's a moment ago, however it was changed.
   * Undefined when it is; resolves to a refusal when that cannot be found out.
   */
  confirm(): Promise<Refusal | undefined> | undefined {
    if (this.view().hidden.size === 0) return undefined;
    const { services, connection } = this.#core.session;
    return services.worlds.confirm(connection.name)?.then(
      () => undefined,
      (error: unknown) => {
        services.log.warn({ connection: connection.name, error }, 'the catalog could not be compared');
        return refusal('target-unavailable', 'gatehouse: the catalog of the target could not be looked at', {
          detail: 'What is hidden from you depends on it, so the statement was not forwarded.',
          hint: 'Try again; tell the operator of the gateway if it happens again.',
        });
      },
    );
  }

  /** Plans a text; asks the target first when names may have changed. */
  plan(text: string): Planned | Promise<Planned> {
    const unsure = this.#plans.get(text)?.statements.every(isNameless) ? undefined : this.confirm();
    const planned = unsure
      ? unsure.then((refused) => (refused ? { refusal: refused, text } : this.#plan(text)))
      : this.#plan(text);
    return planned instanceof Promise ? planned.then((each) => this.#withoutKey(each)) : this.#withoutKey(planned);
  }

  /** Who sees everything may read every setting: so nothing of his runs beside a key that was there for his masks. */
  #withoutKey(planned: Planned): Planned {
    const { left } = this.#core.pseudonymKey;
    if (left === undefined || this.view().hidden.size > 0) return planned;
    if ('refusal' in planned || planned.plan.statements.every(isNameless)) return planned;
    return { refusal: left, text: planned.plan.text };
  }

  #plan(text: string): Planned | Promise<Planned> {
    if (!this.renaming) return this.#planRenewed(text);
    const early = this.#make(text, this.view(), false);
    if ('plan' in early && early.plan.statements.every(usesNoNames)) return this.#planRenewed(text);
    return this.#core.settled().then(() => this.#planRenewed(text));
  }

  #planRenewed(text: string): Planned | Promise<Planned> {
    if (!this.#stale) return this.#planFresh(text);
    const early = this.#make(text, this.view(), false);
    if ('plan' in early && early.plan.statements.every(isNameless)) return early;
    return this.#refresh().then((outcome) => (outcome ? { refusal: UNANSWERED, text } : this.#planFresh(text)));
  }

  /** Nobody from whom something is hidden plans on a catalog that is known to have changed. */
  #planFresh(text: string): Planned | Promise<Planned> {
    const { services, connection } = this.#core.session;
    if (services.worlds.isOutdated(connection.name) && this.view().hidden.size > 0) {
      return this.#options.refreshCatalog('ddl').then(() => this.#planNow(text));
    }
    return this.#planNow(text);
  }

  #planNow(text: string): Planned | Promise<Planned> {
    const view = this.view();
    const known = this.#plans.get(text);
    if (known) return { plan: known };
    const planned = this.#make(text, view);
    if ('refusal' in planned && ['42P01', '3F000'].includes(planned.refusal.sqlstate ?? '')) {
      // Perhaps younger than the snapshot.
      return this.#options.refreshCatalog('mismatch').then(() => this.#make(text, this.view()));
    }
    return planned;
  }

  #make(text: string, view: View, keep = true): Planned {
    const { session } = this.#core;
    const started = performance.now();
    const planned = this.#options.planner.plan(
      {
        text,
        view,
        session: this.#status === 'I' && !this.#core.pipeline.open ? { ...this.#context, idle: true } : this.#context,
        contextVersion: this.#version,
        objects: this.#core.objects.names,
        principal: session.principal,
        failed: this.#status === 'E',
      },
      session.services.policy(),
    );
    session.services.metrics.observe('plan_seconds', (performance.now() - started) / 1000);
    if (keep && 'plan' in planned && isLasting(planned.plan)) {
      if (this.#plans.size >= PLAN_CACHE) this.#plans.clear();
      this.#plans.set(text, planned.plan);
    }
    return planned;
  }

  /**
   * The same statement as consent to exactly it shows it, when there is such consent and it would show anything. Nothing is used up by
   * asking. `plan`: as it is without.
   */
  unmasked(
    plan: Plan,
    asked: () => { readonly text: string; readonly parameters: string },
  ): { readonly plan: Plan; readonly grant: StatementUnmaskGrant } | undefined {
    const grants = this.#unmasks?.statements ?? [];
    if (grants.length === 0 || plan.view.hidden.size === 0 || !onlyShows(plan)) return undefined;
    const { session } = this.#core;
    const grant = grantFor(session, grants, plan, asked());
    if (grant === undefined) return undefined;
    const planned = this.#make(plan.text, session.view(plan.view.world, grant), false);
    if ('refusal' in planned) return undefined;
    const shows = planned.plan.statements.some(({ consents }) => consents.includes(grant.request));
    return shows ? { plan: planned.plan, grant } : undefined;
  }

  /** Whether a plan that consent to one statement made is what it would be now. */
  isCurrent(plan: Plan, grant: StatementUnmaskGrant): boolean {
    if (this.#stale || plan.contextVersion !== this.#version) return false;
    return this.#core.session.view(this.#world(), grant).key === plan.view.key;
  }

  /** A plan was forwarded: what it may have changed is asked for before the next name is resolved. */
  forwarded(plan: Plan): void {
    // In a failed transaction only its end succeeds: behind it, within the same pipeline, the target can be asked again.
    if (this.#status === 'E' && plan.changesContext) this.#status = 'T';
    if (plan.statements.some(({ statement }) => EMPTIES.has(statement.verb))) this.#core.pseudonymKey.touched();
    if (plan.changesContext || plan.changesCatalog) {
      this.#stale = true;
      this.#touched = true;
    }
    if (plan.changesCatalog) this.#catalogTouched = true;
    if (plan.statements.some(({ statement }) => statement.objects.some(({ act }) => act !== 'use')))
      this.#renaming = true;
  }

  /** ReadyForQuery came. */
  ready(status: TransactionStatus): void {
    if (this.#touched && status !== this.#status) this.#stale = true; // COMMIT, ROLLBACK, ROLLBACK TO
    if (status === 'I') this.#touched = false;
    this.#status = status;
    if (status === 'I' && this.#catalogTouched) {
      this.#catalogTouched = false;
      const { services, connection } = this.#core.session;
      services.worlds.markChanged(connection.name);
    }
  }

  /** Asks the target what the session is like now, when a forwarded statement may have changed it. False when it did not answer. */
  async renew(): Promise<boolean> {
    return (await this.#refresh()) !== 'unanswered';
  }

  async refreshCatalog(): Promise<void> {
    await this.#options.refreshCatalog('mismatch');
  }

  async #refresh(): Promise<'unanswered' | undefined> {
    const { pipeline } = this.#core;
    await this.#core.settled();
    if (this.#core.over || this.#status === 'E' || pipeline.skipping || !this.#stale) return undefined;
    let context: SessionContext;
    try {
      context = await readSessionContext((sql) => this.#ask(sql));
    } catch (error) {
      if (error instanceof Unanswered) return 'unanswered';
      throw error;
    }
    this.#stale = false;
    if (JSON.stringify(context) === JSON.stringify(this.#context)) return undefined;
    this.#context = context;
    this.#version += 1;
    this.#plans.clear();
    return undefined;
  }

  /**
   * A question of the gateway's own in the client's session; throws Unanswered when the target did not answer it. Within a pipeline it must
   * not end the client's implicit transaction, so it ends with Flush there.
   */
  async #ask(sql: string): Promise<(string | null)[][]> {
    const core = this.#core;
    const capture: Buffer[] = [];
    const answered = Promise.withResolvers<'done' | 'failed'>();
    const internal = { internal: true } as const;
    const within = core.pipeline.open;
    core.replies.expect(expectation('parse', internal));
    core.replies.expect(expectation('bind', internal));
    core.replies.expect(expectation('execute', { ...internal, capture, settle: answered.resolve }));
    core.replies.expect(expectation('close', internal));
    core.replies.expect(expectation('close', internal));
    if (!within) core.replies.expect(expectation('sync', internal));
    core.forward(
      permitHousekeeping(
        Buffer.concat([
          frontend.parse(CONTEXT_NAME, sql),
          frontend.bind({ portal: CONTEXT_NAME, statement: CONTEXT_NAME }),
          frontend.execute(CONTEXT_NAME),
          frontend.close('portal', CONTEXT_NAME),
          frontend.close('statement', CONTEXT_NAME),
          within ? frontend.flush() : frontend.sync(),
        ]),
      ),
    );
    core.flushTarget();
    await core.settled();
    if (core.over || (await answered.promise) !== 'done') throw new Unanswered();
    return internalRows(capture);
  }
}

function isNameless({ statement }: PlannedStatement): boolean {
  return NAMELESS.has(statement.verb);
}

function usesNoNames({ statement }: PlannedStatement): boolean {
  return statement.objects.every(({ act }) => act !== 'use');
}

/** Plans that speak of names of the session (EXECUTE, FETCH …) are made anew each time. */
function isLasting(plan: Plan): boolean {
  // A script's own BEGIN means one thing outside a transaction and another inside.
  if (plan.statements.length > 1 && plan.statements.some(({ statement }) => statement.verb === 'begin')) return false;
  return plan.statements.every(({ statement }) => statement.objects.length === 0);
}
