/** Checksums over digits given as numbers 0–9. */
export type Digits = readonly number[];

const digit = (digits: Digits, index: number): number => digits[index] ?? 0;

/** ISO/IEC 7812-1 annex B. */
export function luhn(digits: Digits): boolean {
  let sum = 0;
  for (let n = digits.length - 1, twice = false; n >= 0; n--, twice = !twice) {
    const value = digit(digits, n);
    sum += twice ? (value > 4 ? value * 2 - 9 : value * 2) : value;
  }
  return sum % 10 === 0;
}

/** Σ digit × weight, over as many digits as there are weights. */
export function weighted(digits: Digits, weights: readonly number[]): number {
  let sum = 0;
  for (let n = 0; n < weights.length; n++) sum += digit(digits, n) * (weights[n] ?? 0);
  return sum;
}

const D5 = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
  [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
  [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
  [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
  [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
  [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
  [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
  [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
  [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const TURNS = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
  [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
  [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
  [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
  [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
  [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
  [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

/** J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group D5. */
export function verhoeff(digits: Digits): boolean {
  let check = 0;
  for (let n = 0; n < digits.length; n++) {
    const turned = TURNS[n % 8]?.[digit(digits, digits.length - 1 - n)] ?? 0;
    check = D5[check]?.[turned] ?? 0;
  }
  return check === 0;
}

/** ISO/IEC 7064 MOD 11,10, the check digit last. */
export function mod11And10(digits: Digits): boolean {
  let product = 10;
  for (let n = 0; n < digits.length - 1; n++) {
    const sum = (digit(digits, n) + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === digit(digits, digits.length - 1);
}

/** The number that the digits from `from` (inclusive) to `to` (exclusive) write; exact up to 15 digits. */
export function number(digits: Digits, from: number, to: number): number {
  let value = 0;
  for (let n = from; n < to; n++) value = value * 10 + digit(digits, n);
  return value;
}

/** Whether such a day exists; a year of two digits counts as leap when it could be one. */
export function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  const days = [31, year % 4 === 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return day <= (days[month - 1] ?? 0);
}
