/** What a byte may be, as bits. Bytes beyond ASCII are none of these: they are letters of some script, and no boundary is seen in them. */
const DIGIT = 1;
const UPPER = 2;
const LOWER = 4;
/** `_ - .` and the others that an e-mail's local part may hold without quotes (RFC 5322 §3.2.3 dot-atom), as far as people use them. */
const LOCAL = 8;
/** base64url, https://www.rfc-editor.org/rfc/rfc4648#section-5 */
const TOKEN = 16;

const kinds = new Uint8Array(256);
for (let byte = 0x30; byte <= 0x39; byte++) kinds[byte] = DIGIT | LOCAL | TOKEN;
for (let byte = 0x41; byte <= 0x5a; byte++) kinds[byte] = UPPER | LOCAL | TOKEN;
for (let byte = 0x61; byte <= 0x7a; byte++) kinds[byte] = LOWER | LOCAL | TOKEN;
for (const char of '._%+-') kinds[char.charCodeAt(0)] = LOCAL;
for (const char of '_-') kinds[char.charCodeAt(0)] = (kinds[char.charCodeAt(0)] ?? 0) | TOKEN;

const kind = (byte: number | undefined): number => (byte === undefined ? 0 : (kinds[byte] as number));

export const isDigit = (byte: number | undefined): boolean => (kind(byte) & DIGIT) !== 0;
export const isUpper = (byte: number | undefined): boolean => (kind(byte) & UPPER) !== 0;
export const isLetter = (byte: number | undefined): boolean => (kind(byte) & (UPPER | LOWER)) !== 0;
export const isAlnum = (byte: number | undefined): boolean => (kind(byte) & (DIGIT | UPPER | LOWER)) !== 0;
export const isLocal = (byte: number | undefined): boolean => (kind(byte) & LOCAL) !== 0;
export const isToken = (byte: number | undefined): boolean => (kind(byte) & TOKEN) !== 0;

/** A letter, a digit or `_`: part of the same word. */
export const isWord = (byte: number | undefined): boolean => isAlnum(byte) || byte === 0x5f;

export const code = (char: string): number => char.charCodeAt(0);

/** Where text lies: a field, a line, a message. Nothing outside `from`–`to` belongs to it. */
export interface Span {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** The byte at `at`, `undefined` outside the span. */
export const at = (span: Span, index: number): number | undefined =>
  index >= span.from && index < span.to ? span.bytes[index] : undefined;

/** Whether the ASCII text stands at `index`. */
export function startsAt(span: Span, index: number, text: string): boolean {
  if (index < span.from || index + text.length > span.to) return false;
  for (let n = 0; n < text.length; n++) if (span.bytes[index + n] !== text.charCodeAt(n)) return false;
  return true;
}
