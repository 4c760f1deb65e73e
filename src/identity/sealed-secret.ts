import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IdentityError } from './errors.ts';

/** AES-256-GCM with a 96-bit random nonce: https://doi.org/10.6028/NIST.SP.800-38D */
const CIPHER = 'aes-256-gcm';
const FORMAT = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 4;

/** 256 bits that seal the target credentials at rest. Never logged, never part of a configuration dump. */
export interface MasterKey {
  readonly bytes: Buffer;
  /** Where it came from, for people: `environment` or the file's path. */
  readonly from: string;
}

/** The port through which sealed secrets (`gatehouse credentials set`) are kept. Implemented in `storage`. */
export interface SealedSecretStore {
  /** Resolves only when the sealed bytes are on stable storage; replaces an earlier secret of that name. MUST NOT see plain text. */
  put(name: string, sealed: Buffer): Promise<void>;
  /** MUST reject (never resolve `undefined`) when the store could not be read. */
  get(name: string): Promise<Buffer | undefined>;
  /** Gives false when there was none. */
  remove(name: string): Promise<boolean>;
  /** Names only, sorted, with the time of the last `put` (milliseconds since the epoch). */
  list(): Promise<readonly { readonly name: string; readonly changedAt: number }[]>;
}

function keyId(key: MasterKey): Buffer {
  return createHash('sha256')
    .update('gatehouse/master-key-id/v1\n')
    .update(key.bytes)
    .digest()
    .subarray(0, KEY_ID_BYTES);
}

/**
 * Seals a secret under the master key. `name` is bound to it as additional data, so that a sealed secret cannot be moved
 * under another name. Gives: format byte, 4 bytes of key id, nonce, ciphertext, tag.
 */
export function sealSecret(key: MasterKey, name: string, secret: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const head = Buffer.concat([Buffer.of(FORMAT), keyId(key)]);
  const cipher = createCipheriv(CIPHER, key.bytes, nonce);
  cipher.setAAD(additionalData(head, name));
  return Buffer.concat([head, nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens what `sealSecret` made under the same name.
 * @throws IdentityError ERR_IDENTITY_SEAL_KEY when another master key sealed it, ERR_IDENTITY_SEAL_BROKEN when it was altered or renamed.
 */
export function openSecret(key: MasterKey, name: string, sealed: Buffer): string {
  const headBytes = 1 + KEY_ID_BYTES;
  if (sealed.length < headBytes + NONCE_BYTES + TAG_BYTES || sealed[0] !== FORMAT) {
    throw new IdentityError(
      'ERR_IDENTITY_SEAL_BROKEN',
      `the sealed secret ${JSON.stringify(name)} has no known format`,
    );
  }
  const head = sealed.subarray(0, headBytes);
  if (!head.subarray(1).equals(keyId(key))) {
    throw new IdentityError(
      'ERR_IDENTITY_SEAL_KEY',
      `the secret ${JSON.stringify(name)} was sealed with another master key than the one from ${key.from}`,
    );
  }
  const nonce = sealed.subarray(headBytes, headBytes + NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key.bytes, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(head, name));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    const body = sealed.subarray(headBytes + NONCE_BYTES, sealed.length - TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    throw new IdentityError(
      'ERR_IDENTITY_SEAL_BROKEN',
      `the sealed secret ${JSON.stringify(name)} was altered, or belongs to another name`,
    );
  }
}

function additionalData(head: Buffer, name: string): Buffer {
  return Buffer.concat([head, Buffer.from(`gatehouse/sealed-secret/v1\n${name}`, 'utf8')]);
}

/**
 * The master key: 64 hex digits or base64 of 32 bytes, from `GATEHOUSE_MASTER_KEY` when that is set, else from the file.
 * @throws IdentityError ERR_IDENTITY_MASTER_KEY when there is none, it has the wrong size, or others may read the file.
 */
export async function loadMasterKey(
  file: string,
  env: { readonly GATEHOUSE_MASTER_KEY?: string | undefined },
): Promise<MasterKey> {
  const given = env.GATEHOUSE_MASTER_KEY;
  if (given !== undefined) return { bytes: parseKey(given, 'GATEHOUSE_MASTER_KEY'), from: 'environment' };
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) {
      throw new IdentityError('ERR_IDENTITY_MASTER_KEY', `others may read ${file}; run: chmod 600 ${file}`);
    }
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    throw new IdentityError(
      'ERR_IDENTITY_MASTER_KEY',
      `no master key in ${file} (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}); create it with: gatehouse init, or set GATEHOUSE_MASTER_KEY`,
    );
  }
  return { bytes: parseKey(text, file), from: file };
}

/**
 * Creates the master key file with mode 0600.
 * @throws IdentityError ERR_IDENTITY_MASTER_KEY when the file exists: a key is never overwritten.
 */
export async function createMasterKey(file: string): Promise<MasterKey> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const bytes = randomBytes(KEY_BYTES);
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${bytes.toString('hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await chmod(file, 0o600);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'it exists already' : String(error);
    throw new IdentityError('ERR_IDENTITY_MASTER_KEY', `could not create ${file}: ${reason}`);
  }
  return { bytes, from: file };
}

function parseKey(text: string, from: string): Buffer {
  const trimmed = text.trim();
  const bytes = /^[0-9a-fA-F]{64}$/.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new IdentityError('ERR_IDENTITY_MASTER_KEY', `the key from ${from} is not 32 bytes in hex or base64`);
  }
  return bytes;
}
