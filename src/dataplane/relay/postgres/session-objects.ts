import type { StatementUnmaskGrant } from '../../../model/approval.ts';
import type { SqlStatement } from '../../../model/statement.ts';
import type { CatalogBasis } from '../../catalog/index.ts';
import type { Consent } from '../../consent.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';

/** A statement bound to a name at Parse (protocol) or PREPARE (SQL); both share one name space in PostgreSQL. */
export interface PreparedStatement {
  readonly plan: Plan;
  /** Undefined for an empty query string. */
  readonly planned: PlannedStatement | undefined;
  /** OIDs of the types that Parse gave its parameters. */
  readonly types?: readonly number[];
}

/** Consent to see labels unmasked in one statement, chosen at Bind and used by the first Execute. */
export interface UnmaskedPortal {
  readonly grant: StatementUnmaskGrant;
  readonly asked: { readonly text: string; readonly parameters: string };
  used?: Consent | undefined;
}

/** A portal (Bind) or cursor (DECLARE); both share one name space too. Rows are counted over all fetches from it. */
export interface Portal {
  readonly plan: Plan;
  readonly planned: PlannedStatement | undefined;
  /** Body of the Bind message, for the record's parameters. */
  readonly bind?: Buffer;
  /** As in PreparedStatement. */
  readonly types?: readonly number[];
  readonly held: boolean;
  /** What the catalog was like at Bind, when its names were looked up. */
  readonly basis?: CatalogBasis | undefined;
  readonly unmasked?: UnmaskedPortal;
  rows: number;
}

/**
 * What names mean in this session. Changes are made when the message is forwarded and undone when the target refuses it, so that
 * pipelined messages see what the target will see.
 */
export class SessionObjectTable {
  /** When each portal was made, in the order of messages. */
  readonly #made = new Map<string, number>();
  #clock = 0;
  readonly #prepared = new Map<string, PreparedStatement>();
  readonly #portals = new Map<string, Portal>();

  prepared(name: string): PreparedStatement | undefined {
    return this.#prepared.get(name);
  }

  portal(name: string): Portal | undefined {
    return this.#portals.get(name);
  }

  /** The statement room's view: what EXECUTE and FETCH are judged as. */
  readonly names = {
    prepared: (name: string): SqlStatement | undefined => this.#prepared.get(name)?.planned?.statement,
    cursor: (name: string): SqlStatement | undefined => this.#portals.get(name)?.planned?.statement,
  };

  setPrepared(name: string, statement: PreparedStatement): () => void {
    return replace(this.#prepared, name, statement);
  }

  setPortal(name: string, portal: Portal): () => void {
    this.#clock += 1;
    this.#made.set(name, this.#clock);
    return replace(this.#portals, name, portal);
  }

  removePrepared(name: string): () => void {
    return remove(this.#prepared, name);
  }

  removePortal(name: string): () => void {
    return remove(this.#portals, name);
  }

  /** DEALLOCATE ALL: the unnamed statement stays. */
  removeAllPrepared(): void {
    for (const name of [...this.#prepared.keys()]) if (name !== '') this.#prepared.delete(name);
  }

  /** What a statement did to names, once the target has said that it did. */
  apply(plan: Plan, planned: PlannedStatement, cursor: Portal | undefined): void {
    for (const { kind, act, name } of planned.statement.objects) {
      if (kind === 'prepared-statement') {
        if (act === 'create') this.#prepared.set(name, { plan, planned });
        else if (act === 'remove') this.#prepared.delete(name);
        else if (act === 'remove-all') this.removeAllPrepared();
      } else if (act === 'create') {
        this.#portals.set(name, cursor ?? declaredCursor(plan, planned));
      } else if (act === 'remove') this.#portals.delete(name);
      else if (act === 'remove-all') this.#portals.clear();
    }
  }

  /** The transaction is over: portals end with it, held cursors do not. */
  endTransaction(mark: number): void {
    if (this.#portals.size === 0) return;
    for (const [name, portal] of this.#portals) {
      // Pipelined clients bind the next portal before they have read the end of the transaction before it.
      if (!portal.held && (this.#made.get(name) ?? 0) <= mark) this.#portals.delete(name);
    }
  }

  /** A point in the order of messages. */
  mark(): number {
    return this.#clock;
  }
}

export function declaredCursor(plan: Plan, planned: PlannedStatement): Portal {
  return { plan, planned, held: /\bwith\s+hold\b/i.test(planned.statement.text), rows: 0 };
}

/** What came back beneath a value: its name was free when it was given, by a message that the target then never read. */
const beneath = new WeakMap<object, unknown>();

function remove<V extends object>(map: Map<string, V>, name: string): () => void {
  const before = map.get(name);
  map.delete(name);
  return () => {
    if (before === undefined) return;
    const since = map.get(name);
    if (since === undefined) map.set(name, before);
    else beneath.set(since, before);
  };
}

function replace<V extends object>(map: Map<string, V>, name: string, value: V): () => void {
  const before = map.get(name);
  map.set(name, value);
  return () => {
    if (map.get(name) !== value) return;
    const left = before ?? (beneath.get(value) as V | undefined);
    if (left === undefined) map.delete(name);
    else map.set(name, left);
  };
}
