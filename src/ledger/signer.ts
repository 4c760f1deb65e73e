import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { LedgerError } from './errors.ts';
import {
  type Checkpoint,
  encodeVkey,
  formatCheckpoint,
  formatSignature,
  keyIdOf,
  NOTE_ED25519,
} from './verify/index.ts';

/** Signs checkpoints as one log. */
export interface CheckpointSigner {
  readonly vkey: string;
  /** The signed note, ready to be served. */
  sign(checkpoint: Checkpoint): Buffer;
}

/** A new Ed25519 key as PKCS #8 PEM. */
export function generateLogKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** @throws LedgerError `ERR_LEDGER_KEY` when it is not an Ed25519 key. */
export function createSigner(origin: string, pem: string): CheckpointSigner {
  const key = readKey(pem);
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
  const keyId = keyIdOf(origin, NOTE_ED25519, raw);
  return {
    vkey: encodeVkey(origin, NOTE_ED25519, raw),
    sign(checkpoint) {
      const text = formatCheckpoint(checkpoint);
      const signature = sign(null, Buffer.from(text), key);
      return Buffer.from(`${text}\n${formatSignature({ name: origin, keyId, signature })}`);
    },
  };
}

function readKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new LedgerError(
      'ERR_LEDGER_KEY',
      'The log key cannot be read: it is not a private key in PEM. Restore it from a backup.',
      {
        cause: error,
      },
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new LedgerError(
      'ERR_LEDGER_KEY',
      `The log key is of type ${key.asymmetricKeyType}, not ed25519. Restore it from a backup.`,
    );
  }
  return key;
}
