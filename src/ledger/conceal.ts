import { randomFillSync } from 'node:crypto';
import type { JsonValue } from '../model/json.ts';
import { Commitment } from './commitment.ts';

/** 128 bits. https://www.rfc-editor.org/rfc/rfc9901#section-9.3 */
const SALT_BYTES = 16;

/** Salts in big blocks: a call for 16 bytes costs as much as one for 16 KiB. A salt is never used twice. */
const block = Buffer.alloc(1024 * SALT_BYTES);
let used = block.length;

function freshSalt(): string {
  if (used === block.length) {
    randomFillSync(block);
    used = 0;
  }
  const salt = block.toString('base64url', used, used + SALT_BYTES);
  block.fill(0, used, used + SALT_BYTES);
  used += SALT_BYTES;
  return salt;
}

/** Salted commitment to one value. */
export function conceal(name: string, value: JsonValue): Commitment {
  return Commitment.to(freshSalt(), name, value);
}
