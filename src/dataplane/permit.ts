import type { RecordQueue } from '../model/record.ts';

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
 * For reads: `record` is the index that the ledger gave the statement's record, so it stands in the ledger's queue, in order. The
 * answer is held back by the relay until the record is durable (DESIGN promise 2), so forwarding need not wait.
 */
export function permitRecordedRead(bytes: Buffer, _record: number): ForwardPermit {
  return { [minted]: true, bytes };
}

/** For whatever may change the target: resolves only when the record is on stable storage, rejects when it cannot be. */
export function permitRecordedChange(bytes: Buffer, record: number, sink: RecordQueue): Promise<ForwardPermit> {
  return new Promise((resolve, reject) => {
    sink.whenDurable(record, { durable: () => resolve({ [minted]: true, bytes }), lost: reject });
  });
}
