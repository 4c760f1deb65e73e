import type { CatalogRelation, Oid } from '../../../model/catalog.ts';
import type {
  ColumnWrite,
  RelationWrite,
  SqlStatement,
  WrittenConstant,
  WrittenParameter,
} from '../../../model/statement.ts';
import { copyDataOf } from './copy-data.ts';
import { type Names, relationName } from './names.ts';
import { type CteRows, type Environment, everything, type Origin, type Rows, union, ValueTracer } from './tracing.ts';
import { as, child, constant, flag, list, location, number, part, type Tree, tagged, text, words } from './tree.ts';

/** What a written value may derive from. */
type Item =
  | { readonly kind: 'column'; readonly relation: Oid; readonly column: string }
  | { readonly kind: 'constant'; readonly value: string; readonly whole: boolean; readonly offset: number }
  | { readonly kind: 'parameter'; readonly number: number; readonly whole: boolean }
  | { readonly kind: 'unfollowed' }
  | { readonly kind: 'argument' };

const NOTHING: Origin<Item> = new Set();
const UNFOLLOWED: Origin<Item> = new Set([{ kind: 'unfollowed' }]);
const ARGUMENT: Origin<Item> = new Set([{ kind: 'argument' }]);
const NO_CTES: CteRows<Item> = new Map();

export interface WritesOptions {
  readonly names: Names;
  readonly prepared: (name: string) => SqlStatement | undefined;
  /** A name that is no column is an argument of the function whose body this is, a variable of a block, or nothing at all. */
  readonly within: 'function' | 'block' | undefined;
  /** EXECUTE runs a statement that was prepared when nobody asked to have its values followed. */
  readonly onUnfollowed: () => void;
}

/**
 * What a statement writes into relations that outlive the session, and where each written value may come from. Read before the
 * statement's own effects on names. What SQL functions write when they are called is not among it.
 */
export function writesOf(statement: unknown, options: WritesOptions): readonly RelationWrite[] {
  const collector = new Collector(options);
  collector.statement(statement);
  return collector.writes;
}

class Collector {
  readonly writes: RelationWrite[] = [];
  readonly #options: WritesOptions;
  readonly #names: Names;
  readonly #tracer: ValueTracer<Item>;
  readonly #rows = new Map<Oid, Rows<Item>>();

