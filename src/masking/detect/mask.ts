import { at, code, isDigit, type Span } from './bytes.ts';
import type { Kept } from './detector.ts';

const STAR = code('*');
const AT = code('@');

/** How a column's values are written: where only numbers may stand, a mask is one too. */
export type Writing = 'text' | 'number';

/**
 * Writes over `start`–`end` in place. A mask has exactly as many bytes as the value: no length in any protocol changes, rows need not be held
 * back, and what is around the value (JSON, arrays, CSV) stays what it was.
 */
export function maskInPlace(span: Span, start: number, end: number, kept: Kept, writing: Writing): void {
  const { bytes } = span;
  if (writing === 'number' || isJsonNumber(span, start, end)) {
    // 1000… is valid wherever a number of that many digits is; with the last ones kept where they may be.
    const keep = kept.how === 'last' ? kept.count : 0;
    for (let n = start, first = true; n < end - keep; n++) {
      if (!isDigit(bytes[n])) continue;
      bytes[n] = first ? 0x31 : 0x30;
      first = false;
    }
    return;
  }
  if (kept.how === 'domain') {
    const sign = bytes.indexOf(AT, start);
    // At most a quarter of what stands before the @ stays.
    bytes.fill(STAR, sign - start >= 4 ? start + 1 : start, sign);
    return;
  }
  if (kept.how === 'last') {
    let left = kept.count;
    for (let n = end - 1; n >= start; n--) {
      if (bytes[n] === 0x20 || bytes[n] === 0x2d) continue;
      if (left-- <= 0) bytes[n] = STAR;
    }
    return;
  }
  fillStars(bytes, kept.how === 'first' ? start + kept.count : start, end);
}

/** Line ends stay. */
export function fillStars(bytes: Uint8Array, from: number, to: number): void {
  for (let n = from; n < to; n++) if (bytes[n] !== 0x0a && bytes[n] !== 0x0d) bytes[n] = STAR;
}

/** `{"card": 4111111111111111}`: stars would break the document. */
function isJsonNumber(span: Span, start: number, end: number): boolean {
  if (!isDigit(span.bytes[start]) || !isDigit(span.bytes[end - 1])) return false;
  let before = start - 1;
  while (at(span, before) === 0x20) before -= 1;
  const sign = at(span, before);
  const behind = at(span, end);
  if (behind !== undefined && !',}] \n\r'.includes(String.fromCharCode(behind))) return false;
  if (sign === code(':')) return at(span, before - 1) === code('"') || at(span, before - 2) === code('"');
  return sign === code('[');
}
