import type { AccessContext } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import type { AccessQuestion } from '../model/statement.ts';
import type { CedarContext } from './engine.ts';
import { PolicyError } from './errors.ts';
import type { CounterValues } from './thresholds.ts';

/** How each attribute of Cedar's `context` that is not a row counter is read; the principal's own are not among them. */
export const READERS = {
  approved: (context: AccessContext) => context.approved,
  routine: (context: AccessContext) => context.routine,
  verb: (context: AccessContext) => context.verb ?? '',
  has_where: (context: AccessContext) => context.hasWhere ?? true,
  all_rows: (context: AccessContext) => context.allRows ?? false,
  object: (context: AccessContext) => context.object ?? '',
  privileges: (context: AccessContext) => context.privileges ?? false,
  setting: (context: AccessContext) => context.setting ?? '',
  hour: (context: AccessContext) => context.hour,
  weekday: (context: AccessContext) => context.weekday,
  source_ip: (context: AccessContext) => context.sourceIp,
  client: (context: AccessContext) => context.client,
  purpose: (context: AccessContext) => context.purpose,
} as const;

export type AttributeName = keyof typeof READERS;
export const ATTRIBUTE_NAMES = Object.keys(READERS) as readonly AttributeName[];

/**
 * The circumstances of one question: what its own part of the statement does stands in the place of what the statement as a whole is
 * called, so that a DELETE is a DELETE inside WITH and behind EXPLAIN too.
 */
export function circumstancesOf({ part, setting }: AccessQuestion, context: AccessContext): AccessContext {
  if (part === undefined && setting === undefined) return context;
  const whole = plainCopy(context);
  if (setting !== undefined) whole.setting = setting;
  if (part === undefined) return whole;
  delete whole.object;
  delete whole.privileges;
  return Object.assign(whole, part);
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Complete, or it does not compile. */
const ATTRIBUTES: Record<keyof AccessContext, true> = {
  approved: true,
  routine: true,
  rows: true,
  rowsSession: true,
  rowsHour: true,
  rowsDay: true,
  verb: true,
  hasWhere: true,
  allRows: true,
  object: true,
  privileges: true,
  setting: true,
  hour: true,
  weekday: true,
  sourceIp: true,
  client: true,
  purpose: true,
};
const NAMES = Object.keys(ATTRIBUTES) as readonly (keyof AccessContext)[];

/** Getters too. */
function plainCopy(context: AccessContext): Writable<AccessContext> {
  return Object.fromEntries(
    NAMES.flatMap((name) => (context[name] === undefined ? [] : [[name, context[name]]])),
  ) as unknown as Writable<AccessContext>;
}

/** The circumstances as Cedar gets them. @throws PolicyError ERR_POLICY_CONTEXT for values that no policy could be asked about. */
export function cedarContext(principal: Principal, context: AccessContext, counters: CounterValues): CedarContext {
  for (const name of ['hour', 'weekday'] as const) {
    if (Number.isSafeInteger(context[name])) continue;
    throw new PolicyError('ERR_POLICY_CONTEXT', `context.${name} is ${context[name]}, which is not a whole number`);
  }
  return {
    approved: context.approved,
    routine: context.routine,
    ...counters,
    rows_today: counters.rows_day,
    verb: READERS.verb(context),
    has_where: READERS.has_where(context),
    all_rows: READERS.all_rows(context),
    object: READERS.object(context),
    privileges: READERS.privileges(context),
    setting: READERS.setting(context),
    hour: context.hour,
    weekday: context.weekday,
    mfa: principal.mfa,
    kind: principal.kind,
    ...(context.sourceIp !== undefined && { source_ip: { __extn: { fn: 'ip', arg: plainAddress(context.sourceIp) } } }),
    ...(context.client !== undefined && { client: context.client }),
    ...(context.purpose !== undefined && { purpose: context.purpose }),
    ...(principal.onBehalfOf !== undefined && { on_behalf_of: principal.onBehalfOf }),
  };
}

/** A socket that listens on IPv6 shows IPv4 peers as `::ffff:10.1.2.3`; `10.0.0.0/8` in a policy means them too. */
function plainAddress(address: string): string {
  const bare = address.replace(/%.*$/s, ''); // without the zone of a link-local address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  // Cedar reads the address itself, but would take a whole range for one
  if (!/^[0-9a-f:.]+$/i.test(bare)) {
    throw new PolicyError('ERR_POLICY_CONTEXT', `context.source_ip is not an IP address: ${address}`);
  }
  return mapped ?? bare;
}