  constructor(options: WritesOptions) {
    this.#options = options;
    this.#names = options.names;
    const unknown = { function: ARGUMENT, block: UNFOLLOWED, none: NOTHING }[options.within ?? 'none'];
    this.#tracer = new ValueTracer<Item>({
      relation: (rangeVar) => this.#relation(rangeVar),
      leaf: (tag, body, whole) => leaf(tag, body, whole, options.within === undefined),
      unknownName: () => unknown,
      changing: (tag, body, ctes) => this.#changing(tag, body, ctes),
      spend: (steps) => this.#names.budget.spend(steps),
    });
  }

  statement(node: unknown): void {
    const [tag, body] = tagged(node) ?? ['', {}];
    switch (tag) {
      case 'SelectStmt':
        this.#select(body);
        return;
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'MergeStmt':
      case 'DeleteStmt':
        this.#changing(tag, body, NO_CTES);
        return;
      case 'ExplainStmt':
      case 'PrepareStmt':
        this.statement(part(body, 'query'));
        return;
      case 'CreateTableAsStmt':
        this.#make(child(body, 'into'), this.#queryRows(part(body, 'query')));
        return;
      case 'CopyStmt':
        if (flag(body, 'is_from')) this.#copy(body);
        return;
      case 'ExecuteStmt':
        this.#execute(body);
        return;
    }
  }

  #select(body: Tree): void {
    let into = child(body, 'intoClause');
    for (let at = child(body, 'larg'); at && !into; at = child(at, 'larg')) into = child(at, 'intoClause');
    // Most queries write nothing, and nothing has to be followed in them.
    if (!into && !changesInWith(body)) return;
    const rows = this.#tracer.select(body, undefined, NO_CTES);
    if (into) this.#make(into, rows);
  }

  #queryRows(query: unknown): Rows<Item> {
    const select = as(query, 'SelectStmt');
    if (select) return this.#tracer.select(select, undefined, NO_CTES);
    const execute = as(query, 'ExecuteStmt');
    const prepared = execute && this.#options.prepared(text(execute, 'name') ?? '');
    if (!prepared) return { columns: [], open: UNFOLLOWED };
    this.#execute(execute);
    const seen = prepared.sites.map((site) => this.#seen(site.relation, site.columns));
    return { columns: [], open: union(prepared.readsTemporary ? [...seen, UNFOLLOWED] : seen) };
  }

  #seen(oid: Oid, columns: 'all' | ReadonlySet<string>): Origin<Item> {
    const relation = this.#names.catalog.relations.get(oid);
    if (!relation) return NOTHING;
    const named = this.#columns(relation).columns.filter(({ name }) => columns === 'all' || columns.has(name ?? ''));
    return union(named.map(({ origin }) => origin));
  }

  /** A new table or materialised view: what it holds is a copy. */
  #make(into: Tree | undefined, rows: Rows<Item>): void {
    const rangeVar = child(into, 'rel');
    const name = relationName(rangeVar ?? {});
    const temporary = text(rangeVar, 'relpersistence') === 't';
    if (temporary || (name.schema !== undefined && this.#names.isTemporarySchema(name.schema))) return;
    const renames = words(list(into, 'colNames'));
    const columns = rows.open
      ? [flow(undefined, everything(rows))]
      : rows.columns.map((column, index) => flow(renames[index] ?? column.name, column.origin));
    const schema = name.schema ?? this.#names.creationSchema();
    this.writes.push({
      relation: undefined,
      name: schema === undefined ? name.name : `${schema}.${name.name}`,
      overwrites: false,
      columns,
    });
  }

  #copy(body: Tree): void {
    const target = this.#target(child(body, 'relation'));
    if (!target || target.temporary) return;
    const copy = copyDataOf(body, target.relation);
    this.writes.push({ ...identity(target), overwrites: false, columns: [], copy });
  }

  #execute(body: Tree): void {
    const prepared = this.#options.prepared(text(body, 'name') ?? '');
    if (prepared?.effect === 'change' && !prepared.writes) this.#options.onUnfollowed();
    const nowhere = this.#tracer.environment(NO_CTES);
    const given = list(body, 'params').map((argument) => this.#tracer.expression(argument, nowhere));
    for (const write of prepared?.writes ?? []) {
      this.writes.push({ ...write, columns: write.columns.map((column) => withParameters(column, given)) });
    }
  }

  // Statements that change rows, at the top or in WITH.

  #changing(tag: string, body: Tree, around: CteRows<Item>): Rows<Item> {
    const ctes = this.#tracer.with(child(body, 'withClause'), undefined, around);
    const target = this.#target(child(body, 'relation'));
    const environment = this.#tracer.environment(ctes);
    const alias =
      text(child(child(body, 'relation'), 'alias'), 'aliasname') ?? relationName(child(body, 'relation') ?? {}).name;
    const before = this.writes.length;
    if (tag === 'InsertStmt') {
      this.#insert(body, target, alias, environment);
    } else {
      // What an expression reads of its own target is judged by itself.
      environment.sources.push({ alias, ...unmarked(target) });
      for (const item of list(body, tag === 'DeleteStmt' ? 'usingClause' : 'fromClause')) {
        this.#tracer.from(item, environment);
      }
      if (tag === 'MergeStmt') this.#merge(body, target, environment);
      else if (tag === 'UpdateStmt') {
        this.#write(target, true, this.#assignments(list(body, 'targetList'), environment));
      }
    }
    // RETURNING shows what was written and what stands beside it.
    const returned = [...environment.sources.map(everything), ...this.#writtenSince(before)];
    return { columns: [], open: union(target?.temporary ? [...returned, UNFOLLOWED] : returned) };
  }

  #insert(body: Tree, target: Target | undefined, alias: string, environment: Environment<Item>): void {
    const select = as(part(body, 'selectStmt'), 'SelectStmt');
    const rows = select ? this.#tracer.select(select, undefined, environment.ctes) : NO_ROWS;
    environment.sources.push({ alias: undefined, columns: [], open: everything(rows) });
    if (!target || target.temporary) return;
    const listed = list(body, 'cols').map((item) => text(as(item, 'ResTarget'), 'name') ?? '');
    const names = listed.length > 0 ? listed : (target.relation?.columns.map((column) => column.name) ?? []);
    const inserted = names.map((name, index) => ({
      name,
      origin: rows.open ? everything(rows) : (rows.columns[index]?.origin ?? NOTHING),
    }));
    const conflict = child(body, 'onConflictClause');
    const columns = inserted.map(({ name, origin }) => flow(name, origin));
    if (names.length === 0) columns.push(flow(undefined, everything(rows)));
    this.#write(target, false, columns);
    if (text(conflict, 'action') !== 'ONCONFLICT_UPDATE') return;
    const there = this.#tracer.environment(environment.ctes);
    there.sources.push({ alias, ...unmarked(target) }, { alias: 'excluded', columns: inserted, open: undefined });
    this.#write(target, true, this.#assignments(list(conflict, 'targetList'), there));
  }

  #merge(body: Tree, target: Target | undefined, environment: Environment<Item>): void {
    this.#tracer.from(part(body, 'sourceRelation'), environment);
    for (const item of list(body, 'mergeWhenClauses')) {
      const clause = as(item, 'MergeWhenClause');
      const targets = list(clause, 'targetList');
      if (text(clause, 'commandType') !== 'CMD_INSERT') {
        this.#write(target, true, this.#assignments(targets, environment));
        continue;
      }
      const listed = targets.map((column) => text(as(column, 'ResTarget'), 'name'));
      const names = listed.length > 0 ? listed : target?.relation?.columns.map((column) => column.name);
      const values = list(clause, 'values').map((value) => this.#tracer.expression(value, environment));
      this.#write(
        target,
        false,
        values.map((origin, index) => flow(names?.[index], origin)),
      );
    }
  }

  #assignments(targets: readonly unknown[], environment: Environment<Item>): ColumnWrite[] {
    return targets.map((item) => {
      const target = as(item, 'ResTarget');
      return flow(text(target, 'name'), this.#assigned(part(target, 'val'), environment));
    });
  }

  /** `(a, b) = (…)`: the tree repeats the right side for each column. */
  #assigned(value: unknown, environment: Environment<Item>): Origin<Item> {
    const several = as(value, 'MultiAssignRef');
    if (!several) return this.#tracer.expression(value, environment);
    const index = (number(several, 'colno') ?? 1) - 1;
    const source = part(several, 'source');
    const row = as(source, 'RowExpr');
    if (row) return this.#tracer.expression(list(row, 'args')[index], environment);
    const query = as(part(as(source, 'SubLink'), 'subselect'), 'SelectStmt');
    if (!query) return this.#tracer.expression(source, environment);
    const rows = this.#tracer.select(query, environment, environment.ctes);
    return rows.open ? everything(rows) : (rows.columns[index]?.origin ?? NOTHING);
  }

  #write(target: Target | undefined, overwrites: boolean, columns: readonly ColumnWrite[]): void {
    if (!target || target.temporary || columns.length === 0) return;
    this.writes.push({ ...identity(target), overwrites, columns });
  }

  #writtenSince(index: number): Origin<Item>[] {
    return this.writes.slice(index).flatMap((write) => write.columns.map(itemsOf));
  }

  // Relations.

  #target(rangeVar: Tree | undefined): Target | undefined {
    if (!rangeVar) return undefined;
    const resolved = this.#names.resolve(relationName(rangeVar));
    switch (resolved.kind) {
      case 'relation':
        return { relation: resolved.relation, name: `${resolved.relation.schema}.${resolved.relation.name}` };
      case 'new':
      case 'system':
        return { relation: undefined, name: `${resolved.schema}.${resolved.name}` };
      case 'temporary':
        return { relation: undefined, name: resolved.name, temporary: true };
      default:
        // The statement is refused for the name.
        return undefined;
    }
  }

  #relation(rangeVar: Tree): Rows<Item> {
    const resolved = this.#names.resolve(relationName(rangeVar));
    if (resolved.kind === 'relation') return this.#columns(resolved.relation);
    if (resolved.kind !== 'system') return { columns: [], open: UNFOLLOWED };
    const relation = this.#names.index.relation(resolved.schema, resolved.name);
    return relation ? unmarked({ relation, name: '' }) : { columns: [], open: NOTHING };
  }

  #columns(relation: CatalogRelation): Rows<Item> {
    let rows = this.#rows.get(relation.oid);
    if (!rows) {
      const columns = relation.columns.map(({ name }) => {
        const item: Item = { kind: 'column', relation: relation.oid, column: name };
        return { name, origin: new Set([item]) };
      });
      rows = { columns, open: undefined };
      this.#rows.set(relation.oid, rows);
    }
    return rows;
  }
}

