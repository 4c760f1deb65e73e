import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { VerifyError } from './errors.ts';

/** Signature types of https://c2sp.org/signed-note */
export const NOTE_ED25519 = 0x01;
export const NOTE_COSIGNATURE = 0x04;

/** A key by which notes are verified, as it stands in a vkey. */
export interface Verifier {
  readonly name: string;
  readonly type: number;
  readonly keyId: number;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly key: Buffer;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  /** Without the key id. */
  readonly signature: Buffer;
}

export interface Note {
  /** Ends in a line feed; what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** More than the 16 that a reader must accept; a bound, so that a hostile note costs little. */
const MOST_SIGNATURES = 100;
const LARGEST_NOTE = 1_000_000;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Strict standard base64 with padding. @throws VerifyError with the given code */
export function decodeBase64(
  text: string,
  code: 'ERR_VERIFY_NOTE' | 'ERR_VERIFY_CHECKPOINT' | 'ERR_VERIFY_VKEY' | 'ERR_VERIFY_PROOF',
): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (text === '' || bytes.toString('base64') !== text)
    throw new VerifyError(code, `"${text.slice(0, 60)}" is not standard base64.`);
  return bytes;
}

export function isKeyName(name: string): boolean {
  return name !== '' && name.isWellFormed() && !/[\s\u0085+]/u.test(name);
}

/** `SHA-256(name || LF || type || key)[:4]`, big-endian. https://c2sp.org/signed-note#verifier-keys */
export function keyIdOf(name: string, type: number, key: Uint8Array): number {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), key]), 'buffer').readUInt32BE(0);
}

/** `name+hex8(key id)+base64(type || key)`. */
export function encodeVkey(name: string, type: number, key: Uint8Array): string {
  const id = keyIdOf(name, type, key).toString(16).padStart(8, '0');
  return `${name}+${id}+${Buffer.concat([Buffer.of(type), key]).toString('base64')}`;
}

/** @throws VerifyError `ERR_VERIFY_VKEY` */
export function parseVkey(vkey: string): Verifier {
  const wrong = (why: string): never => {
    throw new VerifyError('ERR_VERIFY_VKEY', `The verifier key "${vkey.slice(0, 200)}" cannot be used: ${why}.`);
  };
  const first = vkey.indexOf('+');
  const second = vkey.indexOf('+', first + 1);
  if (first < 0 || second < 0) return wrong('it is not of the form name+id+key');
  const name = vkey.slice(0, first);
  const id = vkey.slice(first + 1, second);
  if (!isKeyName(name)) wrong('its name is empty or holds a space');
  if (!/^[0-9a-f]{8}$/.test(id)) wrong('its id is not eight hexadecimal digits');
  const bytes = decodeBase64(vkey.slice(second + 1), 'ERR_VERIFY_VKEY');
  const type = bytes[0];
  const key = bytes.subarray(1);
  if (type === undefined || (type !== NOTE_ED25519 && type !== NOTE_COSIGNATURE))
    return wrong('its algorithm is unknown here');
  if (key.length !== 32) wrong('an Ed25519 key has 32 bytes');
  const keyId = keyIdOf(name, type, key);
  if (keyId !== Number.parseInt(id, 16)) wrong('its id does not belong to the key');
  return { name, type, keyId, key };
}

/** SubjectPublicKeyInfo of a raw Ed25519 key. https://www.rfc-editor.org/rfc/rfc8410#section-4 */
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

function publicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_ED25519, raw]), format: 'der', type: 'spki' });
}

/**
 * Splits a signed note at its last empty line.
 * @throws VerifyError `ERR_VERIFY_NOTE`
 */
export function parseNote(bytes: Uint8Array): Note {
  const wrong = (why: string): never => {
    throw new VerifyError('ERR_VERIFY_NOTE', `The signed note is malformed: ${why}.`);
  };
  if (bytes.length > LARGEST_NOTE) wrong('it is larger than 1 MB');
  let whole = '';
  try {
    whole = strictUtf8.decode(bytes);
  } catch {
    wrong('it is not UTF-8');
  }
  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(whole)) wrong('it holds a control character');
  const at = whole.lastIndexOf('\n\n');
  if (at < 0) wrong('there is no empty line before the signatures');
  const text = whole.slice(0, at + 1);
  const tail = whole.slice(at + 2);
  if (!tail.endsWith('\n')) wrong('it does not end in a line feed');
  const lines = tail.slice(0, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) wrong(`it has more than ${MOST_SIGNATURES} signatures`);
  const signatures = lines.map((line): NoteSignature => {
    const match = /^\u2014 ([^ ]+) ([^ ]+)$/u.exec(line);
    const name = match?.[1];
    const encoded = match?.[2];
    if (name === undefined || encoded === undefined || !isKeyName(name))
      return wrong('a signature line is not "— name base64"');
    const raw = decodeBase64(encoded, 'ERR_VERIFY_NOTE');
    if (raw.length < 5) wrong('a signature is too short');
    return { name, keyId: raw.readUInt32BE(0), signature: raw.subarray(4) };
  });
  return { text, signatures };
}

/** One signature line with its line feed. */
export function formatSignature(signature: NoteSignature): string {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(signature.keyId);
  return `\u2014 ${signature.name} ${Buffer.concat([id, signature.signature]).toString('base64')}\n`;
}

/** What a cosigner signs. https://c2sp.org/tlog-cosignature#format */
export function cosignedText(text: string, unixSeconds: bigint): string {
  return `cosignature/v1\ntime ${unixSeconds}\n${text}`;
}

function isGood(text: string, verifier: Verifier, signature: Buffer): boolean {
  if (verifier.type === NOTE_ED25519) return verify(null, Buffer.from(text), publicKey(verifier.key), signature);
  if (signature.length !== 72) return false;
  const signed = cosignedText(text, signature.readBigUInt64BE(0));
  return verify(null, Buffer.from(signed), publicKey(verifier.key), signature.subarray(8));
}

/**
 * Checks the signatures of the known keys; unknown keys are ignored.
 * @returns the known keys that signed, in order, at least one.
 * @throws VerifyError `ERR_VERIFY_NOTE_SIGNATURE` when a known key's signature fails, `ERR_VERIFY_NOTE_UNKNOWN_KEY` when none is known.
 */
export function verifyNote(note: Note, verifiers: readonly Verifier[]): Verifier[] {
  const signers: Verifier[] = [];
  for (const signature of note.signatures) {
    const known = verifiers.find((one) => one.name === signature.name && one.keyId === signature.keyId);
    if (known === undefined || signers.includes(known)) continue;
    if (!isGood(note.text, known, signature.signature)) {
      throw new VerifyError(
        'ERR_VERIFY_NOTE_SIGNATURE',
        `The signature of "${known.name}" does not belong to this text: text or signature was changed.`,
      );
    }
    signers.push(known);
  }
  if (signers.length === 0) {
    throw new VerifyError(
      'ERR_VERIFY_NOTE_UNKNOWN_KEY',
      'No signature is by a known key. Check the verifier key that you were given.',
    );
  }
  return signers;
}
