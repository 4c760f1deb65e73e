import type { SqlVerb } from '../../../model/statement.ts';
import { frontend } from '../../../wire/postgres/index.ts';
import { permitHousekeeping } from '../../permit.ts';
import type { Plan } from '../../plan.ts';
import type { RelayCore } from './core.ts';
import { parseMessage } from './encoding.ts';
import { expectation, type Run } from './expectation.ts';

/** Changes that the extended protocol runs as a simple query does. */
const ALIKE: ReadonlySet<SqlVerb> = new Set(['insert', 'update', 'delete', 'merge', 'select', 'create', 'explain']);

/** A change that may write down what it reads: it must not be committed before it is sure what that was. */
export function awaitsLook(core: RelayCore, plan: Plan, runs: readonly Run[]): boolean {
  return runs.some(({ planned }) => planned.statement.effect === 'change' && core.look.concerns(plan, planned));
}

/** Whether such a change can be sent as a query of its own and still be taken back. */
export function canBeHeldOpen(runs: readonly Run[]): boolean {
  const [run] = runs;
  return runs.length === 1 && run !== undefined && ALIKE.has(run.planned.statement.verb);
}

/**
 * Sends a query string with one change in the messages of the extended protocol, where Sync commits it, and sends that when its answer has
 * passed. If it may not pass, the session ends without Sync, and the target takes the change back.
 * `forward` records the run and sends the bytes.
 */
export async function runHeldOpen(
  core: RelayCore,
  plan: Plan,
  runs: readonly Run[],
  sql: Buffer,
  forward: (bytes: Buffer) => Promise<void> | undefined,
): Promise<void> {
  const { replies, pipeline } = core;
  const instead = { internal: true, instead: true, plan } as const;
  const answered = Promise.withResolvers<unknown>();
  const describes = runs.some(({ planned }) => planned.statement.returnsRows);
  replies.expect(expectation('parse', instead));
  replies.expect(expectation('bind', instead));
  if (describes) replies.expect(expectation('describe', instead));
  replies.expect(expectation('execute', { plan, runs, settle: answered.resolve }));
  const messages = [
    parseMessage('', sql, []),
    frontend.bind({ portal: '', statement: '' }),
    ...(describes ? [frontend.describe('portal', '')] : []),
    frontend.execute(''),
    frontend.flush(),
  ];
  await forward(Buffer.concat(messages));
  core.flushTarget();
  await Promise.race([answered.promise, core.ended]);
  if (core.over) return;
  pipeline.skipping = false; // after an error: this is the Sync
  replies.expect(expectation('sync'));
  core.forward(permitHousekeeping(frontend.sync()));
}
