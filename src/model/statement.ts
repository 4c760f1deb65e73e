import type { Action, ResourceRef } from './access.ts';
import type { Oid } from './catalog.ts';

/** Lower-case command words, as the grammar (not the text) classifies them. */
export type SqlVerb =
  | 'select'
  | 'values'
  | 'table'
  | 'insert'
  | 'update'
  | 'delete'
  | 'merge'
  | 'truncate'
  | 'copy-to'
  | 'copy-from'
  | 'copy-program'
  | 'explain'
  | 'show'
  | 'set'
  | 'reset'
  | 'discard'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback-to'
  | 'prepare-transaction'
  | 'prepare'
  | 'execute'
  | 'deallocate'
  | 'declare'
  | 'fetch'
  | 'move'
  | 'close'
  | 'listen'
  | 'unlisten'
  | 'notify'
  | 'lock'
  | 'create'
  | 'alter'
  | 'drop'
  | 'grant'
  | 'revoke'
  | 'comment'
  | 'refresh'
  | 'reindex'
  | 'cluster'
  | 'vacuum'
  | 'analyze'
  | 'checkpoint'
  | 'call'
  | 'do'
  | 'load'
  | 'security-label'
  | 'empty';

/**
 * How a statement reaches the target.
 * `session`: changes nothing outside this session. `read`: returns data. `change`: may change the target or the outside
 * world, so its record must be durable before it is forwarded.
 */
export type StatementEffect = 'session' | 'read' | 'change';

/**
 * What one part of a statement does, where that is not what the whole is called: the DELETE in a WITH or behind EXPLAIN, EXECUTE, a
 * function. For Cedar's `context.verb`, `has_where` …
 */
export interface StatementPart {
  readonly verb: SqlVerb;
  /** True where the question makes no sense. */
  readonly hasWhere: boolean;
  /** Nothing in it can leave rows of its target (for a query: of what it reads) out. */
  readonly allRows: boolean;
  /** What kind of thing it defines: `table`, `index`, `role` …; absent when it defines nothing. */
  readonly object?: string;
  /** It changes who may do what: grants, roles, owners, row security. */
  readonly privileges?: boolean;
}

/** One question that policy must answer with yes before the statement may be forwarded. */
export interface AccessQuestion {
  readonly action: Action;
  readonly resource: ResourceRef;
  /** Answered with yes unless a policy forbids it: no permit is needed. `filter` is always asked like this. */
  readonly unlessForbidden?: boolean;
  /** The part of the statement that raises it, where that is another than the statement itself. */
  readonly part?: StatementPart;
  /** For `set`: the setting, in lower case. */
  readonly setting?: string;
}

/** A relation standing at one place of the statement's text. All offsets are UTF-8 byte offsets into the script. */
export interface RelationSite {
  readonly relation: Oid;
  /** Bytes to replace: from `ONLY`/`TABLE`/the name up to the end of what belongs to the reference (`*`, TABLESAMPLE …), alias excluded. */
  readonly start: number;
  readonly end: number;
  /**
   * `from`: may be replaced by a derived table. `table-command`: `TABLE t`. `copy`: the relation of `COPY t (…) TO`.
   * `target`: written by INSERT/UPDATE/DELETE/MERGE/TRUNCATE/COPY FROM/LOCK: never replaced.
   * `behind`: read by something this statement runs by name (EXECUTE, FETCH, an SQL function): it has no text here, never replaced.
   */
  readonly form: 'from' | 'table-command' | 'copy' | 'target' | 'behind';
  /** Name by which the statement calls it: the alias, or the relation's own name. */
  readonly correlationName: string;
  readonly hasAlias: boolean;
  readonly only: boolean;
  /** Text of a TABLESAMPLE clause, which has to move inside the derived table. */
  readonly sample?: string;
  /** Where that clause stands (after the alias): removed when the relation is replaced. */
  readonly sampleRange?: { readonly start: number; readonly end: number };
  /** Column list of `COPY t (a, b) TO`; empty means all. */
  readonly copyColumns?: readonly string[];
  /** System columns (ctid, xmin, tableoid …) that the statement names anywhere. */
  readonly systemColumns: readonly string[];
  /** Over-approximation: which of the relation's columns the statement can see. */
  readonly columns: 'all' | ReadonlySet<string>;
  /**
   * Over-approximation: columns that may decide which rows come, how they are grouped or in which order; absent: the same as `columns`.
   * Only what stands in the plain select list of the outermost query, and nowhere else, is not among them.
   */
  readonly filtered?: 'all' | ReadonlySet<string>;
  /** Columns of a system or extension view that echo statements or values of others: NULL for whom anything is hidden. */
  readonly echoes?: readonly string[];
}

