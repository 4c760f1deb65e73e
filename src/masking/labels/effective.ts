import type { CatalogColumn, CatalogRelation, CatalogSnapshot, Oid } from '../../model/catalog.ts';
import type { LabelProvenance } from '../../model/label.ts';
import type { LabelFile, RelationLabels } from '../../model/mask.ts';
import type { Lineage } from '../../model/statement.ts';
import { parseIdentifier, parseRelationName } from '../sql-name.ts';
import { echoingColumns } from './builtin.ts';
import { because, flow, type LabelState, stateOf } from './flow.ts';
import { TABLE_KEY } from './parse.ts';
import type { LabelProblem } from './problem.ts';
import { followRenames, type PlacedLabel, parseSticky, type StickyLabel } from './sticky.ts';

/** The labels of one connection, after inheritance. Immutable. */
export interface Effective {
  /** Relations with any label, on themselves or on a column. */
  readonly relations: ReadonlyMap<Oid, RelationLabels>;
  of(oid: Oid): RelationLabels;
  /** Labels of the relation of exactly this name. */
  tableLabels(schema: string, table: string): readonly string[];
  /** Why a column (the relation itself: '') has a label; empty when it has not. */
  why(oid: Oid, column: string, label: string): readonly LabelProvenance[];
  /** A person has named the column in a label file, maybe to say that nothing about it is sensitive. */
  reviewed(oid: Oid, attnum: number): boolean;
  readonly problems: readonly LabelProblem[];
  /** To be stored and given back as `sticky` the next time. */
  readonly sticky: readonly StickyLabel[];
}

const NONE: RelationLabels = { table: [], columns: new Map() };

/**
 * Which labels each relation and column of a catalog has.
 *
 * A label spreads to whatever shows the same values: to generated columns, between partitions or inheritance children and their
 * parents (by column name, in both directions: a parent shows its children's rows), to views and materialised views by lineage, to
 * columns whose type is a labelled relation's row type. A view whose definition is not understood may show anything, so it gets
 * every label of the connection, except on columns that a file names.
 * @param files All label files; those of other connections are passed over.
 * @param lineage What views read; a view missing from it is unknown.
 * @param sticky What the last call gave as `sticky`, or nothing.
 * @throws MaskingError ERR_MASKING_STICKY_MALFORMED when `sticky` is something else.
 */
export function effectiveLabels(
  catalog: CatalogSnapshot,
  files: readonly LabelFile[],
  lineage: Lineage,
  sticky: unknown = [],
): Effective {
  const problems: LabelProblem[] = [];
  const placed = merged(
    files
      .filter(({ connection }) => connection === catalog.connection)
      .flatMap((file) => place(catalog, file, problems)),
  );
  const followed = followRenames(catalog, placed, parseSticky(sticky));
  problems.push(...followed.problems);

  const state = new Map<Oid, LabelState>();
  for (const { relation, attnum, labels, notes } of placed)
    seed(catalog, state, relation, attnum, labels, (label) =>
      (notes ?? []).filter((note) => note.label === label).map((note) => ({ kind: 'file', ...note })),
    );
  for (const { relation, attnum, labels, schema, name, column } of followed.kept)
    seed(catalog, state, relation, attnum, labels, () => [
      { kind: 'renamed', from: [schema, name, column].filter((part) => part !== '').join('.') },
    ]);
  const all = new Set<string>();
  for (const { table, columns } of state.values()) {
    for (const label of table) all.add(label);
    for (const labels of columns.values()) for (const label of labels) all.add(label);
  }
  const named = new Set(placed.map(({ relation, attnum }) => `${relation}.${attnum}`));
  if (all.size > 0) {
    for (const relation of catalog.relations.values()) {
      const echoing = new Set(echoingColumns(relation));
      if (echoing.size === 0) continue;
      for (const column of relation.columns) {
        if (echoing.has(column.name))
          seed(catalog, state, relation.oid, column.attnum, [...all], () => [{ kind: 'built-in' }]);
      }
    }
    flow({ catalog, lineage, state, all, named });
  }

  const relations = new Map<Oid, RelationLabels>();
  const byName = new Map<string, readonly string[]>();
  for (const [oid, { table, columns }] of state) {
    const relation = catalog.relations.get(oid);
    const labelled = [...columns].filter(([, labels]) => labels.size > 0);
    if (!relation || (table.size === 0 && labelled.length === 0)) continue;
    const labels = { table: sorted(table), columns: new Map(labelled.map(([name, set]) => [name, sorted(set)])) };
    relations.set(oid, labels);
    byName.set(`${relation.schema}\0${relation.name}`, labels.table);
  }
  return {
    relations,
    of: (oid) => relations.get(oid) ?? NONE,
    tableLabels: (schema, table) => byName.get(`${schema}\0${table}`) ?? [],
    why: (oid, column, label) => state.get(oid)?.why.get(column)?.get(label) ?? [],
    reviewed: (oid, attnum) => named.has(`${oid}.${attnum}`),
    problems,
    sticky: followed.next,
  };
}

