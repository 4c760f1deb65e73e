import type { CatalogSnapshot, Oid } from '../../model/catalog.ts';
import type { LabelNote } from '../../model/label.ts';
import { MaskingError } from '../errors.ts';
import type { LabelProblem } from './problem.ts';

/**
 * Labels remembered by what cannot be renamed: relation oid and column number. Plain JSON, one entry a labelled column (attnum 0: the
 * relation itself), with the names under which it was labelled.
 */
export type StickyLabel = {
  readonly connection: string;
  readonly database: string;
  readonly relation: Oid;
  readonly attnum: number;
  readonly schema: string;
  readonly name: string;
  readonly column: string;
  readonly labels: readonly string[];
};

/**
 * Reads what was stored. @throws MaskingError ERR_MASKING_STICKY_MALFORMED: dropping broken entries would drop labels.
 */
export function parseSticky(value: unknown): readonly StickyLabel[] {
  if (!Array.isArray(value) || !value.every(isSticky)) {
    throw new MaskingError(
      'ERR_MASKING_STICKY_MALFORMED',
      'the remembered labels cannot be read; restore them from a backup, or remove them after checking that no labelled column was renamed',
    );
  }
  return value;
}

function isSticky(value: unknown): value is StickyLabel {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Partial<Record<keyof StickyLabel, unknown>>;
  return (
    [entry.connection, entry.database, entry.schema, entry.name, entry.column].every(
      (text) => typeof text === 'string',
    ) &&
    [entry.relation, entry.attnum].every((number) => Number.isSafeInteger(number)) &&
    Array.isArray(entry.labels) &&
    entry.labels.every((label) => typeof label === 'string')
  );
}

/** A label of a file, at the place in the catalog that it names. */
export interface PlacedLabel {
  readonly relation: Oid;
  readonly attnum: number;
  readonly labels: readonly string[];
  readonly notes?: readonly LabelNote[];
}

interface Kept {
  /** Labels that no file names at their present place, but that stay. */
  readonly kept: readonly StickyLabel[];
  /** What to remember now. */
  readonly next: readonly StickyLabel[];
  readonly problems: readonly LabelProblem[];
}

/**
 * Follows renamed and moved columns: an object keeps its labels under its new name until a file names it there (an empty list
 * counts). An object that still has the name under which it was labelled, and which no file names any more, was unlabelled by a person.
 */
export function followRenames(
  catalog: CatalogSnapshot,
  placed: readonly PlacedLabel[],
  sticky: readonly StickyLabel[],
): Kept {
  const named = new Set(placed.map(({ relation, attnum }) => `${relation}.${attnum}`));
  const kept: StickyLabel[] = [];
  const problems: LabelProblem[] = [];
  const others: StickyLabel[] = [];
  for (const entry of sticky) {
    if (entry.connection !== catalog.connection || entry.database !== catalog.database) {
      others.push(entry);
      continue;
    }
    if (named.has(`${entry.relation}.${entry.attnum}`)) continue;
    const relation = catalog.relations.get(entry.relation);
    if (!relation) continue;
    const column = relation.columns.find(({ attnum }) => attnum === entry.attnum);
    if (entry.attnum !== 0 && !column) continue;
    const columnName = column?.name ?? '';
    if (relation.schema === entry.schema && relation.name === entry.name && columnName === entry.column) continue;
    kept.push(entry);
    const dot = entry.column === '' ? '' : '.';
    problems.push({
      file: '',
      line: 0,
      column: 0,
      severity: 'warning',
      message:
        `${entry.schema}.${entry.name}${dot}${entry.column} is now called ${relation.schema}.${relation.name}${dot}${columnName}; ` +
        `it keeps its labels (${entry.labels.join(', ')})`,
      help: 'Write the new name in the label file, with the labels it should have from now on.',
    });
  }
  const fresh = placed.flatMap(({ relation: oid, attnum, labels }): StickyLabel[] => {
    const relation = catalog.relations.get(oid);
    if (!relation || labels.length === 0) return [];
    const column = relation.columns.find((candidate) => candidate.attnum === attnum)?.name ?? '';
    const { schema, name } = relation;
    return [
      {
        connection: catalog.connection,
        database: catalog.database,
        relation: oid,
        attnum,
        schema,
        name,
        column,
        labels,
      },
    ];
  });
  const order = (a: StickyLabel, b: StickyLabel): number => a.relation - b.relation || a.attnum - b.attnum;
  return { kept, next: [...others, ...[...kept, ...fresh].sort(order)], problems };
}
