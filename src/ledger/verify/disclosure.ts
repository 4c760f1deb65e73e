import { hash } from 'node:crypto';
import type { JsonValue } from '../../model/json.ts';
import { VerifyError } from './errors.ts';

/** A disclosed value. https://www.rfc-editor.org/rfc/rfc9901#section-4.2.1 */
export interface DisclosedValue {
  readonly salt: string;
  readonly name: string;
  readonly value: JsonValue;
}

/** `base64url(SHA-256(ascii(encoded)))`. https://www.rfc-editor.org/rfc/rfc9901#section-4.2.3 */
export function disclosureDigest(encoded: string): string {
  return hash('sha256', encoded, 'base64url');
}

/** @throws VerifyError `ERR_VERIFY_DISCLOSURE` */
export function parseDisclosure(encoded: string): DisclosedValue {
  let parsed: unknown;
  try {
    parsed = /^[A-Za-z0-9_-]+$/.test(encoded)
      ? JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'))
      : undefined;
  } catch {
    parsed = undefined;
  }
  if (Array.isArray(parsed) && parsed.length === 3) {
    const [salt, name, value] = parsed as [unknown, unknown, JsonValue];
    if (typeof salt === 'string' && typeof name === 'string') return { salt, name, value };
  }
  throw new VerifyError('ERR_VERIFY_DISCLOSURE', 'A disclosure is not base64url of [salt, name, value].');
}

/** The disclosures of one entry, as one line of a disclosure file. */
export interface DisclosureLine {
  readonly seq: number;
  readonly disclosures: readonly string[];
}

/** @throws VerifyError `ERR_VERIFY_DISCLOSURE` */
export function parseDisclosureLine(line: string): DisclosureLine {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    parsed = undefined;
  }
  if (typeof parsed === 'object' && parsed !== null && 'seq' in parsed && 'd' in parsed) {
    const { seq, d } = parsed;
    if (Number.isSafeInteger(seq) && Array.isArray(d) && d.every((one) => typeof one === 'string')) {
      return { seq: seq as number, disclosures: d };
    }
  }
  throw new VerifyError('ERR_VERIFY_DISCLOSURE', 'A line of a disclosure file is not {"d":[…],"seq":n}.');
}
