import { Automaton, UNKNOWN } from './automaton/automaton.ts';
import { parsePattern } from './automaton/pattern.ts';
import { Program } from './automaton/program.ts';
import type { Span } from './bytes.ts';
import { type Detector, type DetectorFamily, type DetectorId, Sighting, type Trigger } from './detector.ts';
import { digitRuns } from './kinds/digit-runs.ts';
import { EMAIL, email } from './kinds/email.ts';
import { groupedNumbers } from './kinds/groups.ts';
import { IBAN, iban } from './kinds/iban.ts';
import { NATIONAL_IDS } from './kinds/national-ids.ts';
import { type OwnPattern, ownPattern } from './kinds/own-pattern.ts';
import { PAN } from './kinds/pan.ts';
import { PHONE, phone } from './kinds/phone.ts';
import { JWT, jwt, PRIVATE_KEY, privateKey, SECRETS, secretTriggers } from './kinds/secrets.ts';

/** Text begins as a line does: nothing stands before it. */
const LINE_END = 0x0a;

export interface DetectorChoice {
  /** Built-in detectors that look. */
  readonly families: ReadonlySet<DetectorFamily>;
  /** Countries whose national ids are looked for, by their ISO 3166 codes in lower case; absent: all that are known. */
  readonly countries?: readonly string[];
  readonly patterns?: readonly OwnPattern[];
}

/** Told of everything that looks like a value; gives where the search goes on (behind the value when it was one). */
export interface SightingSink {
  sighted(span: Span, sighting: Sighting): boolean;
}

/**
 * Detectors compiled into one automaton: each byte of text costs one table look-up; only where something ends that may be a value, somebody
 * looks closer. Shared by all sessions of a thread; grows its own tables, but holds nothing of what it reads.
 */
export class DetectorSet {
  readonly detectors: readonly Detector[];
  readonly #triggers: readonly Trigger[];
  readonly #automaton: Automaton;
  readonly #sighting = new Sighting();
  readonly #span: { bytes: Uint8Array; from: number; to: number } = { bytes: new Uint8Array(0), from: 0, to: 0 };

  /** @throws MaskingError `ERR_MASKING_PATTERN` when a pattern of one's own cannot be read. */
  constructor(choice: DetectorChoice) {
    const own = (choice.patterns ?? []).map(ownPattern);
    this.detectors = [...builtIns(choice), ...own.map(({ detector }) => detector)];
    this.#triggers = [...triggersOf(this.detectors), ...own.map(({ trigger }) => trigger)];
    const program = new Program();
    for (const [id, { pattern }] of this.#triggers.entries()) program.add(parsePattern(pattern), id);
    this.#automaton = new Automaton(program, { before: LINE_END });
  }

  find(id: DetectorId): Detector | undefined {
    return this.detectors.find((each) => each.id === id);
  }

  /** Reads `bytes` from `from` to `to`: one field, one line, one message. Linear in its length. */
  scan(bytes: Uint8Array, from: number, to: number, sink: SightingSink): void {
    const automaton = this.#automaton;
    const { classes } = automaton;
    let { next } = automaton;
    let state = automaton.start;
    let index = from;
    while (index < to) {
      const byte = bytes[index] as number;
      index += 1;
      let after = next[state + (classes[byte] as number)] as number;
      if (after < 0) {
        if (after === UNKNOWN) {
          after = automaton.build(state, byte);
          next = automaton.next;
        }
        if (after < 0) {
          const behind = this.#look(bytes, from, to, index, ~after, sink);
          if (behind > index) {
            // What was found is no beginning of anything else, but the boundary before what follows.
            index = behind;
            after = automaton.start;
          } else after = ~after;
        }
      }
      state = after;
    }
  }

  #look(bytes: Uint8Array, from: number, to: number, end: number, state: number, sink: SightingSink): number {
    const span = this.#span;
    span.bytes = bytes;
    span.from = from;
    span.to = to;
    for (const id of this.#automaton.endsOf(state)) {
      const trigger = this.#triggers[id];
      if (trigger?.read(span, end, this.#sighting) && sink.sighted(span, this.#sighting)) return this.#sighting.end;
    }
    return end;
  }
}

function builtIns({ families, countries }: DetectorChoice): Detector[] {
  const all = [EMAIL, PHONE, PAN, IBAN, ...NATIONAL_IDS, ...SECRETS, JWT, PRIVATE_KEY];
  return all.filter((each) => {
    if (!families.has(each.family)) return false;
    return !('country' in each) || countries === undefined || countries.includes(each.country as string);
  });
}

function triggersOf(enabled: readonly Detector[]): Trigger[] {
  const has = (detector: Detector) => enabled.includes(detector);
  const runs = digitRuns(enabled);
  return [
    ...(has(EMAIL) ? [email] : []),
    ...(has(PHONE) ? [phone] : []),
    ...(has(IBAN) ? iban : []),
    ...(runs ? [runs] : []),
    ...groupedNumbers(enabled),
    ...(has(JWT) ? [jwt] : []),
    ...(has(PRIVATE_KEY) ? [privateKey] : []),
    ...(SECRETS.some(has) ? secretTriggers : []),
  ];
}