/** Why a statement cannot be forwarded, or not for a principal from whom something is hidden. */
export interface Hazard {
  /** Stable word for tests, records and dashboards, e.g. `dynamic-sql`, `server-file`, `raw-target-column`, `unknown-function`. */
  readonly code: string;
  /** Says what happened, why, and what to do next, in one or two sentences. `{columns}`: those of `relations` that are hidden. */
  readonly message: string;
  /** `everyone`: always refused. `hidden-here`: refused when one of `relations` has a hidden column. `hidden-anywhere`: refused when anything of the connection is hidden. */
  readonly applies: 'everyone' | 'hidden-here' | 'hidden-anywhere';
  readonly relations?: readonly Oid[];
  /** For `hidden-here`: only if one of these columns is hidden; absent means any column. */
  readonly columns?: ReadonlySet<string>;
  /** SQLSTATE when the target itself would have said it (`42P01` undefined table …). */
  readonly sqlstate?: string;
  /** 1-based character position in the script, when it points at something. */
  readonly position?: number;
}

/** A name in the session that a statement creates, uses or removes. */
export interface SessionObject {
  readonly kind: 'prepared-statement' | 'cursor';
  readonly act: 'create' | 'use' | 'remove' | 'remove-all';
  readonly name: string;
}

/** A literal in a written value. */
export interface WrittenConstant {
  readonly value: string;
  /** The value is nothing but that, casts aside. */
  readonly whole: boolean;
  /** UTF-8 byte offset into the script; absent when it stands elsewhere. */
  readonly offset?: number;
}

/** A parameter in a written value, numbered from 1. */
export interface WrittenParameter {
  readonly number: number;
  readonly whole: boolean;
}

/** What may flow into one column that a statement writes, or into a column of a relation it makes. */
export interface ColumnWrite {
  /** Undefined: any column of the relation. */
  readonly column: string | undefined;
  /** Relations from whose columns the value may derive, and which. */
  readonly sources: ReadonlyMap<Oid, 'all' | ReadonlySet<string>>;
  /** It may come from a temporary relation, or from where it cannot be followed. */
  readonly unfollowed: boolean;
  readonly constants: readonly WrittenConstant[];
  readonly parameters: readonly WrittenParameter[];
  /** Inside a function: arguments of its call may flow into it. */
  readonly fromArguments: boolean;
}

/** How the data of COPY … FROM STDIN is written. https://www.postgresql.org/docs/current/sql-copy.html */
export interface CopyData {
  readonly format: 'text' | 'csv' | 'binary';
  /** One byte each. */
  readonly delimiter: string;
  readonly quote: string;
  readonly escape: string;
  readonly header: boolean;
  /** How NULL is written; means nothing in binary. */
  readonly nullText: string;
  /** The option ENCODING; absent: the client's encoding. */
  readonly encoding?: string;
  /** In the order of the data. */
  readonly columns: readonly string[];
}

