import type { Recorded } from '../model/record.ts';

const minted = Symbol('ForwardPermit'); // not exported: no other file can make one

/**
 * Leave to send exactly these bytes to the target. The target writer accepts nothing else, so no code path can forward what was
 * neither judged nor recorded.
 */
export interface ForwardPermit {
  readonly [minted]: true;
  readonly bytes: Buffer;
}

/** For messages that carry no statement (Bind, Sync, Close …): a closed set of message kinds, judged by the relay's own switch. */
export function permitHousekeeping(bytes: Buffer): ForwardPermit {
  return { [minted]: true, bytes };
}

/**
 * For reads: the record is in the ledger's queue, in order. The answer is held back by the relay until the record is durable
 * (DESIGN promise 2), so forwarding need not wait.
 */
export function permitRecordedRead(bytes: Buffer, record: Promise<Recorded>): ForwardPermit {
  void record.catch(() => undefined); // the relay's gate reports the failure; here it must only not be unhandled
  return { [minted]: true, bytes };
}

/** For whatever may change the target: resolves only when the record is on stable storage, rejects when it cannot be. */
export async function permitRecordedChange(bytes: Buffer, record: Promise<Recorded>): Promise<ForwardPermit> {
  await record;
  return { [minted]: true, bytes };
}
