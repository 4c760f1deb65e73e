import type { JsonObject, JsonValue } from '../../model/json.ts';
import { VerifyError } from './errors.ts';

/**
 * RFC 8785 canonical JSON, for the values the ledger admits: numbers are integers up to 2^53 - 1, so that no reader has to
 * agree with us on how a fraction is printed. https://www.rfc-editor.org/rfc/rfc8785
 * @throws VerifyError `ERR_VERIFY_JCS` for a fraction, a lone surrogate, or nesting beyond 64 levels.
 */
export function canonicalJson(value: JsonValue, depth = 0): string {
  if (depth === 0 && typeof value === 'object') {
    const text = nativeIfCanonical(value);
    if (text !== undefined) return text;
  }
  if (depth > 64) throw new VerifyError('ERR_VERIFY_JCS', 'A value is nested more than 64 levels deep.');
  switch (typeof value) {
    case 'string':
      return canonicalString(value);
    case 'number':
      return canonicalInteger(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object': {
      if (value === null) return 'null';
      if (isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
      // Default sort compares UTF-16 code units, as RFC 8785 §3.2.3 asks.
      const members = Object.keys(value).sort();
      return `{${members.map((name) => `${canonicalString(name)}:${canonicalJson(value[name] as JsonValue, depth + 1)}`).join(',')}}`;
    }
    default:
      throw new VerifyError('ERR_VERIFY_JCS', `A ${typeof value} has no JSON form.`);
  }
}

function isArray(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function canonicalString(text: string): string {
  if (!text.isWellFormed())
    throw new VerifyError('ERR_VERIFY_JCS', 'A string holds half of a surrogate pair, which UTF-8 cannot carry.');
  return JSON.stringify(text);
}

export function canonicalInteger(number: number): string {
  if (!Number.isSafeInteger(number))
    throw new VerifyError('ERR_VERIFY_JCS', `The number ${number} is not an integer below 2^53.`);
  return String(number);
}

/** Whether `text`, decoded from UTF-8, is the canonical form of `value`, which was parsed from it. */
export function isCanonicalJson(value: JsonValue, text: string): boolean {
  try {
    return canonicalJson(value) === text;
  } catch {
    return false;
  }
}

/** Printing natively what has its members in order gives the canonical form, unless an escape hides half a surrogate pair. */
function nativeIfCanonical(value: JsonValue): string | undefined {
  if (!isOrderedAndWhole(value, 0)) return undefined;
  const text = JSON.stringify(value);
  return text.includes('\\ud') ? undefined : text;
}

function isOrderedAndWhole(value: JsonValue, depth: number): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth > 64) return false;
  if (isArray(value)) return value.every((item) => isOrderedAndWhole(item, depth + 1));
  let before: string | undefined;
  for (const name in value) {
    if (before !== undefined && before >= name) return false;
    before = name;
    if (!isOrderedAndWhole(value[name] as JsonValue, depth + 1)) return false;
  }
  return true;
}
