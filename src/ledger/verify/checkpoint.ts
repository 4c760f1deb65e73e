import { VerifyError } from './errors.ts';
import { HASH_BYTES } from './merkle.ts';
import { decodeBase64, parseNote, type Verifier, verifyNote } from './note.ts';

/** What a log has committed to. https://c2sp.org/tlog-checkpoint */
export interface Checkpoint {
  readonly origin: string;
  /** Number of entries. */
  readonly size: number;
  readonly root: Buffer;
}

/** The body of the note: what is signed. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${checkpoint.root.toString('base64')}\n`;
}

/** Reads a checkpoint body; extension lines are allowed and ignored. @throws VerifyError `ERR_VERIFY_CHECKPOINT` */
export function parseCheckpoint(text: string): Checkpoint {
  const wrong = (why: string): never => {
    throw new VerifyError('ERR_VERIFY_CHECKPOINT', `The checkpoint is malformed: ${why}.`);
  };
  const [origin = '', size = '', encoded = '', ...rest] = text.split('\n');
  if (!text.endsWith('\n') || rest.length === 0) wrong('it has fewer than three lines');
  if (origin === '') wrong('its origin is empty');
  if (rest.slice(0, -1).includes('')) wrong('an extension line is empty');
  if (!/^(0|[1-9][0-9]*)$/.test(size) || !Number.isSafeInteger(Number(size))) wrong('its tree size is not a number');
  const root = decodeBase64(encoded, 'ERR_VERIFY_CHECKPOINT');
  if (root.length !== HASH_BYTES) wrong('its root hash is not 32 bytes long');
  return { origin, size: Number(size), root };
}

/**
 * Reads a signed checkpoint and believes it only when it names `origin` and the log's own key signed it.
 * @param log the log's key; its name SHOULD be the origin.
 * @throws VerifyError `ERR_VERIFY_NOTE…`, `ERR_VERIFY_CHECKPOINT`, `ERR_VERIFY_ORIGIN`
 */
export function openCheckpoint(bytes: Uint8Array, origin: string, log: Verifier): Checkpoint {
  const note = parseNote(bytes);
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== origin) {
    throw new VerifyError(
      'ERR_VERIFY_ORIGIN',
      `The checkpoint is of the log "${checkpoint.origin}", not of "${origin}".`,
    );
  }
  verifyNote(note, [log]);
  return checkpoint;
}
