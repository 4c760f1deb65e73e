import type { Refusal } from '../../../model/refusal.ts';
import { refusal } from '../../errors.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';
import type { RelayCore } from './core.ts';

/**
 * EXECUTE and FETCH run a text that was substituted when it was prepared or declared. When what is hidden, or the catalog, has changed
 * since, the text is planned again: the same outcome goes on, another one has to be prepared or declared again. Resolves to a refusal, if
 * any; undefined when nothing has changed.
 */
export function renewUsed(
  core: RelayCore,
  plan: Plan,
  statements: readonly PlannedStatement[],
): Promise<Refusal | undefined> | undefined {
  let pending: Promise<Refusal | undefined> | undefined;
  for (const { statement } of statements) {
    for (const { kind, act, name } of statement.objects) {
      if (act !== 'use') continue;
      const used = kind === 'cursor' ? core.objects.portal(name) : core.objects.prepared(name);
      if (!used || used.plan.view.key === plan.view.key) continue;
      if (used.plan.view.hidden.size === 0 && plan.view.hidden.size === 0) continue;
      const renew = () => renewOne(core, kind, name);
      pending = pending ? pending.then((refused) => refused ?? renew()) : renew();
    }
  }
  return pending;
}

async function renewOne(
  core: RelayCore,
  kind: 'cursor' | 'prepared-statement',
  name: string,
): Promise<Refusal | undefined> {
  const { objects } = core;
  const used = kind === 'cursor' ? objects.portal(name) : objects.prepared(name);
  if (!used?.planned) return undefined;
  // Of several in one query string only the one that is used has to be what it was.
  const alone = used.plan.statements.length === 1;
  const { text } = used.planned.statement;
  const planned = await core.names.plan(alone ? used.plan.text : text);
  if ('refusal' in planned) return planned.refusal;
  const { plan } = planned;
  const before = alone ? used.plan.forwarded : used.plan.changed ? undefined : text;
  const [again] = plan.statements;
  if (plan.forwarded !== before || !again || !asksTheSame(again, used.planned, isMasked(plan, used.plan))) {
    return planChanged(kind === 'cursor' ? 'since the cursor was declared' : 'since this statement was prepared');
  }
  const renewed = { plan, planned: again };
  const portal = objects.portal(name);
  const prepared = objects.prepared(name);
  if (kind === 'cursor' && portal === used) objects.setPortal(name, { ...portal, ...renewed });
  if (kind === 'prepared-statement' && prepared === used) objects.setPrepared(name, { ...prepared, ...renewed });
  return undefined;
}

export function planChanged(since: string): Refusal {
  return refusal('plan-changed', 'cached plan must not change result type', {
    detail: `gatehouse: what is hidden from you, or what the names mean, has changed ${since}.`,
    hint: 'Prepare the statement again.',
  });
}

/**
 * Whether two plans of one text ask the same of policy, and read the same relations where something is hidden. Of two relations of one name, one
 * made a moment ago in the place of the other, nobody can tell which one Bind found; where nothing is hidden both are judged alike.
 */
export function readsTheSame(one: Plan, other: Plan): boolean {
  const masked = isMasked(one, other);
  return (
    one.statements.length === other.statements.length &&
    one.statements.every((statement, at) => asksTheSame(statement, other.statements[at], masked))
  );
}

function isMasked(one: Plan, other: Plan): boolean {
  return one.view.hidden.size > 0 || other.view.hidden.size > 0;
}

function asksTheSame(one: PlannedStatement, other: PlannedStatement | undefined, masked: boolean): boolean {
  const meaning = ({ statement, questions }: PlannedStatement): string =>
    JSON.stringify([questions, masked ? statement.sites.map(({ relation }) => relation) : []]);
  return other !== undefined && meaning(one) === meaning(other);
}
