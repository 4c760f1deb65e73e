import { NATIONAL_IDS } from '../../../../src/masking/detect/index.ts';
import { below, chars, type Draw, digits, pad, pick } from './values.ts';

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Bodies that have the structure (dates, regions) of an id; the check digits are tried until they fit. */
const BODIES: Readonly<Record<string, (draw: Draw) => string>> = {
  no: (draw) => `${birth(draw, 'dmy')}${digits(draw, 5)}`,
  be: (draw) => `${birth(draw, 'ymd')}${digits(draw, 5)}`,
  br: (draw) => digits(draw, 11),
  tr: (draw) => digits(draw, 11),
  ee: (draw) => `${1 + below(draw, 6)}${birth(draw, 'ymd')}${digits(draw, 4)}`,
  pl: (draw) => `${birth(draw, 'ymd')}${digits(draw, 5)}`,
  de: (draw) => digits(draw, 11),
  nl: (draw) => digits(draw, 9),
  se: (draw) => `${birth(draw, 'ymd')}${digits(draw, 4)}`,
  bg: (draw) => `${birth(draw, 'ymd')}${digits(draw, 4)}`,
  cz: (draw) => `${birth(draw, 'ymd')}${digits(draw, 4)}`,
  in: (draw) => `${2 + below(draw, 8)}${digits(draw, 11)}`,
  ch: (draw) => `756${digits(draw, 10)}`,
  za: (draw) => `${birth(draw, 'ymd')}${digits(draw, 4)}08${digits(draw, 1)}`,
  ro: (draw) => `${1 + below(draw, 6)}${birth(draw, 'ymd')}${pad(1 + below(draw, 46), 2)}${digits(draw, 4)}`,
  kr: (draw) => `${birth(draw, 'ymd')}${1 + below(draw, 4)}${digits(draw, 6)}`,
  fr: (draw) => `${1 + below(draw, 2)}${pad(below(draw, 100), 2)}${pad(1 + below(draw, 12), 2)}${digits(draw, 10)}`,
  cn: (draw) => `110101${1950 + below(draw, 60)}${birth(draw, 'md')}${digits(draw, 4)}`,
  ar: (draw) => `20${digits(draw, 9)}`,
};

function birth(draw: Draw, order: 'ymd' | 'dmy' | 'md'): string {
  const [year, month, day] = [pad(below(draw, 100), 2), pad(1 + below(draw, 12), 2), pad(1 + below(draw, 28), 2)];
  return order === 'ymd' ? year + month + day : order === 'dmy' ? day + month + year : month + day;
}

export function nationalIdOf(country: string, draw: Draw): string {
  const id = NATIONAL_IDS.find((each) => each.country === country);
  for (let tries = 0; id && tries < 100_000; tries++) {
    const text = BODIES[country]?.(draw) ?? '';
    if (id.check([...text].map(Number))) return text;
  }
  throw new Error(`no number of ${country} was found`);
}

export const COUNTRIES_BY_NUMBER = Object.keys(BODIES);

