import type { CatalogRelation, CatalogSnapshot, CatalogType, Oid } from '../../model/catalog.ts';
import type { LabelProvenance } from '../../model/label.ts';
import type { Lineage, ViewLineage } from '../../model/statement.ts';

/** Labels of one relation while they are worked out: they only ever grow. */
export interface LabelState {
  readonly table: Set<string>;
  readonly columns: Map<string, Set<string>>;
  /** By column ('' for the relation itself) and label: why it is there. */
  readonly why: Map<string, Map<string, LabelProvenance[]>>;
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
/** The relation (and column) that hands a label on; `unknown` when a view may show anything. */
type Giver = readonly [relation: Oid, column?: string] | 'unknown';
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
function familySteps(ground: Ground, child: CatalogRelation): Step[] {
  const { catalog, state } = ground;
  const steps: Step[] = [];
  for (const oid of child.parents) {
    const parent = catalog.relations.get(oid);
    if (!parent) continue;
    const shared = new Set(parent.columns.map(({ name }) => name));
    for (const [from, to] of [
      [parent.oid, child.oid],
      [child.oid, parent.oid],
    ] as const) {
      steps.push(() => toTable(ground, to, state.get(from)?.table, [from]));
      for (const { name } of child.columns) {
        if (!shared.has(name)) continue;
        steps.push(() => toColumn(ground, to, name, state.get(from)?.columns.get(name), [from, name]));
      }
    }
  }
  return steps;
}

function generatedSteps(ground: Ground, relation: CatalogRelation): Step[] {
  const names = new Map(relation.columns.map(({ attnum, name }) => [attnum, name]));
  return relation.columns.flatMap((column) =>
    (column.generatedFrom ?? []).map((attnum) => () => {
      const source = names.get(attnum);
      if (source === undefined) return false;
      const labels = ground.state.get(relation.oid)?.columns.get(source);
      return toColumn(ground, relation.oid, column.name, labels, [relation.oid, source]);
    }),
  );
}

function rowTypeSteps(ground: Ground, relation: CatalogRelation): Step[] {
  const { catalog, state } = ground;
  return relation.columns.flatMap((column) => {
    const row = rowTypeRelation(catalog, column.typeOid);
    if (row === undefined) return [];
    return [() => toColumn(ground, relation.oid, column.name, everything(state.get(row)), [row])];
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
  for (const oid of read.relations) steps.push(() => toTable(ground, view.oid, state.get(oid)?.table, [oid]));
  if (read.unknown && !named.has(`${view.oid}.0`))
    steps.push(() => toTable(ground, view.oid, allTables(state), 'unknown'));
  for (const { name, attnum } of view.columns) {
    if (read.unknown && !named.has(`${view.oid}.${attnum}`))
      steps.push(() => toColumn(ground, view.oid, name, all, 'unknown'));
    for (const origin of originsOf(read, name)) {
      const dot = origin.indexOf('.');
      const oid = Number(origin.slice(0, dot));
      const column = origin.slice(dot + 1);
      steps.push(() => toColumn(ground, view.oid, name, state.get(oid)?.columns.get(column), [oid, column]));
    }
  }
  for (const oid of view.reads ?? []) steps.push(...nestedSteps(ground, view, oid));
  return steps;
}

/** Lineage looks through nested views to the tables; labels that stand on the inner view itself take the direct way. */
function nestedSteps(ground: Ground, outer: CatalogRelation, oid: Oid): Step[] {
  const { catalog, lineage, state } = ground;
  const inner = catalog.relations.get(oid);
  if (!inner || (inner.kind !== 'view' && inner.kind !== 'materialized-view')) return [];
  const innerRead = lineage.get(oid) ?? UNKNOWN;
  const outerRead = lineage.get(outer.oid) ?? UNKNOWN;
  const steps: Step[] = [() => toTable(ground, outer.oid, state.get(oid)?.table, [oid])];
  for (const source of inner.columns) {
    const from = originsOf(innerRead, source.name);
    for (const target of outer.columns) {
      const to = originsOf(outerRead, target.name);
      // A column that comes from no table (a constant, a function) cannot be followed: it may stand in any column outside.
      if (from.size > 0 && ![...from].some((origin) => to.has(origin))) continue;
      const given = (): Labels => state.get(oid)?.columns.get(source.name);
      steps.push(() => toColumn(ground, outer.oid, target.name, given(), [oid, source.name]));
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

function toTable(ground: Ground, oid: Oid, labels: Labels, giver: Giver): boolean {
  if (labels === undefined || labels.size === 0) return false;
  const entry = stateOf(ground.state, oid);
  return grow(ground, entry, '', entry.table, labels, giver);
}

function toColumn(ground: Ground, oid: Oid, name: string, labels: Labels, giver: Giver): boolean {
  if (labels === undefined || labels.size === 0) return false;
  const entry = stateOf(ground.state, oid);
  let column = entry.columns.get(name);
  if (!column) {
    column = new Set();
    entry.columns.set(name, column);
  }
  return grow(ground, entry, name, column, labels, giver);
}

/** The entry of a relation, made when it has none yet. */
export function stateOf(state: Map<Oid, LabelState>, oid: Oid): LabelState {
  let entry = state.get(oid);
  if (!entry) {
    entry = { table: new Set(), columns: new Map(), why: new Map() };
    state.set(oid, entry);
  }
  return entry;
}

/** Notes why a label is on a column ('' for the relation itself). */
export function because({ why }: LabelState, column: string, label: string, reason: LabelProvenance): void {
  let ofColumn = why.get(column);
  if (!ofColumn) {
    ofColumn = new Map();
    why.set(column, ofColumn);
  }
  const reasons = ofColumn.get(label);
  if (reasons) reasons.push(reason);
  else ofColumn.set(label, [reason]);
}

function grow(
  { catalog }: Ground,
  entry: LabelState,
  column: string,
  target: Set<string>,
  labels: ReadonlySet<string>,
  giver: Giver,
): boolean {
  const before = target.size;
  for (const label of labels) {
    if (target.has(label)) continue;
    target.add(label);
    because(entry, column, label, reasonOf(catalog, giver));
  }
  return target.size > before;
}

function reasonOf(catalog: CatalogSnapshot, giver: Giver): LabelProvenance {
  if (giver === 'unknown') return { kind: 'unknown-lineage' };
  const [oid, column] = giver;
  const relation = catalog.relations.get(oid);
  const from = [relation?.schema, relation?.name, column].filter((part) => part !== undefined).join('.');
  return { kind: 'inherited', from };
}
