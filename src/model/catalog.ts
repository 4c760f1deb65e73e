/** A PostgreSQL object identifier: unsigned 32 bits. */
export type Oid = number;

export interface CatalogColumn {
  /** `pg_attribute.attnum`, > 0. */
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: Oid;
  /** -1 when the type has none. */
  readonly typmod: number;
  /** `format_type(atttypid, atttypmod)` with an empty search_path: may stand after `::` in any session. */
  readonly typeName: string;
  /** Like `typeOid`/`typeName` with domains followed down to their base type (and the base's typmod). */
  readonly baseTypeOid: Oid;
  readonly baseTypeName: string;
  /** `pg_type.typcategory` of the base type, e.g. `S` string, `N` numeric, `D` date/time, `A` array, `E` enum, `U` user. */
  readonly category: string;
  /** Quoted, schema-qualified collation when it is not the type's default. */
  readonly collation?: string;
  readonly notNull: boolean;
  readonly generated: boolean;
  /** attnums that a generated column is computed from. */
  readonly generatedFrom?: readonly number[];
  /** Where an enum's value list matters for a mask: the first label. */
  readonly firstEnumLabel?: string;
}

export type RelationKind =
  | 'table'
  | 'partitioned-table'
  | 'view'
  | 'materialized-view'
  | 'foreign-table'
  | 'sequence'
  | 'composite-type';

export interface CatalogRelation {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  /** Live columns in attnum order. */
  readonly columns: readonly CatalogColumn[];
  /** `pg_inherits`: partition or inheritance parents. */
  readonly parents: readonly Oid[];
  /** `pg_get_viewdef(oid)` of views and materialised views; absent when it could not be read. */
  readonly definition?: string;
  /** Relations that the rule of a view names directly (`pg_depend`), other views included. */
  readonly reads?: readonly Oid[];
  /** Has rewrite rules other than a view's `_RETURN`. */
  readonly hasRules: boolean;
  readonly hasTriggers: boolean;
  /** attnums of the primary key, in key order; empty without one. */
  readonly primaryKey: readonly number[];
  readonly temporary: boolean;
  /** Extension that owns it (`pg_depend.deptype = 'e'`). */
  readonly extension?: string;
}

export interface CatalogFunction {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'function' | 'procedure' | 'aggregate' | 'window';
  /** `pg_language.lanname`: `internal`, `c`, `sql`, `plpgsql`, … */
  readonly language: string;
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly argTypes: readonly Oid[];
  readonly argNames: readonly string[];
  readonly returnType: Oid;
  readonly returnsSet: boolean;
  readonly securityDefiner: boolean;
  /** `search_path` fixed by the function itself (`SET search_path` in proconfig). */
  readonly searchPath?: readonly string[];
  /** As whom a SECURITY DEFINER function runs. */
  readonly owner?: string;
  /** All parameters in order, those it gives back included; absent when there are none or they are not known. */
  readonly parameters?: readonly CatalogParameter[];
  /** Default expressions of its last parameters, as one list: a call with fewer arguments runs them. Empty when they cannot be read; only outside pg_catalog. */
  readonly defaults?: string;
  /** `pg_get_functiondef`-style body: prosrc, or the unparsed SQL-standard body. Only outside pg_catalog/information_schema. */
  readonly source?: string;
  readonly extension?: string;
  /** An aggregate's transition, final and other support functions; absent when the snapshot does not know them. */
  readonly support?: readonly Oid[];
}

/** A parameter of a function. https://www.postgresql.org/docs/current/catalog-pg-proc.html (proargmodes) */
export interface CatalogParameter {
  readonly mode: 'in' | 'out' | 'inout' | 'variadic' | 'table';
  /** Empty for one without a name. */
  readonly name: string;
  readonly type: Oid;
}

/** What happens to rows of a relation. */
export type RowEvent = 'select' | 'insert' | 'update' | 'delete' | 'truncate';

/**
 * Code that the target runs by itself when something happens to a relation, or when a value becomes one of a domain. Expressions are
 * written with every name qualified; a missing text could not be read.
 */
