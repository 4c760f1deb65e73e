import { at, isDigit, type Span } from '../bytes.ts';
import { type Detector, freeBefore, freeBehind, type Sighting, type Trigger } from '../detector.ts';
import type { NationalId } from './national-ids.ts';
import { isPan, PAN } from './pan.ts';

const SHORTEST = 9;
const LONGEST = 19;
const CAPITAL_X = 0x58;
const SMALL_X = 0x78;
const SCRATCH: number[] = [];

/**
 * Card numbers and national ids written as digits alone. The pattern ends behind the eighth digit of a run, once per run. Every run of a
 * length that some number has is a look-alike: that its checksum fails speaks against the column.
 */
export function digitRuns(enabled: readonly Detector[]): Trigger | undefined {
  const pan = enabled.includes(PAN);
  const byLength = new Map<number, NationalId[]>();
  for (const each of enabled) {
    if (!('check' in each)) continue;
    const id = each as NationalId;
    if (id.length !== undefined) byLength.set(id.length, [...(byLength.get(id.length) ?? []), id]);
  }
  const swedish = enabled.find(({ id }) => id === 'id-se') as NationalId | undefined;
  if (swedish) byLength.set(12, [...(byLength.get(12) ?? []), swedish]);
  if (!pan && byLength.size === 0) return undefined;
  const panLength = (length: number) => pan && length >= 14 && length <= LONGEST;
  const lengths = new Uint8Array(LONGEST + 1);
  for (let length = SHORTEST; length <= LONGEST; length++)
    lengths[length] = byLength.has(length) || panLength(length) ? 1 : 0;

  return {
    pattern: '[^0-9][0-9]{8}',
    read(span: Span, end: number, sighting: Sighting): boolean {
      const start = end - 8;
      let stop = end;
      while (isDigit(at(span, stop))) if (++stop - start > LONGEST) return false;
      const resident = stop - start === 17 && (at(span, stop) === CAPITAL_X || at(span, stop) === SMALL_X);
      if (resident) stop += 1;
      const length = stop - start;
      if (lengths[length] !== 1 || !freeBefore(span, start) || !freeBehind(span, stop)) return false;
      sighting.reset(start, stop, length, false);
      SCRATCH.length = length;
      for (let n = 0; n < length; n++) SCRATCH[n] = (span.bytes[start + n] as number) - 0x30;
      if (resident) SCRATCH[17] = 10;
      for (const id of byLength.get(length) ?? []) {
        if (!id.check(SCRATCH)) continue;
        if (id.certain) {
          sighting.certain = true;
          sighting.passed.unshift(id);
        } else sighting.passed.push(id);
      }
      if (!resident && panLength(length) && isPan(SCRATCH)) sighting.passed.push(PAN);
      return true;
    },
  };
}
