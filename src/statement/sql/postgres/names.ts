import type { CatalogRelation, CatalogSnapshot, SessionContext } from '../../../model/catalog.ts';
import { Budget } from './budget.ts';
import { type CatalogIndex, indexOf } from './catalog-index.ts';
import { type Tree, text } from './tree.ts';

/** A relation name as a statement writes it. */
export interface RelationName {
  readonly catalog: string | undefined;
  readonly schema: string | undefined;
  readonly name: string;
}

export function relationName(rangeVar: Tree): RelationName {
  return {
    catalog: text(rangeVar, 'catalogname'),
    schema: text(rangeVar, 'schemaname'),
    name: text(rangeVar, 'relname') ?? '',
  };
}

export type Resolved =
  | { readonly kind: 'relation'; readonly relation: CatalogRelation }
  /** Lives in this session only. */
  | { readonly kind: 'temporary'; readonly name: string }
  | { readonly kind: 'system'; readonly schema: string; readonly name: string }
  /** Made earlier in the same script: not in the snapshot yet. */
  | { readonly kind: 'new'; readonly schema: string; readonly name: string }
  | { readonly kind: 'undefined' }
  /** The script changed the search path to something only the server knows. */
  | { readonly kind: 'unknown-path' }
  | { readonly kind: 'other-database' };

export const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema', 'pg_toast']);

interface State {
  /** Schemas in order, implicit ones included; undefined when only the server knows. */
  path: readonly string[] | undefined;
  temporaryAdded: ReadonlySet<string>;
  temporaryDropped: ReadonlySet<string>;
  /** `schema\0name` */
  added: ReadonlySet<string>;
  dropped: ReadonlySet<string>;
  /** Temporary relations made ON COMMIT DROP. */
  leaving: ReadonlySet<string>;
  /** Temporary relations may have gone with a transaction: an unqualified name may mean something else. */
  temporaryUncertain: boolean;
  /** Something happened to the catalog that is not followed by name. */
  catalogUncertain: boolean;
  plainStrings: boolean;
  /** A path set with SET LOCAL ends with the transaction; this one holds afterwards. */
  afterTransaction: readonly string[] | undefined;
}

/**
 * What names mean at one point of a script: the session as it was when the script arrived, and what the script's statements have
 * done since.
 */
export class Names {
  readonly catalog: CatalogSnapshot;
  readonly index: CatalogIndex;
  readonly session: SessionContext;
  /** Shared by everything that is read for one script, bodies of functions excepted. */
  budget: Budget;
  #state: State;
  readonly #first: State;
  /** State at the BEGIN inside this script; undefined when the transaction began before it. */
  #atBegin: State | undefined;

