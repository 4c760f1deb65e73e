import { at, isDigit, isWord, type Span } from '../bytes.ts';
import type { Detector, Sighting, Trigger } from '../detector.ts';

export const PHONE: Detector = {
  id: 'phone',
  family: 'phone',
  label: 'pii.contact.phone',
  title: 'phone number in international form (E.164)',
  kept: { how: 'last', count: 2 },
  words: ['phone', 'mobile', 'tel', 'telefon', 'telephone', 'fax', 'handy', 'movil', 'whatsapp', 'msisdn'],
};

/**
 * Country codes in use (ITU-T E.164, list of assigned codes) with the digits that numbers there have in all, code included; codes that
 * are not listed have 9 to 15.
 */
const LENGTHS: Readonly<Record<string, readonly [number, number]>> = {
  1: [11, 11],
  7: [11, 11],
  20: [11, 12],
  27: [11, 11],
  30: [12, 12],
  31: [11, 11],
  32: [10, 11],
  33: [11, 11],
  34: [11, 11],
  36: [10, 11],
  39: [9, 13],
  40: [11, 11],
  41: [11, 11],
  43: [9, 15],
  44: [11, 12],
  45: [10, 10],
  46: [9, 12],
  47: [10, 10],
  48: [11, 11],
  49: [10, 14],
  51: [10, 11],
  52: [12, 13],
  53: [10, 10],
  54: [12, 13],
  55: [12, 13],
  56: [11, 11],
  57: [12, 12],
  58: [12, 12],
  60: [10, 12],
  61: [11, 11],
  62: [10, 14],
  63: [11, 12],
  64: [10, 12],
  65: [10, 10],
  66: [10, 11],
  81: [11, 12],
  82: [10, 12],
  84: [11, 12],
  86: [12, 13],
  90: [12, 12],
  91: [12, 12],
  92: [11, 12],
  93: [11, 11],
  94: [11, 11],
  95: [9, 12],
  98: [12, 12],
};
const THREE =
  '211 212 213 216 218 220-229 230-239 240-249 250-258 260-269 290 291 297-299 350-359 370-378 380-383 385-387 389 420 421 423 500-509 590-599 670 672-683 685-692 800 808 850 852 853 855 856 870 878 880-883 886 888 960-968 970-977 979 992-996 998';
/** By the first three digits: fewest and most digits in all; 0 where no country has that code. */
const fewest = new Uint8Array(1000);
const most = new Uint8Array(1000);
for (const part of THREE.split(' ')) {
  const [from = 0, to = from] = part.split('-').map(Number);
  fewest.fill(9, from, to + 1);
  most.fill(15, from, to + 1);
}
for (const [prefix, [least, longest]] of Object.entries(LENGTHS)) {
  const width = 10 ** (3 - prefix.length);
  const from = Number(prefix) * width;
  fewest.fill(least, from, from + width);
  most.fill(longest, from, from + width);
}

const LONGEST = 15;
const SEPARATORS = new Set([0x20, 0x28, 0x29, 0x2d, 0x2e, 0x2f]);
const PLUS = 0x2b;
const DOT = 0x2e;
/** Forms of look-alikes: signed numbers without any separator. */
const SIGNED = 60;
const SEPARATED = 61;

export const phone: Trigger = {
  pattern: '[^0-9A-Za-z+/=]\\+[1-9](?:[ ().-]{0,2}[0-9]){7}',
  read(span: Span, end: number, sighting: Sighting): boolean {
    let start = end;
    while (at(span, start) !== PLUS || start === end) if (--start < span.from || end - start > 24) return false;
    let count = 0;
    let code = 0; // the first three digits
    let fifth = 0;
    let stop = start + 1;
    let separators = 0;
    let dots = 0;
    for (let n = start + 1; count <= LONGEST; n++) {
      const byte = at(span, n);
      if (byte === undefined) break;
      if (isDigit(byte)) {
        if (n > stop && count > 0) separators += 1;
        count += 1;
        if (count <= 3) code = code * 10 + byte - 0x30;
        if (count === 5) fifth = byte - 0x30;
        stop = n + 1;
      } else if (n - stop >= 2 || !SEPARATORS.has(byte)) break;
      else if (byte === DOT) dots += 1;
    }
    // `+123456789.50` is an amount.
    if (separators === 1 && dots > 0) return false;
    const behind = at(span, stop);
    if (isWord(behind) || (behind === DOT && isDigit(at(span, stop + 1)))) return false;
    sighting.reset(start, stop, separators > 0 ? SEPARATED : SIGNED, separators > 0);
    if (isPhone(count, code, fifth)) sighting.passed.push(PHONE);
    return true;
  },
};

function isPhone(count: number, code: number, fifth: number): boolean {
  const least = fewest[code] ?? 0;
  if (least === 0 || count < least || count > (most[code] ?? 0)) return false;
  // North America: neither area nor exchange begins with 0 or 1.
  return code >= 200 || code < 100 || (code % 100 >= 20 && fifth >= 2);
}
