import type { Refusal } from '../../../model/refusal.ts';
import { frontend } from '../../../wire/postgres/index.ts';
import { isRefusal } from '../../errors.ts';
import { permitHousekeeping } from '../../permit.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';
import { USED_UP, useGrant } from '../../statement-unmask.ts';
import { type RelayCore, UNMASKED_NAME } from './core.ts';
import { parseMessage } from './encoding.ts';
import { expectation, type Run } from './expectation.ts';
import { boundTo } from './parameters.ts';
import type { UnmaskedPortal } from './session-objects.ts';

/** A portal as Bind makes it. */
interface Bound {
  readonly portal: string;
  readonly plan: Plan;
  readonly types: readonly number[];
  readonly bytes: Buffer;
}

/**
 * The client's own prepared statement shows masks, whatever it is executed with. For these parameters consent was given: so they are
 * bound to the same text as it is shown by that, under a name that is gone again at once.
 */
export function bindUnmasked(core: RelayCore, { portal, plan, types, bytes }: Bound, unmasked: UnmaskedPortal): void {
  const { objects, pipeline, replies } = core;
  const forward = (message: Buffer): void => core.forward(permitHousekeeping(message));
  const undo = objects.setPortal(portal, {
    ...{ plan, planned: plan.statements[0], bind: bytes, types, held: false, basis: core.look.basis(plan), rows: 0 },
    unmasked,
  });
  pipeline.open = true;
  replies.expect(expectation('close', { internal: true }));
  forward(frontend.close('statement', UNMASKED_NAME)); // left over when a pipeline failed before its end
  replies.expect(expectation('parse', { plan, internal: true, instead: true }));
  forward(parseMessage(UNMASKED_NAME, Buffer.from(plan.forwarded), types));
  if (plan.witnessed) {
    replies.expect(expectation('describe', { plan, internal: true }));
    forward(frontend.describe('statement', UNMASKED_NAME));
  }
  replies.expect(expectation('bind', { plan, undo }));
  forward(boundTo(UNMASKED_NAME, bytes));
  replies.expect(expectation('close', { internal: true }));
  forward(frontend.close('statement', UNMASKED_NAME));
}

/** Takes the use that the runs need; a refusal when somebody else took the last one, or took it back. */
export async function withGrant(
  core: RelayCore,
  plan: Plan,
  judged: readonly Run[] | Refusal,
  unmasked: UnmaskedPortal,
): Promise<readonly Run[] | Refusal> {
  if (isRefusal(judged)) return judged;
  unmasked.used ??= await useGrant(core.session, unmasked.grant, plan, unmasked.asked);
  const { used } = unmasked;
  if (used === undefined) return USED_UP;
  for (const run of judged) run.unmasked = used;
  return judged;
}

/** Requests by whose consent what stands behind the names that statements use shows labels unmasked. */
export function consentsBehind(core: RelayCore, statements: readonly PlannedStatement[]): readonly string[] {
  const { objects } = core;
  return statements
    .flatMap(({ statement }) => statement.objects)
    .flatMap(({ kind, act, name }) => {
      const meant = act !== 'use' ? undefined : kind === 'cursor' ? objects.portal(name) : objects.prepared(name);
      return meant?.planned?.consents ?? [];
    });
}
