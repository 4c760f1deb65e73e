import type { JsonObject, JsonValue } from '../model/json.ts';
import type { Principal } from '../model/principal.ts';
import type { AuditKind, RecordSink } from '../model/record.ts';
import { ControlError } from './errors.ts';

export interface Change {
  readonly kind: AuditKind;
  readonly actor: Principal;
  readonly time: number;
  readonly session?: string;
  readonly clear: JsonObject;
  /** What is personal or says who and why. */
  readonly hidden?: Readonly<Record<string, JsonValue>>;
}

/**
 * Records a change that somebody makes by way of the API.
 * @throws ControlError `ERR_CONTROLPLANE_NOT_RECORDED`: then the change must not be made
 */
export async function recordChange(sink: RecordSink, change: Change): Promise<void> {
  const { actor } = change;
  const hidden: Readonly<Record<string, JsonValue>> = {
    actor: {
      uid: actor.id,
      name: actor.name,
      kind: actor.kind,
      mfa: actor.mfa,
      ...(actor.onBehalfOf === undefined ? {} : { on_behalf_of: actor.onBehalfOf }),
    },
    ...change.hidden,
  };
  try {
    await sink.append({
      kind: change.kind,
      time: change.time,
      ...(change.session === undefined ? {} : { session: change.session }),
      clear: { ...change.clear, assurance: actor.credential.type, door: 'api' },
      hidden: Object.entries(hidden).map(([name, value]) => sink.conceal(name, value)),
    });
  } catch (cause) {
    throw new ControlError(
      'ERR_CONTROLPLANE_NOT_RECORDED',
      'Nothing was changed, because the ledger could not record it. Ask the operator to look at the ledger.',
      { cause },
    );
  }
}
