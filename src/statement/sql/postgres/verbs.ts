import type { SqlVerb, StatementEffect } from '../../../model/statement.ts';

/**
 * How a statement is read (see statements.ts).
 * `query`: its relations are sites. `define`: changes the catalog, policy is asked for `define` on what it names. Others by name.
 */
export type Reading =
  | 'query'
  | 'explain'
  | 'copy'
  | 'truncate'
  | 'lock'
  | 'transaction'
  | 'set'
  | 'show'
  | 'discard'
  | 'prepare'
  | 'execute'
  | 'deallocate'
  | 'declare'
  | 'fetch'
  | 'close'
  | 'session'
  | 'create-table'
  | 'create-table-as'
  | 'create-view'
  | 'create-sequence'
  | 'drop'
  | 'refresh'
  | 'maintain'
  | 'define-relation'
  | 'define'
  | 'call'
  | 'do'
  | 'exec';

export interface VerbRule {
  readonly verb: SqlVerb;
  /** The least the statement does; reading it may find more. */
  readonly effect: StatementEffect;
  readonly reading: Reading;
  readonly why: string;
}

const DEFINES = 'changes the catalog or privileges';

const table: Record<string, VerbRule> = {
  SelectStmt: { verb: 'select', effect: 'read', reading: 'query', why: 'reads' },
  InsertStmt: { verb: 'insert', effect: 'session', reading: 'query', why: 'writes its target' },
  UpdateStmt: { verb: 'update', effect: 'session', reading: 'query', why: 'writes its target' },
  DeleteStmt: { verb: 'delete', effect: 'session', reading: 'query', why: 'writes its target' },
  MergeStmt: { verb: 'merge', effect: 'session', reading: 'query', why: 'writes its target' },
  TruncateStmt: { verb: 'truncate', effect: 'session', reading: 'truncate', why: 'empties its targets' },
  CopyStmt: {
    verb: 'copy-to',
    effect: 'read',
    reading: 'copy',
    why: 'reads or writes a relation, a file or a program',
  },
  ExplainStmt: {
    verb: 'explain',
    effect: 'read',
    reading: 'explain',
    why: 'shows a plan, with ANALYZE runs the statement',
  },
  VariableShowStmt: { verb: 'show', effect: 'session', reading: 'show', why: 'shows a setting' },
  VariableSetStmt: { verb: 'set', effect: 'session', reading: 'set', why: 'changes a setting of the session' },
  DiscardStmt: { verb: 'discard', effect: 'session', reading: 'discard', why: 'forgets session state' },
  TransactionStmt: { verb: 'begin', effect: 'session', reading: 'transaction', why: 'transaction control' },
  ConstraintsSetStmt: {
    verb: 'set',
    effect: 'session',
    reading: 'session',
    why: 'when constraints are checked in this transaction',
  },
  PrepareStmt: { verb: 'prepare', effect: 'session', reading: 'prepare', why: 'names a statement in the session' },
  ExecuteStmt: { verb: 'execute', effect: 'session', reading: 'execute', why: 'runs a named statement' },
  DeallocateStmt: { verb: 'deallocate', effect: 'session', reading: 'deallocate', why: 'forgets a named statement' },
  DeclareCursorStmt: { verb: 'declare', effect: 'session', reading: 'declare', why: 'names a query in the session' },
  FetchStmt: { verb: 'fetch', effect: 'read', reading: 'fetch', why: 'reads rows of a named query' },
  ClosePortalStmt: { verb: 'close', effect: 'session', reading: 'close', why: 'forgets a named query' },
  ListenStmt: { verb: 'listen', effect: 'session', reading: 'session', why: 'notifications pass the row gate' },
  UnlistenStmt: { verb: 'unlisten', effect: 'session', reading: 'session', why: 'ends listening' },
  NotifyStmt: { verb: 'notify', effect: 'session', reading: 'session', why: 'sends a constant to listening sessions' },
  LockStmt: { verb: 'lock', effect: 'session', reading: 'lock', why: 'locks relations until the transaction ends' },
  CallStmt: { verb: 'call', effect: 'session', reading: 'call', why: 'runs a procedure' },
  DoStmt: { verb: 'do', effect: 'change', reading: 'do', why: 'runs a block of a procedural language' },
  LoadStmt: { verb: 'load', effect: 'change', reading: 'exec', why: 'loads a library into the server' },
  CheckPointStmt: { verb: 'checkpoint', effect: 'change', reading: 'define', why: 'acts on the whole server' },

  CreateStmt: { verb: 'create', effect: 'session', reading: 'create-table', why: DEFINES },
  CreateForeignTableStmt: { verb: 'create', effect: 'change', reading: 'define', why: DEFINES },
  CreateTableAsStmt: { verb: 'create', effect: 'session', reading: 'create-table-as', why: DEFINES },
  ViewStmt: { verb: 'create', effect: 'session', reading: 'create-view', why: DEFINES },
  CreateSeqStmt: { verb: 'create', effect: 'session', reading: 'create-sequence', why: DEFINES },
  DropStmt: { verb: 'drop', effect: 'session', reading: 'drop', why: DEFINES },
  RefreshMatViewStmt: { verb: 'refresh', effect: 'session', reading: 'refresh', why: 'fills a materialised view anew' },
  ReindexStmt: { verb: 'reindex', effect: 'session', reading: 'maintain', why: 'maintains relations' },
  ClusterStmt: { verb: 'cluster', effect: 'session', reading: 'maintain', why: 'maintains relations' },
  VacuumStmt: { verb: 'vacuum', effect: 'session', reading: 'maintain', why: 'maintains relations' },

  IndexStmt: { verb: 'create', effect: 'session', reading: 'define-relation', why: DEFINES },
  CreateTrigStmt: { verb: 'create', effect: 'session', reading: 'define-relation', why: DEFINES },
  RuleStmt: { verb: 'create', effect: 'session', reading: 'define-relation', why: DEFINES },
  CreateStatsStmt: { verb: 'create', effect: 'change', reading: 'define', why: DEFINES },
  CreatePolicyStmt: { verb: 'create', effect: 'session', reading: 'define-relation', why: DEFINES },
  AlterPolicyStmt: { verb: 'alter', effect: 'session', reading: 'define-relation', why: DEFINES },
  AlterTableStmt: { verb: 'alter', effect: 'session', reading: 'define-relation', why: DEFINES },
  AlterSeqStmt: { verb: 'alter', effect: 'session', reading: 'define-relation', why: DEFINES },
  RenameStmt: { verb: 'alter', effect: 'session', reading: 'define-relation', why: DEFINES },
  AlterObjectSchemaStmt: { verb: 'alter', effect: 'session', reading: 'define-relation', why: DEFINES },
  AlterObjectDependsStmt: { verb: 'alter', effect: 'change', reading: 'define', why: DEFINES },
  CommentStmt: { verb: 'comment', effect: 'change', reading: 'define', why: DEFINES },
  SecLabelStmt: { verb: 'security-label', effect: 'change', reading: 'define', why: DEFINES },
  GrantStmt: { verb: 'grant', effect: 'change', reading: 'define', why: DEFINES },
  GrantRoleStmt: { verb: 'grant', effect: 'change', reading: 'define', why: DEFINES },
};

