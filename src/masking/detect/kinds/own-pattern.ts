import { MaskingError } from '../../errors.ts';
import { Automaton, UNKNOWN } from '../automaton/automaton.ts';
import { parsePattern, reversed, shortest } from '../automaton/pattern.ts';
import { Program } from '../automaton/program.ts';
import { at, isWord, type Span } from '../bytes.ts';
import { type Detector, NOTHING, type Sighting, type Trigger } from '../detector.ts';

/** A pattern of one's own, from the configuration. */
export interface OwnPattern {
  /** Lower-case words joined by hyphens. */
  readonly name: string;
  readonly pattern: string;
  readonly label: string;
}

/** Longer values are found by their first or last part only: what a search reads again is bounded by it. */
const LONGEST = 256;
/** Shorter ones would be found everywhere. */
const SHORTEST = 4;

/**
 * Makes a detector of a pattern. A value is the longest match that begins leftmost, is part of no longer word and has at most 256 bytes.
 * The time is linear in the text, whatever the pattern: https://swtch.com/~rsc/regexp/regexp3.html
 * @throws MaskingError `ERR_MASKING_PATTERN`
 */
export function ownPattern(own: OwnPattern): { readonly detector: Detector; readonly trigger: Trigger } {
  const node = parsePattern(own.pattern);
  if (shortest(node) < SHORTEST)
    throw new MaskingError(
      'ERR_MASKING_PATTERN',
      `it matches text shorter than ${SHORTEST} bytes, which is found everywhere`,
    );
  const detector: Detector = {
    id: `pattern-${own.name}`,
    family: 'pattern',
    label: own.label,
    title: own.name,
    words: [],
    kept: NOTHING,
  };
  const forwards = new Program();
  forwards.add(node, 0);
  const backwards = new Program();
  backwards.add(reversed(node), 0);
  const ahead = new Automaton(forwards, { anchored: true, maxStates: 512 });
  const back = new Automaton(backwards, { anchored: true, maxStates: 512 });
  return {
    detector,
    trigger: {
      pattern: own.pattern,
      read(span: Span, end: number, sighting: Sighting): boolean {
        const start = furthest(back, span, end, -1);
        if (start === undefined) return false;
        const stop = furthest(ahead, span, start, 1);
        if (stop === undefined) return false;
        sighting.reset(start, stop, 0, true);
        sighting.passed.push(detector);
        return true;
      },
    },
  };
}

/** Where the longest match that begins at `from` and is read in `direction` ends, if it ends where no word goes on. */
function furthest(automaton: Automaton, span: Span, from: number, direction: 1 | -1): number | undefined {
  let state = automaton.start;
  let best: number | undefined;
  for (let n = 0; n < LONGEST; n++) {
    const index = direction === 1 ? from + n : from - 1 - n;
    const byte = at(span, index);
    if (byte === undefined) break;
    let next = automaton.next[state + (automaton.classes[byte] as number)] as number;
    if (next === UNKNOWN) next = automaton.build(state, byte);
    state = next < 0 ? ~next : next;
    if (next < 0) {
      const edge = direction === 1 ? index + 1 : index;
      const inside = at(span, direction === 1 ? edge - 1 : edge);
      const beyond = at(span, direction === 1 ? edge : edge - 1);
      if (!isWord(inside) || !isWord(beyond)) best = edge;
    } else if (automaton.isDead(state)) break;
  }
  return best;
}
