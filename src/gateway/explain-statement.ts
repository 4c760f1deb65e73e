import type { StatementExplanation } from '../controlplane/index.ts';
import { viewOf, type World } from '../dataplane/index.ts';
import { maskKindFor } from '../masking/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { UnmaskGrants } from '../model/approval.ts';
import type { MaskKind, MaskRules } from '../model/mask.ts';
import type { Principal } from '../model/principal.ts';
import type { AccessQuestion, RelationSite, SqlStatement } from '../model/statement.ts';
import type { ExplainedQuestion, PolicySet, QuotedPolicy } from '../policy/index.ts';
import { partOf, type StatementAnalyser } from '../statement/sql/postgres/index.ts';
import { planOnce, sessionOf } from './plan-once.ts';

export interface ExplainInput {
  readonly text: string;
  readonly world: World;
  readonly policy: PolicySet;
  readonly principal: Principal;
  readonly masks: MaskRules;
  readonly context: AccessContext;
  readonly unmasks: UnmaskGrants;
  /** Schemas in which bare names are looked up. */
  readonly searchPath: readonly string[];
  /** Target role. */
  readonly role: string;
}

type Explained = StatementExplanation['statements'][number];

/** What would become of a statement, and why. Nothing runs and nothing is recorded. */
export function explainStatement(analyser: StatementAnalyser, input: ExplainInput): StatementExplanation {
  const { text, world, policy, principal, context, searchPath, role } = input;
  const view = viewOf(world, policy, principal, input.masks, context, input.unmasks);
  const planned = planOnce(analyser, { text, view, policy, principal, searchPath, role });
  const head = { connection: world.connection, policies: policy.version, world: world.version, text };
  if ('refusal' in planned) {
    const objects = { prepared: () => undefined, cursor: () => undefined };
    const session = sessionOf(input);
    const read = analyser.analyse(text, { catalog: world.catalog, session, connection: world.connection, objects });
    const statements = 'kind' in read ? [] : read.statements;
    const { code, message, detail, hint, position } = planned.refusal;
    return {
      ...head,
      refusal: {
        code,
        message,
        ...(detail !== undefined && { detail }),
        ...(hint !== undefined && { hint }),
        ...(position !== undefined && { position }),
      },
      forwarded: text,
      changed: false,
      statements: statements.map((statement) => ({
        ...parse(statement, input),
        decision: { effect: 'refuse', policies: [], reason: message },
        questions: [],
        columns: columnsOf(statement, input, view),
      })),
    };
  }
  const { plan } = planned;
  return {
    ...head,
    forwarded: plan.forwarded,
    changed: plan.changed,
    statements: plan.statements.map(({ statement, questions }) => {
      const circumstances = { ...context, ...partOf(statement) };
      const explained = policy.explain({ principal, questions, context: circumstances });
      const { decision } = explained;
      return {
        ...parse(statement, input),
        decision: {
          effect: decision.effect,
          policies: [...decision.policies],
          ...(decision.effect === 'forward' ? {} : { reason: decision.reason }),
          ...(decision.effect === 'hold' ? { approvers: [...decision.approvers], quorum: decision.quorum } : {}),
          ...(decision.effect === 'forward' && decision.allowance !== undefined
            ? {
                rows: {
                  most: decision.allowance.rows,
                  beyond: decision.allowance.then.effect,
                  reason: decision.allowance.then.reason,
                  policies: [...decision.allowance.then.policies],
                },
              }
            : {}),
        },
        questions: explained.questions.map(questionOf),
        columns: columnsOf(statement, input, view),
      };
    }),
  };
}

function parse(
  statement: SqlStatement,
  { world }: ExplainInput,
): Omit<Explained, 'decision' | 'questions' | 'columns'> {
  const { verb, effect, hasWhere, allRows, object, privileges, functions, settings, sites } = statement;
  const named = (site: RelationSite): string => {
    const relation = world.catalog.relations.get(site.relation);
    return relation ? `${relation.schema}.${relation.name}` : String(site.relation);
  };
  const columns = (set: 'all' | ReadonlySet<string>): string[] => (set === 'all' ? ['*'] : [...set].sort());
  return {
    text: statement.text,
    verb,
    effect,
    hasWhere,
    allRows,
    ...(object !== undefined && { object }),
    privileges: privileges ?? false,
    reads: sites
      .filter(({ form }) => form !== 'target')
      .map((site) => ({
        relation: named(site),
        columns: columns(site.columns),
        conditions: columns(site.filtered ?? site.columns),
      })),
    writes: [...new Set(sites.filter(({ form }) => form === 'target').map(named))],
    functions: functions.map(({ schema, name }) => `${schema}.${name}`),
    settings: [...settings, ...statement.questions.flatMap(({ setting }) => setting ?? [])],
  };
}

/** Every labelled column that the statement can see, whether it is masked, and who said so. */
function columnsOf(
  statement: SqlStatement,
  input: ExplainInput,
  view: ReturnType<typeof viewOf>,
): Explained['columns'] {
  const { world, policy, principal, context, masks } = input;
  const found = new Map<string, Explained['columns'][number]>();
  for (const site of statement.sites) {
    const relation = world.catalog.relations.get(site.relation);
    const labels = world.labels.relations.get(site.relation);
    if (!relation || !labels) continue;
    for (const [column, own] of labels.columns) {
      const name = `${relation.schema}.${relation.name}.${column}`;
      if (found.has(name) || (site.columns !== 'all' && !site.columns.has(column))) continue;
      const { schema, name: table } = relation;
      const resource = { type: 'Column', connection: world.connection, schema, table, column } as const;
      const question: AccessQuestion = {
        action: 'unmask',
        resource: { ...resource, labels: own, tableLabels: labels.table },
      };
      const [answer] = policy.explain({ principal, questions: [question], context }).questions;
      const masked = view.hidden.get(site.relation)?.expressions.has(column) ?? false;
      const requests = view.consented.get(site.relation)?.get(column);
      found.set(name, {
        column: name,
        labels: [...own],
        masked,
        ...(masked && { mask: maskInWords(maskKindFor(own, masks)) }),
        ...(requests !== undefined && { requests: [...requests] }),
        policies: (answer?.policies ?? []).map(quoted),
        missing: [...(answer?.missing ?? [])],
        overruled: (answer?.overruled ?? []).map(quoted),
      });
    }
  }
  return [...found.values()].sort((a, b) => (a.column < b.column ? -1 : 1));
}

function maskInWords(mask: MaskKind): string {
  if (mask.kind === 'generalise')
    return `generalise to ${typeof mask.to === 'string' ? mask.to : `bands of ${mask.to.band}`}`;
  if (mask.kind !== 'partial') return mask.kind;
  const kept = [
    mask.keepFirst === undefined ? [] : [`first ${mask.keepFirst}`],
    mask.keepLast === undefined ? [] : [`last ${mask.keepLast}`],
  ].flat();
  return kept.length === 0 ? 'partial' : `partial, keeps ${kept.join(' and ')}`;
}

function questionOf({
  question,
  words,
  effect,
  policies,
  missing,
  candidates,
  overruled,
}: ExplainedQuestion): Explained['questions'][number] {
  const { part, setting } = question;
  return {
    words: setting === undefined ? words : `${words} (${setting})`,
    ...(part !== undefined && { part: part.verb }),
    effect,
    policies: policies.map(quoted),
    missing: [...missing],
    candidates: candidates.map(quoted),
    overruled: overruled.map(quoted),
  };
}

function quoted({ id, effect, file, line, text, reason }: QuotedPolicy) {
  return { id, effect, file, line, text, ...(reason !== undefined && { reason }) };
}
