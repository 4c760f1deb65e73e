import { at, type Span } from './bytes.ts';
import { type Detector, FORMS, type Sighting } from './detector.ts';
import { latin1 } from './kinds/groups.ts';

/** From so many look-alikes on, some may fail: people mistype numbers. */
const ENOUGH = 4;
/** A tenth of random numbers passes a check digit; of real ids nearly all. */
const SHARE = 0.75;
/** How far before a value a word may stand that says what it is. */
const REACH = 32;

/**
 * Whether numbers that pass a checksum are what they look like. One number in ten passes by chance, so a checksum alone says little: a column
 * counts as one of ids as long as (nearly) everything of that form passes, as its name says so, or as a word before the value does.
 */
export class Evidence {
  readonly #named: ReadonlySet<string>;
  #seen: Float64Array | undefined;
  #last: Float64Array | undefined;
  readonly #passed = new Map<string, Float64Array>();

  constructor(columnName: string) {
    this.#named = new Set(words(columnName));
  }

  /** The detector that the value is taken for; undefined when nothing speaks for it but chance. */
  judge(span: Span, sighting: Sighting): Detector | undefined {
    const { passed, form } = sighting;
    if (sighting.certain && passed[0]) return passed[0];
    const counted = this.#count(span, sighting);
    let best: Detector | undefined;
    let most = 0;
    for (const detector of passed) {
      const hits = this.#passed.get(detector.id)?.[form] ?? 0;
      const seen = this.#seen?.[form] ?? 0;
      const dense = hits === seen || (seen >= ENOUGH && hits >= seen * SHARE);
      if (dense && hits > most) {
        best = detector;
        most = hits;
      }
    }
    if (best === undefined || !counted) {
      const said = passed.find((detector) => this.#isNamed(detector)) ?? saidBefore(span, sighting);
      return said ?? best;
    }
    return best;
  }

  /** Counts a look-alike; a value repeated row after row says no more than once. */
  #count(span: Span, { start, end, form, passed }: Sighting): boolean {
    this.#seen ??= new Float64Array(FORMS);
    this.#last ??= new Float64Array(FORMS);
    let hash = end - start;
    for (let n = start; n < end; n++) hash = (hash * 31 + (span.bytes[n] as number)) % 0x1fffffffffff;
    if (this.#last[form] === hash) return false;
    this.#last[form] = hash;
    this.#seen[form] = (this.#seen[form] ?? 0) + 1;
    for (const { id } of passed) {
      let counts = this.#passed.get(id);
      if (!counts) {
        counts = new Float64Array(FORMS);
        this.#passed.set(id, counts);
      }
      counts[form] = (counts[form] ?? 0) + 1;
    }
    return true;
  }

  #isNamed(detector: Detector): boolean {
    return detector.words.some((word) => this.#named.has(word));
  }
}

/** Words of a name such as `customer_bsn`, `customerBsn`, `CC-Number`; neighbours are also taken together. */
export function words(name: string): string[] {
  const parts = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((part) => part !== '');
  return [...parts, ...parts.slice(1).map((part, index) => `${parts[index]}${part}`)];
}

function saidBefore(span: Span, { start, passed }: Sighting): Detector | undefined {
  if (passed.length === 0 || at(span, start - 1) === undefined) return undefined;
  const before = words(latin1(span.bytes, Math.max(span.from, start - REACH), start));
  return passed.find((detector) => detector.words.some((word) => before.includes(word)));
}
