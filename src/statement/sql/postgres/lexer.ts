/**
 * Tokens of PostgreSQL's lexical structure, by UTF-8 byte offset. Used to find where a clause begins and ends and to judge nesting
 * before the grammar sees a text; what a token *means* is the grammar's business alone.
 * https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'operator' | 'mark' | 'parameter';

const KINDS: readonly TokenKind[] = ['word', 'quoted', 'string', 'number', 'operator', 'mark', 'parameter'];
const WORD = 0;
const QUOTED = 1;
const STRING = 2;
const NUMBER = 3;
const OPERATOR = 4;
const MARK = 5;
const PARAMETER = 6;

const OPERATOR_BYTES = new Set(Buffer.from('~!@#^&|`?+-*/%<>='));

const isWordStart = (byte: number): boolean =>
  (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) || byte === 95 || byte >= 128;
const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;
const isWordPart = (byte: number): boolean => isWordStart(byte) || isDigit(byte) || byte === 36;
const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

export class Tokens {
  readonly bytes: Buffer;
  readonly #kinds: number[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** A plain `'…'` literal holds a backslash: its meaning depends on standard_conforming_strings. */
  backslashInPlainString = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#scan();
  }

  get length(): number {
    return this.#starts.length;
  }
  kind(index: number): TokenKind | undefined {
    const kind = this.#kinds[index];
    return kind === undefined ? undefined : KINDS[kind];
  }
  start(index: number): number {
    return this.#starts[index] ?? this.bytes.length;
  }
  end(index: number): number {
    return this.#ends[index] ?? this.bytes.length;
  }
  /** Lower-case text of a word, the character of a mark or operator; empty for everything else. */
  word(index: number): string {
    const kind = this.#kinds[index];
    if (kind !== WORD && kind !== MARK && kind !== OPERATOR) return '';
    return this.bytes.toString('latin1', this.start(index), this.end(index)).toLowerCase();
  }
  raw(index: number): string {
    return this.bytes.toString('utf8', this.start(index), this.end(index));
  }

  /** Index of the token that begins at a byte offset, or undefined. */
  at(offset: number): number | undefined {
    const index = this.firstFrom(offset);
    return this.#starts[index] === offset ? index : undefined;
  }

  /** Index of the first token that begins at or after a byte offset. */
  firstFrom(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the mark that closes the one at `index` (`(` or `[`); undefined when it is never closed. */
  closing(index: number): number | undefined {
    let depth = 0;
    for (let at = index; at < this.length; at++) {
      const word = this.#kinds[at] === MARK ? this.word(at) : '';
      if (word === '(' || word === '[') depth++;
      else if (word === ')' || word === ']') {
        depth--;
        if (depth === 0) return at;
      }
    }
    return undefined;
  }

  #push(kind: number, start: number, end: number): void {
    this.#kinds.push(kind);
    this.#starts.push(start);
    this.#ends.push(end);
  }

  #scan(): void {
    const bytes = this.bytes;
    const size = bytes.length;
    let at = 0;
    while (at < size) {
      const byte = bytes[at] ?? 0;
      const next = bytes[at + 1] ?? 0;
      if (isSpace(byte)) {
        at++;
      } else if (byte === 45 && next === 45) {
        at = this.#lineEnd(at + 2);
      } else if (byte === 47 && next === 42) {
        at = this.#commentEnd(at + 2);
      } else if (isWordStart(byte)) {
        at = this.#wordLike(at);
      } else if (byte === 34) {
        const end = this.#quoteEnd(at + 1, 34);
        this.#push(QUOTED, at, end);
        at = end;
      } else if (byte === 39) {
        const end = this.#quoteEnd(at + 1, 39);
        if (bytes.subarray(at, end).includes(92)) this.backslashInPlainString = true;
        this.#push(STRING, at, end);
        at = end;
      } else if (byte === 36) {
        at = this.#dollar(at);
      } else if (isDigit(byte) || (byte === 46 && isDigit(next))) {
        const end = this.#numberEnd(at);
        this.#push(NUMBER, at, end);
        at = end;
      } else if (OPERATOR_BYTES.has(byte)) {
        let end = at + 1;
        while (end < size && OPERATOR_BYTES.has(bytes[end] ?? 0) && !this.#commentBegins(end)) end++;
        this.#push(OPERATOR, at, end);
        at = end;
      } else if (byte === 58 && next === 58) {
        this.#push(OPERATOR, at, at + 2);
        at += 2;
      } else {
        this.#push(MARK, at, at + 1);
        at++;
      }
    }
  }

  #commentBegins(at: number): boolean {
    const byte = this.bytes[at];
    const next = this.bytes[at + 1];
    return (byte === 45 && next === 45) || (byte === 47 && next === 42);
  }

  #lineEnd(from: number): number {
    let at = from;
    while (at < this.bytes.length && this.bytes[at] !== 10 && this.bytes[at] !== 13) at++;
    return at;
  }

  #commentEnd(from: number): number {
    let depth = 1;
    let at = from;
    while (at < this.bytes.length) {
      if (this.bytes[at] === 47 && this.bytes[at + 1] === 42) {
        depth++;
        at += 2;
      } else if (this.bytes[at] === 42 && this.bytes[at + 1] === 47) {
        at += 2;
        depth--;
        if (depth === 0) return at;
      } else {
        at++;
      }
    }
    return at;
  }

  #wordLike(start: number): number {
    const first = (this.bytes[start] ?? 0) | 32;
    const second = this.bytes[start + 1] ?? 0;
    if (second === 39 && (first === 101 || first === 98 || first === 120 || first === 110)) {
      const end = first === 101 ? this.#escapeStringEnd(start + 2) : this.#quoteEnd(start + 2, 39);
      this.#push(STRING, start, end);
      return end;
    }
    if (first === 117 && second === 38) {
      const quote = this.bytes[start + 2];
      if (quote === 34 || quote === 39) {
        const end = this.#quoteEnd(start + 3, quote);
        this.#push(quote === 34 ? QUOTED : STRING, start, end);
        return end;
      }
    }
    let end = start + 1;
    while (end < this.bytes.length && isWordPart(this.bytes[end] ?? 0)) end++;
    this.#push(WORD, start, end);
    return end;
  }

  #quoteEnd(from: number, quote: number): number {
    let at = from;
    for (;;) {
      const end = this.bytes.indexOf(quote, at);
      if (end < 0) return this.bytes.length;
      if (this.bytes[end + 1] !== quote) return end + 1;
      at = end + 2;
    }
  }

  #escapeStringEnd(from: number): number {
    let at = from;
    while (at < this.bytes.length) {
      const byte = this.bytes[at];
      if (byte === 92) at += 2;
      else if (byte === 39 && this.bytes[at + 1] === 39) at += 2;
      else if (byte === 39) return at + 1;
      else at++;
    }
    return this.bytes.length;
  }

  #dollar(start: number): number {
    const bytes = this.bytes;
    let at = start + 1;
    if (isDigit(bytes[at] ?? 0)) {
      while (isDigit(bytes[at] ?? 0)) at++;
      this.#push(PARAMETER, start, at);
      return at;
    }
    if (isWordStart(bytes[at] ?? 0)) {
      at++;
      while (isWordStart(bytes[at] ?? 0) || isDigit(bytes[at] ?? 0)) at++;
    }
    if (bytes[at] !== 36) {
      this.#push(MARK, start, start + 1);
      return start + 1;
    }
    const tag = bytes.subarray(start, at + 1);
    const close = bytes.indexOf(tag, at + 1);
    const end = close < 0 ? bytes.length : close + tag.length;
    this.#push(STRING, start, end);
    return end;
  }

  #numberEnd(start: number): number {
    const bytes = this.bytes;
    let at = start;
    const digits = (): void => {
      while (isDigit(bytes[at] ?? 0) || (bytes[at] === 95 && isDigit(bytes[at + 1] ?? 0))) at++;
    };
    if (bytes[at] === 48 && /[xob]/i.test(String.fromCharCode(bytes[at + 1] ?? 0))) {
      at += 2;
      while (isWordPart(bytes[at] ?? 0)) at++;
      return at;
    }
    digits();
    if (bytes[at] === 46 && bytes[at + 1] !== 46) {
      at++;
      digits();
    }
    if (bytes[at] === 101 || bytes[at] === 69) {
      const sign = bytes[at + 1];
      const digit = sign === 43 || sign === 45 ? bytes[at + 2] : sign;
      if (isDigit(digit ?? 0)) {
        at += digit === sign ? 1 : 2;
        digits();
      }
    }
    return at;
  }
}
