import { at, isAlnum, isDigit, isUpper, type Span } from '../bytes.ts';
import { type Detector, freeBefore, freeBehind, type Sighting, type Trigger } from '../detector.ts';
import { latin1 } from './groups.ts';

export const IBAN: Detector = {
  id: 'iban',
  family: 'iban',
  label: 'fin.iban',
  title: 'IBAN',
  kept: { how: 'last', count: 4 },
  words: ['iban'],
};

/** Length by country: SWIFT IBAN Registry, https://www.swift.com/resource/iban-registry-pdf */
const LENGTHS = new Map(
  `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18
   FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24
   ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25
   SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30`
    .split(/\s+/)
    .map((entry): [string, number] => [entry.slice(0, 2), Number(entry.slice(2))]),
);

const SPACE = 0x20;
const FORM = 58;

const read =
  (length: number) =>
  (span: Span, end: number, sighting: Sighting): boolean => {
    const start = end - length;
    const wanted = LENGTHS.get(latin1(span.bytes, start, start + 2));
    if (wanted === undefined || !freeBefore(span, start)) return false;
    let rest = 0; // of the rearranged number, modulo 97
    let stop = start;
    let taken = 0;
    let head = 0;
    for (; taken < wanted; stop++) {
      const byte = at(span, stop);
      if (byte === SPACE && taken > 0 && taken % 4 === 0 && at(span, stop - 1) !== SPACE) continue;
      if (!isDigit(byte) && !isUpper(byte)) return false;
      taken += 1;
      const value = isDigit(byte) ? (byte as number) - 0x30 : (byte as number) - 0x37;
      if (taken <= 4) head = value > 9 ? head * 100 + value : head * 10 + value;
      else rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    }
    if (!freeBehind(span, stop) || isAlnum(at(span, stop))) return false;
    sighting.reset(start, stop, FORM, true);
    // Country (two letters, four digits) and check digits go to the end: ISO 13616-1 §5.3.
    if ((rest * 1_000_000 + head) % 97 === 1) sighting.passed.push(IBAN);
    return true;
  };

export const iban: readonly Trigger[] = [
  { pattern: '[^0-9A-Za-z_][A-Z]{2}[0-9]{2}[0-9A-Z]{8}', read: read(12) },
  { pattern: '[^0-9A-Za-z_][A-Z]{2}[0-9]{2} [0-9A-Z]{4} [0-9A-Z]{4}', read: read(14) },
];
