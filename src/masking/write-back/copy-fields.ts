import type { CopyData } from '../../model/statement.ts';

/** Bytes kept of one value: no mask is longer, but for those that a rule lets keep thousands of characters. */
const KEPT = 16_384;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const NOTHING = Buffer.alloc(0);

/** Told of each value that somebody wants to see, as soon as it is complete; not of NULLs. */
export type OnField = (column: number, bytes: Buffer) => void;

/** Takes the data of a COPY … FROM STDIN apart, in pieces as they come. What breaks the format is left to the target's own error. */
export interface CopyFields {
  push(bytes: Buffer): void;
  /** No more data comes: the last line need not have an end. */
  end(): void;
}

export function copyFields(data: CopyData, wanted: ReadonlySet<number>, onField: OnField): CopyFields {
  return data.format === 'binary' ? new BinaryFields(wanted, onField) : new TextFields(data, wanted, onField);
}

/** One value across pieces. */
class Value {
  #parts: Buffer[] = [];
  #length = 0;

  add(bytes: Buffer): void {
    if (this.#length > KEPT || bytes.length === 0) return;
    const part = Buffer.from(bytes.subarray(0, KEPT + 1 - this.#length));
    this.#parts.push(part);
    this.#length += part.length;
  }

  get empty(): boolean {
    return this.#length === 0;
  }

  /** Undefined when it was too long to be kept; begins anew. */
  take(): Buffer | undefined {
    const whole =
      this.#length > KEPT ? undefined : this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return whole;
  }
}

/** Text and CSV. https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9 */
class TextFields implements CopyFields {
  readonly #csv: boolean;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #null: Buffer;
  readonly #wanted: ReadonlySet<number>;
  readonly #onField: OnField;
  /** 1 for bytes that may mean something. */
  readonly #special = new Uint8Array(256);
  /** The beginning of a value whose end is in a later piece. */
  readonly #begun = new Value();
  #column = 0;
  #inQuotes = false;
  /** The next byte means itself. */
  #escaped = false;
  /** This line is no data. */
  #header: boolean;

  constructor(data: CopyData, wanted: ReadonlySet<number>, onField: OnField) {
    this.#csv = data.format === 'csv';
    this.#delimiter = data.delimiter.charCodeAt(0);
    this.#quote = this.#csv ? data.quote.charCodeAt(0) : -1;
    this.#escape = this.#csv ? data.escape.charCodeAt(0) : BACKSLASH;
    for (const byte of [this.#delimiter, this.#quote, this.#escape, LINE_FEED, RETURN]) this.#special[byte] = 1;
    this.#null = Buffer.from(data.nullText);
    this.#header = data.header;
    this.#wanted = wanted;
    this.#onField = onField;
  }

  push(bytes: Buffer): void {
    const special = this.#special;
    const { length } = bytes;
    let from = 0;
    for (let at = 0; at < length; at++) {
      const byte = bytes[at] as number;
      if (this.#escaped) this.#escaped = false;
      else if (special[byte] === 1 && this.#ends(byte)) {
        this.#endField(bytes.subarray(from, at), byte !== this.#delimiter);
        from = at + 1;
      } else {
        // Most bytes mean nothing.
        while (at + 1 < length && special[bytes[at + 1] as number] === 0 && !this.#escaped) at += 1;
      }
    }
    if (this.#isWanted()) this.#begun.add(bytes.subarray(from));
  }

  end(): void {
    this.#endField(NOTHING, true);
  }

  /** What a special byte does; true when a value ends with it. */
  #ends(byte: number): boolean {
    if (this.#csv ? this.#inQuotes && byte === this.#escape && byte !== this.#quote : byte === BACKSLASH) {
      this.#escaped = true;
      return false;
    }
    if (byte === this.#quote) {
      // A doubled quote closes and opens again.
      this.#inQuotes = !this.#inQuotes;
      return false;
    }
    return !this.#inQuotes && (byte === this.#delimiter || byte === LINE_FEED || byte === RETURN);
  }

  #isWanted(): boolean {
    return !this.#header && this.#wanted.has(this.#column);
  }

  #endField(rest: Buffer, endsLine: boolean): void {
    if (this.#isWanted()) {
      let written: Buffer | undefined = rest;
      if (!this.#begun.empty) {
        this.#begun.add(rest);
        written = this.#begun.take();
      }
      if (written !== undefined && written.length <= KEPT) this.#tell(written);
    }
    this.#column = endsLine ? 0 : this.#column + 1;
    if (endsLine) this.#header = false;
  }

  #tell(written: Buffer): void {
    if (written.equals(this.#null)) return;
    if (!written.includes(this.#csv ? this.#quote : BACKSLASH)) this.#onField(this.#column, written);
    else this.#onField(this.#column, this.#csv ? this.#unquoted(written) : unescaped(written));
  }

  #unquoted(written: Buffer): Buffer {
    const bytes: number[] = [];
    let inQuotes = false;
    for (let at = 0; at < written.length; at++) {
      const byte = written[at] ?? 0;
      const next = written[at + 1];
      if (inQuotes && byte === this.#escape && (next === this.#quote || next === this.#escape)) {
        bytes.push(next);
        at += 1;
      } else if (byte === this.#quote) inQuotes = !inQuotes;
      else bytes.push(byte);
    }
    return Buffer.from(bytes);
  }
}

const ESCAPES: Readonly<Record<string, number>> = { b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

function unescaped(written: Buffer): Buffer {
  const text = written
    .toString('latin1')
    .replace(/\\(?:x([0-9a-f]{1,2})|([0-7]{1,3})|(.))/gis, (_, hex, octal, other) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      const code = ESCAPES[other];
      return code === undefined ? other : String.fromCharCode(code);
    });
  return Buffer.from(text, 'latin1');
}

/** Signature, flags, and the length of what else stands in the header. */
const HEADER = 19;

/** Binary: a header, then rows of a count and values with their lengths before them. */
class BinaryFields implements CopyFields {
  readonly #wanted: ReadonlySet<number>;
  readonly #onField: OnField;
  readonly #value = new Value();
  /** Bytes of a number that is not complete yet. */
  #head = Buffer.alloc(0);
  #reading: 'header' | 'extension' | 'count' | 'length' | 'value' | 'nothing' = 'header';
  #left = HEADER;
  #column = 0;
  #columns = 0;

  constructor(wanted: ReadonlySet<number>, onField: OnField) {
    this.#wanted = wanted;
    this.#onField = onField;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && this.#reading !== 'nothing') {
      const part = bytes.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if (this.#reading === 'value' || this.#reading === 'extension') {
        if (this.#reading === 'value' && this.#wanted.has(this.#column)) this.#value.add(part);
      } else {
        this.#head = Buffer.concat([this.#head, part]);
      }
      if (this.#left === 0) this.#next();
    }
  }

  end(): void {}

  #next(): void {
    const head = this.#head;
    this.#head = Buffer.alloc(0);
    switch (this.#reading) {
      case 'header': {
        const more = head.readInt32BE(HEADER - 4);
        if (more > 0) this.#read('extension', more);
        else this.#read('count', 2);
        return;
      }
      case 'extension':
        this.#read('count', 2);
        return;
      case 'count':
        this.#columns = head.readInt16BE();
        this.#column = -1;
        // -1 ends the data.
        if (this.#columns < 0) this.#reading = 'nothing';
        else this.#nextColumn();
        return;
      case 'length': {
        const length = head.readInt32BE();
        if (length > 0) this.#read('value', length);
        else this.#endValue(length === 0);
        return;
      }
      case 'value':
        this.#endValue(true);
        return;
      case 'nothing':
        return;
    }
  }

  #endValue(present: boolean): void {
    if (this.#wanted.has(this.#column)) {
      const value = this.#value.take();
      if (present && value !== undefined) this.#onField(this.#column, value);
    }
    this.#nextColumn();
  }

  #nextColumn(): void {
    this.#column += 1;
    if (this.#column < this.#columns) this.#read('length', 4);
    else this.#read('count', 2);
  }

  #read(what: 'extension' | 'count' | 'length' | 'value', bytes: number): void {
    this.#reading = what;
    this.#left = bytes;
  }
}
