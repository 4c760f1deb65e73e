import { CatalogError } from './errors.ts';

/** Reads one JSON array field by field; a target that answers something else is not believed. */
export class Fields {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(text: string | null | undefined, length: number) {
    const values: unknown = typeof text === 'string' ? parseJson(text) : undefined;
    if (!Array.isArray(values) || values.length !== length) throw broken(`expected an array of ${length}`);
    this.#values = values;
  }

  next(): unknown {
    return this.#values[this.#at++];
  }

  text(): string {
    const value = this.next();
    if (typeof value !== 'string') throw broken('expected text');
    return value;
  }

  optionalText(): string | undefined {
    const value = this.next();
    if (value === null) return undefined;
    if (typeof value !== 'string') throw broken('expected text or null');
    return value;
  }

  number(): number {
    const value = this.next();
    if (typeof value !== 'number' || !Number.isInteger(value)) throw broken('expected a whole number');
    return value;
  }

  optionalNumber(): number | undefined {
    const value = this.next();
    if (value === null) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value)) throw broken('expected a whole number or null');
    return value;
  }

  flag(): boolean {
    const value = this.next();
    if (typeof value !== 'boolean') throw broken('expected true or false');
    return value;
  }

  list<T>(read: (value: unknown) => T): T[] {
    const value = this.next();
    if (value === null) return [];
    if (!Array.isArray(value)) throw broken('expected an array or null');
    return value.map(read);
  }

  word<T>(words: Readonly<Record<string, T>>): T {
    const word = this.text();
    const value = Object.hasOwn(words, word) ? words[word] : undefined;
    if (value === undefined) throw broken(`unknown word ${JSON.stringify(word)}`);
    return value;
  }
}

export function broken(what: string): CatalogError {
  return new CatalogError(
    'ERR_DATAPLANE_CATALOG_ANSWER',
    `the target answered a catalog query in an unexpected shape: ${what}`,
  );
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CatalogError('ERR_DATAPLANE_CATALOG_ANSWER', 'the target answered a catalog query with broken JSON', {
      cause,
    });
  }
}
