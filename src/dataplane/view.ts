import { maskedRelation, maskKindFor } from '../masking/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { CatalogRelation, Oid } from '../model/catalog.ts';
import type { HiddenRelations, MaskedRelation, MaskKind, MaskRules } from '../model/mask.ts';
import type { Principal } from '../model/principal.ts';
import type { ColumnRef, PolicyPort } from './services.ts';
import type { World } from './world.ts';

/** A world as one principal sees it. Equal keys mean equal substitution. */
export interface View {
  readonly key: string;
  readonly world: World;
  readonly hidden: HiddenRelations;
}

const caches = new WeakMap<World, Map<string, View>>();

/** Everything about a principal that a policy can see. */
export function principalKey(principal: Principal): string {
  return JSON.stringify([
    principal.id,
    principal.kind,
    principal.issuer,
    [...principal.groups].sort(),
    principal.mfa,
    principal.onBehalfOf ?? null,
  ]);
}

const maskKeys = new WeakMap<MaskRules, string>();

function masksKey(masks: MaskRules): string {
  let key = maskKeys.get(masks);
  if (key === undefined) {
    key = JSON.stringify([masks.default, [...masks.byLabel].sort(([a], [b]) => (a < b ? -1 : 1))]);
    maskKeys.set(masks, key);
  }
  return key;
}

/**
 * Which columns of the connection are hidden from the principal, and how each is masked: `unmask` is asked for every labelled column.
 */
export function viewOf(
  world: World,
  policy: PolicyPort,
  principal: Principal,
  masks: MaskRules,
  context: AccessContext,
): View {
  const key = `${world.version}|${policy.version}|${policy.hiddenColumnsKey(context)}|${masksKey(masks)}|${principalKey(principal)}`;
  let cache = caches.get(world);
  if (!cache) {
    cache = new Map();
    caches.set(world, cache);
  }
  const known = cache.get(key);
  if (known) return known;
  const view: View = { key, world, hidden: hiddenRelations(world, policy, principal, masks, context) };
  if (cache.size >= 10_000) cache.clear();
  cache.set(key, view);
  return view;
}

function hiddenRelations(
  world: World,
  policy: PolicyPort,
  principal: Principal,
  masks: MaskRules,
  context: AccessContext,
): HiddenRelations {
  const columns: (ColumnRef & { readonly relation: CatalogRelation })[] = [];
  for (const [oid, labels] of world.labels.relations) {
    const relation = world.catalog.relations.get(oid);
    if (!relation) continue;
    for (const [column, columnLabels] of labels.columns) {
      columns.push({
        relation,
        schema: relation.schema,
        table: relation.name,
        column,
        labels: columnLabels,
        tableLabels: labels.table,
      });
    }
  }
  const hidden = policy.hiddenColumns(principal, world.connection, columns, context);
  const byRelation = new Map<
    Oid,
    { relation: CatalogRelation; kinds: Map<string, MaskKind>; labels: Map<string, readonly string[]> }
  >();
  for (const index of hidden) {
    const column = columns[index];
    if (!column) continue;
    let entry = byRelation.get(column.relation.oid);
    if (!entry) {
      entry = { relation: column.relation, kinds: new Map(), labels: new Map() };
      byRelation.set(column.relation.oid, entry);
    }
    entry.kinds.set(column.column, maskKindFor(column.labels, masks));
    entry.labels.set(column.column, column.labels);
  }
  const relations = new Map<Oid, MaskedRelation>();
  for (const [oid, { relation, kinds, labels }] of byRelation)
    relations.set(oid, maskedRelation(relation, kinds, labels));
  return relations;
}
