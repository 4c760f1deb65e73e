import type { JsonObject, JsonValue } from '../model/json.ts';
import type { AuditKind, AuditRecord, Disclosure } from '../model/record.ts';
import { Commitment } from './commitment.ts';
import { isClearName } from './envelope.ts';
import { LARGEST_ENTRY } from './verify/index.ts';

/** What records of one class share: stated once per write-ahead segment, and named by its number from then on. */
export interface Form {
  readonly id: number;
  readonly kind: AuditKind;
  readonly clear: JsonObject;
  readonly hidden: readonly Disclosure[];
  /** How the write-ahead log states it. */
  readonly text: string;
  /** Bytes that an entry of this form has at most, its record's own values left out. */
  readonly entryBytes: number;
}

/** A record by its form: what is left to say of it. */
export interface ShortRecord {
  readonly form: Form;
  readonly session: string;
  /** Canonical JSON is made of it later: it holds nothing but short words and whole numbers. */
  readonly clear: string;
  readonly hidden: readonly Commitment[];
}

/** A digest in `_sd`, with quotes and comma. */
const DIGEST_BYTES = 46;
/** Bytes of an entry that neither form nor record decide: names of the envelope, log, number, time, lag. */
const ENVELOPE_BYTES = 1_024;
const LONGEST_WORD = 200;
/** Disclosures of a form are stated with it: larger ones are written out with every record. */
const LARGEST_FORM = 32 * 1024;
const MOST_HIDDEN = 16;
/** A byte says how many bytes it has in UTF-8. */
const LONGEST_SESSION = 85;
/** The end of the year 9999: later ones are printed in another way. */
const LATEST = Date.UTC(9999, 11, 31);
const NO_CLEAR: JsonObject = {};
const NOTHING_HIDDEN: readonly Disclosure[] = [];

/** Finds the form of a record, by the identity of what it shares with others. */
export class Forms {
  readonly #known = new WeakMap<JsonObject, WeakMap<readonly Disclosure[], Form | 'met'>>();
  readonly #admit: (record: AuditRecord) => void;
  #next = 1;

  /** `admit` throws when a record cannot be an entry: asked once of every form, with the first record that has it. */
  constructor(admit: (record: AuditRecord) => void) {
    this.#admit = admit;
  }

  /**
   * Undefined when the record shares nothing, or holds what is not worth shortening: it is written out in full then.
   * @throws what `admit` throws
   */
  shorten(record: AuditRecord): ShortRecord | undefined {
    const { sharedClear, time, session = '', hidden = NOTHING_HIDDEN } = record;
    if (sharedClear === undefined || !(time >= 0 && time <= LATEST) || !Number.isInteger(time)) return undefined;
    if (session.length > LONGEST_SESSION || !session.isWellFormed() || !areCommitments(hidden)) return undefined;
    const clear = shortClear(record.clear ?? NO_CLEAR);
    if (clear === undefined) return undefined;
    const form = this.#of(record, sharedClear, record.sharedHidden ?? NOTHING_HIDDEN);
    if (form === undefined) return undefined;
    const own = session.length + 3 * clear.length + DIGEST_BYTES * hidden.length;
    return form.entryBytes + own > LARGEST_ENTRY ? undefined : { form, session, clear, hidden };
  }

  #of(record: AuditRecord, clear: JsonObject, hidden: readonly Disclosure[]): Form | undefined {
    const { kind } = record;
    let forms = this.#known.get(clear);
    if (forms === undefined) {
      forms = new WeakMap();
      this.#known.set(clear, forms);
    }
    const known = forms.get(hidden);
    if (known === undefined) {
      // Many texts come once: a form is worth stating for the second record.
      forms.set(hidden, 'met');
      return undefined;
    }
    if (known !== 'met') return known.kind === kind ? known : undefined;
    this.#admit(record);
    const text = JSON.stringify({ clear, hidden: hidden.map(({ encoded }) => encoded), kind });
    if (text.length > LARGEST_FORM) return undefined;
    const entryBytes = ENVELOPE_BYTES + Buffer.byteLength(JSON.stringify(clear)) + DIGEST_BYTES * hidden.length;
    const form = { id: this.#next, kind, clear, hidden, text, entryBytes };
    this.#next += 1;
    forms.set(hidden, form);
    return form;
  }
}

function areCommitments(hidden: readonly Disclosure[]): hidden is readonly Commitment[] {
  return hidden.length <= MOST_HIDDEN && hidden.every((each) => each instanceof Commitment);
}

/** JSON of members that are sure to be admitted; undefined when one may not be. */
function shortClear(clear: JsonObject): string | undefined {
  for (const name in clear) if (!isClearName(name) || !isShort(clear[name])) return undefined;
  return JSON.stringify(clear);
}

function isShort(value: JsonValue | undefined): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'string' && value.length <= LONGEST_WORD && value.isWellFormed();
}

/** Reads what {@link Form.text} states. */
export function parseForm(id: number, text: string): Form {
  const { clear, hidden, kind } = JSON.parse(text) as { clear: JsonObject; hidden: string[]; kind: AuditKind };
  return { id, kind, clear, hidden: hidden.map(fromEncoded), text, entryBytes: 0 };
}

function fromEncoded(encoded: string): Commitment {
  return new Commitment(Buffer.from(encoded, 'base64url').toString('utf8'));
}
