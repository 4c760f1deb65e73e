import { relationName } from './names.ts';
import { as, child, flag, isTree, list, number, part, type Tree, tagged, text, words } from './tree.ts';

/** What a value may derive from. */
export type Origin<T> = ReadonlySet<T>;

export interface OutputColumn<T> {
  readonly name: string | undefined;
  readonly origin: Origin<T>;
}

/** The columns of a query, or of something in a FROM list. */
export interface Rows<T> {
  readonly columns: readonly OutputColumn<T>[];
  /** Names or places of columns are not all known (a function, a star over one): any name and place may derive from this. */
  readonly open: Origin<T> | undefined;
}

/** Common table expressions that can be seen at some place. */
export type CteRows<T> = ReadonlyMap<string, Rows<T>>;

export interface Source<T> extends Rows<T> {
  readonly alias: string | undefined;
}

/** The FROM list of one query level. */
export interface Environment<T> {
  readonly sources: Source<T>[];
  readonly ctes: CteRows<T>;
  readonly outer: Environment<T> | undefined;
  /** USING or NATURAL merged columns: a star does not give those of the sources one after the other. */
  merged: boolean;
}

/** What the tracer asks of whoever uses it. */
export interface Leaves<T> {
  relation(rangeVar: Tree): Rows<T>;
  /** What a node means by itself; undefined: what its parts mean. `whole`: a value is nothing but that, casts aside. */
  leaf(tag: string, body: Tree, whole: boolean): Origin<T> | undefined;
  /** What a name may mean that no relation has as a column. */
  unknownName(): Origin<T>;
  /** The rows of RETURNING of an INSERT, UPDATE, DELETE or MERGE in a WITH clause. */
  changing(tag: string, body: Tree, ctes: CteRows<T>): Rows<T>;
  /** Throws when too much work has been done. */
  spend(steps: number): void;
}

/** The server's own bound (MaxTupleAttributeNumber): what is wider is no result, and its columns are not told apart. */
const MOST_COLUMNS = 1_664;

const NO_ROWS: Rows<never> = { columns: [], open: undefined };

/**
 * Follows values through a query: what each of its columns, or an expression, may derive from. Conditions (WHERE, JOIN … ON) do not
 * count; whatever is not understood exactly derives from all that it could.
 */
export class ValueTracer<T> {
  readonly #leaves: Leaves<T>;

  constructor(leaves: Leaves<T>) {
    this.#leaves = leaves;
  }

  environment(ctes: CteRows<T>, outer?: Environment<T>): Environment<T> {
    return { sources: [], ctes, outer, merged: false };
  }

