import { relationRule } from '../../model/built-in-rules.ts';
import type { CatalogRelation } from '../../model/catalog.ts';

/**
 * Columns of the server's and of extensions' own views that echo values of other relations, texts of other people's statements, or
 * credentials. They count as labelled with every label of the connection: only who may see all of it may see them.
 */
export function echoingColumns(relation: CatalogRelation): readonly string[] {
  const rule = relationRule(relation.name);
  if (!rule) return [];
  const same = rule.extension === undefined ? rule.schema === relation.schema : rule.extension === relation.extension;
  return same ? rule.labelled : [];
}
