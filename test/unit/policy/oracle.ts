import cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { AccessContext } from '../../../src/model/access.ts';
import type { Principal } from '../../../src/model/principal.ts';
import type { PolicySet } from '../../../src/policy/index.ts';

/**
 * Cedar asked directly, by policy text, with hand-built entities: no cache, no thresholds, no code of the room. Only for reading
 * the table `public.<name>` of `shop` with labels that have no dots.
 */
export function oracle(
  set: PolicySet,
  who: Principal,
  name: string,
  labels: readonly string[],
  at: AccessContext,
): string {
  const ask = (approved: boolean) => {
    const principal = { type: who.kind === 'service' ? 'Service' : 'User', id: who.id };
    const uid = { type: 'Table', id: `shop/public.${name}` };
    const schema = { type: 'Schema', id: 'shop/public' };
    const connection = { type: 'Connection', id: 'shop' };
    const parents = labels.map((id) => ({ type: 'Label', id }));
    const groups = who.groups.map((id) => ({ type: 'Group', id }));
    const answer = cedar.isAuthorized({
      principal,
      action: { type: 'Action', id: 'read' },
      resource: uid,
      context: {
        approved,
        routine: at.routine,
        rows: at.rows,
        rows_session: at.rowsSession,
        rows_hour: at.rowsHour,
        rows_day: at.rowsDay,
        rows_today: at.rowsDay,
        verb: at.verb ?? '',
        has_where: at.hasWhere ?? true,
        all_rows: at.allRows ?? false,
        object: at.object ?? '',
        privileges: at.privileges ?? false,
        setting: at.setting ?? '',
        hour: at.hour,
        weekday: at.weekday,
        mfa: who.mfa,
        kind: who.kind,
        ...(at.client !== undefined && { client: at.client }),
        ...(at.purpose !== undefined && { purpose: at.purpose }),
      },
      policies: { staticPolicies: Object.fromEntries([...set.policies].map(([id, { text }]) => [id, text])) },
      entities: [
        { uid: principal, attrs: { issuer: who.issuer, kind: who.kind, mfa: who.mfa }, parents: groups },
        ...[...groups, ...parents, connection].map((each) => ({ uid: each, attrs: {}, parents: [] })),
        { uid, attrs: {}, parents: [schema, ...parents] },
        { uid: schema, attrs: {}, parents: [connection] },
      ],
    });
    if (answer.type === 'failure') throw new Error(JSON.stringify(answer));
    return answer.response;
  };
  const now = ask(at.approved);
  if (now.decision === 'allow') return 'forward';
  const { reason } = now.diagnostics;
  const open = reason.length > 0 && reason.every((id) => set.policies.get(id)?.text.includes('@approval'));
  return open && !at.approved && ask(true).decision === 'allow' ? 'hold' : 'refuse';
}

/** The same, some rows later. */
export function later(at: AccessContext, rows: number): AccessContext {
  return {
    ...at,
    rows: at.rows + rows,
    rowsSession: at.rowsSession + rows,
    rowsHour: at.rowsHour + rows,
    rowsDay: at.rowsDay + rows,
  };
}
