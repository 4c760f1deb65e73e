import type { Effective } from '../../masking/index.ts';
import type { CatalogColumn, CatalogRelation, CatalogSnapshot, Oid } from '../../model/catalog.ts';
import type { Lineage } from '../../model/statement.ts';

const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema', 'pg_toast']);
/** Deeper inheritance is a catalog that lies. */
const DEEPEST = 64;

export interface BaseColumn {
  readonly relation: CatalogRelation;
  readonly column: CatalogColumn;
}

/**
 * The column that a label belongs on when values of this one were seen: through a view to the one column it shows, from a partition to the
 * table that it is a part of. Undefined for what is made of several columns or of none, for temporary relations and for the server's own.
 * @param lineage Asked for views only: making it reads all of them.
 */
export function baseColumn(
  catalog: CatalogSnapshot,
  lineage: () => Lineage,
  oid: Oid,
  attnum: number,
): BaseColumn | undefined {
  const shown = named(catalog, oid, (column) => column.attnum === attnum);
  const source = shown && throughView(catalog, lineage, shown);
  if (!source || source.relation.temporary || SYSTEM_SCHEMAS.has(source.relation.schema)) return undefined;
  let base = source;
  for (let depth = 0; depth < DEEPEST; depth++) {
    const above = base.relation.parents
      .map((parent) => named(catalog, parent, ({ name }) => name === base.column.name))
      .find((parent) => parent !== undefined);
    if (!above) return base;
    base = above;
  }
  return undefined;
}

/** Nobody has said anything about the column yet. */
export function isUnlabelled(labels: Effective, { relation, column }: BaseColumn): boolean {
  return !labels.of(relation.oid).columns.has(column.name) && !labels.reviewed(relation.oid, column.attnum);
}

function throughView(catalog: CatalogSnapshot, lineage: () => Lineage, shown: BaseColumn): BaseColumn | undefined {
  const { kind, oid } = shown.relation;
  if (kind !== 'view' && kind !== 'materialized-view') return shown;
  const read = lineage().get(oid);
  // Nobody knows what it reads: then its own column is the nearest that can be named.
  if (!read || read.unknown) return shown;
  const [origin, ...others] = read.columns.get(shown.column.name) ?? [];
  if (origin === undefined || others.length > 0) return undefined;
  const dot = origin.indexOf('.');
  return named(catalog, Number(origin.slice(0, dot)), ({ name }) => name === origin.slice(dot + 1));
}

function named(catalog: CatalogSnapshot, oid: Oid, is: (column: CatalogColumn) => boolean): BaseColumn | undefined {
  const relation = catalog.relations.get(oid);
  const column = relation?.columns.find(is);
  return relation && column && { relation, column };
}
