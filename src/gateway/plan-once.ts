import { type Plan, Planner, type View } from '../dataplane/index.ts';
import type { Principal } from '../model/principal.ts';
import type { Refusal } from '../model/refusal.ts';
import type { PolicySet } from '../policy/index.ts';
import type { StatementAnalyser } from '../statement/sql/postgres/index.ts';

export interface PlanOnceInput {
  readonly text: string;
  readonly view: View;
  readonly policy: PolicySet;
  readonly principal: Principal;
  /** Schemas in which bare names are looked up; pg_catalog comes first when it is not among them. */
  readonly searchPath: readonly string[];
  /** Target role. */
  readonly role: string;
}

const NO_OBJECTS = { prepared: () => undefined, cursor: () => undefined };

/** What a new session would look names up in. */
export function sessionOf({ searchPath, role }: Pick<PlanOnceInput, 'searchPath' | 'role'>) {
  return {
    searchPath: searchPath.includes('pg_catalog') ? searchPath : ['pg_catalog', ...searchPath],
    temporary: [],
    temporaryFunctions: [],
    currentUser: role,
    standardConformingStrings: true,
    idle: true,
  };
}

/** Plans a statement as a new session of the principal would, to say something about it: nothing runs and nothing is recorded. */
export function planOnce(
  analyser: StatementAnalyser,
  input: PlanOnceInput,
): { readonly plan: Plan } | { readonly refusal: Refusal } {
  const { text, view, policy, principal } = input;
  const planner = new Planner(analyser, {
    append: () => Promise.reject(new Error('what is only asked about is not recorded')),
    conceal: () => ({ encoded: '', digest: '' }),
  });
  const session = sessionOf(input);
  return planner.plan({ text, view, session, contextVersion: 1, objects: NO_OBJECTS, principal }, policy);
}
