import { at, isAlnum, isDigit, isWord, type Span } from './bytes.ts';

/** `email`, `pan`, `id-br` … or `pattern-<name>` of a pattern of one's own. */
export type DetectorId = string;

/** What configuration switches as one: built-in detectors by what they find, and each pattern of one's own. */
export type DetectorFamily =
  | 'email'
  | 'phone'
  | 'pan'
  | 'iban'
  | 'national-id'
  | 'secret'
  | 'jwt'
  | 'private-key'
  | 'pattern';

export const DETECTOR_FAMILIES: readonly Exclude<DetectorFamily, 'pattern'>[] = [
  'email',
  'phone',
  'pan',
  'iban',
  'national-id',
  'secret',
  'jwt',
  'private-key',
];

export interface Detector {
  readonly id: DetectorId;
  readonly family: DetectorFamily;
  /** The label that is proposed for a column of such values. */
  readonly label: string;
  /** What people are told it is. */
  readonly title: string;
  /** Words that, in a column's name or just before a value, say that a number is one of these. */
  readonly words: readonly string[];
  /** What stays readable of a masked value. */
  readonly kept: Kept;
}

/** What stays readable of a masked value. */
export type Kept =
  | { readonly how: 'nothing' }
  | { readonly how: 'domain' }
  | { readonly how: 'last'; readonly count: number }
  | { readonly how: 'first'; readonly count: number };

/** How a value goes on that has not ended where the text at hand ends. */
export type Open = 'token' | 'pem' | undefined;

/** Something that looks like a value of one of some detectors. Filled by a trigger; reused, so nobody keeps it. */
export class Sighting {
  start = 0;
  end = 0;
  /** Too rare by chance to need support from the column or from words beside it. */
  certain = false;
  /** Look-alikes of one form are counted together: how many of them pass their checksum tells a column of ids from one of order numbers. */
  form = 0;
  /** Detectors whose checksum it passes; none when it is a look-alike only. */
  readonly passed: Detector[] = [];
  open: Open;

  reset(start: number, end: number, form: number, certain: boolean): void {
    this.start = start;
    this.end = end;
    this.form = form;
    this.certain = certain;
    this.passed.length = 0;
    this.open = undefined;
  }
}

export const NOTHING: Kept = { how: 'nothing' };

/** Where the automaton stops to look, and who looks. */
export interface Trigger {
  /** In the notation of `parsePattern`. A byte before the value that must be no part of it stands in the pattern too. */
  readonly pattern: string;
  /** Looks at what stands before `end` (the end of the pattern). True when it is at least a look-alike. MUST be bounded in what it reads. */
  read(span: Span, end: number, sighting: Sighting): boolean;
}

/** Forms of look-alikes: runs of digits have their length as form, groups one of these. */
export const FORMS = 64;

const DOT = 0x2e;
const DASH = 0x2d;
const SLASH = 0x2f;
const PLUS = 0x2b;

/** No word, fraction, date or dashed identifier goes on to the left of `start`. */
export function freeBefore(span: Span, start: number): boolean {
  const before = at(span, start - 1);
  if (before === undefined) return true;
  if (isWord(before) || before === PLUS) return false;
  if (before === DOT || before === DASH) return !isAlnum(at(span, start - 2));
  return before !== SLASH || !isDigit(at(span, start - 2));
}

/** The same to the right of `end`. */
export function freeBehind(span: Span, end: number): boolean {
  const behind = at(span, end);
  if (behind === undefined) return true;
  if (isWord(behind)) return false;
  if (behind === DOT || behind === DASH || behind === SLASH) return !isAlnum(at(span, end + 1));
  return true;
}

/** Digits of a grouped number: no further group of digits before or behind it. */
export function standsAlone(span: Span, start: number, end: number): boolean {
  const space = (byte: number | undefined) => byte === 0x20 || byte === DASH;
  if (space(at(span, start - 1)) && isDigit(at(span, start - 2))) return false;
  return !(space(at(span, end)) && isDigit(at(span, end + 1)));
}