export interface CatalogAttachment {
  /** `cascade`: a foreign key that changes rows of `to` (by `becomes`) when rows of `on` are changed. */
  readonly kind:
    | 'trigger'
    | 'rule'
    | 'default'
    | 'generated'
    | 'check'
    | 'index'
    | 'partition-key'
    | 'policy'
    | 'domain'
    | 'cascade';
  /** The relation, or the domain. */
  readonly on: Oid;
  readonly events: readonly RowEvent[];
  /** The function of a trigger. */
  readonly function?: Oid;
  /** Expressions separated by commas; the whole CREATE RULE; of a trigger with WHEN the whole CREATE TRIGGER, else empty. */
  readonly text?: string;
  readonly to?: Oid;
  readonly becomes?: RowEvent;
}

/** An operator outside pg_catalog, or a cast that somebody created: both call a function without naming it. */
export interface CatalogOperator {
  readonly schema: string;
  readonly name: string;
  /** The function behind it. */
  readonly implementation: Oid;
  /** Functions of its commutator and negator, which the planner may call in its place. */
  readonly substitutes?: readonly Oid[];
  readonly extension?: string;
}

export interface CatalogCast {
  readonly source: Oid;
  readonly target: Oid;
  readonly implementation: Oid;
  /** Also applied where the statement does not write it (`AS IMPLICIT`, `AS ASSIGNMENT`); absent counts as yes. */
  readonly implicit?: boolean;
  readonly extension?: string;
}

export interface CatalogType {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'base' | 'composite' | 'domain' | 'enum' | 'pseudo' | 'range' | 'multirange';
  /** The relation of a composite (row) type. */
  readonly relation?: Oid;
  /** Element type of an array. */
  readonly element?: Oid;
  /** Base type of a domain. */
  readonly base?: Oid;
}

/** What the gateway knows of a target database at one moment. Immutable. */
export interface CatalogSnapshot {
  readonly connection: string;
  readonly database: string;
  /** `server_version_num`, e.g. 150018. */
  readonly serverVersion: number;
  /** Digest of everything below: equal versions mean equal catalogs. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly takenAt: number;
  readonly relations: ReadonlyMap<Oid, CatalogRelation>;
  readonly functions: readonly CatalogFunction[];
  /** Operators outside pg_catalog; absent when the snapshot does not know them. */
  readonly operators?: readonly CatalogOperator[];
  /** Casts with a function that did not come with the server itself; absent when the snapshot does not know them. */
  readonly casts?: readonly CatalogCast[];
  readonly types: ReadonlyMap<Oid, CatalogType>;
  /** Absent when the snapshot does not know them. */
  readonly attachments?: readonly CatalogAttachment[];
  readonly schemas: ReadonlySet<string>;
}

/** What name resolution in one client session depends on; asked from the target whenever a statement may have changed it. */
export interface SessionContext {
  /** Effective search path as `current_schemas(true)` gives it: implicit schemas included, in order. */
  readonly searchPath: readonly string[];
  /** Name of this session's temporary schema (`pg_temp_3`), when it has one. */
  readonly temporarySchema?: string;
  /** Temporary relations of this session; they hold nothing but the masked world. */
  readonly temporary: readonly CatalogRelation[];
  readonly temporaryFunctions: readonly CatalogFunction[];
  /** What the session's open transaction created or changed: in no snapshot yet, and to be laid over it. */
  readonly uncommitted?: readonly CatalogRelation[];
  readonly uncommittedFunctions?: readonly CatalogFunction[];
  readonly currentUser: string;
  readonly standardConformingStrings: boolean;
  /** No transaction is open when the script begins, so its first BEGIN begins one. */
  readonly idle?: boolean;
  /** How the bytes of the client's statements are read now, as the target names it (`UTF8`). */
  readonly clientEncoding?: string;
  /** The session's open transaction has changed the catalog, so a snapshot read elsewhere does not show what it sees. */
  readonly catalogUncertain?: boolean;
}
