import type { SqlVerb, StatementPart } from '../../../model/statement.ts';
import { as, child, flag, isTree, list, part, type Tree, tagged, text, words } from './tree.ts';

/** What a condition comes to: the same for every row (known or not), or something that can leave rows out. */
type Truth = 'true' | 'false' | 'unknown' | 'depends';

/**
 * Whether a condition can leave rows out. One that names no column of the target, or is true by its form (`true`, `1 = 1`, `id = id`,
 * `… OR true`), cannot: `DELETE … WHERE true` touches every row. `target`: names by which columns of the target may be qualified;
 * undefined when any column counts.
 */
export function boundsRows(condition: unknown, target?: ReadonlySet<string>): boolean {
  if (condition === undefined) return false;
  const truth = truthOf(condition, target);
  return truth === 'depends' || truth === 'false';
}

function truthOf(condition: unknown, target: ReadonlySet<string> | undefined): Truth {
  const node = tagged(condition);
  if (!node) return 'unknown';
  const [tag, body] = node;
  if (tag === 'A_Const') {
    const value = child(body, 'boolval');
    return value === undefined ? 'unknown' : flag(value, 'boolval') ? 'true' : 'false';
  }
  if (tag === 'BoolExpr') {
    const truths = list(body, 'args').map((argument) => truthOf(argument, target));
    switch (text(body, 'boolop')) {
      case 'AND_EXPR':
        return strongest(truths, ['false', 'depends', 'unknown', 'true']);
      case 'OR_EXPR':
        return strongest(truths, ['true', 'unknown', 'depends', 'false']);
      default:
        return opposite(truths[0] ?? 'unknown');
    }
  }
  if (tag === 'A_Expr' && text(body, 'kind') === 'AEXPR_OP') {
    const [left, right] = [part(body, 'lexpr'), part(body, 'rexpr')];
    const operator = words(list(body, 'name')).at(-1) ?? '';
    if (left !== undefined && sameText(left, right)) {
      if (['=', '<=', '>='].includes(operator)) return 'true';
      if (['<>', '!=', '<', '>'].includes(operator)) return 'false';
    }
  }
  if (tag === 'CurrentOfExpr') return 'depends';
  return namesTarget(condition, target) ? 'depends' : 'unknown';
}

function strongest(truths: readonly Truth[], order: readonly Truth[]): Truth {
  return order.find((truth) => truths.includes(truth)) ?? 'unknown';
}

function opposite(truth: Truth): Truth {
  return truth === 'true' ? 'false' : truth === 'false' ? 'true' : truth;
}

function sameText(a: unknown, b: unknown): boolean {
  if (isTree(a) && isTree(b) && Object.keys(a)[0] !== Object.keys(b)[0]) return false; // a column and a constant
  const bare = (value: unknown): string =>
    JSON.stringify(value, (key, inner: unknown) => (key === 'location' ? undefined : inner)) ?? '';
  return bare(a) === bare(b);
}

function namesTarget(value: unknown, target: ReadonlySet<string> | undefined): boolean {
  if (Array.isArray(value)) return value.some((item) => namesTarget(item, target));
  if (!isTree(value)) return false;
  const reference = as(value, 'ColumnRef');
  if (reference) {
    const fields = words(list(reference, 'fields'));
    const qualifier = fields.length > 1 ? fields[fields.length - 2] : undefined;
    return target === undefined || qualifier === undefined || target.has(qualifier);
  }
  return Object.values(value).some((inner) => typeof inner === 'object' && namesTarget(inner, target));
}

const WRITING: Readonly<Record<string, SqlVerb>> = {
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
};

/** What an INSERT, UPDATE, DELETE or MERGE does, wherever it stands. */
export function writingPart(tag: string, body: Tree): StatementPart {
  const verb = WRITING[tag] ?? 'merge';
  const relation = child(body, 'relation');
  const names = [text(child(relation, 'alias'), 'aliasname') ?? text(relation, 'relname') ?? ''];
  const condition = part(body, verb === 'merge' ? 'joinCondition' : 'whereClause');
  return {
    verb,
    hasWhere: (verb !== 'update' && verb !== 'delete') || condition !== undefined,
    allRows: verb !== 'insert' && !boundsRows(condition, new Set(names)),
  };
}

/** Whether a query hands out whatever its relations hold. */
export function readsAllRows(select: Tree): boolean {
  const sides = [child(select, 'larg'), child(select, 'rarg')].filter((side) => side !== undefined);
  if (part(select, 'limitCount') !== undefined) return false;
  if (sides.length > 0) return sides.some(readsAllRows);
  return list(select, 'fromClause').length > 0 && !boundsRows(part(select, 'whereClause'));
}

