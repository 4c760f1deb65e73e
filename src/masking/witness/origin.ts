import type { CatalogRelation, CatalogSnapshot, Oid } from '../../model/catalog.ts';
import type { HiddenRelations } from '../../model/mask.ts';

/** What the server says of a result column: https://www.postgresql.org/docs/current/protocol-message-formats.html (RowDescription). */
export interface FieldOrigin {
  /** 0 when the column is no plain column of a relation. */
  readonly tableOid: Oid;
  /** 0 likewise, or when the column is a whole row of the relation; negative for system columns. */
  readonly attnum: number;
}

/**
 * Judges a result by the origins the server itself reports, before its first row. `violation`: a column is a hidden column, so the
 * substitution missed it. `stale`: an origin is not in the catalog snapshot, so nobody can say; read the catalog anew and ask again.
 * @param temporary Temporary relations of the session: they hold nothing but the masked world.
 */
export function witness(
  fields: readonly FieldOrigin[],
  hidden: HiddenRelations,
  catalog: CatalogSnapshot,
  temporary: readonly CatalogRelation[] = [],
): 'ok' | 'stale' | 'violation' {
  let stale = false;
  for (const { tableOid, attnum } of fields) {
    if (tableOid === 0) continue;
    const masked = hidden.get(tableOid);
    if (masked) {
      // A whole row carries every column of it.
      if (attnum === 0 && masked.expressions.size > 0) return 'violation';
      const column = masked.relation.columns.find((candidate) => candidate.attnum === attnum);
      if (column && masked.expressions.has(column.name)) return 'violation';
      if (!column && attnum > 0) stale = true;
    }
    const relation = catalog.relations.get(tableOid) ?? temporary.find((candidate) => candidate.oid === tableOid);
    if (!relation) stale = true;
    else if (attnum > 0 && !relation.columns.some((column) => column.attnum === attnum)) stale = true;
  }
  return stale ? 'stale' : 'ok';
}
