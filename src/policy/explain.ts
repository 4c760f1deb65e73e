import type { AccessRequest, Decision, PolicyId } from '../model/access.ts';
import type { AccessQuestion } from '../model/statement.ts';
import type { Verdict } from './judge.ts';
import type { Policy } from './policy.ts';
import { resourceInWords } from './words.ts';

/** A policy as an explanation quotes it. */
export interface QuotedPolicy {
  readonly id: PolicyId;
  readonly effect: 'permit' | 'forbid';
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly reason?: string;
  readonly approvers?: readonly string[];
}

export interface ExplainedQuestion {
  readonly question: AccessQuestion;
  /** `read on table public.customers of connection shop` */
  readonly words: string;
  readonly effect: 'allow' | 'hold' | 'refuse';
  /** Policies that decided: permits when allowed, forbids otherwise. Empty: nothing permits it, or nothing forbids it (`filter`). */
  readonly policies: readonly QuotedPolicy[];
  /** What would have to be permitted, in words. */
  readonly missing: readonly string[];
  /** When something is missing: permits whose scope has room for the action, but that did not apply. */
  readonly candidates: readonly QuotedPolicy[];
  /** When forbids decided: the permits that they overruled. */
  readonly overruled: readonly QuotedPolicy[];
}

export interface Explanation {
  readonly version: string;
  readonly decision: Decision;
  readonly questions: readonly ExplainedQuestion[];
}

/** What an explanation asks of a policy set. */
export interface Explainable {
  readonly version: string;
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  decide(request: AccessRequest): Decision;
  verdict(request: AccessRequest, question: AccessQuestion): Verdict;
  permitsFor(action: string): readonly Policy[];
  /** Ids of the permits that apply, whatever is forbidden. */
  permitted(request: AccessRequest, question: AccessQuestion): readonly PolicyId[];
}

export function explain(set: Explainable, request: AccessRequest): Explanation {
  return {
    version: set.version,
    decision: set.decide(request),
    questions: request.questions.map((question) => explainQuestion(set, request, question)),
  };
}

function explainQuestion(set: Explainable, request: AccessRequest, question: AccessQuestion): ExplainedQuestion {
  const verdict = set.verdict(request, question);
  const quoted = (ids: readonly PolicyId[]) => ids.flatMap((id) => set.policies.get(id) ?? []).map(quote);
  const forbidden = verdict.effect !== 'allow' && verdict.policies.length > 0;
  const missing = verdict.effect === 'refuse' ? verdict.missing : [];
  return {
    question,
    words: `${question.action} on ${resourceInWords(question.resource)}`,
    effect: verdict.effect,
    policies: quoted(verdict.policies),
    missing,
    candidates: missing.length > 0 ? set.permitsFor(question.action).map(quote) : [],
    overruled: forbidden ? quoted(set.permitted(request, question)) : [],
  };
}

function quote({ id, effect, file, line, text, reason, approvers }: Policy): QuotedPolicy {
  return {
    id,
    effect,
    file,
    line,
    text,
    ...(reason !== undefined && { reason }),
    ...(approvers !== undefined && { approvers }),
  };
}

const EFFECT_WORDS = { allow: 'allowed', hold: 'waits for consent', refuse: 'refused' } as const;

/** An explanation as plain text, one paragraph per question. */
export function explanationText(explanation: Explanation): string {
  const blocks = explanation.questions.map((question) => {
    const lines = [`${question.words}: ${EFFECT_WORDS[question.effect]}`];
    for (const policy of question.policies) lines.push(...policyLines(policy));
    if (question.overruled.length > 0) {
      lines.push('  permits that they overrule:');
      for (const overruled of question.overruled) lines.push(...policyLines(overruled));
    }
    for (const missing of question.missing) lines.push(`  ${missing}`);
    if (question.candidates.length > 0) {
      lines.push('  permits for this action that did not apply:');
      for (const candidate of question.candidates) lines.push(...policyLines(candidate));
    } else if (question.missing.length > 0) {
      lines.push(`  there is no permit for ${question.question.action} at all`);
    }
    return lines.join('\n');
  });
  const { decision } = explanation;
  if (decision.effect === 'forward' && decision.allowance) {
    const { rows, then } = decision.allowance;
    const what = then.effect === 'hold' ? 'waits for consent' : 'is refused';
    blocks.push(`after ${rows} rows it ${what}: ${then.reason} (${then.policies.join(', ')})`);
  }
  if (decision.effect === 'hold') {
    const people = decision.quorum === 1 ? 'one person' : `${decision.quorum} people`;
    blocks.push(`consent: ${people}, from ${decision.approvers.join(', ')}`);
  }
  return `${blocks.join('\n\n')}\n\npolicies ${explanation.version}\n`;
}

function policyLines(policy: QuotedPolicy): string[] {
  const head = `  ${policy.effect} ${policy.id} (${policy.file}:${policy.line})${policy.reason ? `: ${policy.reason}` : ''}`;
  return [head, ...policy.text.split('\n').map((line) => `    ${line}`)];
}
