import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { VerifyError } from './errors.ts';
import { HASH_BYTES, leafHash, verifyInclusion } from './merkle.ts';
import { decodeBase64, parseVkey } from './note.ts';

/** A proof of one entry that stands alone. https://c2sp.org/tlog-proof */
export interface LogProof {
  readonly index: number;
  /** Leaf to root. */
  readonly path: readonly Buffer[];
  readonly extra?: Buffer;
  /** The signed checkpoint as it was served. */
  readonly checkpoint: Buffer;
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';

export function formatProof(proof: LogProof): string {
  const extra = proof.extra === undefined ? '' : `extra ${proof.extra.toString('base64')}\n`;
  const path = proof.path.map((hash) => `${hash.toString('base64')}\n`).join('');
  return `${FIRST_LINE}\n${extra}index ${proof.index}\n${path}\n${proof.checkpoint.toString('utf8')}`;
}

/** @throws VerifyError `ERR_VERIFY_PROOF` */
export function parseProof(text: string): LogProof {
  const wrong = (why: string): never => {
    throw new VerifyError('ERR_VERIFY_PROOF', `The proof is malformed: ${why}.`);
  };
  const end = text.indexOf('\n\n');
  if (end < 0) wrong('there is no empty line before the checkpoint');
  const lines = text.slice(0, end).split('\n');
  if (lines.shift() !== FIRST_LINE) wrong(`it does not begin with "${FIRST_LINE}"`);
  const extra = lines[0]?.startsWith('extra ')
    ? decodeBase64(lines.shift()?.slice(6) ?? '', 'ERR_VERIFY_PROOF')
    : undefined;
  const digits = /^index (0|[1-9][0-9]*)$/.exec(lines.shift() ?? '')?.[1];
  const index = Number(digits);
  if (!Number.isSafeInteger(index)) wrong('its index is not a number');
  if (lines.length > 63) wrong('its path is longer than any tree is high');
  const path = lines.map((line) => decodeBase64(line, 'ERR_VERIFY_PROOF'));
  if (path.some((hash) => hash.length !== HASH_BYTES)) wrong('a hash is not 32 bytes long');
  return { index, path, ...(extra === undefined ? {} : { extra }), checkpoint: Buffer.from(text.slice(end + 2)) };
}

/**
 * Checks that an entry is in the log, with nothing but the proof and the log's key.
 * @returns the checkpoint that the proof leads to.
 * @throws VerifyError `ERR_VERIFY_PROOF`, `ERR_VERIFY_INCLUSION`, and what openCheckpoint throws
 */
export function verifyProof(
  text: string,
  entry: Uint8Array,
  log: { readonly vkey: string; readonly origin: string },
): Checkpoint {
  const proof = parseProof(text);
  const checkpoint = openCheckpoint(proof.checkpoint, log.origin, parseVkey(log.vkey));
  verifyInclusion(leafHash(entry), proof.index, checkpoint.size, proof.path, checkpoint.root);
  return checkpoint;
}
