import type { CatalogRelation, CatalogSnapshot, Oid, SessionContext } from '../../../model/catalog.ts';
import type { Lineage, ViewLineage } from '../../../model/statement.ts';
import { grammarOf, type PostgresAnalyser, type StatementAnalyser } from './analyser.ts';
import { Names, relationName, SYSTEM_SCHEMAS } from './names.ts';
import { as, child, flag, isTree, list, number, part, type Tree, tagged, text, words } from './tree.ts';

type BaseColumn = `${Oid}.${string}`;
type Origin = ReadonlySet<BaseColumn>;

interface OutputColumn {
  readonly name: string | undefined;
  readonly origin: Origin;
}

/** Something in a FROM list: what its columns derive from. */
interface Source {
  readonly alias: string | undefined;
  readonly columns: readonly OutputColumn[];
  /** Column names are not known (a function, a JSON table): any name may be one of it. */
  readonly open: Origin | undefined;
}

interface Environment {
  readonly sources: Source[];
  readonly ctes: ReadonlyMap<string, readonly OutputColumn[]>;
  readonly outer: Environment | undefined;
}

const NOTHING: Origin = new Set();

/**
 * For each view and materialised view, the base columns that each of its columns may derive from. Conditions (WHERE, JOIN … ON) do
 * not count as derivation; whatever is not understood exactly derives from every column the definition names.
 */
export function viewLineage(catalog: CatalogSnapshot, analyser: StatementAnalyser): Lineage {
  const tracer = new Tracer(catalog, grammarOf(analyser));
  const lineage = new Map<Oid, ViewLineage>();
  for (const relation of catalog.relations.values()) {
    if (SYSTEM_SCHEMAS.has(relation.schema)) continue;
    if (relation.kind === 'view' || relation.kind === 'materialized-view')
      lineage.set(relation.oid, tracer.view(relation));
  }
  return lineage;
}

/** Everything stands with its schema in a definition read under an empty search_path. */
const DEFINITION_SESSION: SessionContext = {
  searchPath: ['pg_catalog'],
  temporary: [],
  temporaryFunctions: [],
  currentUser: '',
  standardConformingStrings: true,
};

class Tracer {
  readonly #catalog: CatalogSnapshot;
  readonly #analyser: PostgresAnalyser | undefined;
  readonly #names: Names;
  readonly #done = new Map<Oid, ViewLineage>();
  readonly #running = new Set<Oid>();

  constructor(catalog: CatalogSnapshot, analyser: PostgresAnalyser | undefined) {
    this.#catalog = catalog;
    this.#analyser = analyser;
    this.#names = new Names(catalog, DEFINITION_SESSION);
  }

  view(relation: CatalogRelation): ViewLineage {
    const known = this.#done.get(relation.oid);
    if (known) return known;
    if (this.#running.has(relation.oid)) return this.#unknown(relation);
    this.#running.add(relation.oid);
    const lineage = this.#trace(relation);
    this.#running.delete(relation.oid);
    this.#done.set(relation.oid, lineage);
    return lineage;
  }

  #trace(view: CatalogRelation): ViewLineage {
    const analyser = this.#analyser;
    if (view.definition === undefined || !analyser) return this.#unknown(view);
    const script = analyser.analyse(view.definition, {
      catalog: this.#catalog,
      session: DEFINITION_SESSION,
      connection: this.#catalog.connection,
      objects: { prepared: () => undefined, cursor: () => undefined },
    });
    if ('kind' in script || script.statements.length !== 1) return this.#unknown(view);
    const read = this.#baseRelations(
      script.statements.flatMap((statement) => statement.sites.map((site) => site.relation)),
    );
    const hazards = script.statements.flatMap((statement) => statement.hazards);
    if (hazards.some((hazard) => hazard.applies !== 'hidden-here')) return this.#unknown(view, read.relations);
    // A function that reads relations by itself: its columns may stand anywhere.
    const everywhere = new Set<BaseColumn>();
    for (const site of script.statements.flatMap((statement) => statement.sites)) {
      if (site.form !== 'behind') continue;
      const relation = this.#catalog.relations.get(site.relation);
      for (const column of relation?.columns ?? []) {
        if (site.columns === 'all' || site.columns.has(column.name)) {
          for (const origin of this.#columnsOf(relation, column.name)) everywhere.add(origin);
        }
      }
    }
    const outputs = this.#outputs(view.definition, analyser);
    const columns = new Map<string, Origin>();
    view.columns.forEach((column, index) => {
      const output = outputs?.length === view.columns.length ? outputs[index] : undefined;
      const origin = output ? new Set(output.origin) : new Set(read.columns);
      for (const item of everywhere) origin.add(item);
      columns.set(column.name, origin);
    });
    return { columns, relations: read.relations, unknown: read.unknown };
  }

