import { ColumnDetectors, type ColumnHits, type DetectedColumn, type Detector } from '../../../masking/index.ts';
import type { Field } from '../../../wire/postgres/index.ts';
import type { Detection } from '../../detection.ts';
import { DetectedCopy } from './detected-copy.ts';
import { DetectedRows } from './detected-rows.ts';
import type { Run } from './expectation.ts';

const DATA_ROW = 0x44;
const NOTHING = Buffer.alloc(0);

/**
 * Types whose values cannot hold what detectors look for, or (bytea: hexadecimal digits) hold look-alikes only.
 * https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
const SKIPPED = new Set([
  16, 17, 18, 21, 23, 26, 27, 28, 29, 600, 601, 602, 603, 604, 628, 650, 700, 701, 718, 774, 790, 829, 869, 1082, 1083,
  1114, 1184, 1186, 1266, 1560, 1562, 2950, 3220, 5069,
]);
/** bigint and numeric. */
const NUMBERS = new Set([20, 1700]);
const BYTEA = 17;
const BINARY = 1;

/** How a result column is read. */
export function detectedColumn({ name, typeOid, format }: Field): DetectedColumn {
  // In binary a bytea is the bytes themselves, which may well be text.
  const skipped = SKIPPED.has(typeOid) && !(typeOid === BYTEA && format === BINARY);
  return { name, writing: skipped ? 'skip' : NUMBERS.has(typeOid) ? 'number' : 'text' };
}

/** What is known of the columns of a result, before its first row. */
export interface ResultColumns {
  readonly fields: readonly Field[];
  readonly copy?: { readonly binary: boolean; readonly csv: boolean; readonly traceable: boolean };
}

/** Columns of COPY … TO: the target names none, but the statement does when it copies a relation. */
export function copyColumns({ planned, plan }: Run, binary: boolean): ResultColumns {
  const { statement } = planned;
  // Only a guess at what separates the columns: a wrong one counts hits for a wrong column, and masks the same bytes.
  const csv = /\bcsv\b/i.test(statement.text);
  // A wrong guess must propose no label for a wrong column.
  const traceable = !binary && !/\b(?:delimiters?|quote|escape)\b/i.test(statement.text);
  const copy = { binary, csv, traceable };
  const site = statement.sites.find(({ form }) => form === 'copy');
  const relation = site && plan.view.world.catalog.relations.get(site.relation);
  if (!site || !relation) return { fields: [], copy };
  const named = site.copyColumns ?? [];
  const columns = relation.columns.filter(({ generated }) => !generated);
  const chosen = named.length === 0 ? columns : named.map((name) => columns.find((column) => column.name === name));
  const fields = chosen.map(
    (column): Field => ({
      name: column?.name ?? '',
      tableOid: column ? relation.oid : 0,
      columnNumber: column?.attnum ?? 0,
      typeOid: 0, // a line is read as a whole, whatever its columns' types
      typeSize: -1,
      typeModifier: -1,
      format: 0,
    }),
  );
  return { fields, copy };
}

/** A message that is no row: what is found is masked in place; where a row would be refused, it is masked too. */
export function detectInPlace(detection: Detection, bytes: Buffer, from: number): void {
  if (bytes.length <= from) return;
  new ColumnDetectors(detection.set, detection.actionOf, [TEXT]).scan(0, bytes, from, bytes.length);
}

const TEXT: DetectedColumn = { name: '', writing: 'text' };

/** The detectors on the rows of one run. */
export class DetectedResult {
  readonly fields: readonly Field[];
  /** The hits can be told apart by columns for certain. */
  readonly traceable: boolean;
  readonly #columns: ColumnDetectors;
  readonly #rows: DetectedRows | undefined;
  readonly #copy: DetectedCopy | undefined;

  constructor(detection: Detection, type: number, { fields, copy }: ResultColumns) {
    this.fields = fields;
    this.traceable = type === DATA_ROW || copy?.traceable === true;
    const separator = type === DATA_ROW || copy?.binary ? undefined : copy?.csv ? 'comma' : 'tab';
    const columns = separator === undefined && type !== DATA_ROW ? [] : fields.map(detectedColumn);
    this.#columns = new ColumnDetectors(detection.set, detection.actionOf, columns, separator);
    if (type === DATA_ROW) this.#rows = new DetectedRows(this.#columns);
    else this.#copy = new DetectedCopy(this.#columns, copy?.binary ?? false);
  }

  /** Gives what may leave of a run of rows or COPY data. */
  push(bytes: Buffer): readonly Buffer[] {
    return this.#rows ? [this.#rows.push(bytes)] : (this.#copy?.push(bytes) ?? []);
  }

  /** The COPY data has ended: what was kept back of it. */
  end(): Buffer {
    return this.#copy?.end() ?? NOTHING;
  }

  /** Set when the result has to end here: behind a whole row, in which what was found is masked. */
  get refusedBy(): Detector | undefined {
    return (this.#rows ?? this.#copy)?.stopped ? this.#columns.refusedBy : undefined;
  }

  counts(): readonly ColumnHits[] {
    return this.#columns.counts();
  }
}
