import type { ApprovalBinding, StatementUnmaskGrant } from '../model/approval.ts';
import type { SqlVerb } from '../model/statement.ts';
import type { Consent } from './consent.ts';
import { refusal } from './errors.ts';
import type { Plan } from './plan.ts';
import type { Session } from './session.ts';

/** A statement for which labels are shown unmasked by consent, and everything that decides what it means. */
export interface UnmaskedStatement {
  /** Principal id. */
  readonly requester: string;
  readonly connection: string;
  /** Target role. */
  readonly role: string;
  /** The client's exact text, types of its parameters included. */
  readonly text: string;
  /** SHA-256 (hex) over the bound parameters, empty when there are none. */
  readonly parameters: string;
  readonly policyVersion: string;
  readonly worldVersion: string;
  readonly searchPath: readonly string[];
}

/** What of a grant stands in its binding beside the statement. */
export interface UnmaskTerms {
  readonly labels: readonly string[];
  /** Ids of the policies that consent lifts. */
  readonly policies: readonly string[];
  readonly seconds?: number | undefined;
  readonly uses?: number | undefined;
}

export function unmaskBinding(statement: UnmaskedStatement, terms: UnmaskTerms): ApprovalBinding {
  return {
    v: 1,
    requester: statement.requester,
    resource: statement.connection,
    role: statement.role,
    stmt: statement.text,
    params: statement.parameters,
    policies: [...terms.policies].sort(),
    masks: `${statement.policyVersion} ${statement.worldVersion}`,
    searchPath: lasting(statement.searchPath),
    unmask: [...terms.labels].sort(),
    ...(terms.seconds === undefined ? {} : { seconds: terms.seconds }),
    ...(terms.uses === undefined ? {} : { uses: terms.uses }),
  };
}

/** Temporary schemas have another name in every session, and hold nothing that is masked. */
function lasting(searchPath: readonly string[]): readonly string[] {
  return searchPath.filter((schema) => !/^pg_temp(?:_\d+)?$/.test(schema));
}

const SHOWS: ReadonlySet<SqlVerb> = new Set(['select', 'values', 'table', 'copy-to']);

/** Whether a plan does nothing but show rows, once: what it shows is then shown by this run alone, to nobody else, and kept nowhere. */
export function onlyShows({ statements }: Plan): boolean {
  return (
    statements.length > 0 &&
    statements.every(
      ({ statement }) =>
        SHOWS.has(statement.verb) &&
        statement.effect === 'read' &&
        statement.functions.every(({ name }) => name !== 'pg_notify') &&
        statement.objects.length === 0 &&
        !statement.changesContext &&
        !statement.changesCatalog,
    )
  );
}

/** The grant, if there is one, whose consent was given to exactly this text with exactly these parameters, as it would be run now. */
export function grantFor(
  session: Session,
  grants: readonly StatementUnmaskGrant[],
  plan: Plan,
  asked: { readonly text: string; readonly parameters: string },
): StatementUnmaskGrant | undefined {
  const { version } = session.services.policy();
  const masks = `${version} ${plan.view.world.version}`;
  const path = JSON.stringify(lasting(plan.searchPath));
  return grants.find(
    ({ binding }) =>
      binding.stmt === asked.text &&
      binding.params === asked.parameters &&
      binding.masks === masks &&
      JSON.stringify(binding.searchPath) === path,
  );
}

/**
 * Takes one use of the consent, of the statement as it is about to be sent: the binding is made anew and has to have the hash that was
 * consented to. Undefined when nothing is left.
 */
export async function useGrant(
  session: Session,
  grant: StatementUnmaskGrant,
  plan: Plan,
  asked: { readonly text: string; readonly parameters: string },
): Promise<Consent | undefined> {
  const { connection, principal, services } = session;
  const statement: UnmaskedStatement = {
    requester: principal.id,
    connection: connection.name,
    role: connection.credential.username,
    ...asked,
    policyVersion: services.policy().version,
    worldVersion: plan.view.world.version,
    searchPath: plan.searchPath,
  };
  const { labels, policies, binding } = grant;
  const { seconds, uses } = binding;
  const request = await services.approvals.consume(unmaskBinding(statement, { labels, policies, seconds, uses }));
  if (request === undefined) return undefined;
  return { request, ...(request.grant?.rowLimit === undefined ? {} : { rowLimit: request.grant.rowLimit }) };
}

export const USED_UP = refusal(
  'approval-expired',
  'gatehouse: the consent to see this statement unmasked was used up or ended a moment ago',
  {
    detail: 'Nothing of the result was delivered.',
    hint: 'Run the statement again to see it masked, or open a new request.',
  },
);

export const TAKEN_BACK = refusal(
  'approval-denied',
  'gatehouse: the consent by which this result is shown was taken back; the rest was not delivered',
  { hint: 'Run the statement again to see what you may see now, or open a new request.' },
);
