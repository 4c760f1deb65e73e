import type { Decision, PolicyId } from '../model/access.ts';
import type { AccessQuestion } from '../model/statement.ts';
import type { Verdict } from './judge.ts';
import type { Policy } from './policy.ts';

/** One decision out of the answers to all questions: a refusal outweighs a hold, a hold outweighs a yes. */
export function combine(
  answers: readonly { readonly question: AccessQuestion; readonly verdict: Verdict }[],
  policies: ReadonlyMap<PolicyId, Policy>,
): Decision {
  const refused = answers.filter(({ verdict }) => verdict.effect === 'refuse');
  const first = refused[0];
  if (first) {
    const reasons = refused.flatMap(({ verdict }) => refusalReasons(verdict, policies));
    const help = refused.some(({ verdict }) => verdict.policies.length === 0);
    return {
      effect: 'refuse',
      policies: union(refused),
      reason: [...new Set(reasons)].join('; ') + (help ? ' (see: gatehouse policy explain)' : ''),
      question: first.question,
    };
  }
  const held = answers.filter(({ verdict }) => verdict.effect === 'hold');
  if (held.length > 0) {
    const ids = union(held);
    const spoken = ids.flatMap((id) => policies.get(id) ?? []);
    return {
      effect: 'hold',
      policies: ids,
      approvers: [...new Set(spoken.flatMap((policy) => policy.approvers ?? []))],
      quorum: Math.max(1, ...spoken.map((policy) => policy.quorum)),
      reason: [...new Set(ids.map((id) => reasonOf(id, policies)))].join('; '),
    };
  }
  return { effect: 'forward', policies: union(answers) };
}

/** When somebody's consent would help with one forbid and not with another, only the other one's reason is of use. */
function refusalReasons(verdict: Verdict, policies: ReadonlyMap<PolicyId, Policy>): string[] {
  const hard = verdict.policies.filter((id) => policies.get(id)?.approvers === undefined);
  const reasons = (hard.length > 0 ? hard : verdict.policies).map((id) => reasonOf(id, policies));
  return reasons.length === 0 && verdict.effect === 'refuse' ? [...verdict.missing] : reasons;
}

function reasonOf(id: PolicyId, policies: ReadonlyMap<PolicyId, Policy>): string {
  return policies.get(id)?.reason ?? `policy ${id} forbids it`;
}

function union(answers: readonly { readonly verdict: Verdict }[]): PolicyId[] {
  return [...new Set(answers.flatMap(({ verdict }) => verdict.policies))].sort();
}
