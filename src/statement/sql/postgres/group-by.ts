import type { Facts } from './facts.ts';
import type { Tokens } from './lexer.ts';
import { groupByPlace } from './places.ts';
import { hasColumn, type Level } from './scope.ts';
import { as, constant, list, location, part, type Tree, tagged, words } from './tree.ts';

/** Types without a default equality operator: GROUP BY refuses them. */
const UNGROUPABLE = new Set(['json', 'xml', 'point', 'box', 'polygon', 'path', 'line', 'circle', 'lseg']);

/**
 * GROUP BY all primary-key columns lets PostgreSQL select the table's other columns; a derived table has no primary key, so the
 * columns in use are grouped by as well. https://www.postgresql.org/docs/current/sql-select.html#SQL-GROUPBY
 */
export function repairGroupBy(body: Tree, level: Level, facts: Facts, tokens: Tokens): void {
  const items = list(body, 'groupClause');
  if (items.length === 0 || level.joinAliases.size > 0) return;
  const targets = list(body, 'targetList');
  const grouped = items.map((item) => {
    const number = constant(item);
    const target = typeof number === 'string' ? part(as(targets[Number(number) - 1], 'ResTarget'), 'val') : item;
    const column = as(target, 'ColumnRef');
    const names = words(list(column, 'fields'));
    return column ? { qualifier: names[names.length - 2], name: names[names.length - 1] ?? '' } : undefined;
  });
  const first = tagged(items[0])?.[1];
  const offset = items.map((item) => location(tagged(item)?.[1])).find((at) => at > 0) ?? location(first);
  for (const site of level.sites) {
    const key = site.relation.columns.filter((column) => site.relation.primaryKey.includes(column.attnum));
    if (key.length === 0 || site.form === 'target') continue;
    const belongs = (reference: { qualifier: string | undefined; name: string }): boolean =>
      reference.qualifier === site.correlationName ||
      (reference.qualifier === undefined &&
        level.sites.filter((other) => hasColumn(other, reference.name)).length === 1);
    const isGrouped = (column: string): boolean =>
      grouped.some((item) => item !== undefined && item.name === column && belongs(item));
    if (!key.every((column) => isGrouped(column.name))) continue;
    const used = new Set(level.references.filter(belongs).map((reference) => reference.name));
    const missing = site.relation.columns.filter(
      (column) =>
        (site.all || used.has(column.name)) && !isGrouped(column.name) && !UNGROUPABLE.has(column.baseTypeName),
    );
    if (missing.length === 0) continue;
    const at = groupByPlace(tokens, offset);
    if (at === undefined) continue;
    const addition = missing.map((column) => `${quoted(site.correlationName)}.${quoted(column.name)}`).join(', ');
    facts.repairs.push({ at, text: ` ${addition},`, relation: site.relation.oid });
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