  #unknown(view: CatalogRelation, read: ReadonlySet<Oid> = new Set()): ViewLineage {
    const relations = new Set([...read, ...this.#baseRelations(view.reads ?? []).relations]);
    return { columns: new Map(view.columns.map((column) => [column.name, NOTHING])), relations, unknown: true };
  }

  #outputs(definition: string, analyser: PostgresAnalyser): readonly OutputColumn[] | undefined {
    const parsed = analyser.grammar.parse(definition);
    const select = parsed.ok ? as(part(parsed.statements[0], 'stmt'), 'SelectStmt') : undefined;
    return select && this.#select(select, undefined, new Map());
  }

  /** Base relations under some relations, and all their columns. */
  #baseRelations(oids: readonly Oid[]): { relations: Set<Oid>; columns: Set<BaseColumn>; unknown: boolean } {
    const relations = new Set<Oid>();
    const columns = new Set<BaseColumn>();
    let unknown = false;
    for (const oid of oids) {
      const relation = this.#catalog.relations.get(oid);
      if (!relation) continue;
      if (relation.kind === 'view' || relation.kind === 'materialized-view') {
        const inner = this.view(relation);
        for (const base of inner.relations) relations.add(base);
        for (const origin of inner.columns.values()) for (const item of origin) columns.add(item);
        unknown ||= inner.unknown;
      } else {
        relations.add(oid);
        for (const column of relation.columns) columns.add(`${oid}.${column.name}`);
      }
    }
    return { relations, columns, unknown };
  }

  #columnsOf(relation: CatalogRelation | undefined, column: string): Origin {
    if (!relation) return NOTHING;
    if (relation.kind !== 'view' && relation.kind !== 'materialized-view')
      return new Set<BaseColumn>([`${relation.oid}.${column}`]);
    return this.view(relation).columns.get(column) ?? NOTHING;
  }

  // Queries.

  #select(
    body: Tree,
    outer: Environment | undefined,
    ctes: ReadonlyMap<string, readonly OutputColumn[]>,
  ): readonly OutputColumn[] {
    const environment: Environment = { sources: [], ctes: this.#with(child(body, 'withClause'), outer, ctes), outer };
    const left = child(body, 'larg');
    const right = child(body, 'rarg');
    if (left && right) {
      const first = this.#select(left, outer, environment.ctes);
      const second = this.#select(right, outer, environment.ctes);
      return first.map((column, index) => ({
        name: column.name,
        origin: union([column.origin, second[index]?.origin ?? NOTHING]),
      }));
    }
    const values = list(body, 'valuesLists');
    if (values.length > 0) {
      const rows = values.map((row) =>
        list(as(row, 'List'), 'items').map((item) => this.#expression(item, environment)),
      );
      return (rows[0] ?? []).map((_, index) => ({
        name: `column${index + 1}`,
        origin: union(rows.map((row) => row[index] ?? NOTHING)),
      }));
    }
    for (const item of list(body, 'fromClause')) this.#from(item, environment);
    return list(body, 'targetList').flatMap((item) => this.#target(as(item, 'ResTarget'), environment));
  }

  #with(
    clause: Tree | undefined,
    outer: Environment | undefined,
    ctes: ReadonlyMap<string, readonly OutputColumn[]>,
  ): ReadonlyMap<string, readonly OutputColumn[]> {
    if (!clause) return ctes;
    const visible = new Map(ctes);
    for (const item of list(clause, 'ctes')) {
      const cte = as(item, 'CommonTableExpr');
      const name = text(cte, 'ctename') ?? '';
      const query = as(part(cte, 'ctequery'), 'SelectStmt');
      const renames = words(list(cte, 'aliascolnames'));
      if (flag(clause, 'recursive')) {
        // A column of a recursive query may come from any other column of it on the way round.
        const before = query ? this.#recursiveStart(query, outer, visible, renames) : [];
        visible.set(name, before);
        const once = query ? this.#select(query, outer, visible) : [];
        const all = union(once.map((column) => column.origin));
        visible.set(
          name,
          renamed(
            once.map((column) => ({ name: column.name, origin: all })),
            renames,
          ),
        );
      } else {
        visible.set(name, renamed(query ? this.#select(query, outer, visible) : [], renames));
      }
    }
    return visible;
  }

  /** Columns of the non-recursive term, so that the recursive one can be read once. */
  #recursiveStart(
    query: Tree,
    outer: Environment | undefined,
    ctes: ReadonlyMap<string, readonly OutputColumn[]>,
    renames: readonly string[],
  ): readonly OutputColumn[] {
    const start = child(query, 'larg');
    return start ? renamed(this.#select(start, outer, ctes), renames) : [];
  }

  #from(item: unknown, environment: Environment): void {
    const node = tagged(item);
    if (!node) return;
    const [tag, body] = node;
    const alias = child(body, 'alias');
    const aliasName = text(alias, 'aliasname');
    const renames = words(list(alias, 'colnames'));
    if (tag === 'JoinExpr') {
      const before = environment.sources.length;
      this.#from(part(body, 'larg'), environment);
      this.#from(part(body, 'rarg'), environment);
      if (aliasName !== undefined) {
        const inside = environment.sources.splice(before);
        const columns = inside.flatMap((source) => source.columns);
        const open = inside.some((source) => source.open)
          ? union(inside.map((source) => source.open ?? NOTHING))
          : undefined;
        // USING merges columns, so positions are not followed: every renamed column may be any of them.
        const any = union([...columns.map((column) => column.origin), open ?? NOTHING]);
        environment.sources.push({
          alias: aliasName,
          columns: renames.length > 0 ? renames.map((name) => ({ name, origin: any })) : columns,
          open: renames.length > 0 ? any : open,
        });
      }
      return;
    }
    if (tag === 'RangeTableSample') {
      this.#from(part(body, 'relation'), environment);
      return;
    }
    if (tag === 'RangeVar') {
      const name = relationName(body);
      const cte = name.schema === undefined ? environment.ctes.get(name.name) : undefined;
      const columns = cte ?? this.#relationColumns(body);
      environment.sources.push({ alias: aliasName ?? name.name, columns: renamed(columns, renames), open: undefined });
      return;
    }
    if (tag === 'RangeSubselect') {
      const query = as(part(body, 'subquery'), 'SelectStmt');
      const columns = query ? this.#select(query, environment, environment.ctes) : [];
      environment.sources.push({ alias: aliasName, columns: renamed(columns, renames), open: undefined });
      return;
    }
    environment.sources.push({ alias: aliasName, columns: [], open: this.#expression(item, environment) });
  }

  #relationColumns(rangeVar: Tree): readonly OutputColumn[] {
    const resolved = this.#names.resolve(relationName(rangeVar));
    if (resolved.kind !== 'relation') return [];
    return resolved.relation.columns.map((column) => ({
      name: column.name,
      origin: this.#columnsOf(resolved.relation, column.name),
    }));
  }

  #target(target: Tree | undefined, environment: Environment): readonly OutputColumn[] {
    const value = part(target, 'val');
    const column = as(value, 'ColumnRef');
    const fields = list(column, 'fields');
    const names = words(fields);
    if (column && as(fields[fields.length - 1], 'A_Star')) {
      const qualifier = names[names.length - 1];
      const sources = environment.sources.filter((source) => qualifier === undefined || source.alias === qualifier);
      return sources.flatMap((source) => source.columns);
    }
    return [{ name: text(target, 'name') ?? names[names.length - 1], origin: this.#expression(value, environment) }];
  }

  /** Everything that an expression's value may derive from. */
  #expression(value: unknown, environment: Environment): Origin {
    const found: Origin[] = [];
    const walk = (item: unknown): void => {
      if (Array.isArray(item)) {
        for (const element of item) walk(element);
        return;
      }
      if (!isTree(item)) return;
      const node = tagged(item);
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
        found.push(...this.#select(query, environment, environment.ctes).map((column) => column.origin));
        return;
      }
      const inner = node ? node[1] : item;
      for (const key in inner) walk(inner[key]);
    };
    walk(value);
    return union(found);
  }

  #reference(column: Tree, environment: Environment): Origin {
    const names = words(list(column, 'fields'));
    const name = names[names.length - 1];
    const qualifier = names[names.length - 2];
    if (name === undefined) return union(environment.sources.map(everything));
    for (let at: Environment | undefined = environment; at; at = at.outer) {
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
    return union(allSources(environment).map(everything));
  }
}

function everything(source: Source): Origin {
  return union([...source.columns.map((column) => column.origin), source.open ?? NOTHING]);
}

function allSources(environment: Environment): readonly Source[] {
  return environment.outer ? [...environment.sources, ...allSources(environment.outer)] : environment.sources;
}

function renamed(columns: readonly OutputColumn[], names: readonly string[]): readonly OutputColumn[] {
  return columns.map((column, index) => ({ name: names[index] ?? column.name, origin: column.origin }));
}

function union(origins: readonly Origin[]): Origin {
  if (origins.length === 1 && origins[0]) return origins[0];
  const all = new Set<BaseColumn>();
  for (const origin of origins) for (const item of origin) all.add(item);
  return all;
}