/** WITH may hold statements that change rows at the top of a query only. */
function changesInWith(select: Tree): boolean {
  const ctes = list(child(select, 'withClause'), 'ctes').map((item) => as(item, 'CommonTableExpr'));
  return ctes.some((cte) => as(part(cte, 'ctequery'), 'SelectStmt') === undefined);
}

interface Target {
  readonly relation: CatalogRelation | undefined;
  readonly name: string;
  /** Lives in this session only: it may hold what its people see. */
  readonly temporary?: boolean;
}

const NO_ROWS: Rows<Item> = { columns: [], open: undefined };

function identity({ relation, name }: Target): Pick<RelationWrite, 'relation' | 'name'> {
  return { relation: relation?.oid, name };
}

/** A relation whose columns mean nothing here. */
function unmarked(target: Target | undefined): Rows<Item> {
  if (target?.temporary) return { columns: [], open: UNFOLLOWED };
  const columns = (target?.relation?.columns ?? []).map(({ name }) => ({ name, origin: NOTHING }));
  return { columns, open: target?.relation ? undefined : NOTHING };
}

/** Literals and parameters; counting and asking for NULL carry no value on. */
function leaf(tag: string, body: Tree, whole: boolean, parameters: boolean): Origin<Item> | undefined {
  switch (tag) {
    case 'A_Const': {
      const value = constant({ A_Const: body });
      const bits = text(child(body, 'bsval'), 'bsval');
      if (bits !== undefined) return new Set([constantItem(bits.slice(1), body, whole)]);
      return typeof value === 'string' ? new Set([constantItem(value, body, whole)]) : NOTHING;
    }
    case 'ParamRef':
      return parameters ? new Set<Item>([{ kind: 'parameter', number: number(body, 'number') ?? 0, whole }]) : ARGUMENT;
    case 'NullTest':
    case 'TypeName':
      return NOTHING;
    case 'FuncCall':
      return isCount(words(list(body, 'funcname'))) ? NOTHING : undefined;
    default:
      return undefined;
  }
}

