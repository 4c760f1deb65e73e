import type { Oid } from '../../../model/catalog.ts';
import type { Refusal } from '../../../model/refusal.ts';
import type { SqlStatement, SqlVerb } from '../../../model/statement.ts';
import type { CatalogBasis, CatalogPart } from '../../catalog/index.ts';
import { refusal } from '../../errors.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';
import type { Session } from '../../session.ts';
import type { Expectation } from './expectation.ts';
import { compareReach, type Reach, reachOf } from './reach.ts';
import type { SessionNames } from './session-names.ts';

interface Look {
  /** It began then or later; milliseconds as `performance.now` gives them. */
  readonly from: number;
  readonly part: Promise<CatalogPart>;
}

/** What the names of a forwarded statement meant when it was planned, as long as the target may have looked them up differently. */
interface Doubt {
  readonly reach: Reach;
  /** Undefined when nobody knows any more what the catalog was like. */
  readonly basis: CatalogBasis | undefined;
  readonly own: ReadonlySet<Oid>;
  /** What the target said up to this moment is no longer in doubt. */
  sureUntil: number;
  look: Look | undefined;
}

/** `alone`: nothing else stands or falls with the statement. `failed`: it has changed nothing, and says so itself. */
export type Doubtful = 'alone' | 'among-others' | 'failed';

const NONE: ReadonlySet<Oid> = new Set();

/**
 * The target looks up names when a statement runs, which may be long after it was planned: a statement waits for the locks of whoever is
 * changing the catalog. So nothing of an answer is shown to somebody from whom something is hidden before a look at the catalog, begun
 * after the target had said it, finds all that the statement reaches as it was. Names are looked up before the first answer, so one look
 * is enough, except where code looks up more of them while rows come.
 */
export class SecondLook {
  readonly #session: Session;
  readonly #names: SessionNames;
  /** By run; by expectation for what is no run. */
  readonly #doubts = new WeakMap<object, Doubt>();
  #latest: Doubt | undefined;
  #reading = 0;

  constructor(session: Session, names: SessionNames) {
    this.#session = session;
    this.#names = names;
  }

  /** What the catalog was like for a plan that is forwarded now. */
  basis(plan: Plan): CatalogBasis | undefined {
    return plan.view.hidden.size === 0 ? undefined : this.#session.services.worlds.basis(plan.view.world);
  }

  /** Whether anything of a statement will have to wait for a look. */
  concerns(plan: Plan, planned: PlannedStatement): boolean {
    return this.#reach(plan, planned) !== undefined;
  }

  /** A message is forwarded, and this is what it should be answered with. */
  expect(item: Expectation): void {
    const { plan, kind } = item;
    if (plan === undefined || plan.view.hidden.size === 0) return;
    for (const run of item.runs) this.#doubt(run, plan, run.planned, run.portal?.basis);
    const [planned] = plan.statements;
    // Bind plans, and planning may run code whose errors tell something.
    if (kind === 'bind' && planned) this.#doubt(item, plan, planned, undefined);
  }

