import { type Digits, luhn, number } from '../checksums.ts';
import type { Detector } from '../detector.ts';

export const PAN: Detector = {
  id: 'pan',
  family: 'pan',
  label: 'pci.pan',
  title: 'payment card number',
  kept: { how: 'last', count: 4 },
  words: [
    'card',
    'pan',
    'cardnumber',
    'creditcard',
    'visa',
    'mastercard',
    'amex',
    'karte',
    'kreditkarte',
    'carte',
    'tarjeta',
    'ccnum',
    'cc',
  ],
};

/** First digits and lengths of the card schemes (ISO/IEC 7812; the schemes' own BIN tables). */
export function isPan(digits: Digits): boolean {
  const length = digits.length;
  const two = number(digits, 0, 2);
  const four = number(digits, 0, 4);
  return lengthFits(two, four, length) && luhn(digits);
}

function lengthFits(two: number, four: number, length: number): boolean {
  if (two === 34 || two === 37) return length === 15; // American Express
  if (two === 36 || two === 38 || two === 39 || (four >= 3000 && four <= 3059)) return length === 14; // Diners Club
  if (four >= 3528 && four <= 3589) return length === 16; // JCB
  if (two >= 40 && two <= 49) return length === 16 || length === 19; // Visa
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return length === 16; // Mastercard
  if (four >= 2200 && four <= 2204) return length === 16 || length === 19; // Mir
  if (four === 6011 || two === 65 || (four >= 6440 && four <= 6499)) return length === 16 || length === 19; // Discover
  if (two === 62) return length >= 16; // UnionPay
  if (four === 5018 || four === 5020 || four === 5038 || four === 6304 || four === 6759) return length >= 16; // Maestro
  return two === 60 && length === 16; // RuPay
}