/** What a statement writes into a relation that outlives the session. */
export interface RelationWrite {
  /** Undefined when the snapshot does not hold it: it is being made. */
  readonly relation: Oid | undefined;
  /** `schema.name`, for messages. */
  readonly name: string;
  /** Values may take the place of others: UPDATE, MERGE, ON CONFLICT DO UPDATE. */
  readonly overwrites: boolean;
  readonly columns: readonly ColumnWrite[];
  readonly copy?: CopyData;
}

/** One understood SQL statement. Plain data: no parse tree leaves the room `statement`. */
export interface SqlStatement {
  readonly kind: 'sql';
  readonly verb: SqlVerb;
  readonly effect: StatementEffect;
  /** UTF-8 byte range in the script, without the semicolon. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** SHA-256 (hex) of the text with literals normalised. */
  readonly fingerprint: string;
  /** Everything policy has to allow. Column questions are asked by the data plane from `sites` and the labels. */
  readonly questions: readonly AccessQuestion[];
  /** Every relation read or written, views not expanded. */
  readonly sites: readonly RelationSite[];
  /** Ranges `schema.` (with the dot) of schema-qualified column references, to be cut when their relation is substituted. */
  readonly qualifiers: readonly { readonly start: number; readonly end: number; readonly relation: Oid }[];
  /** Insertions that keep meaning after substitution, e.g. further GROUP BY columns; applied when `relation` is substituted. */
  readonly repairs: readonly { readonly at: number; readonly text: string; readonly relation: Oid }[];
  readonly hazards: readonly Hazard[];
  /** What it writes, itself or by what it runs; undefined when nobody asked to have values followed. */
  readonly writes?: readonly RelationWrite[];
  readonly objects: readonly SessionObject[];
  /** The statement inside PREPARE, DECLARE, EXPLAIN, COPY (query) … shares this statement's sites. `returnsRows` is about this one. */
  readonly returnsRows: boolean;
  /** May change search_path, role, temporary objects or transaction-scoped settings: ask the target again before resolving further names. */
  readonly changesContext: boolean;
  /** May change the catalog: refresh the snapshot after it. */
  readonly changesCatalog: boolean;
  /** Reads or returns rows of temporary relations, which are in no question. */
  readonly readsTemporary?: boolean;
  /** For Cedar's `context.has_where`; true where the question makes no sense. */
  readonly hasWhere: boolean;
  /** See StatementPart. */
  readonly allRows: boolean;
  readonly object?: string;
  readonly privileges?: boolean;
  /** Functions it names, itself or in SQL that it runs by name, built-in ones included. A policy may forbid them. */
  readonly functions: readonly { readonly schema: string; readonly name: string }[];
  /** Settings it changes that need no permission, in lower case. A policy may forbid them. */
  readonly settings: readonly string[];
}

/** What the gateway could not understand. Policy never sees a guess: it is refused. */
export interface OpaqueStatement {
  readonly kind: 'opaque';
  readonly text: string;
  readonly why: 'syntax' | 'too-large' | 'too-deep' | 'nul-byte' | 'encoding' | 'parser-failure';
  readonly message: string;
  /** 1-based character position of a syntax error. */
  readonly position?: number;
  /** SQLSTATE the server would use, `42601` for most errors of the grammar. */
  readonly sqlstate: string;
  /** What the server would advise. */
  readonly hint?: string;
}

/** All statements of one Query or Parse message, in order. Byte offsets refer to `text` as UTF-8. */
export interface Script {
  readonly text: string;
  readonly statements: readonly SqlStatement[];
}

/** What one view or materialised view is made of; base relations only, nested views are followed. */
export interface ViewLineage {
  /** Column of the view → `oid.column` of every base column it may derive from. */
  readonly columns: ReadonlyMap<string, ReadonlySet<`${Oid}.${string}`>>;
  /** Every base relation the definition reads. */
  readonly relations: ReadonlySet<Oid>;
  /** The definition is missing, unreadable, or calls code that could read anything. */
  readonly unknown: boolean;
}

/** By oid of the view. */
export type Lineage = ReadonlyMap<Oid, ViewLineage>;
