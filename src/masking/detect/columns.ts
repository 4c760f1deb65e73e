import type { DetectorAction } from '../../model/detect.ts';
import type { Span } from './bytes.ts';
import type { Detector, Open, Sighting } from './detector.ts';
import type { DetectorSet, SightingSink } from './detector-set.ts';
import { Evidence } from './evidence.ts';
import { pemEnd, tokenEnd } from './kinds/secrets.ts';
import { fillStars, maskInPlace, type Writing } from './mask.ts';

export interface DetectedColumn {
  readonly name: string;
  /** How its values are written; `skip` for types that cannot hold text (dates, booleans, …). */
  readonly writing: Writing | 'skip';
}

/** How often a detector found something in a column. Never what. */
export interface ColumnHits {
  /** 0-based; -1 when it could not be told. */
  readonly column: number;
  readonly detector: Detector;
  readonly hits: number;
}

/** So much of a value that has not ended is kept back: longer ones are found by their beginning. */
export const HOLD = 512;
/** So much of what has left is read again, for what stands before a value. */
export const CONTEXT = 96;
/** Columns that are told apart; PostgreSQL has at most 1664 in a result. */
const MAX_COLUMNS = 2048;

/** What tells columns apart inside a line, for streams that are not split into fields. */
export type Separator = 'tab' | 'comma';

/**
 * The detectors over the columns of one result. Masks are written in place and have the length of the value, so the caller's framing stays
 * valid. One value after the other, each maybe in parts.
 */
export class ColumnDetectors implements SightingSink {
  readonly #set: DetectorSet;
  readonly #actionOf: (detector: Detector) => DetectorAction;
  readonly #columns: readonly DetectedColumn[];
  readonly #separator: Separator | undefined;
  readonly #evidence: Evidence[] = [];
  readonly #counts: { column: number; detector: Detector; hits: number }[][] = [];
  #refusedBy: Detector | undefined;
  // --- of the value that is read now
  #column = 0;
  #fresh = 0;
  #safe = Number.POSITIVE_INFINITY;
  #open: { readonly kind: Exclude<Open, undefined>; readonly masked: boolean } | undefined;

  /** @param separator For values that are whole lines: what stands between their columns. */
  constructor(
    set: DetectorSet,
    actionOf: (detector: Detector) => DetectorAction,
    columns: readonly DetectedColumn[],
    separator?: Separator,
  ) {
    this.#set = set;
    this.#actionOf = actionOf;
    this.#columns = columns;
    this.#separator = separator;
  }

  /** The first detector that wants the result to end. */
  get refusedBy(): Detector | undefined {
    return this.#refusedBy;
  }

  /** Whether the column can hold anything to be found. */
  looksAt(column: number): boolean {
    return this.#columns[column]?.writing !== 'skip';
  }

  counts(): ColumnHits[] {
    return this.#counts.flat();
  }

  /** Reads a whole value in `bytes`, from `from` to `to`, and masks in place. */
  scan(column: number, bytes: Uint8Array, from: number, to: number): void {
    this.#column = column;
    this.#fresh = from;
    this.#safe = Number.POSITIVE_INFINITY;
    this.#set.scan(bytes, from, to, this);
  }

  /**
   * Reads a value in parts. `bytes` holds, from `from`, up to `CONTEXT` bytes that have left already, and from `fresh` on those that have not.
   * Gives up to where they may leave now; the rest MUST be given again, in front of the next part, but not behind the last.
   */
  scanPart(column: number, bytes: Uint8Array, from: number, fresh: number, to: number, last: boolean): number {
    this.#column = column;
    let start = from;
    this.#fresh = fresh;
    if (this.#open) {
      const [stop, ended] = (this.#open.kind === 'pem' ? pemEnd : tokenEnd)(bytes, fresh, to);
      if (this.#open.masked) fillStars(bytes, fresh, stop);
      if (ended || last) this.#open = undefined;
      if (!ended) return last ? to : stop;
      start = stop;
      this.#fresh = stop;
    }
    this.#safe = last ? Number.POSITIVE_INFINITY : Math.max(this.#fresh, to - HOLD);
    this.#set.scan(bytes, start, to, this);
    if (last) {
      this.#open = undefined;
      return to;
    }
    return Math.min(this.#safe, to);
  }

  sighted(span: Span, sighting: Sighting): boolean {
    const { start, end } = sighting;
    if (start < this.#fresh) return false;
    // Near the end of a part: it comes again, with what follows.
    if (start >= this.#safe) return false;
    const column = this.#separator === undefined ? this.#column : this.#columnAt(span, start);
    const detector = this.#evidenceOf(column).judge(span, sighting);
    if (detector === undefined) return false;
    const action = this.#actionOf(detector);
    this.#count(column, detector);
    if (action === 'refuse') this.#refusedBy ??= detector;
    if (action !== 'report')
      maskInPlace(span, start, end, detector.kept, this.#columns[column]?.writing === 'number' ? 'number' : 'text');
    if (this.#safe !== Number.POSITIVE_INFINITY && end > this.#safe) {
      this.#safe = end;
      if (sighting.open !== undefined) this.#open = { kind: sighting.open, masked: action !== 'report' };
    }
    return true;
  }

  #evidenceOf(column: number): Evidence {
    const slot = slotOf(column);
    let evidence = this.#evidence[slot];
    if (!evidence) {
      evidence = new Evidence(this.#columns[column]?.name ?? '');
      this.#evidence[slot] = evidence;
    }
    return evidence;
  }

  #count(column: number, detector: Detector): void {
    const slot = slotOf(column);
    let counts = this.#counts[slot];
    if (!counts) {
      counts = [];
      this.#counts[slot] = counts;
    }
    for (const entry of counts) {
      if (entry.detector !== detector) continue;
      entry.hits += 1;
      return;
    }
    counts.push({ column: slot === MAX_COLUMNS ? -1 : column, detector, hits: 1 });
  }

  /** How many separators stand before `index` in its line: outside quotes, where there are quotes. */
  #columnAt(span: Span, index: number): number {
    const comma = this.#separator === 'comma';
    let column = 0;
    let quoted = false;
    for (let n = span.from; n < index; n++) {
      const byte = span.bytes[n];
      if (comma && byte === 0x22) quoted = !quoted;
      else if (byte === (comma ? 0x2c : 0x09) && !quoted) column += 1;
      else if (byte === 0x0a && !quoted) column = 0;
    }
    return column;
  }
}

function slotOf(column: number): number {
  return column < 0 || column >= MAX_COLUMNS ? MAX_COLUMNS : column;
}
