import { ColumnDetectors, type Detector, type DetectorSet, quoteIdentifier } from '../../masking/index.ts';
import type { CatalogColumn, CatalogRelation } from '../../model/catalog.ts';

/** So many characters of a value are read: what it holds shows in its beginning. */
const LONGEST_VALUE = 1024;
/** Of one statement, on the wire. */
export const MOST_BYTES = 64 * 1024 * 1024;
/** A character of UTF-8 has at most four bytes, and a value a length before it. */
const LARGEST_FIELD = 4 * LONGEST_VALUE + 16;
/** Blocks are drawn for somewhat more rows than wanted, since they are not equally full. */
const MARGIN = 1.25;

/** int8, numeric, json, jsonb, xml: besides text and lists of it, what detectors can find something in. */
const READ = new Set([20, 1700, 114, 3802, 142]);
/** text[], varchar[], bpchar[], json[], jsonb[]. */
const LISTS = new Set([1009, 1015, 1014, 199, 3807]);

/** Whether values of the column can hold anything that a detector finds. */
export function isScannable({ category, baseTypeOid }: CatalogColumn): boolean {
  return category === 'S' || READ.has(baseTypeOid) || LISTS.has(baseTypeOid);
}

/** How many columns are read at once, so that the answer is never too large. */
export function columnsPerStatement(rows: number): number {
  return Math.max(1, Math.floor(MOST_BYTES / (rows * LARGEST_FIELD)));
}

/**
 * One statement that reads at most `rows` rows of some columns as text.
 * @param estimate How many rows the relation has, as the server believes; below 1 when it does not know
 */
export function sampleSql(
  relation: CatalogRelation,
  columns: readonly CatalogColumn[],
  rows: number,
  estimate: number,
): string {
  const list = columns.map(
    ({ name }) => `pg_catalog.left(${quoteIdentifier(name)}::pg_catalog.text, ${LONGEST_VALUE})`,
  );
  const name = `${quoteIdentifier(relation.schema)}.${quoteIdentifier(relation.name)}`;
  const percent = estimate > 0 ? (100 * rows * MARGIN) / estimate : 100;
  // A foreign table, for one, cannot be drawn from.
  const draws = percent < 50 && (relation.kind === 'table' || relation.kind === 'partitioned-table');
  const draw = draws ? ` TABLESAMPLE SYSTEM (${Math.max(percent, 0.000_001).toFixed(6)})` : '';
  return `SELECT ${list.join(', ')} FROM ${name}${draw} LIMIT ${rows}`;
}

export interface SampledColumn {
  readonly column: CatalogColumn;
  /** Values that are not NULL. */
  readonly values: number;
  readonly hits: readonly { readonly detector: Detector; readonly values: number }[];
}

/** How many values of each column each detector finds something in. */
export function detectInSample(
  set: DetectorSet,
  columns: readonly CatalogColumn[],
  rows: readonly (readonly (string | null)[])[],
): readonly SampledColumn[] {
  return columns.map((column, index) => {
    const detectors = new ColumnDetectors(set, () => 'report', [{ name: column.name, writing: 'text' }]);
    const found = new Map<Detector, { seen: number; values: number }>();
    let values = 0;
    for (const row of rows) {
      const value = row[index];
      if (value === null || value === undefined) continue;
      values += 1;
      const bytes = Buffer.from(value);
      detectors.scan(0, bytes, 0, bytes.length);
      for (const { detector, hits } of detectors.counts()) {
        const known = found.get(detector) ?? { seen: 0, values: 0 };
        // Several hits in one value are one value with a hit.
        if (hits > known.seen) found.set(detector, { seen: hits, values: known.values + 1 });
      }
    }
    return { column, values, hits: [...found].map(([detector, { values: n }]) => ({ detector, values: n })) };
  });
}
