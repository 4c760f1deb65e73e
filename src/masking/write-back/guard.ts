import type { CatalogColumn } from '../../model/catalog.ts';
import type { Refusal } from '../../model/refusal.ts';
import type { CopyData } from '../../model/statement.ts';
import { textOfBinary } from './binary.ts';
import { type CopyFields, copyFields } from './copy-fields.ts';
import { likenessWithin, textOfBinaryArray } from './elements.ts';
import { MarkScanner } from './marks.ts';
import type { Likeness, Recogniser } from './recogniser.ts';
import { encodingRefusal, likenessRefusal, type Place } from './refusals.ts';

/** A column that is hidden from the principal, and how to know its mask. */
export interface HiddenColumn {
  readonly column: CatalogColumn;
  readonly recognise: Recogniser;
}

/** Where one parameter of a statement is written. */
export interface ParameterPlace extends Place {
  /** Number of the parameter, from 1. */
  readonly number: number;
  /** It is the whole value. */
  readonly whole: boolean;
  readonly overwrites: boolean;
  /** Hidden columns that it may go into. */
  readonly columns: readonly HiddenColumn[];
}

/** One parameter's value as it came. */
export interface ParameterValue {
  readonly bytes: Buffer;
  readonly binary: boolean;
  /** Type that the client gave it; 0 or undefined: the server infers one. */
  readonly type: number | undefined;
}

/** Whether a likeness stands in the way of writing a value into a hidden column. */
export function matters(likeness: Likeness, whole: boolean, overwrites: boolean): boolean {
  return likeness !== 'constant' || (whole && overwrites);
}

/** What has to be looked at when a statement is run: values that are not in its text. */
export class WriteGuard {
  readonly #parameters: readonly ParameterPlace[];
  readonly #copy:
    | { readonly data: CopyData; readonly relation: string; readonly hidden: readonly HiddenColumn[] }
    | undefined;
  readonly #marks: boolean;

  /** `marks`: pseudonyms may not be written into columns that are not hidden either. */
  constructor(
    parameters: readonly ParameterPlace[],
    copy: { readonly data: CopyData; readonly relation: string; readonly hidden: readonly HiddenColumn[] } | undefined,
    marks: boolean,
  ) {
    this.#parameters = parameters;
    this.#copy = copy;
    this.#marks = marks;
  }

  get looksAtParameters(): boolean {
    return this.#parameters.length > 0;
  }

  /** @param value Gives the parameter of a number, from 1; undefined for NULL. */
  parameters(value: (number: number) => ParameterValue | undefined): Refusal | undefined {
    for (const place of this.#parameters) {
      const given = value(place.number);
      const likeness = given && this.#likeness(place, given);
      if (likeness) return likenessRefusal(place, likeness);
    }
    return undefined;
  }

  #likeness(place: ParameterPlace, { bytes, binary, type }: ParameterValue): Likeness | undefined {
    const within = likenessWithin((binary ? textOfBinaryArray(bytes) : undefined) ?? bytes.toString('utf8'));
    for (const { column, recognise } of place.columns) {
      const known = type === undefined || type === 0 ? undefined : type;
      const inferred = known ?? (place.whole ? column.baseTypeOid : 25);
      const text = binary
        ? textOfBinary(inferred, bytes, known === undefined && place.whole ? column.category : undefined)
        : bytes.toString('utf8');
      const found = text === undefined ? undefined : recognise(text);
      if (found && matters(found, place.whole, place.overwrites)) return found;
      const inside = place.whole ? undefined : within(recognise);
      if (inside) return inside;
    }
    if (!this.#marks && !place.hidden) return undefined;
    const scanner = new MarkScanner();
    return scanner.push(bytes) || scanner.end() ? 'mark' : undefined;
  }

  /** What looks through the data of a COPY … FROM STDIN in this encoding; undefined when the statement is none. */
  copyIn(clientEncoding: string): CopyInspector | Refusal | undefined {
    const copy = this.#copy;
    if (!copy) return undefined;
    const encoding = copy.data.encoding ?? clientEncoding;
    if (copy.hidden.length > 0 && copy.data.format !== 'binary' && EMBEDS_ASCII.test(encoding)) {
      return encodingRefusal(copy.relation, encoding);
    }
    return new CopyInspector(copy.data, copy.relation, copy.hidden, this.#marks);
  }
}

/** Encodings in which a byte of a longer character may look like a delimiter. https://www.postgresql.org/docs/current/multibyte.html */
const EMBEDS_ASCII = /^(?:sjis|shift_?jis|mskanji|win(?:dows-?)?9(?:32|36|49|50)|big5|gbk|gb18030|uhc|johab)/i;

/** Looks through the data of one COPY … FROM STDIN, piece by piece. */
export class CopyInspector {
  readonly #relation: string;
  readonly #marks: MarkScanner | undefined;
  readonly #fields: CopyFields | undefined;
  #found: Refusal | undefined;

  constructor(data: CopyData, relation: string, hidden: readonly HiddenColumn[], marks: boolean) {
    this.#relation = relation;
    this.#marks = marks ? new MarkScanner() : undefined;
    const byIndex = new Map<number, HiddenColumn>();
    for (const each of hidden) {
      const index = data.columns.indexOf(each.column.name);
      if (index >= 0) byIndex.set(index, each);
    }
    const binary = data.format === 'binary';
    this.#fields =
      byIndex.size === 0
        ? undefined
        : copyFields(data, new Set(byIndex.keys()), (index, bytes) => this.#field(byIndex.get(index), bytes, binary));
  }

  /** The refusal for what is found in this piece; it must not reach the target then. */
  push(bytes: Buffer): Refusal | undefined {
    this.#fields?.push(bytes);
    if (!this.#found && this.#marks?.push(bytes)) this.#found = this.#anywhere();
    return this.#found;
  }

  /** The data is complete. */
  end(): Refusal | undefined {
    this.#fields?.end();
    if (!this.#found && this.#marks?.end()) this.#found = this.#anywhere();
    return this.#found;
  }

  #anywhere(): Refusal {
    return likenessRefusal({ relation: this.#relation, column: undefined, hidden: false }, 'mark');
  }

  #field(hidden: HiddenColumn | undefined, bytes: Buffer, binary: boolean): void {
    if (!hidden || this.#found) return;
    const { column, recognise } = hidden;
    const text = binary ? textOfBinary(column.baseTypeOid, bytes, column.category) : bytes.toString('utf8');
    const likeness = text === undefined ? undefined : recognise(text);
    if (likeness && matters(likeness, true, false)) {
      this.#found = likenessRefusal({ relation: this.#relation, column: column.name, hidden: true }, likeness);
    }
  }
}