const CREATES =
  'Schema Function Enum Domain CompositeType:CompositeTypeStmt DefineStmt:DefineStmt Range Cast Conversion Role Extension Fdw ForeignServer UserMapping Publication Subscription EventTrig PLang TransformStmt:CreateTransformStmt AmStmt:CreateAmStmt OpClass OpFamily TableSpace CreatedbStmt:CreatedbStmt ImportForeignSchemaStmt:ImportForeignSchemaStmt';
for (const entry of CREATES.split(' ')) {
  const [name, node] = entry.split(':');
  table[node ?? `Create${name}Stmt`] = { verb: 'create', effect: 'change', reading: 'define', why: DEFINES };
}
const ALTERS =
  'AlterDatabaseStmt AlterDatabaseSetStmt AlterDatabaseRefreshCollStmt AlterDefaultPrivilegesStmt AlterDomainStmt AlterEnumStmt AlterEventTrigStmt AlterExtensionStmt AlterExtensionContentsStmt AlterFdwStmt AlterForeignServerStmt AlterFunctionStmt AlterOpFamilyStmt AlterOperatorStmt AlterOwnerStmt AlterPublicationStmt AlterRoleStmt AlterRoleSetStmt AlterStatsStmt AlterSubscriptionStmt AlterSystemStmt AlterTableMoveAllStmt AlterTableSpaceOptionsStmt AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTypeStmt AlterUserMappingStmt AlterCollationStmt ReassignOwnedStmt';
for (const node of ALTERS.split(' '))
  table[node] = { verb: 'alter', effect: 'change', reading: 'define', why: DEFINES };
const DROPS = 'DropOwnedStmt DropRoleStmt DropdbStmt DropSubscriptionStmt DropTableSpaceStmt DropUserMappingStmt';
for (const node of DROPS.split(' ')) table[node] = { verb: 'drop', effect: 'change', reading: 'define', why: DEFINES };

/** Rule for a statement node; undefined for statements that this version does not know: they are refused. */
export function verbRule(node: string): VerbRule | undefined {
  return Object.hasOwn(table, node) ? table[node] : undefined;
}
