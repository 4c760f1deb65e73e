import type { UnmaskAnswer } from '../controlplane/index.ts';
import { onlyShows, type Plan, viewOf, type World } from '../dataplane/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { Oid } from '../model/catalog.ts';
import type { MaskRules } from '../model/mask.ts';
import type { Principal } from '../model/principal.ts';
import type { PolicySet } from '../policy/index.ts';
import type { StatementAnalyser } from '../statement/sql/postgres/index.ts';
import { planOnce } from './plan-once.ts';

export interface UnmaskQuestion {
  readonly world: World;
  readonly policy: PolicySet;
  readonly principal: Principal;
  readonly labels: readonly string[];
  readonly context: AccessContext;
}

/** Whether a column, which carries some of the labels, is what is asked about. */
type Concerns = (relation: Oid, column: string) => boolean;

/** Asks `unmask` for every column of the connection that carries one of the labels, or one below. */
export function unmaskAnswer(question: UnmaskQuestion, concerns: Concerns = () => true): UnmaskAnswer {
  const { world, policy, principal, labels, context } = question;
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
      if (!columnLabels.some(wanted) || !concerns(oid, column)) continue;
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

export interface StatementUnmaskQuestion extends UnmaskQuestion {
  readonly analyser: StatementAnalyser;
  readonly masks: MaskRules;
  readonly text: string;
  readonly searchPath: readonly string[];
  /** Target role. */
  readonly role: string;
}

/** The same of the columns that one statement can see; refused when consent to it would show nothing, or could not be kept to it. */
export function statementUnmaskAnswer(question: StatementUnmaskQuestion): UnmaskAnswer {
  const masked = planned(question);
  if (typeof masked === 'string') return { effect: 'refuse', reason: masked };
  if (!onlyShows(masked)) {
    return {
      effect: 'refuse',
      reason:
        'only queries (SELECT, VALUES, TABLE, COPY … TO STDOUT) that name no cursor or prepared statement and change and notify nothing can be shown unmasked by consent to the statement',
    };
  }
  const answer = unmaskAnswer(question, seenBy(masked));
  if (answer.effect !== 'hold') return answer;
  const shown = planned(question, answer.policies);
  const shows = typeof shown !== 'string' && shown.statements.some(({ consents }) => consents.length > 0);
  if (shows) return answer;
  return { effect: 'refuse', reason: 'its columns carry other labels, or are closed by other policies, besides' };
}

/** The statement's plan, with consent to the labels when `policies` are those it lifts; or why there is none. */
function planned(question: StatementUnmaskQuestion, policies?: readonly string[]): Plan | string {
  const { world, policy, principal, masks, context, labels, text, searchPath, role } = question;
  const consent = { request: 'req_?', labels, policies: policies ?? [], policyVersion: policy.version, notAfter: 0 };
  const grants = policies === undefined ? [] : [consent];
  // A key of its own: nobody else is to find this view.
  const unmasks = {
    key: policies === undefined ? '' : `? ${JSON.stringify([labels, policies])}`,
    grants,
    statements: [],
  };
  const view = viewOf(world, policy, principal, masks, context, unmasks);
  const found = planOnce(question.analyser, { text, view, policy, principal, searchPath, role });
  return 'plan' in found ? found.plan : found.refusal.message;
}

function seenBy({ script }: Plan): Concerns {
  const sites = script.statements.flatMap((statement) => statement.sites);
  return (relation, column) =>
    sites.some((site) => site.relation === relation && (site.columns === 'all' || site.columns.has(column)));
}
