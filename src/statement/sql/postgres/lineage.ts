import type { CatalogRelation, CatalogSnapshot, Oid, SessionContext } from '../../../model/catalog.ts';
import type { Lineage, ViewLineage } from '../../../model/statement.ts';
import { grammarOf, type PostgresAnalyser, type StatementAnalyser } from './analyser.ts';
import { Names, relationName, SYSTEM_SCHEMAS } from './names.ts';
import { type OutputColumn, type Rows, ValueTracer } from './tracing.ts';
import { as, part, type Tree } from './tree.ts';

type BaseColumn = `${Oid}.${string}`;
type Origin = ReadonlySet<BaseColumn>;

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
  readonly #tracer = new ValueTracer<BaseColumn>({
    relation: (rangeVar) => this.#relationColumns(rangeVar),
    leaf: () => undefined,
    unknownName: () => NOTHING,
    // A view cannot hold one.
    changing: () => ({ columns: [], open: undefined }),
    spend: () => undefined,
  });

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

  #outputs(definition: string, analyser: PostgresAnalyser): readonly OutputColumn<BaseColumn>[] | undefined {
    const parsed = analyser.grammar.parse(definition);
    const select = parsed.ok ? as(part(parsed.statements[0], 'stmt'), 'SelectStmt') : undefined;
    const rows = select && this.#tracer.select(select, undefined, new Map());
    return rows?.open ? undefined : rows?.columns;
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

  #relationColumns(rangeVar: Tree): Rows<BaseColumn> {
    const resolved = this.#names.resolve(relationName(rangeVar));
    if (resolved.kind !== 'relation') return { columns: [], open: undefined };
    const columns = resolved.relation.columns.map((column) => ({
      name: column.name,
      origin: this.#columnsOf(resolved.relation, column.name),
    }));
    return { columns, open: undefined };
  }
}