function constantItem(value: string, body: Tree, whole: boolean): Item {
  return { kind: 'constant', value, whole, offset: location(body) };
}

function isCount(name: readonly string[]): boolean {
  return name.at(-1) === 'count' && (name.length === 1 || name[0] === 'pg_catalog');
}

function flow(column: string | undefined, origin: Origin<Item>): ColumnWrite {
  const sources = new Map<Oid, Set<string>>();
  const constants: WrittenConstant[] = [];
  const parameters: WrittenParameter[] = [];
  let unfollowed = false;
  let fromArguments = false;
  for (const item of origin) {
    if (item.kind === 'column') {
      const columns = sources.get(item.relation) ?? new Set();
      sources.set(item.relation, columns.add(item.column));
    } else if (item.kind === 'constant') {
      const { value, whole, offset } = item;
      constants.push(offset < 0 ? { value, whole } : { value, whole, offset });
    } else if (item.kind === 'parameter') {
      parameters.push({ number: item.number, whole: item.whole });
    } else if (item.kind === 'unfollowed') unfollowed = true;
    else fromArguments = true;
  }
  return { column, sources, unfollowed, constants, parameters, fromArguments };
}

function itemsOf(write: ColumnWrite): Origin<Item> {
  const items = new Set<Item>();
  for (const [relation, columns] of write.sources) {
    if (columns !== 'all') for (const column of columns) items.add({ kind: 'column', relation, column });
  }
  for (const { value, whole, offset = -1 } of write.constants) items.add({ kind: 'constant', value, whole, offset });
  for (const { number: index, whole } of write.parameters) items.add({ kind: 'parameter', number: index, whole });
  if (write.unfollowed) for (const item of UNFOLLOWED) items.add(item);
  if (write.fromArguments) for (const item of ARGUMENT) items.add(item);
  return items;
}

/** A prepared statement's write with what EXECUTE gives in the place of its parameters. */
function withParameters(column: ColumnWrite, given: readonly Origin<Item>[]): ColumnWrite {
  const items = new Set<Item>();
  for (const item of itemsOf({ ...column, parameters: [] })) {
    // Its literals stand in another text.
    items.add(item.kind === 'constant' ? { ...item, offset: -1 } : item);
  }
  for (const { number: index, whole } of column.parameters) {
    for (const item of given[index - 1] ?? []) {
      items.add('whole' in item ? { ...item, whole: item.whole && whole } : item);
    }
  }
  return flow(column.column, items);
}
