import { maskedRelation, maskKindFor } from '../masking/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { UnmaskGrant, UnmaskGrants } from '../model/approval.ts';
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
  /** See MaskRules. */
  readonly copies: 'refuse' | 'allow';
  /** Columns that are visible by consent alone, with the requests it was given to. */
  readonly consented: ReadonlyMap<Oid, ReadonlyMap<string, readonly string[]>>;
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
    key = JSON.stringify([
      masks.default,
      masks.copies ?? 'refuse',
      [...masks.byLabel].sort(([a], [b]) => (a < b ? -1 : 1)),
    ]);
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
  unmasks: UnmaskGrants = { key: '', grants: [], statements: [] },
): View {
  const key = `${world.version}|${policy.version}|${policy.hiddenColumnsKey(context)}|${masksKey(masks)}|${principalKey(principal)}|${unmasks.key}`;
  let cache = caches.get(world);
  if (!cache) {
    cache = new Map();
    caches.set(world, cache);
  }
  const known = cache.get(key);
  if (known) return known;
  const copies = masks.copies ?? 'refuse';
  const view: View = { key, world, copies, ...hiddenRelations(world, policy, principal, masks, context, unmasks) };
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
  unmasks: UnmaskGrants,
): Pick<View, 'hidden' | 'consented'> {
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
  const consented = new Map<Oid, Map<string, readonly string[]>>();
  for (const index of hidden) {
    const column = columns[index];
    if (!column) continue;
    const requests = consentTo(column, { world, policy, principal, context }, unmasks);
    if (requests.length > 0) {
      const { oid } = column.relation;
      consented.set(oid, (consented.get(oid) ?? new Map<string, readonly string[]>()).set(column.column, requests));
      continue;
    }
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
  return { hidden: relations, consented };
}

/**
 * The requests by whose consent a hidden column is visible; none when it stays hidden. Every label that hides it has to be consented
 * to, and so has every policy that speaks against it; `context` is one without consent.
 */
function consentTo(
  column: ColumnRef,
  asking: Pick<View, 'world'> & { policy: PolicyPort; principal: Principal; context: AccessContext },
  { grants }: UnmaskGrants,
): readonly string[] {
  const { world, policy, principal, context } = asking;
  const inForce = grants.filter((grant) => grant.policyVersion === policy.version);
  if (inForce.length === 0) return [];
  const decide = (labels: readonly string[]) => {
    const { schema, table, tableLabels } = column;
    const name = column.column;
    const resource = {
      type: 'Column',
      connection: world.connection,
      schema,
      table,
      column: name,
      labels,
      tableLabels,
    } as const;
    return policy.decide({
      principal,
      questions: [{ action: 'unmask', resource }],
      context,
    });
  };
  const whole = decide(column.labels);
  if (whole.effect !== 'hold') return [];
  const used = new Set<UnmaskGrant>();
  for (const label of column.labels) {
    if (decide([label]).effect === 'forward') continue;
    const covering = inForce.filter(({ labels }) =>
      labels.some((given) => label === given || label.startsWith(`${given}.`)),
    );
    if (covering.length === 0) return [];
    for (const grant of covering) used.add(grant);
  }
  const policies = new Set([...used].flatMap((grant) => grant.policies));
  return whole.policies.every((id) => policies.has(id)) ? [...used].map(({ request }) => request) : [];
}