  select(body: Tree, outer: Environment<T> | undefined, ctes: CteRows<T>): Rows<T> {
    const environment = this.environment(this.with(child(body, 'withClause'), outer, ctes), outer);
    const left = child(body, 'larg');
    const right = child(body, 'rarg');
    if (left && right) {
      return sideBySide(this.select(left, outer, environment.ctes), this.select(right, outer, environment.ctes));
    }
    const values = list(body, 'valuesLists');
    if (values.length > 0) return closed(this.#values(values, environment));
    for (const item of list(body, 'fromClause')) this.from(item, environment);
    return joined(list(body, 'targetList').map((item) => this.#target(as(item, 'ResTarget'), environment)));
  }

  #values(values: readonly unknown[], environment: Environment<T>): readonly OutputColumn<T>[] {
    const columns: Set<T>[] = [];
    for (const row of values) {
      for (const [index, item] of list(as(row, 'List'), 'items').entries()) {
        columns[index] ??= new Set();
        for (const origin of this.expression(item, environment)) columns[index].add(origin);
      }
    }
    return columns.map((origin, index) => ({ name: `column${index + 1}`, origin }));
  }

  with(clause: Tree | undefined, outer: Environment<T> | undefined, ctes: CteRows<T>): CteRows<T> {
    if (!clause) return ctes;
    const visible = new Map(ctes);
    for (const item of list(clause, 'ctes')) {
      const cte = as(item, 'CommonTableExpr');
      const name = text(cte, 'ctename') ?? '';
      const node = tagged(part(cte, 'ctequery'));
      const renames = words(list(cte, 'aliascolnames'));
      if (!node) continue;
      if (node[0] !== 'SelectStmt') {
        visible.set(name, renamed(this.#leaves.changing(node[0], node[1], visible), renames));
      } else if (flag(clause, 'recursive')) {
        // A column of a recursive query may come from any other column of it on the way round.
        const start = child(node[1], 'larg');
        visible.set(name, start ? renamed(this.select(start, outer, visible), renames) : NO_ROWS);
        const once = this.select(node[1], outer, visible);
        const all = everything(once);
        const columns = once.columns.map((column) => ({ name: column.name, origin: all }));
        visible.set(name, renamed({ columns, open: once.open && all }, renames));
      } else {
        visible.set(name, renamed(this.select(node[1], outer, visible), renames));
      }
    }
    return visible;
  }

  from(item: unknown, environment: Environment<T>): void {
    const node = tagged(item);
    if (!node) return;
    const [tag, body] = node;
    const alias = child(body, 'alias');
    const aliasName = text(alias, 'aliasname');
    const renames = words(list(alias, 'colnames'));
    if (tag === 'JoinExpr') {
      this.#join(body, aliasName, renames, environment);
      return;
    }
    if (tag === 'RangeTableSample') {
      this.from(part(body, 'relation'), environment);
      return;
    }
    if (tag === 'RangeVar') {
      const name = relationName(body);
      const cte = name.schema === undefined ? environment.ctes.get(name.name) : undefined;
      const rows = renamed(cte ?? this.#leaves.relation(body), renames);
      environment.sources.push({ alias: aliasName ?? name.name, ...rows });
      return;
    }
    if (tag === 'RangeSubselect') {
      const query = as(part(body, 'subquery'), 'SelectStmt');
      const rows = query ? this.select(query, environment, environment.ctes) : NO_ROWS;
      environment.sources.push({ alias: aliasName, ...renamed(rows, renames) });
      return;
    }
    environment.sources.push({ alias: aliasName, columns: [], open: this.expression(item, environment) });
  }

  #join(body: Tree, aliasName: string | undefined, renames: readonly string[], environment: Environment<T>): void {
    const before = environment.sources.length;
    this.from(part(body, 'larg'), environment);
    this.from(part(body, 'rarg'), environment);
    if (flag(body, 'isNatural') || part(body, 'usingClause') !== undefined) environment.merged = true;
    if (aliasName === undefined) return;
    const inside = environment.sources.splice(before);
    const columns = inside.flatMap((source) => source.columns);
    const any = union(inside.map(everything));
    // USING merges columns, so positions are not followed: every renamed column may be any of them.
    const open = renames.length > 0 || environment.merged || inside.some((source) => source.open) ? any : undefined;
    environment.sources.push({
      alias: aliasName,
      columns: renames.length > 0 ? renames.map((name) => ({ name, origin: any })) : columns,
      open,
    });
  }

  #target(target: Tree | undefined, environment: Environment<T>): Rows<T> {
    const value = part(target, 'val');
    const column = as(value, 'ColumnRef');
    const fields = list(column, 'fields');
    const names = words(fields);
    if (column && as(fields[fields.length - 1], 'A_Star')) {
      const qualifier = names[names.length - 1];
      const sources = environment.sources.filter((source) => qualifier === undefined || source.alias === qualifier);
      // `c.row.*`, or a name of a level around this one.
      if (sources.length === 0) return { columns: [], open: this.expression(value, environment) };
      const rows = joined(sources);
      if (qualifier !== undefined || !environment.merged) return rows;
      return { columns: rows.columns, open: everything(rows) };
    }
    const origin = this.expression(value, environment);
    // `(row).*`
    if (list(as(value, 'A_Indirection'), 'indirection').some((item) => as(item, 'A_Star'))) {
      return { columns: [], open: origin };
    }
    return closed([{ name: text(target, 'name') ?? names[names.length - 1], origin }]);
  }

  /** Everything that an expression's value may derive from. */
  expression(value: unknown, environment: Environment<T>): Origin<T> {
    const found: Origin<T>[] = [];
    const whole = withoutCasts(value);
    const walk = (item: unknown): void => {
      if (Array.isArray(item)) {
        for (const element of item) walk(element);
        return;
      }
      if (!isTree(item)) return;
      const node = tagged(item);
      this.#leaves.spend(1);
      const leaf = node && this.#leaves.leaf(node[0], node[1], item === whole);
      if (leaf) {
        found.push(leaf);
        return;
      }
      if (node?.[0] === 'ColumnRef') {
        found.push(this.#reference(node[1], environment));
        return;
      }
      if (
        node?.[0] === 'SelectStmt' ||
        number(item, 'limitOption') !== undefined ||
        text(item, 'limitOption') !== undefined
      ) {
        const query = node ? node[1] : item;
        found.push(everything(this.select(query, environment, environment.ctes)));
        return;
      }
      const inner = node ? node[1] : item;
      for (const key in inner) walk(inner[key]);
    };
    walk(value);
    return union(found);
  }

  #reference(column: Tree, environment: Environment<T>): Origin<T> {
    const names = words(list(column, 'fields'));
    const name = names[names.length - 1];
    const qualifier = names[names.length - 2];
    if (name === undefined) return union(environment.sources.map(everything));
    for (let at: Environment<T> | undefined = environment; at; at = at.outer) {
      this.#leaves.spend(at.sources.reduce((sum, source) => sum + 1 + source.columns.length, 1));
      const candidates =
        qualifier === undefined ? at.sources : at.sources.filter((source) => source.alias === qualifier);
      const found = candidates.flatMap((source) => [
        ...source.columns.filter((candidate) => candidate.name === name).map((candidate) => candidate.origin),
        ...(source.open ? [source.open] : []),
      ]);
      const rows = at.sources.filter((source) => source.alias === name).map(everything);
      if (found.length + rows.length > 0) return union([...found, ...rows]);
      // A field of a row, `c.f` as a function of c, or a name this tracer lost: all of what stands before the dot.
      if (candidates.length > 0 && qualifier !== undefined) return union(candidates.map(everything));
    }
    return union([...allSources(environment).map(everything), this.#leaves.unknownName()]);
  }
}

function withoutCasts(value: unknown): unknown {
  let at = value;
  for (let cast = as(at, 'TypeCast'); cast; cast = as(at, 'TypeCast')) at = part(cast, 'arg');
  return at;
}

/** All that any column may derive from. */
export function everything<T>({ columns, open }: Rows<T>): Origin<T> {
  return union([...columns.map((column) => column.origin), ...(open ? [open] : [])]);
}

function closed<T>(columns: readonly OutputColumn<T>[]): Rows<T> {
  return { columns, open: undefined };
}

/** Columns one after the other. */
function joined<T>(parts: readonly Rows<T>[]): Rows<T> {
  const columns = parts.flatMap((rows) => rows.columns);
  if (columns.length > MOST_COLUMNS) return { columns: [], open: union(parts.map(everything)) };
  const open = parts.some((rows) => rows.open) ? union(parts.map(everything)) : undefined;
  return { columns, open };
}

/** The rows of one query and of another, as UNION gives them. */
function sideBySide<T>(first: Rows<T>, second: Rows<T>): Rows<T> {
  const open = first.open || second.open ? union([everything(first), everything(second)]) : undefined;
  const columns = first.columns.map((column, index) => ({
    name: column.name,
    origin: open ?? union([column.origin, second.columns[index]?.origin ?? new Set<T>()]),
  }));
  return { columns, open };
}

function allSources<T>(environment: Environment<T>): readonly Source<T>[] {
  return environment.outer ? [...environment.sources, ...allSources(environment.outer)] : environment.sources;
}

function renamed<T>({ columns, open }: Rows<T>, names: readonly string[]): Rows<T> {
  // A renamed column of something open may be any of its columns; by its new name it is found there.
  return {
    columns: columns.map((column, index) => ({ name: names[index] ?? column.name, origin: column.origin })),
    open,
  };
}

export function union<T>(origins: readonly Origin<T>[]): Origin<T> {
  if (origins.length === 1 && origins[0]) return origins[0];
  const all = new Set<T>();
  for (const origin of origins) for (const item of origin) all.add(item);
  return all;
}
