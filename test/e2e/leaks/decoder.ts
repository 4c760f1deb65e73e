import { createHash } from 'node:crypto';
import type { Protected } from './fixture.ts';

/** Where a protected value was recognised, and in what form. */
export interface Hit {
  readonly column: string;
  readonly how: string;
  readonly where: string;
}

/** Something the client received, under a name: the cells of one column, an error's fields, what a probe found out. */
export interface Stream {
  readonly where: string;
  readonly atoms: readonly string[];
}

/** Letters or digits that are enough to know a value by. */
const LETTERS = 7;
const DIGITS = 8;
/** For texts in which letters were moved: more, since there are many ways. */
const MOVED = 9;
/** How often a decoded text is decoded again. */
const DEPTH = 3;
/** Characters up to which costly searches are made. */
const COSTLY = 60_000;

/**
 * Recognises protected values in what a client received: as they are, in parts, with their characters moved or counted, encoded, hashed,
 * spread over rows and columns, or found out letter by letter.
 */
export class Decoder {
  readonly #letters = new Map<string, string>();
  readonly #moved = new Map<string, string>();
  readonly #digits = new Map<string, string>();
  readonly #shifted = new Map<string, string>();
  readonly #tokens = new Map<string, string>();
  readonly #hashes = new Map<string, string>();
  readonly #dates = new Map<string, string>();
  /** Days and seconds since some day. */
  readonly #counts = new Map<string, string>();
  readonly #words: { readonly word: string; readonly column: string }[] = [];

  constructor(values: readonly Protected[], today = new Date()) {
    for (const value of values) this.#learn(value, today);
  }

  find(streams: readonly Stream[]): Hit | undefined {
    const seen = new Set<string>();
    const work: { readonly text: string; readonly depth: number; readonly where: string }[] = [];
    const push = (text: string, depth: number, where: string): void => {
      if (text.length < 5 || seen.has(text)) return;
      seen.add(text);
      work.push({ text, depth, where });
    };
    for (const { where, atoms } of streams) {
      push(atoms.join('\n'), 0, where);
      if (atoms.length > 1) push(atoms.join(''), 1, `${where}, joined`);
      if (atoms.length > 1) push([...atoms].reverse().join(''), 1, `${where}, joined from the end`);
      if (atoms.length >= 6) push(lengths(atoms), 1, `${where}, lengths`);
    }
    for (let at = 0; at < work.length; at++) {
      const { text, depth, where } = work[at] ?? { text: '', depth: DEPTH, where: '' };
      const found = this.#check(text, depth);
      if (found) return { ...found, where };
      if (depth < DEPTH) for (const decoded of decodings(text)) push(decoded, depth + 1, `${where}, decoded`);
    }
    return undefined;
  }

  // What is known of a value.

