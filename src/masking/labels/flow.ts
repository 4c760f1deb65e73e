import type { CatalogRelation, CatalogSnapshot, CatalogType, Oid } from '../../model/catalog.ts';
import type { Lineage, ViewLineage } from '../../model/statement.ts';

/** Labels of one relation while they are worked out: they only ever grow. */
export interface LabelState {
  readonly table: Set<string>;
  readonly columns: Map<string, Set<string>>;
}

export interface Ground {
  readonly catalog: CatalogSnapshot;
  readonly lineage: Lineage;
  readonly state: Map<Oid, LabelState>;
  /** Every label of the connection: what may come out of a view that is not understood. */
  readonly all: ReadonlySet<string>;
  /** `<oid>.<attnum>` of what a person has named in a label file; attnum 0 is the relation itself. */
  readonly named: ReadonlySet<string>;
}

type Labels = ReadonlySet<string> | undefined;
/** One way from a source to a target; true when the target learnt something. */
type Step = () => boolean;

const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema']);
const UNKNOWN: ViewLineage = { columns: new Map(), relations: new Set(), unknown: true };

/** Lets labels flow along every way values take, until nothing changes. Sets only grow and are bounded by `all`, so it ends. */
export function flow(ground: Ground): void {
  const steps: Step[] = [];
  for (const relation of ground.catalog.relations.values()) {
    steps.push(
      ...familySteps(ground, relation),
      ...generatedSteps(ground, relation),
      ...rowTypeSteps(ground, relation),
      ...viewSteps(ground, relation),
    );
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const step of steps) if (step()) changed = true;
  }
}

/** Partitions and inheritance children, in both directions: a parent shows its children's rows. */
function familySteps({ catalog, state }: Ground, child: CatalogRelation): Step[] {
  const steps: Step[] = [];
  for (const oid of child.parents) {
    const parent = catalog.relations.get(oid);
    if (!parent) continue;
    const shared = new Set(parent.columns.map(({ name }) => name));
    for (const [from, to] of [
      [parent.oid, child.oid],
      [child.oid, parent.oid],
    ] as const) {
      steps.push(() => toTable(state, to, state.get(from)?.table));
      for (const { name } of child.columns) {
        if (shared.has(name)) steps.push(() => toColumn(state, to, name, state.get(from)?.columns.get(name)));
      }
    }
  }
  return steps;
}

function generatedSteps({ state }: Ground, relation: CatalogRelation): Step[] {
  const names = new Map(relation.columns.map(({ attnum, name }) => [attnum, name]));
  return relation.columns.flatMap((column) =>
    (column.generatedFrom ?? []).map((attnum) => () => {
      const source = names.get(attnum);
      return (
        source !== undefined && toColumn(state, relation.oid, column.name, state.get(relation.oid)?.columns.get(source))
      );
    }),
  );
}

function rowTypeSteps({ catalog, state }: Ground, relation: CatalogRelation): Step[] {
  return relation.columns.flatMap((column) => {
    const row = rowTypeRelation(catalog, column.typeOid);
    return row === undefined ? [] : [() => toColumn(state, relation.oid, column.name, everything(state.get(row)))];
  });
}

/** The relation whose row type this type is, through arrays and domains. */
function rowTypeRelation(catalog: CatalogSnapshot, typeOid: Oid): Oid | undefined {
  let type: CatalogType | undefined = catalog.types.get(typeOid);
  // The catalog cannot hold deeper nesting than a person has typed; the bound is for a catalog that lies.
  for (let depth = 0; type && depth < 64; depth++) {
    if (type.kind === 'composite') return type.relation;
    const inner: Oid | undefined = type.element ?? type.base;
    type = inner === undefined ? undefined : catalog.types.get(inner);
  }
  return undefined;
}

function viewSteps(ground: Ground, view: CatalogRelation): Step[] {
  if (view.kind !== 'view' && view.kind !== 'materialized-view') return [];
  const { lineage, state, all, named } = ground;
  const read = lineage.get(view.oid) ?? UNKNOWN;
  // Views of the server and of extensions read its catalogs and counters; those of them that echo values are labelled by name.
  if (SYSTEM_SCHEMAS.has(view.schema) || view.extension !== undefined) return [];
  const steps: Step[] = [];
  for (const oid of read.relations) steps.push(() => toTable(state, view.oid, state.get(oid)?.table));
  if (read.unknown && !named.has(`${view.oid}.0`)) steps.push(() => toTable(state, view.oid, allTables(state)));
  for (const { name, attnum } of view.columns) {
    if (read.unknown && !named.has(`${view.oid}.${attnum}`)) steps.push(() => toColumn(state, view.oid, name, all));
    for (const origin of originsOf(read, name)) {
      const dot = origin.indexOf('.');
      const oid = Number(origin.slice(0, dot));
      const column = origin.slice(dot + 1);
      steps.push(() => toColumn(state, view.oid, name, state.get(oid)?.columns.get(column)));
    }
  }
  for (const oid of view.reads ?? []) steps.push(...nestedSteps(ground, view, oid));
  return steps;
}

/** Lineage looks through nested views to the tables; labels that stand on the inner view itself take the direct way. */
function nestedSteps({ catalog, lineage, state }: Ground, outer: CatalogRelation, oid: Oid): Step[] {
  const inner = catalog.relations.get(oid);
  if (!inner || (inner.kind !== 'view' && inner.kind !== 'materialized-view')) return [];
  const innerRead = lineage.get(oid) ?? UNKNOWN;
  const outerRead = lineage.get(outer.oid) ?? UNKNOWN;
  const steps: Step[] = [() => toTable(state, outer.oid, state.get(oid)?.table)];
  for (const source of inner.columns) {
    const from = originsOf(innerRead, source.name);
    for (const target of outer.columns) {
      const to = originsOf(outerRead, target.name);
      // A column that comes from no table (a constant, a function) cannot be followed: it may stand in any column outside.
      if (from.size > 0 && ![...from].some((origin) => to.has(origin))) continue;
      steps.push(() => toColumn(state, outer.oid, target.name, state.get(oid)?.columns.get(source.name)));
    }
  }
  return steps;
}

const originsOf = (read: ViewLineage, column: string): ReadonlySet<string> => read.columns.get(column) ?? new Set();

function everything(state: LabelState | undefined): Labels {
  if (!state) return undefined;
  const labels = new Set(state.table);
  for (const column of state.columns.values()) for (const label of column) labels.add(label);
  return labels;
}

function allTables(state: ReadonlyMap<Oid, LabelState>): Labels {
  const labels = new Set<string>();
  for (const { table } of state.values()) for (const label of table) labels.add(label);
  return labels;
}

function toTable(state: Map<Oid, LabelState>, oid: Oid, labels: Labels): boolean {
  return labels !== undefined && labels.size > 0 && grow(stateOf(state, oid).table, labels);
}

function toColumn(state: Map<Oid, LabelState>, oid: Oid, name: string, labels: Labels): boolean {
  if (labels === undefined || labels.size === 0) return false;
  const { columns } = stateOf(state, oid);
  let column = columns.get(name);
  if (!column) {
    column = new Set();
    columns.set(name, column);
  }
  return grow(column, labels);
}

/** The entry of a relation, made when it has none yet. */
export function stateOf(state: Map<Oid, LabelState>, oid: Oid): LabelState {
  let entry = state.get(oid);
  if (!entry) {
    entry = { table: new Set(), columns: new Map() };
    state.set(oid, entry);
  }
  return entry;
}

function grow(target: Set<string>, labels: ReadonlySet<string>): boolean {
  const before = target.size;
  for (const label of labels) target.add(label);
  return target.size > before;
}
