import type { LabelsPort } from '../controlplane/index.ts';
import type { viewOf, World } from '../dataplane/index.ts';
import type { Effective } from '../masking/index.ts';
import type { Oid } from '../model/catalog.ts';
import type { LabelProvenance } from '../model/label.ts';

type Inventory = Awaited<ReturnType<LabelsPort['effective']>>;
type Origin = Inventory['relations'][number]['origins'][number];

const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema', 'pg_toast']);

/** Every label of a connection with its reasons, what is masked in this view, and what nobody labelled. */
export function labelInventory({ world, hidden }: ReturnType<typeof viewOf>, labels: Effective): Inventory {
  return {
    catalogVersion: world.version,
    takenAt: world.catalog.takenAt,
    problems: labels.problems.map(({ message }) => message),
    ...unlabelled(world, labels),
    relations: [...labels.relations].flatMap(([oid, { table, columns }]) => {
      const relation = world.catalog.relations.get(oid);
      if (!relation) return [];
      return [
        {
          relation: `${relation.schema}.${relation.name}`,
          kind: relation.kind,
          labels: table,
          origins: originsOf(labels, oid, '', table),
          columns: [...columns].map(([name, columnLabels]) => ({
            name,
            labels: columnLabels,
            origins: originsOf(labels, oid, name, columnLabels),
            hidden: hidden.get(oid)?.expressions.has(name) ?? false,
          })),
        },
      ];
    }),
  };
}

function originsOf(effective: Effective, oid: Oid, column: string, labels: readonly string[]): Origin[] {
  return labels.flatMap((label) => effective.why(oid, column, label).map((reason) => origin(label, reason)));
}

function origin(label: string, reason: LabelProvenance): Origin {
  switch (reason.kind) {
    case 'file': {
      const { source, by, at, why, confidence, file, line } = reason;
      return {
        label,
        source,
        ...(by === undefined ? {} : { by }),
        ...(at === undefined ? {} : { at }),
        ...(why === undefined ? {} : { why }),
        ...(confidence === undefined ? {} : { confidence }),
        file,
        line,
      };
    }
    case 'inherited':
    case 'renamed':
      return { label, source: reason.kind, from: reason.from };
    case 'unknown-lineage':
    case 'built-in':
      return { label, source: reason.kind };
  }
}

/** Columns of the users' own relations without a label, neither their own nor an inherited one. */
function unlabelled({ catalog }: World, labels: Effective): Pick<Inventory, 'unlabelled' | 'reviewed'> {
  const found: { unlabelled: string[]; reviewed: string[] } = { unlabelled: [], reviewed: [] };
  for (const { kind, oid, schema, name, columns } of catalog.relations.values()) {
    if (kind === 'sequence' || kind === 'composite-type' || SYSTEM_SCHEMAS.has(schema)) continue;
    const labelled = labels.relations.get(oid)?.columns;
    for (const column of columns) {
      if (labelled?.has(column.name)) continue;
      const list = labels.reviewed(oid, column.attnum) ? found.reviewed : found.unlabelled;
      list.push(`${schema}.${name}.${column.name}`);
    }
  }
  return { unlabelled: found.unlabelled.sort(), reviewed: found.reviewed.sort() };
}
