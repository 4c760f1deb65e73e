import type { JsonValue } from '../model/json.ts';
import { ApprovalError } from './errors.ts';

/**
 * Canonical JSON (RFC 8785, https://www.rfc-editor.org/rfc/rfc8785) of strings, safe integers, booleans, null, arrays and objects.
 * Fractions and lone surrogates are refused: two parties could write them differently.
 * @throws ApprovalError `ERR_APPROVAL_BAD_BINDING`
 */
export function canonicalJson(value: JsonValue): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw bad(`the number ${value} is not a safe integer`);
    return value === 0 ? '0' : String(value);
  }
  if (typeof value === 'string') return canonicalString(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members: string[] = [];
  // Sorting by UTF-16 code units is what RFC 8785 §3.2.3 asks for, and what sort() does by default.
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member === undefined) continue;
    members.push(`${canonicalString(name)}:${canonicalJson(member)}`);
  }
  return `{${members.join(',')}}`;
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw bad('a string holds half of a surrogate pair');
  return JSON.stringify(text);
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function bad(why: string): ApprovalError {
  return new ApprovalError(
    'ERR_APPROVAL_BAD_BINDING',
    `The statement cannot be bound to an approval: ${why}. Send it as valid text.`,
  );
}
