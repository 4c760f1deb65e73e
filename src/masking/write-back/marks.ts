/**
 * A pseudonym as it stands in text of at least 24 characters, or as an address: `p_` and letters from a to p (mask/pseudonym.ts). Nothing
 * else is written like that, so it is known wherever it stands: in JSON, in arrays, in the middle of a note.
 */
const MARK = /(?<![A-Za-z0-9_])p_(?:[a-p]{22}(?![A-Za-z0-9_])|[a-p]{8,22}@masked\.invalid)/;

/** Longest mark, and the characters beside it that decide. */
const LONGEST = 2 + 22 + '@masked.invalid'.length + 2;
const BEGINNING = Buffer.from('p_');

/** Whether text carries a pseudonym that cannot be anything else. */
export function hasMark(text: string): boolean {
  return MARK.test(text);
}

/** Looks for marks in bytes that come in pieces; all of a mark is ASCII, whatever the encoding around it. */
export class MarkScanner {
  #kept = '';

  /** True when a mark ends in this piece, or began in one before it and ends here. */
  push(bytes: Buffer): boolean {
    const text = this.#kept + (this.#mayHold(bytes) ? bytes.toString('latin1') : tail(bytes));
    this.#kept = text.slice(-LONGEST);
    // A mark that touches the end may go on with a letter that makes it something else.
    return hasMark(text.slice(0, Math.max(0, text.length - 1)));
  }

  /** True when one stands at the very end. */
  end(): boolean {
    return hasMark(this.#kept);
  }

  #mayHold(bytes: Buffer): boolean {
    return this.#kept.includes('p') || bytes.includes(BEGINNING);
  }
}

function tail(bytes: Buffer): string {
  return bytes.subarray(-LONGEST).toString('latin1');
}
