import { MaskingError } from '../../errors.ts';

/** Bytes that may stand at one place: 256 marks, 1 where the byte is in the set. */
export type ByteSet = Uint8Array;

/** A pattern over bytes. UTF-8 characters beyond ASCII are sequences of sets. */
export type Node =
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'choice'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number };

/** A counted repetition is written out, so its bounds are part of the pattern's size. */
const MAX_REPEAT = 256;
const MAX_DEPTH = 32;
export const MAX_PATTERN_LENGTH = 1024;

const NEWLINE = 0x0a;
const encoder = new TextEncoder();

/**
 * Reads a pattern: literals, `.`, `[a-z]`, `\d \w \s \D \W \S`, `\t \r \n \xHH`, groups `(…)` and `(?:…)`, `|`, `* + ? {m} {m,} {m,n}`,
 * and `(?i)` at the very beginning. What a linear-time search cannot do (back references, look-around) is refused, and so are anchors.
 * @throws MaskingError `ERR_MASKING_PATTERN`: says what cannot be read, and where.
 */
export function parsePattern(text: string): Node {
  return new PatternReader(text).read();
}

/** The fewest bytes that the pattern takes. */
export function shortest(node: Node): number {
  switch (node.kind) {
    case 'set':
      return 1;
    case 'sequence':
      return node.items.reduce((sum, item) => sum + shortest(item), 0);
    case 'choice':
      return Math.min(...node.items.map(shortest));
    case 'repeat':
      return node.min * shortest(node.item);
  }
}

/** Back to front: what a search reads when it goes from the end of a match to its start. */
export function reversed(node: Node): Node {
  switch (node.kind) {
    case 'set':
      return node;
    case 'sequence':
      return { kind: 'sequence', items: node.items.map(reversed).reverse() };
    case 'choice':
      return { kind: 'choice', items: node.items.map(reversed) };
    case 'repeat':
      return { ...node, item: reversed(node.item) };
  }
}

class PatternReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #ignoreCase = false;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Node {
    if (this.#text.length > MAX_PATTERN_LENGTH) this.#refuse(`it is longer than ${MAX_PATTERN_LENGTH} characters`);
    if (this.#text.startsWith('(?i)')) {
      this.#ignoreCase = true;
      this.#at = 4;
    }
    const node = this.#choice();
    if (this.#at < this.#text.length) this.#refuse('this ) closes nothing');
    return node;
  }

  #choice(): Node {
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    return items.length === 1 ? (items[0] as Node) : { kind: 'choice', items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (this.#at < this.#text.length && !'|)'.includes(this.#peek())) items.push(this.#repeated());
    return items.length === 1 ? (items[0] as Node) : { kind: 'sequence', items };
  }

  #repeated(): Node {
    let item = this.#atom();
    for (;;) {
      const bounds = this.#bounds();
      if (!bounds) return item;
      const [min, max] = bounds;
      // Lazy or greedy makes no difference here: a match is always as long as it can be.
      this.#take('?');
      item = { kind: 'repeat', item, min, max };
    }
  }

  #bounds(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#take('?')) return [0, 1];
    const counted = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.#text.slice(this.#at));
    if (!counted) {
      if (this.#peek() === '{') this.#refuse('a { begins a count such as {4} or {2,8}; write \\{ for the character');
      return undefined;
    }
    const min = Number(counted[1]);
    const max =
      counted[2] === undefined ? min : counted[3] === undefined ? Number.POSITIVE_INFINITY : Number(counted[3]);
    if (max < min) this.#refuse('the second count is smaller than the first');
    if (min > MAX_REPEAT || (Number.isFinite(max) && max > MAX_REPEAT))
      this.#refuse(`nothing is repeated more than ${MAX_REPEAT} times`);
    this.#at += counted[0].length;
    return [min, max];
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return this.#class();
      case '.':
        return this.#characters(negated(setOf([NEWLINE])));
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        this.#at -= 1;
        return this.#refuse(`nothing stands before this ${char}`);
      case '^':
      case '$':
        this.#at -= 1;
        return this.#refuse(`anchors such as ${char} are not known: values are searched anywhere, as whole words`);
      default:
        return this.#literal(char);
    }
  }

  #group(): Node {
    if (this.#take('?') && !this.#take(':'))
      this.#refuse('look-around, names and flags inside a pattern are not known: a group is ( or (?:');
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) this.#refuse(`groups are nested deeper than ${MAX_DEPTH}`);
    const node = this.#choice();
    if (!this.#take(')')) this.#refuse('a ( is not closed');
    this.#depth -= 1;
    return node;
  }

  #literal(char: string): Node {
    const bytes = encoder.encode(char);
    const items = [...bytes].map((byte): Node => ({ kind: 'set', set: this.#folded(setOf([byte])) }));
    return items.length === 1 ? (items[0] as Node) : { kind: 'sequence', items };
  }

  #escape(): Node {
    const at = this.#at - 1;
    const char = this.#next();
    const named = namedSet(char);
    if (named) return /[DWS]/.test(char) ? this.#characters(named) : { kind: 'set', set: named };
    const byte = this.#escapedByte(char, at);
    return { kind: 'set', set: this.#folded(setOf([byte])) };
  }

  #escapedByte(char: string, at: number): number {
    if (char === 't') return 0x09;
    if (char === 'n') return NEWLINE;
    if (char === 'r') return 0x0d;
    if (char === 'x') {
      const digits = this.#text.slice(this.#at, this.#at + 2);
      if (!/^[0-7][0-9a-fA-F]$/.test(digits)) this.#refuse('\\x is followed by two hexadecimal digits, at most 7F');
      this.#at += 2;
      return Number.parseInt(digits, 16);
    }
    if (/[A-Za-z0-9]/.test(char) || char.length !== 1 || char.charCodeAt(0) > 0x7f) {
      this.#at = at;
      this.#refuse(`\\${char} is not known (back references and anchors are none of a linear-time search)`);
    }
    return char.charCodeAt(0);
  }

  #class(): Node {
    const negative = this.#take('^');
    const set = new Uint8Array(256);
    let first = true;
    for (;;) {
      if (this.#at >= this.#text.length) this.#refuse('a [ is not closed');
      if (!first && this.#take(']')) break;
      first = false;
      const from = this.#classItem(set);
      if (from === undefined || this.#peek() !== '-' || this.#text[this.#at + 1] === ']') continue;
      this.#at += 1;
      const to = this.#classItem(set);
      if (to === undefined || to < from) this.#refuse('a range goes from the smaller to the larger character');
      else set.fill(1, from, to + 1);
    }
    const folded = this.#folded(set);
    return negative ? this.#characters(negated(folded)) : { kind: 'set', set: folded };
  }

  /** Puts one item into the set; gives its byte when it may begin a range. */
  #classItem(set: Uint8Array): number | undefined {
    const at = this.#at;
    const char = this.#next();
    let byte = char.codePointAt(0) ?? 0;
    if (char === '\\') {
      const escaped = this.#next();
      const named = namedSet(escaped);
      if (named) {
        for (let n = 0; n < 128; n++) if (named[n] === 1) set[n] = 1;
        return undefined;
      }
      byte = this.#escapedByte(escaped, at);
    }
    if (byte > 0x7f) {
      this.#at = at;
      this.#refuse('inside [ ] only ASCII characters can stand; write (?:ä|ö) for others');
    }
    set[byte] = 1;
    return byte;
  }

  /** One character out of the ASCII ones in `ascii`, or any beyond ASCII as UTF-8 writes it. */
  #characters(ascii: ByteSet): Node {
    const tail: Node = { kind: 'set', set: range(0x80, 0xbf) };
    const lead = (from: number, to: number, tails: number): Node => ({
      kind: 'sequence',
      items: [{ kind: 'set', set: range(from, to) }, ...Array.from({ length: tails }, () => tail)],
    });
    const one = ascii.map((mark, byte) => (byte < 0x80 ? mark : 0));
    return {
      kind: 'choice',
      items: [{ kind: 'set', set: one }, lead(0xc2, 0xdf, 1), lead(0xe0, 0xef, 2), lead(0xf0, 0xf4, 3)],
    };
  }

  #folded(set: ByteSet): ByteSet {
    if (!this.#ignoreCase) return set;
    const folded = set.slice();
    for (let upper = 0x41; upper <= 0x5a; upper++) {
      if (set[upper] === 1 || set[upper + 32] === 1) folded[upper] = folded[upper + 32] = 1;
    }
    return folded;
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #next(): string {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) return this.#refuse('it ends too early');
    const char = String.fromCodePoint(point);
    this.#at += char.length;
    return char;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #refuse(why: string): never {
    throw new MaskingError('ERR_MASKING_PATTERN', `at character ${this.#at + 1}: ${why}`);
  }
}

function setOf(bytes: readonly number[]): ByteSet {
  const set = new Uint8Array(256);
  for (const byte of bytes) set[byte] = 1;
  return set;
}

function range(from: number, to: number): ByteSet {
  return new Uint8Array(256).fill(1, from, to + 1);
}

function negated(set: ByteSet): ByteSet {
  return set.map((mark) => 1 - mark);
}

function namedSet(char: string): ByteSet | undefined {
  const digits = range(0x30, 0x39);
  const spaces = setOf([0x20, 0x09, NEWLINE, 0x0b, 0x0c, 0x0d]);
  const words = digits.map((mark, byte) => mark | (isWordLetter(byte) ? 1 : 0));
  switch (char) {
    case 'd':
      return digits;
    case 'D':
      return negated(digits);
    case 's':
      return spaces;
    case 'S':
      return negated(spaces);
    case 'w':
      return words;
    case 'W':
      return negated(words);
    default:
      return undefined;
  }
}

function isWordLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f;
}