  #doubt(of: object, plan: Plan, planned: PlannedStatement, basis: CatalogBasis | undefined): void {
    const reach = this.#reach(plan, planned);
    if (reach === undefined) return;
    const { uncommitted } = this.#names.context;
    this.#latest = {
      reach,
      basis: basis ?? this.basis(plan),
      own: uncommitted ? new Set(uncommitted.map(({ oid }) => oid)) : NONE,
      sureUntil: Number.NEGATIVE_INFINITY,
      look: undefined,
    };
    this.#doubts.set(of, this.#latest);
  }

  #reach(plan: Plan, planned: PlannedStatement): Reach | undefined {
    return reachOf(plan, planned, () => this.#names.context.temporary.flatMap(({ reads }) => reads ?? []));
  }

  /** Bytes of the target have arrived; gives the moment. When they cannot be read at once, the look need not wait for that. */
  arrived(atOnce: boolean): number {
    if (this.#latest === undefined) return 0;
    const now = performance.now();
    if (!atOnce && this.#latest.sureUntil === Number.NEGATIVE_INFINITY && this.#latest.look === undefined)
      this.#begin(this.#latest);
    return now;
  }

  /** What arrived at this moment is read from now on. */
  reading(arrived: number): void {
    this.#reading = arrived;
  }

  /** Whether what is being read of the answer may be shown. */
  isSure(item: Expectation): boolean {
    if (this.#latest === undefined) return true;
    const doubt = this.#doubts.get(item.runs[item.at] ?? item);
    if (doubt === undefined || item.silenced) return true;
    return doubt.sureUntil > (doubt.reach.late ? this.#reading : Number.NEGATIVE_INFINITY);
  }

  /** Whether each piece of the answer has to be asked about. */
  isLate(item: Expectation): boolean {
    return this.#latest !== undefined && this.#doubts.get(item.runs[item.at] ?? item)?.reach.late === true;
  }

  /** Looks; afterwards what is being read is sure, or must not be shown. */
  async settle(item: Expectation): Promise<'same' | 'changed' | 'unknown'> {
    const doubt = this.#doubts.get(item.runs[item.at] ?? item);
    if (doubt === undefined) return 'same';
    const look = doubt.look && doubt.look.from > this.#reading ? doubt.look : this.#begin(doubt);
    try {
      if (!(await this.#isSame(doubt, await look.part))) {
        // So that the next statement, perhaps the same one, is planned on what the catalog is now.
        await this.#names.refreshCatalog();
        return 'changed';
      }
      doubt.sureUntil = look.from;
      return 'same';
    } catch (error) {
      const { log } = this.#session.services;
      log.warn({ session: this.#session.id, error }, 'the catalog could not be looked at before a result was shown');
      return 'unknown';
    }
  }

  async #isSame({ reach, basis, own }: Doubt, part: CatalogPart): Promise<boolean> {
    if (basis === undefined) return false;
    const compared = compareReach(reach, basis, part, own);
    if (compared === 'changed') return false;
    if (compared.newChildren.length === 0) return true;
    // A partition more is no change of what is meant, unless something in it is hidden.
    await this.#names.refreshCatalog();
    const { hidden } = this.#names.view();
    return !compared.newChildren.some((oid) => hidden.has(oid));
  }

  #begin(doubt: Doubt): Look {
    const { services, connection } = this.#session;
    const from = performance.now();
    const part = services.worlds.look(connection.name, doubt.reach.oids, doubt.reach.names);
    part.catch(() => undefined); // it may have been begun ahead of need
    doubt.look = { from, part };
    return doubt.look;
  }
}

const QUERIES: ReadonlySet<SqlVerb> = new Set(['select', 'values', 'table', 'copy-to', 'explain', 'execute']);

/** Nothing is left of a statement whose answer was not shown: no rows that it wrote, no temporary table, no cursor. */
export function leavesNothing(statement: SqlStatement | undefined): boolean {
  if (statement === undefined) return false;
  return statement.effect === 'read' && QUERIES.has(statement.verb) && !statement.changesContext;
}

/** `goesOn`: the session does; else it ends with this. */
export function changedRefusal(why: 'changed' | 'unknown', goesOn: boolean): Refusal {
  const more = goesOn
    ? { hint: 'Run the statement again.' }
    : {
        detail: 'The session was ended, so that its transaction is rolled back and its temporary tables are gone.',
        hint: 'Connect again and run the statement again.',
      };
  const message =
    why === 'changed'
      ? 'gatehouse: what the statement reads was changed while it ran, so nothing of its result was delivered'
      : 'gatehouse: the catalog of the target could not be looked at, so nothing of the result was delivered';
  return refusal(why === 'changed' ? 'names-changed' : 'target-unavailable', message, more);
}
