import type { ForwardPermit } from '../../permit.ts';
import type { Session } from '../../session.ts';
import type { Asking, Judge } from './judge.ts';
import type { PseudonymKey } from './pseudonym-key.ts';
import type { Replies } from './replies.ts';
import type { SecondLook } from './second-look.ts';
import type { SessionNames } from './session-names.ts';
import type { SessionObjectTable } from './session-objects.ts';

/** Where the client stands in the extended protocol; shared by both directions of a relay. */
export interface Pipeline {
  /** Extended-protocol messages were forwarded since the last Sync. */
  open: boolean;
  /** An Execute was forwarded since the last Sync. */
  executed: boolean;
  /** The target ignores everything until Sync, and so do we. */
  skipping: boolean;
  /** COPY FROM STDIN statements that were forwarded and have not ended. */
  copyIn: number;
  /** The target takes COPY data now; until CopyDone or CopyFail it ignores Sync. */
  copying: boolean;
  /** CopyDone or CopyFail that came before the target said that it takes data. */
  doneAhead: number;
}

/** What the parts of one relay share: the only way to the target, and the order of things. */
export interface RelayCore {
  readonly session: Session;
  readonly replies: Replies;
  readonly objects: SessionObjectTable;
  readonly names: SessionNames;
  readonly pseudonymKey: PseudonymKey;
  readonly judge: Judge;
  readonly look: SecondLook;
  readonly asking: Asking;
  readonly pipeline: Pipeline;
  /** Nothing runs, no transaction is open, and the client's next message is a Sync. */
  readonly aloneBeforeSync: boolean;
  /** The only way to the target; sent with the next `flushTarget`. */
  forward(permit: ForwardPermit): void;
  /** The same for a change: it and all that follows are sent once its record is durable. Gives a promise when too much waits already. */
  forwardWhen(permit: Promise<ForwardPermit>): Promise<void> | undefined;
  flushTarget(): void;
  /** Resolves when no reply is outstanding, or the session is over. */
  settled(): Promise<void>;
  /** Nothing the target says from now on reaches the client before the record of this index is durable. */
  holdRepliesFor(record: number): void;
  ledgerLost(): void;
  readonly over: boolean;
  /** Resolves when the session is over. */
  readonly ended: Promise<unknown>;
}

/** Sent in the place of a refused statement, so that the target's transaction state moves exactly as after any error. */
export const REFUSED_TEXT = 'gatehouse: refused';
/** A statement that is shown unmasked by consent is prepared under this name, bound, and forgotten at once. */
export const UNMASKED_NAME = '__gatehouse_unmasked';
export const REFUSED_NAME = '__gatehouse_refused';
