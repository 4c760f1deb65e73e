import type { CatalogFunction, CatalogRelation, Oid, RowEvent } from '../../../model/catalog.ts';
import type { SqlStatement } from '../../../model/statement.ts';
import type { Facts, SiteDraft } from './facts.ts';
import type { Tokens } from './lexer.ts';
import type { Names } from './names.ts';

/** Names of the common table expressions that can be seen at some place. */
export interface Ctes {
  readonly names: ReadonlySet<string>;
  readonly outer: Ctes | undefined;
}

/** The FROM list of one query level. */
export interface Level {
  readonly outer: Level | undefined;
  readonly sites: SiteDraft[];
  readonly echoes: { readonly correlationName: string; all: boolean }[];
  /** Correlation name of pg_settings where it stands alone at this level: its `name` column holds no setting of the gateway. */
  readonly settingsViews: Set<string>;
  /** The one setting whose row such a level reads: `FROM pg_settings WHERE name = 'x'`, as pg_dump asks. */
  settingName?: string;
  readonly joinAliases: Set<string>;
  /** Column references of this level and the levels inside it. */
  readonly references: { readonly qualifier: string | undefined; readonly name: string }[];
}

export interface Scope {
  readonly ctes: Ctes | undefined;
  readonly level: Level | undefined;
}

export const OUTERMOST: Scope = { ctes: undefined, level: undefined };

/** What the reader asks of the room around it: judging SQL that stands behind a name or inside a string. */
export interface Inner {
  /** Judges the body of a function written in SQL or PL/pgSQL; false when it cannot be understood. */
  body(fn: CatalogFunction, facts: Facts): boolean;
  /** Judges what the target runs by itself when this happens to rows of a relation, and to what hangs on it. */
  fires(relation: CatalogRelation, events: readonly RowEvent[], facts: Facts): void;
  /** Judges what is run when a value becomes one of a domain. */
  checks(domain: Oid, facts: Facts): void;
  /** Functions of users' making that a view calls. */
  behindView(view: CatalogRelation): readonly { readonly schema: string; readonly name: string }[];
  /** Judges SQL text that a built-in runs; false when it cannot be understood. */
  sql(text: string, facts: Facts): boolean;
  /** Judges a PL/pgSQL block; false when it can run SQL that is not written in it. */
  block(source: string, facts: Facts): boolean;
  /**
   * Whether a prepared statement's names still mean what they did: the server looks them up again when search_path or a relation
   * changes. https://www.postgresql.org/docs/current/sql-prepare.html
   */
  meansTheSame(prepared: SqlStatement): boolean;
}

export interface ReaderOptions {
  readonly facts: Facts;
  readonly names: Names;
  readonly connection: string;
  readonly inner: Inner;
  /** Absent inside function bodies: nothing there can be replaced. */
  readonly tokens: Tokens | undefined;
  /** What stands around a statement that is no statement of the client: NEW and OLD of a trigger or a rule. */
  readonly around?: Scope;
}

/** A star or a whole-row reference: every column of the site can be seen. */
export function seeWhole(site: SiteDraft): void {
  if (site.form === 'target') site.rawAll = true;
  else site.all = true;
}

export function hasColumn(site: SiteDraft, name: string): boolean {
  return site.relation.columns.some((column) => column.name === name);
}