/** Where the grammar says in a field what kind of thing a definition is about. */
const KIND_FIELDS: Readonly<Record<string, string>> = {
  DropStmt: 'removeType',
  RenameStmt: 'renameType',
  AlterTableStmt: 'objtype',
  AlterObjectSchemaStmt: 'objectType',
  AlterObjectDependsStmt: 'objectType',
  AlterOwnerStmt: 'objectType',
  AlterTableMoveAllStmt: 'objtype',
  CommentStmt: 'objtype',
  SecLabelStmt: 'objtype',
  GrantStmt: 'objtype',
  DefineStmt: 'kind',
  CreateTableAsStmt: 'objtype',
};

const KINDS: Readonly<Record<string, string>> = {
  CreateStmt: 'table',
  ViewStmt: 'view',
  IndexStmt: 'index',
  CreateSeqStmt: 'sequence',
  AlterSeqStmt: 'sequence',
  CreateTrigStmt: 'trigger',
  RuleStmt: 'rule',
  CompositeTypeStmt: 'type',
  AlterTypeStmt: 'type',
  CreateEnumStmt: 'type',
  AlterEnumStmt: 'type',
  CreateRangeStmt: 'type',
  CreatedbStmt: 'database',
  DropdbStmt: 'database',
  GrantRoleStmt: 'role',
  AlterRoleSetStmt: 'role',
  CreateFdwStmt: 'foreign-data-wrapper',
  AlterFdwStmt: 'foreign-data-wrapper',
  CreatePLangStmt: 'language',
  CreateEventTrigStmt: 'event-trigger',
  AlterEventTrigStmt: 'event-trigger',
  ReassignOwnedStmt: 'role',
  DropOwnedStmt: 'role',
  AlterDatabaseSetStmt: 'database',
};

/** What stands inside a table or a type is part of it. */
const PARTS = new Set(['column', 'tabconstraint', 'domconstraint', 'attribute', 'default']);

/** What kind of thing a definition is about: `table`, `index`, `function`, `role` …; lower-case words joined by `-`. */
export function definedKind(tag: string, body: Tree): string {
  const field = KIND_FIELDS[tag];
  const written = field === undefined ? undefined : text(body, field);
  if (written !== undefined) {
    const kind = fromEnum(written);
    if (!PARTS.has(kind)) return kind;
    const whole = text(body, 'relationType');
    return whole === undefined || whole === 'OBJECT_ACCESS_METHOD' ? 'table' : fromEnum(whole);
  }
  return (
    KINDS[tag] ??
    tag
      .replace(/^(?:Create|Alter|Drop)/, '')
      .replace(/Stmt$/, '')
      .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
      .toLowerCase()
  );
}

function fromEnum(written: string): string {
  const kind = written
    .replace(/^OBJECT_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
  return kind === 'matview' ? 'materialized-view' : kind;
}

const PRIVILEGES = new Set(
  `GrantStmt GrantRoleStmt AlterDefaultPrivilegesStmt CreateRoleStmt AlterRoleStmt AlterRoleSetStmt DropRoleStmt AlterOwnerStmt
  ReassignOwnedStmt DropOwnedStmt CreatePolicyStmt AlterPolicyStmt CreateUserMappingStmt AlterUserMappingStmt DropUserMappingStmt
  SecLabelStmt`.split(/\s+/),
);
const PRIVILEGE_COMMANDS = new Set([
  'AT_ChangeOwner',
  'AT_EnableRowSecurity',
  'AT_DisableRowSecurity',
  'AT_ForceRowSecurity',
  'AT_NoForceRowSecurity',
]);
const PRIVILEGE_KINDS = new Set(['policy', 'role', 'user-mapping']);

/** Whether a definition changes who may do what: grants, roles, owners, row security. */
export function changesPrivileges(tag: string, body: Tree): boolean {
  if (PRIVILEGES.has(tag)) return true;
  if (tag === 'DropStmt' || tag === 'RenameStmt') return PRIVILEGE_KINDS.has(definedKind(tag, body));
  if (tag === 'CreateSchemaStmt') {
    return part(body, 'authrole') !== undefined || list(body, 'schemaElts').some((element) => isPrivilege(element));
  }
  return list(body, 'cmds').some((item) => PRIVILEGE_COMMANDS.has(text(as(item, 'AlterTableCmd'), 'subtype') ?? ''));
}

function isPrivilege(element: unknown): boolean {
  const node = tagged(element);
  return node !== undefined && changesPrivileges(node[0], node[1]);
}