  constructor(catalog: CatalogSnapshot, session: SessionContext, budget = new Budget()) {
    this.budget = budget;
    this.catalog = catalog;
    this.index = indexOf(catalog);
    this.session = session;
    this.#state = {
      path: session.searchPath,
      temporaryAdded: new Set(),
      temporaryDropped: new Set(),
      added: new Set(),
      dropped: new Set(),
      leaving: new Set(),
      temporaryUncertain: false,
      catalogUncertain: session.catalogUncertain === true,
      plainStrings: session.standardConformingStrings,
      afterTransaction: undefined,
    };
    this.#first = this.#state;
  }

  /** Gives what takes everything back that happens to names from now on. */
  remember(): () => void {
    const state = this.#state;
    return () => {
      this.#state = state;
    };
  }

  get path(): readonly string[] | undefined {
    return this.#state.path;
  }

  get catalogUncertain(): boolean {
    return this.#state.catalogUncertain;
  }

  /** Backslashes in plain strings are ordinary characters: for SQL that the server parses while the script runs. */
  get plainStrings(): boolean {
    return this.#state.plainStrings;
  }

  /** Somebody set standard_conforming_strings, perhaps to off. */
  doubtPlainStrings(): void {
    this.#change({ plainStrings: false });
  }

  /** The same names under another search path: for the body of a function that runs as this user. */
  under(path: readonly string[], currentUser = this.session.currentUser): Names {
    const session = { ...this.session, searchPath: effectivePath(path, { ...this.session, currentUser }) };
    const names = new Names(this.catalog, session, this.budget);
    names.#state = { ...this.#state, path: names.#state.path };
    return names;
  }

  isTemporarySchema(schema: string): boolean {
    return schema === 'pg_temp' || schema === this.session.temporarySchema;
  }

  resolve(wanted: RelationName): Resolved {
    if (wanted.catalog !== undefined && wanted.catalog !== this.catalog.database) return { kind: 'other-database' };
    if (wanted.schema !== undefined) return this.#inSchema(wanted.schema, wanted.name) ?? { kind: 'undefined' };
    return this.#onPath(wanted.name);
  }

  /** https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH: pg_temp comes first unless it is listed. */
  #onPath(name: string): Resolved {
    const { path, temporaryUncertain } = this.#state;
    const temporary = this.hasTemporary(name);
    if (temporary && (temporaryUncertain || !path)) return { kind: 'unknown-path' };
    if (!path)
      return name.startsWith('pg_') ? { kind: 'system', schema: 'pg_catalog', name } : { kind: 'unknown-path' };
    const listed = path.some((schema) => this.isTemporarySchema(schema));
    for (const schema of path) {
      if (this.isTemporarySchema(schema)) {
        if (temporary) return { kind: 'temporary', name };
        continue;
      }
      if (schema === 'pg_catalog' && !this.index.knowsSystemRelations) continue;
      const found = this.#inSchema(schema, name);
      // The server leaves pg_temp out of the path it reports until the session has temporary objects.
      if (found) return temporary && !listed ? { kind: 'unknown-path' } : found;
    }
    if (temporary) return { kind: 'temporary', name };
    if (!this.index.knowsSystemRelations && name.startsWith('pg_'))
      return { kind: 'system', schema: 'pg_catalog', name };
    return { kind: 'undefined' };
  }

  #inSchema(schema: string, name: string): Resolved | undefined {
    if (this.isTemporarySchema(schema)) return this.hasTemporary(name) ? { kind: 'temporary', name } : undefined;
    const key = `${schema}\0${name}`;
    if (this.#state.added.has(key)) return { kind: 'new', schema, name };
    if (this.#state.dropped.has(key)) return undefined;
    const relation = this.index.relation(schema, name);
    if (SYSTEM_SCHEMAS.has(schema)) {
      const known = relation || !this.index.knowsSystemRelations || schema === 'pg_toast';
      return known ? { kind: 'system', schema, name } : undefined;
    }
    return relation ? { kind: 'relation', relation } : undefined;
  }

  hasTemporary(name: string): boolean {
    if (this.#state.temporaryAdded.has(name)) return true;
    if (this.#state.temporaryDropped.has(name)) return false;
    return this.session.temporary.some((relation) => relation.name === name);
  }

  /** Schema in which an unqualified CREATE makes its object; undefined when only the server knows. */
  creationSchema(): string | undefined {
    return this.#state.path?.find((schema) => this.catalog.schemas.has(schema) && !SYSTEM_SCHEMAS.has(schema));
  }

  // What statements do to names.

  addTemporary(name: string, dropsOnCommit = false): void {
    const { temporaryAdded, temporaryDropped, leaving } = this.#state;
    this.#change({
      leaving: dropsOnCommit ? withItem(leaving, name) : without(leaving, name),
      temporaryAdded: withItem(temporaryAdded, name),
      temporaryDropped: without(temporaryDropped, name),
    });
  }

  dropTemporary(name: string): void {
    const { temporaryAdded, temporaryDropped } = this.#state;
    this.#change({ temporaryAdded: without(temporaryAdded, name), temporaryDropped: withItem(temporaryDropped, name) });
  }

  add(schema: string | undefined, name: string): void {
    const place = schema ?? this.creationSchema();
    if (place === undefined) {
      this.#change({ catalogUncertain: true });
      return;
    }
    const key = `${place}\0${name}`;
    this.#change({ added: withItem(this.#state.added, key), dropped: without(this.#state.dropped, key) });
  }

  drop(schema: string, name: string): void {
    const key = `${schema}\0${name}`;
    this.#change({ added: without(this.#state.added, key), dropped: withItem(this.#state.dropped, key) });
  }

  /** Temporary relations may have gone with others. */
  doubtTemporary(): void {
    this.#change({ temporaryUncertain: true });
  }

  becomeUncertain(): void {
    this.#change({ catalogUncertain: true });
  }

  setPath(schemas: readonly string[] | undefined, local: boolean): void {
    const before = this.#state.path;
    const path = schemas && effectivePath(schemas, this.session);
    this.#change({ path, afterTransaction: local ? (this.#state.afterTransaction ?? before) : undefined });
  }

  begin(): void {
    // Within a transaction BEGIN does nothing, and behind other statements it takes them into its transaction.
    if (this.session.idle && this.#state === this.#first) this.#atBegin = this.#state;
  }

  commit(): void {
    const begunHere = this.#atBegin !== undefined;
    const { afterTransaction, path, leaving } = this.#state;
    for (const name of leaving) this.dropTemporary(name);
    // A SET LOCAL or a temporary table ON COMMIT DROP sent before this script may end here.
    this.#change({
      path: afterTransaction ?? (begunHere ? path : undefined),
      afterTransaction: undefined,
      leaving: new Set(),
      temporaryUncertain: this.#state.temporaryUncertain || !begunHere,
    });
    this.#atBegin = undefined;
  }

  rollback(): void {
    if (this.#atBegin) this.#state = this.#atBegin;
    else this.#change({ path: undefined, temporaryUncertain: true, added: new Set(), dropped: new Set() });
    this.#atBegin = undefined;
  }

  /** ROLLBACK TO: how far back it goes is not followed. */
  rollbackToSavepoint(): void {
    this.#change({ path: undefined, temporaryUncertain: true, added: new Set(), dropped: new Set() });
  }

  #change(part: Partial<State>): void {
    // Sets of names are copied.
    const { temporaryAdded, temporaryDropped, added, dropped } = this.#state;
    this.budget.spend(1 + temporaryAdded.size + temporaryDropped.size + added.size + dropped.size);
    this.#state = { ...this.#state, ...part };
  }
}