function luhnDigit(body: string): number {
  const sum = [...body].reverse().reduce((total, char, index) => {
    const value = Number(char) * (index % 2 === 0 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return (10 - (sum % 10)) % 10;
}

export function card(draw: Draw): string {
  const [prefix, length] = pick<readonly [string, number]>(draw, [
    ['4', 16],
    ['51', 16],
    ['2221', 16],
    ['34', 15],
    ['37', 15],
    ['6011', 16],
    ['3530', 16],
    ['36', 14],
    ['62', 16],
    ['6304', 16],
  ]);
  const body = prefix + digits(draw, length - 1 - prefix.length);
  return body + luhnDigit(body);
}

export function cardInGroups(draw: Draw): string {
  const sign = pick(draw, [' ', '-']);
  const body = `4${digits(draw, 14)}`;
  return (body + luhnDigit(body)).replace(/(.{4})(?=.)/g, `$1${sign}`);
}

/** ISO 13616: 98 minus the rest, with BigInt, which shares nothing with what is tested. */
export function ibanOf(draw: Draw): string {
  const [country, body] = pick<readonly [string, (draw: Draw) => string]>(draw, [
    ['DE', (d) => digits(d, 18)],
    ['GB', (d) => `${chars(d, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 4)}${digits(d, 14)}`],
    ['NO', (d) => digits(d, 11)],
    ['FR', (d) => `${digits(d, 10)}${chars(d, 'ABCDEFGHIJ0123456789', 11)}${digits(d, 2)}`],
    ['MT', (d) => `${chars(d, 'ABCDEF', 4)}${digits(d, 5)}${chars(d, 'ABCDEFGHIJ0123456789', 18)}`],
    ['NL', (d) => `${chars(d, 'ABCDEFGHIJ', 4)}${digits(d, 10)}`],
  ]);
  const bban = body(draw);
  const number = [...`${bban}${country}00`].map((char) => Number.parseInt(char, 36)).join('');
  return `${country}${pad(98 - Number(BigInt(number) % 97n), 2)}${bban}`;
}

export const ibanInGroups = (draw: Draw): string => ibanOf(draw).replace(/(.{4})(?=.)/g, '$1 ');

export function emailOf(draw: Draw): string {
  const local = `${chars(draw, ALNUM.toLowerCase(), 2 + below(draw, 8))}${pick(draw, ['', '.', '_', '+', '-'])}${chars(draw, ALNUM, 1 + below(draw, 8))}`;
  return `${local}@${pick(draw, ['example.org', 'mail.example.co.uk', 'müller.example', 'x-y.example.museum', '163.com', 'a.io'])}`;
}

export function phoneOf(draw: Draw): string {
  return pick<(draw: Draw) => string>(draw, [
    (d) => `+49170${digits(d, 7)}`,
    (d) => `+49 170 ${digits(d, 7)}`,
    (d) => `+1 (415) ${2 + below(d, 8)}${digits(d, 2)}-${digits(d, 4)}`,
    (d) => `+1415${2 + below(d, 8)}${digits(d, 6)}`,
    (d) => `+44 20 7${digits(d, 3)} ${digits(d, 4)}`,
    (d) => `+33.6.${digits(d, 2)}.${digits(d, 2)}.${digits(d, 2)}.${digits(d, 2)}`,
    (d) => `+5511 9${digits(d, 4)}-${digits(d, 4)}`,
    (d) => `+380${digits(d, 9)}`,
  ])(draw);
}

export function secretOf(draw: Draw): string {
  return pick<(draw: Draw) => string>(draw, [
    (d) => `AKIA${chars(d, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}`,
    (d) => `ghp_${chars(d, ALNUM, 36)}`,
    (d) => `github_pat_${chars(d, ALNUM, 22)}_${chars(d, ALNUM, 59)}`,
    (d) => `glpat-${chars(d, ALNUM, 20)}`,
    (d) => `xoxb-${digits(d, 12)}-${digits(d, 12)}-${chars(d, ALNUM, 24)}`,
    (d) => `sk_live_${chars(d, ALNUM, 24)}`,
    (d) => `AIza${chars(d, ALNUM, 35)}`,
    (d) => `npm_${chars(d, ALNUM, 36)}`,
    (d) => `SG.${chars(d, ALNUM, 22)}.${chars(d, ALNUM, 43)}`,
    (d) => `hvs.${chars(d, ALNUM, 90)}`,
  ])(draw);
}

export function jwtOf(draw: Draw): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'ES256', kid: digits(draw, 8) })}.${part({ sub: digits(draw, 12), exp: below(draw, 2e9) })}.${chars(draw, ALNUM, 86)}`;
}

export function pemOf(draw: Draw): string {
  const name = pick(draw, [
    'PRIVATE KEY',
    'RSA PRIVATE KEY',
    'EC PRIVATE KEY',
    'OPENSSH PRIVATE KEY',
    'ENCRYPTED PRIVATE KEY',
  ]);
  const lines = Array.from({ length: 12 }, () => chars(draw, `${ALNUM}+/`, 64)).join('\n');
  return `-----BEGIN ${name}-----\n${lines}\n-----END ${name}-----`;
}

function dni(draw: Draw): string {
  const number = digits(draw, 8);
  return number + 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(number) % 23];
}

function hetu(draw: Draw): string {
  const day = birth(draw, 'dmy');
  const serial = digits(draw, 3);
  return `${day}${pick(draw, ['-', 'A', '+'])}${serial}${'0123456789ABCDEFHJKLMNPRSTUVWXY'[Number(day + serial) % 31]}`;
}

/** By detector: what it must find when the value fills a column. */
export const POSITIVES: Readonly<Record<string, (draw: Draw) => string>> = {
  email: emailOf,
  phone: phoneOf,
  pan: card,
  iban: (draw) => (draw() < 0.5 ? ibanOf(draw) : ibanInGroups(draw)),
  jwt: jwtOf,
  'private-key': pemOf,
  secret: secretOf,
  'id-es': dni,
  'id-fi': hetu,
  'id-us': (draw) => `${100 + below(draw, 500)}-${pad(1 + below(draw, 99), 2)}-${pad(1 + below(draw, 9999), 4)}`,
  ...Object.fromEntries(
    COUNTRIES_BY_NUMBER.map((country) => [`id-${country}`, (draw: Draw) => nationalIdOf(country, draw)]),
  ),
};
