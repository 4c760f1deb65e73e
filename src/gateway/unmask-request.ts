import type { UnmaskAnswer } from '../controlplane/index.ts';
import type { World } from '../dataplane/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import type { PolicySet } from '../policy/index.ts';

/** Asks `unmask` for every column of the connection that carries one of the labels, or one below. */
export function unmaskAnswer(
  world: World,
  policy: PolicySet,
  principal: Principal,
  labels: readonly string[],
  context: AccessContext,
): UnmaskAnswer {
  const wanted = (label: string): boolean => labels.some((each) => label === each || label.startsWith(`${each}.`));
  const policies = new Set<string>();
  const approvers = new Set<string>();
  const reasons = new Set<string>();
  const tables = new Set<string>();
  let quorum = 1;
  let visible = 0;
  let refused: string | undefined;
  for (const [oid, { table: tableLabels, columns }] of world.labels.relations) {
    const relation = world.catalog.relations.get(oid);
    if (!relation) continue;
    for (const [column, columnLabels] of columns) {
      if (!columnLabels.some(wanted)) continue;
      const { schema, name: table } = relation;
      const resource = { type: 'Column', connection: world.connection, schema, table, column, tableLabels } as const;
      const questions = [{ action: 'unmask', resource: { ...resource, labels: columnLabels } }] as const;
      const decision = policy.decide({ principal, questions, context }, { streamsRows: false });
      if (decision.effect === 'forward') visible += 1;
      else if (decision.effect === 'refuse') refused ??= decision.reason;
      else {
        for (const id of decision.policies) policies.add(id);
        for (const group of decision.approvers) approvers.add(group);
        reasons.add(decision.reason);
        tables.add(`${schema}.${table}`);
        quorum = Math.max(quorum, decision.quorum);
      }
    }
  }
  if (policies.size > 0) {
    const sorted = (set: ReadonlySet<string>): string[] => [...set].sort();
    return {
      effect: 'hold',
      policies: sorted(policies),
      approvers: sorted(approvers),
      quorum,
      reason: [...reasons].join('; '),
      tables: sorted(tables),
    };
  }
  if (visible > 0 && refused === undefined) return { effect: 'visible' };
  return { effect: 'refuse', reason: refused ?? `nothing on ${world.connection} carries ${labels.join(' or ')}` };
}
