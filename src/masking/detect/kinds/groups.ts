import { type Detector, freeBefore, freeBehind, type Sighting, standsAlone, type Trigger } from '../detector.ts';
import { type NationalId, nationalId } from './national-ids.ts';
import { isPan, PAN } from './pan.ts';

/** A number in its usual grouping, or one with letters: of one length, with its own checksum. */
interface Form {
  /** Without the byte before it; every match has `length` bytes. */
  readonly pattern: string;
  readonly length: number;
  readonly detector: Detector;
  /** See `Sighting.certain`. */
  readonly certain: boolean;
  /** Further groups of digits before or behind make it part of something longer. */
  readonly alone?: boolean;
  check(digits: readonly number[], text: string): boolean;
}

const ofId = (pattern: string, length: number, country: string, certain: boolean, alone = false): Form => {
  const detector: NationalId = nationalId(country);
  return { pattern, length, detector, certain, alone, check: (digits) => detector.check(digits) };
};

const card = (pattern: string, length: number): Form => ({
  pattern,
  length,
  detector: PAN,
  certain: false,
  alone: true,
  check: (digits, text) => isPan(digits) && new Set(text.match(/[ -]/g)).size === 1,
});

const DNI_LETTERS = 'TRWAGMYFPDXBNJZSQVHLCKE';
/** Orden INT/2058/2008: the letter is the number modulo 23; X, Y, Z stand for 0, 1, 2. */
function spanish(text: string): boolean {
  const plain = text.replaceAll('-', '').replace(/^[XYZ]/, (letter) => String('XYZ'.indexOf(letter)));
  return DNI_LETTERS[Number(plain.slice(0, 8)) % 23] === plain[8];
}

const HETU_MARKS = '0123456789ABCDEFHJKLMNPRSTUVWXY';
function finnish(digits: readonly number[], text: string): boolean {
  const day = Number(text.slice(0, 2));
  const month = Number(text.slice(2, 4));
  if (day < 1 || day > 31 || month < 1 || month > 12 || digits.length < 9) return false;
  return HETU_MARKS[Number(text.slice(0, 6) + text.slice(7, 10)) % 31] === text[10];
}

const ODD: Readonly<Record<string, number>> = Object.fromEntries(
  [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((char, index) => {
    const odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    return [char, odd[index < 10 ? index : index - 10] ?? 0];
  }),
);
/** Decreto 23 dicembre 1976: characters at odd places count by a table, those at even places by their order. */
function codiceFiscale(text: string): boolean {
  let sum = 0;
  for (let n = 0; n < 15; n++) {
    const char = text[n] ?? '';
    const order = /\d/.test(char) ? Number(char) : char.charCodeAt(0) - 65;
    sum += n % 2 === 0 ? (ODD[char] ?? 0) : order;
  }
  return String.fromCharCode(65 + (sum % 26)) === text[15];
}

const FORMS_OF_IDS: readonly Form[] = [
  ofId('[0-9]{3}\\.[0-9]{3}\\.[0-9]{3}-[0-9]{2}', 14, 'br', true),
  ofId('[0-9]{2}\\.[0-9]{2}\\.[0-9]{2}-[0-9]{3}\\.[0-9]{2}', 15, 'be', true),
  ofId('[0-9]{6}[-+][0-9]{4}', 11, 'se', false),
  ofId('[0-9]{8}[-+][0-9]{4}', 13, 'se', false),
  ofId('[0-9]{6}/[0-9]{4}', 11, 'cz', false),
  ofId('[0-9]{6}-[1-8][0-9]{6}', 14, 'kr', true),
  ofId('[0-9]{3}-[0-9]{2}-[0-9]{4}', 11, 'us', true),
  ofId('[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}', 14, 'in', false, true),
  ofId('756\\.[0-9]{4}\\.[0-9]{4}\\.[0-9]{2}', 16, 'ch', true),
  ofId('[0-9]{6} [0-9]{5}', 12, 'no', true, true),
  ofId('[0-9]{2}-[0-9]{8}-[0-9]', 13, 'ar', true),
  ofId('[12478] [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{3} [0-9]{3} [0-9]{2}', 21, 'fr', true, true),
  ofId('[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}', 14, 'de', false, true),
  ...['[0-9]{8}[A-Z]', '[XYZ][0-9]{7}[A-Z]'].map(
    (pattern): Form => ({
      pattern,
      length: 9,
      detector: nationalId('es'),
      certain: false,
      check: (_, text) => spanish(text),
    }),
  ),
  {
    pattern: '[0-9]{8}-[A-Z]',
    length: 10,
    detector: nationalId('es'),
    certain: false,
    check: (_, text) => spanish(text),
  },
  {
    pattern: '[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]',
    length: 11,
    detector: nationalId('fi'),
    certain: false,
    check: finnish,
  },
  {
    pattern: '[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]',
    length: 16,
    detector: nationalId('it'),
    certain: true,
    check: (_, text) => codiceFiscale(text),
  },
];

const FORMS_OF_CARDS: readonly Form[] = [
  card('[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}', 19),
  card('[0-9]{4}[ -][0-9]{6}[ -][0-9]{5}', 17),
  card('[0-9]{4}[ -][0-9]{6}[ -][0-9]{4}', 16),
];

/** Forms are numbered behind the lengths of digit runs. */
const FIRST_FORM = 20;

export function groupedNumbers(enabled: readonly Detector[]): Trigger[] {
  return [...FORMS_OF_IDS, ...FORMS_OF_CARDS].flatMap((form, index) =>
    enabled.includes(form.detector) ? [triggerOf(form, FIRST_FORM + index)] : [],
  );
}

function triggerOf(form: Form, number: number): Trigger {
  return {
    pattern: `[^0-9A-Za-z_]${form.pattern}`,
    read(span, end, sighting: Sighting): boolean {
      const start = end - form.length;
      if (!freeBefore(span, start) || !freeBehind(span, end)) return false;
      if (form.alone === true && !standsAlone(span, start, end)) return false;
      sighting.reset(start, end, number, form.certain);
      const text = latin1(span.bytes, start, end);
      const digits = [...text].filter((char) => char >= '0' && char <= '9').map(Number);
      if (form.check(digits, text)) sighting.passed.push(form.detector);
      return true;
    },
  };
}

export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let n = start; n < end; n++) text += String.fromCharCode(bytes[n] as number);
  return text;
}