/** https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH */
function effectivePath(schemas: readonly string[], session: SessionContext): readonly string[] {
  const named = schemas
    .map((schema) => (schema === '$user' ? session.currentUser : schema))
    .map((schema) => (schema === 'pg_temp' ? (session.temporarySchema ?? 'pg_temp') : schema));
  const implicit: string[] = [];
  const temporary = session.temporarySchema ?? 'pg_temp';
  if (!named.includes(temporary)) implicit.push(temporary);
  if (!named.includes('pg_catalog')) implicit.push('pg_catalog');
  return [...implicit, ...named];
}

function withItem(set: ReadonlySet<string>, item: string): ReadonlySet<string> {
  return new Set(set).add(item);
}

function without(set: ReadonlySet<string>, item: string): ReadonlySet<string> {
  if (!set.has(item)) return set;
  const rest = new Set(set);
  rest.delete(item);
  return rest;
}

/** The text form of a relation name, as regclass reads it. */
export function parseQualified(value: string): RelationName | undefined {
  const parts: string[] = [];
  const part = /\s*(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s*(\.|$)/y;
  for (;;) {
    const match = part.exec(value);
    if (!match) return undefined;
    parts.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] ?? '').toLowerCase());
    if (match[3] !== '.') break;
  }
  const name = parts[parts.length - 1];
  if (name === undefined || parts.length > 3) return undefined;
  return { name, schema: parts[parts.length - 2], catalog: parts[parts.length - 3] };
}
