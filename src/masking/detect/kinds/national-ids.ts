import { type Digits, isDate, luhn, mod11And10, number, verhoeff, weighted } from '../checksums.ts';
import { type Detector, NOTHING } from '../detector.ts';

/** A national identifier: how it is written without separators, and its checksum. */
export interface NationalId extends Detector {
  readonly country: string;
  /** Digits of the form without separators; absent when it is not looked for in that form. */
  readonly length?: number;
  /** So few numbers of that length pass that nothing else has to speak for it. */
  readonly certain: boolean;
  check(digits: Digits): boolean;
}

const d = (digits: Digits, index: number): number => digits[index] ?? 0;

const id = (
  country: string,
  title: string,
  words: readonly string[],
  length: number | undefined,
  certain: boolean,
  check: (digits: Digits) => boolean,
): NationalId => ({
  id: `id-${country}`,
  family: 'national-id',
  label: 'pii.gov-id',
  title,
  country,
  words,
  kept: NOTHING,
  ...(length === undefined ? {} : { length }),
  certain,
  check,
});

/** Receita Federal: two check digits modulo 11; eleven equal digits pass but are never given out. */
function cpf(digits: Digits): boolean {
  if (digits.every((each) => each === d(digits, 0))) return false;
  const first = ((weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10) % 11) % 10;
  const second = ((weighted(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10) % 11) % 10;
  return first === d(digits, 9) && second === d(digits, 10);
}

/** Burgerservicenummer, the "elfproef". */
function bsn(digits: Digits): boolean {
  const sum = weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]);
  return sum % 11 === 0 && number(digits, 0, 9) >= 10_000_000;
}

/** PESEL: the century is added to the month. */
function pesel(digits: Digits): boolean {
  const month = number(digits, 2, 4);
  if (!isDate(number(digits, 0, 2), month % 20, number(digits, 4, 6))) return false;
  return (weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) + d(digits, 10)) % 10 === 0;
}

/** T.C. kimlik numarası. */
function tckn(digits: Digits): boolean {
  if (d(digits, 0) === 0) return false;
  const odd = d(digits, 0) + d(digits, 2) + d(digits, 4) + d(digits, 6) + d(digits, 8);
  const even = d(digits, 1) + d(digits, 3) + d(digits, 5) + d(digits, 7);
  const tenth = (((odd * 7 - even) % 10) + 10) % 10;
  return tenth === d(digits, 9) && (odd + even + tenth) % 10 === d(digits, 10);
}

/** Rijksregisternummer: 97 minus the rest; with a 2 in front for those born from 2000 on. */
function rijksregister(digits: Digits): boolean {
  // Month and day may be unknown (00); serial numbers begin at 1.
  if (number(digits, 2, 4) > 12 || number(digits, 4, 6) > 31 || number(digits, 6, 9) === 0) return false;
  const body = number(digits, 0, 9);
  const check = number(digits, 9, 11);
  return 97 - (body % 97) === check || 97 - ((2_000_000_000 + body) % 97) === check;
}