  #learn({ column, kind, value, core }: Protected, today: Date): void {
    const note = (map: Map<string, string>, key: string): void => {
      if (!map.has(key)) map.set(key, column);
    };
    for (const form of new Set([value, value.toLowerCase(), value.toUpperCase(), value.replaceAll(/[- ]/g, '')])) {
      for (const algorithm of ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']) {
        const digest = createHash(algorithm).update(form).digest();
        for (const part of windows(digest.toString('hex'), 14)) note(this.#hashes, part);
        note(this.#hashes, digest.toString('base64').slice(0, 14).toLowerCase());
      }
    }
    if (kind === 'date') {
      const isCount = (form: string): boolean => /^-?\d+$/.test(form) && form !== value.replaceAll('-', '');
      for (const form of datesOf(value, today)) note(isCount(form) ? this.#counts : this.#dates, form);
      return;
    }
    const plain = core.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    if (kind === 'letters') {
      const lettersOnly = plain.replaceAll(/[0-9]/g, '');
      for (const part of windows(lettersOnly, LETTERS)) note(this.#letters, part);
      for (const part of windows(lettersOnly, MOVED)) note(this.#moved, part);
      for (const part of [...windows(core.toLowerCase(), MOVED), ...windows(core, MOVED)])
        note(this.#shifted, differences([...Buffer.from(part)]));
      for (const word of core.toLowerCase().match(/[a-z]{6,}/g) ?? []) this.#words.push({ word, column });
      return;
    }
    for (const part of windows(plain, DIGITS)) note(this.#digits, part);
    for (const part of windows(value, MOVED)) note(this.#shifted, differences([...Buffer.from(part)]));
    for (const base of [2, 8, 16, 36]) {
      for (const digits of new Set([plain, value.replaceAll(/\D/g, '')])) {
        const token = BigInt(digits).toString(base);
        if (token.length >= 6) note(this.#tokens, token);
      }
    }
  }

  // One text.

  #check(text: string, depth: number): Omit<Hit, 'where'> | undefined {
    const lower = text.toLowerCase();
    const letters = lower.replaceAll(/[^a-z]/g, '');
    const hit = (column: string | undefined, how: string) => (column === undefined ? undefined : { column, how });
    const plain =
      hit(search(lower.replaceAll(/[^a-z0-9]/g, ''), this.#letters, LETTERS), 'text') ??
      hit(search(letters, this.#letters, LETTERS), 'letters') ??
      hit(this.#findDigits(lower), 'digits') ??
      hit(this.#findDate(lower, depth === 0), 'date') ??
      hit(this.#findToken(lower), 'token') ??
      hit(search(lower.replaceAll(/[^a-z0-9+/]/g, ''), this.#hashes, 14), 'digest') ??
      hit(search(reversed(letters), this.#moved, MOVED), 'reversed') ??
      hit(search(reversed(withoutDates(lower)).replaceAll(/[ .-]/g, ''), this.#digits, DIGITS), 'reversed digits') ??
      hit(this.#findTrigrams(lower), 'trigrams');
    if (plain || depth > 1 || text.length > COSTLY) return plain;
    for (let step = 2; step <= 4; step++) {
      for (let from = 0; from < step; from++) {
        const found = search(everyNth(letters, step, from), this.#moved, MOVED);
        if (found) return { column: found, how: `every ${step}th letter` };
      }
    }
    for (let by = 1; by < 26; by++) {
      const found = search(rotated(letters, by), this.#moved, MOVED);
      if (found) return { column: found, how: `letters moved by ${by}` };
    }
    return hit(this.#findShifted([...Buffer.from(text, 'latin1')]), 'characters moved');
  }

  #findDigits(text: string): string | undefined {
    for (const [number] of withoutDates(text).matchAll(/\d(?:[ .-]?\d)+/g)) {
      const found = search(number.replaceAll(/\D/g, ''), this.#digits, DIGITS);
      if (found) return found;
    }
    for (const [number] of text.matchAll(/\d\.\d{5,}e\+?\d+/g)) {
      const found = search(BigInt(Math.trunc(Number(number))).toString(), this.#digits, DIGITS);
      if (found) return found;
    }
    return undefined;
  }

  /** @param counted Whether numbers may be days and seconds: in cells that were joined they come about by chance. */
  #findDate(text: string, counted: boolean): string | undefined {
    for (const [word] of text.matchAll(/[0-9a-z][0-9a-z./:, -]{3,24}/g)) {
      for (let end = Math.min(word.length, 24); end >= 5; end--) {
        const found = this.#dates.get(word.slice(0, end));
        if (found && !/[0-9]/.test(word[end] ?? '')) return found;
      }
    }
    for (const [number] of counted ? text.matchAll(/(?<![\d.])-?\d{4,17}(?!\d)/g) : []) {
      const found = this.#counts.get(number);
      if (found) return found;
    }
    const numbers = `,${(text.match(/\d+/g) ?? []).map(Number).join(',')},`;
    for (const [form, column] of this.#dates) if (form.startsWith(',') && numbers.includes(form)) return column;
    return undefined;
  }

  #findToken(text: string): string | undefined {
    for (const [word] of text.matchAll(/[a-z0-9]{6,}/g)) {
      const found = this.#tokens.get(word);
      if (found) return found;
    }
    return undefined;
  }

  #findTrigrams(text: string): string | undefined {
    const tokens = new Set((text.match(/[a-z]+/g) ?? []).filter((word) => word.length === 3));
    if (tokens.size < 4) return undefined;
    return this.#words.find(({ word }) => windows(word, 3).every((part) => tokens.has(part)))?.column;
  }

  #findShifted(codes: readonly number[]): string | undefined {
    for (let at = 0; at + MOVED <= codes.length; at++) {
      const found = this.#shifted.get(differences(codes.slice(at, at + MOVED)));
      if (found) return found;
    }
    return undefined;
  }
}

/** Texts that may be meant by this one. */
function* decodings(text: string): Generator<string> {
  const bytes = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');
  const packed = text.replaceAll(/\\x|0x|[\s:;,'"(){}[\]|_.-]/g, '');
  for (const source of new Set([text, packed])) {
    for (const [run] of source.matchAll(/[0-9a-fA-F]{12,}/g)) {
      yield bytes(run.slice(0, run.length & ~1));
      yield bytes(run.slice(1, 1 + ((run.length - 1) & ~1)));
    }
    for (const [run] of source.matchAll(/[A-Za-z0-9+/_-]{8,}/g)) {
      for (let from = 0; from < 4; from++) yield Buffer.from(run.slice(from), 'base64').toString('latin1');
    }
    for (const [run] of source.matchAll(/[01]{48,}/g)) {
      for (let from = 0; from < 8; from++)
        yield (run.slice(from).match(/.{8}/g) ?? [])
          .map((bits) => String.fromCharCode(Number.parseInt(bits, 2)))
          .join('');
    }
  }
  const numbers = (text.match(/(?<![\d.])\d{1,19}(?![\d.])/g) ?? []).slice(0, 20_000);
  if (numbers.length >= 6) yield numbers.map((each) => String.fromCharCode(Number(each) & 0xff)).join('');
  for (const large of numbers.filter((each) => each.length >= 9).slice(0, 500)) {
    const hex = BigInt(large).toString(16);
    yield bytes(hex.length % 2 === 0 ? hex : `0${hex}`);
  }
  if (text.includes('%')) yield text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => bytes(hex));
  if (text.includes('=')) yield text.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => bytes(hex));
  if (text.includes('&#'))
    yield text.replaceAll(/&#x?([0-9a-f]+);/gi, (_, code: string) => String.fromCharCode(Number(code)));
  if (text.includes('\\')) {
    yield text.replaceAll(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    yield text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  }
}

/** The same day as people and programs write it, also counted. */
function* datesOf(value: string, today: Date): Generator<string> {
  const [y = 0, m = 0, d = 0] = value.split('-').map(Number);
  const two = (part: number): string => `${part}`.padStart(2, '0');
  const date = new Date(Date.UTC(y, m - 1, d));
  const month = date.toLocaleString('en', { month: 'long', timeZone: 'UTC' }).toLowerCase();
  const short = month.slice(0, 3);
  yield* [value, value.replaceAll('-', ''), value.replaceAll('-', '/'), `${two(d)}.${two(m)}.${y}`];
  yield* [
    `${two(d)}/${two(m)}/${y}`,
    `${two(m)}/${two(d)}/${y}`,
    `${two(d)}-${two(m)}-${y}`,
    `${two(m)}-${two(d)}-${y}`,
  ];
  yield* [
    `${d} ${short} ${y}`,
    `${two(d)} ${short} ${y}`,
    `${d} ${month} ${y}`,
    `${short} ${two(d)}, ${y}`,
    `${month} ${d}, ${y}`,
  ];
  yield* [`${two(d)}-${short}-${y}`, `${y}-${short}-${two(d)}`, `${y} ${short} ${two(d)}`];
  yield* [`,${y},${m},${d},`, `,${d},${m},${y},`, `,${m},${d},${y},`];
  const days = Math.round(date.getTime() / 86_400_000);
  const old = Math.round(today.getTime() / 86_400_000 - 0.5) - days;
  for (const count of [
    days,
    days - 10_957,
    days + 2_440_588,
    old,
    old + 1,
    days * 86_400,
    days * 86_400_000,
    (days - 10_957) * 86_400,
  ])
    yield* [`${count}`, `${-count}`];
  const doy = Math.round((date.getTime() - Date.UTC(y, 0, 1)) / 86_400_000) + 1;
  yield `${y}-${`${doy}`.padStart(3, '0')}`;
}

function search(text: string, parts: ReadonlyMap<string, string>, length: number): string | undefined {
  for (let at = 0; at + length <= text.length; at++) {
    const found = parts.get(text.slice(at, at + length));
    if (found !== undefined) return found;
  }
  return undefined;
}

function windows(text: string, length: number): readonly string[] {
  return Array.from({ length: Math.max(0, text.length - length + 1) }, (_, at) => text.slice(at, at + length));
}

function lengths(atoms: readonly string[]): string {
  return atoms.map((atom) => String.fromCharCode(atom.length & 0xff)).join('');
}

/** Dates of this century stand in harmless columns. */
const withoutDates = (text: string): string =>
  text.replaceAll(/20\d\d-\d\d-\d\d(?:[ t]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(?:[+-]\d\d)?/g, '|');
const reversed = (text: string): string => [...text].reverse().join('');
const everyNth = (text: string, step: number, from: number): string =>
  [...text].filter((_, at) => at % step === from).join('');
const rotated = (letters: string, by: number): string =>
  letters.replaceAll(/[a-z]/g, (letter) => String.fromCharCode(((letter.charCodeAt(0) - 97 + by) % 26) + 97));
const differences = (codes: readonly number[]): string =>
  codes
    .slice(1)
    .map((code, at) => (code - (codes[at] ?? 0)) & 0xff)
    .join();