const sorted = (labels: ReadonlySet<string>): readonly string[] => [...labels].sort();

function seed(
  catalog: CatalogSnapshot,
  state: Map<Oid, LabelState>,
  oid: Oid,
  attnum: number,
  labels: readonly string[],
  why: (label: string) => readonly LabelProvenance[],
): void {
  const relation = catalog.relations.get(oid);
  if (!relation) return;
  const entry = stateOf(state, oid);
  const column = relation.columns.find((candidate) => candidate.attnum === attnum);
  const target = column ? (entry.columns.get(column.name) ?? new Set<string>()) : entry.table;
  if (column) entry.columns.set(column.name, target);
  for (const label of labels) {
    target.add(label);
    for (const reason of why(label)) because(entry, column?.name ?? '', label, reason);
  }
}

/** Several files may label one column: their labels add up. */
function merged(placed: readonly PlacedLabel[]): PlacedLabel[] {
  const byPlace = new Map<string, PlacedLabel>();
  for (const entry of placed) {
    const key = `${entry.relation}.${entry.attnum}`;
    const earlier = byPlace.get(key);
    const notes = [...(earlier?.notes ?? []), ...(entry.notes ?? [])];
    byPlace.set(key, earlier ? { ...entry, labels: [...new Set([...earlier.labels, ...entry.labels])], notes } : entry);
  }
  return [...byPlace.values()];
}

/** Finds what a file's names mean in the catalog. */
function place(catalog: CatalogSnapshot, file: LabelFile, problems: LabelProblem[]): PlacedLabel[] {
  const placed: PlacedLabel[] = [];
  for (const entry of file.relations) {
    const warn = (message: string, help: string): void => {
      problems.push({ file: entry.file, line: entry.line, column: 1, severity: 'warning', message, help });
    };
    const name = parseRelationName(entry.relation);
    const relation = name && named(catalog, name.schema ?? 'public', name.name);
    if (!relation) {
      warn(
        `${entry.relation} does not exist on ${catalog.connection}; its labels protect nothing`,
        'Check the name, or remove the entry.',
      );
      continue;
    }
    // Also without labels: naming a relation says that a person has looked at it under this name.
    placed.push({ relation: relation.oid, attnum: 0, labels: entry.tableLabels, ...notesOf(entry, TABLE_KEY) });
    for (const [written, labels] of entry.columns) {
      const exact = relation.columns.find((column) => column.name === written);
      const found = exact ?? alike(relation, written);
      if (!found) {
        warn(`${entry.relation} has no column ${written}; its labels protect nothing`, 'Check the name, or remove it.');
        continue;
      }
      if (!exact)
        warn(
          `${entry.relation} has no column ${written}, so ${found.name} was taken`,
          'Write the name exactly as it is stored.',
        );
      placed.push({ relation: relation.oid, attnum: found.attnum, labels, ...notesOf(entry, written) });
    }
  }
  return placed;
}

function notesOf({ notes }: LabelFile['relations'][number], key: string): Pick<PlacedLabel, 'notes'> {
  const found = notes?.get(key);
  return found === undefined ? {} : { notes: found };
}

function named(catalog: CatalogSnapshot, schema: string, name: string): CatalogRelation | undefined {
  for (const relation of catalog.relations.values()) {
    if (relation.name === name && relation.schema === schema) return relation;
  }
  return undefined;
}

/** The column that SQL would find under the written name: quotes removed, or folded to lower case. */
function alike(relation: CatalogRelation, written: string): CatalogColumn | undefined {
  const name = parseIdentifier(written);
  return name === undefined ? undefined : relation.columns.find((column) => column.name === name);
}