/** Fødselsnummer and D-number (40 added to the day): two check digits modulo 11. */
function fodselsnummer(digits: Digits): boolean {
  const day = number(digits, 0, 2);
  if (!isDate(number(digits, 4, 6), number(digits, 2, 4), day > 40 ? day - 40 : day)) return false;
  const first = (11 - (weighted(digits, [3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11)) % 11;
  const second = (11 - (weighted(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
  return first === d(digits, 9) && second === d(digits, 10);
}

/** Steuer-Identifikationsnummer: of the first ten digits exactly one stands two or three times. */
function steuerId(digits: Digits): boolean {
  if (d(digits, 0) === 0) return false;
  const counts = new Array<number>(10).fill(0);
  for (let n = 0; n < 10; n++) counts[d(digits, n)] = (counts[d(digits, n)] ?? 0) + 1;
  const repeated = counts.filter((count) => count > 1);
  if (repeated.length !== 1 || (repeated[0] ?? 0) > 3) return false;
  return mod11And10(digits);
}

/** Isikukood (and the Lithuanian asmens kodas, which is made the same way). */
function isikukood(digits: Digits): boolean {
  if (d(digits, 0) < 1 || d(digits, 0) > 8) return false;
  if (!isDate(number(digits, 1, 3), number(digits, 3, 5), number(digits, 5, 7))) return false;
  let check = weighted(digits, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
  if (check === 10) check = (weighted(digits, [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11) % 10;
  return check === d(digits, 10);
}

/** Personnummer in ten digits; 60 is added to the day of a coordination number. */
function personnummer(digits: Digits): boolean {
  const from = digits.length - 10;
  const ten = from === 0 ? digits : digits.slice(from);
  if (from === 2 && (number(digits, 0, 2) < 18 || number(digits, 0, 2) > 20)) return false;
  const day = number(ten, 4, 6);
  if (!isDate(number(ten, 0, 2), number(ten, 2, 4), day > 60 ? day - 60 : day)) return false;
  return luhn(ten);
}

/** EGN: 20 is added to the month before 1900, 40 from 2000 on. */
function egn(digits: Digits): boolean {
  const month = number(digits, 2, 4);
  const real = month > 40 ? month - 40 : month > 20 ? month - 20 : month;
  if (!isDate(number(digits, 0, 2), real, number(digits, 4, 6))) return false;
  return (weighted(digits, [2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11) % 10 === d(digits, 9);
}

/** Rodné číslo of Czechia and Slovakia, given out from 1954 on: the whole is a multiple of 11. */
function rodneCislo(digits: Digits): boolean {
  const month = number(digits, 2, 4);
  const real = month > 70 ? month - 70 : month > 50 ? month - 50 : month > 20 ? month - 20 : month;
  if (!isDate(number(digits, 0, 2), real, number(digits, 4, 6))) return false;
  if (number(digits, 0, 10) % 11 === 0) return true;
  return number(digits, 0, 9) % 11 === 10 && d(digits, 9) === 0;
}

/** Aadhaar: never begins with 0 or 1. */
function aadhaar(digits: Digits): boolean {
  return d(digits, 0) >= 2 && verhoeff(digits);
}

/** Cod numeric personal: sex and century, date, county. */
function cnp(digits: Digits): boolean {
  if (d(digits, 0) < 1 || !isDate(number(digits, 1, 3), number(digits, 3, 5), number(digits, 5, 7))) return false;
  const county = number(digits, 7, 9);
  if (county < 1 || (county > 52 && county !== 70) || number(digits, 9, 12) === 0) return false;
  const rest = weighted(digits, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
  return (rest === 10 ? 1 : rest) === d(digits, 12);
}

/** South African identity number: the eleventh digit says citizen (0) or resident (1), the twelfth is 8 or 9. */
function southAfrican(digits: Digits): boolean {
  if (!isDate(number(digits, 0, 2), number(digits, 2, 4), number(digits, 4, 6))) return false;
  return d(digits, 10) <= 2 && d(digits, 11) >= 8 && luhn(digits);
}

/** Resident registration number. Those given out since October 2020 have no checksum and are not found. */
function residentRegistration(digits: Digits): boolean {
  if (!isDate(number(digits, 0, 2), number(digits, 2, 4), number(digits, 4, 6))) return false;
  if (d(digits, 6) < 1 || d(digits, 6) > 8) return false;
  const sum = weighted(digits, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
  return (11 - (sum % 11)) % 10 === d(digits, 12);
}

/** AHV number: 756 and the check digit of an EAN-13. */
function ahv(digits: Digits): boolean {
  if (number(digits, 0, 3) !== 756) return false;
  return (weighted(digits, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) + d(digits, 12)) % 10 === 0;
}

/** Numéro d'inscription au répertoire, with its key. Corsica's 2A and 2B come as 19 and 18 from whoever reads the digits. */
function nir(digits: Digits): boolean {
  const sex = d(digits, 0);
  const month = number(digits, 3, 5);
  if (sex !== 1 && sex !== 2 && sex !== 3 && sex !== 4 && sex !== 7 && sex !== 8) return false;
  if (!((month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50)) return false;
  return 97 - (number(digits, 0, 13) % 97) === number(digits, 13, 15);
}

const PROVINCES = new Set(
  [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
  ].concat([64, 65, 71, 81, 82, 83]),
);

/** GB 11643-1999; the last digit may be X, given here as 10. */
function residentIdentity(digits: Digits): boolean {
  const year = number(digits, 6, 10);
  if (!PROVINCES.has(number(digits, 0, 2)) || year < 1900 || year > 2099) return false;
  if (!isDate(year % 100, number(digits, 10, 12), number(digits, 12, 14))) return false;
  const sum = weighted(digits, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
  return (12 - (sum % 11)) % 11 === d(digits, 17);
}

/** Social Security number: no checksum, so only the form with dashes and the area rules (no 000, 666, 900–999). */
function ssn(digits: Digits): boolean {
  const area = number(digits, 0, 3);
  if (area === 0 || area === 666 || area >= 900) return false;
  // 078-05-1120 and 219-09-9999 were printed on specimen cards.
  const whole = number(digits, 0, 9);
  return number(digits, 3, 5) !== 0 && number(digits, 5, 9) !== 0 && whole !== 78_051_120 && whole !== 219_099_999;
}

/** CUIT and CUIL. */
function cuit(digits: Digits): boolean {
  if (![20, 23, 24, 27, 30, 33, 34].includes(number(digits, 0, 2))) return false;
  return (weighted(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) + d(digits, 10)) % 11 === 0;
}

export const NATIONAL_IDS: readonly NationalId[] = [
  id('no', 'Norwegian fødselsnummer', ['fodselsnummer', 'personnummer', 'fnr'], 11, false, fodselsnummer),
  id(
    'be',
    'Belgian rijksregisternummer',
    ['rijksregister', 'rijksregisternummer', 'insz', 'niss'],
    11,
    false,
    rijksregister,
  ),
  id('br', 'Brazilian CPF', ['cpf'], 11, false, cpf),
  id('tr', 'Turkish TCKN', ['tckn', 'kimlik', 'tcno'], 11, false, tckn),
  id('ee', 'Estonian or Lithuanian personal code', ['isikukood', 'asmens'], 11, false, isikukood),
  id('pl', 'Polish PESEL', ['pesel'], 11, false, pesel),
  id('de', 'German Steuer-ID', ['steuerid', 'idnr', 'steuer', 'tin'], 11, false, steuerId),
  id('nl', 'Dutch BSN', ['bsn', 'burgerservicenummer', 'sofinummer'], 9, false, bsn),
  id('se', 'Swedish personnummer', ['personnummer', 'pnr', 'personnr'], 10, false, personnummer),
  id('bg', 'Bulgarian EGN', ['egn'], 10, false, egn),
  id('cz', 'Czech or Slovak rodné číslo', ['rodne', 'rodnecislo'], 10, false, rodneCislo),
  id('in', 'Indian Aadhaar', ['aadhaar', 'aadhar', 'uidai'], 12, false, aadhaar),
  id('ch', 'Swiss AHV number', ['ahv', 'avs', 'ahvnr'], 13, true, ahv),
  id('za', 'South African identity number', ['idnumber', 'rsaid', 'said'], 13, false, southAfrican),
  id('ro', 'Romanian CNP', ['cnp'], 13, false, cnp),
  id('kr', 'Korean resident registration number', ['rrn', 'jumin'], 13, false, residentRegistration),
  id('fr', 'French NIR', ['nir', 'insee', 'secu'], 15, false, nir),
  id('cn', 'Chinese resident identity number', ['idcard', 'sfz', 'shenfenzheng'], 18, true, residentIdentity),
  id('us', 'US Social Security number', ['ssn', 'social'], undefined, true, ssn),
  id('ar', 'Argentine CUIT or CUIL', ['cuit', 'cuil'], 11, false, cuit),
  id('es', 'Spanish DNI or NIE', ['dni', 'nie', 'nif'], undefined, false, () => false),
  id('it', 'Italian codice fiscale', ['codicefiscale', 'fiscale', 'cf'], undefined, true, () => false),
  id('fi', 'Finnish henkilötunnus', ['hetu', 'henkilotunnus'], undefined, true, () => false),
];

export const nationalId = (country: string): NationalId => {
  const found = NATIONAL_IDS.find((each) => each.country === country);
  if (!found) throw new RangeError(`no national id of ${country}`);
  return found;
};
