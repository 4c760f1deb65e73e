import type { JsonObject, JsonValue } from '../model/json.ts';
import type { AuditRecord } from '../model/record.ts';
import { LedgerError } from './errors.ts';
import { canonicalInteger, canonicalJson, canonicalString, VerifyError } from './verify/index.ts';

/** Members that the envelope itself owns. */
const OWN = new Set(['_sd', '_sd_alg', 'k', 'lag', 'log', 'seq', 'ses', 't', 'v']);
const MOST_SHAPES = 1_000;
/** Words such as verbs, policy ids and hashes come again and again. */
const MOST_WORDS = 4_000;
const LONGEST_WORD = 100;

/** One step of writing a shape: literal text, then one changing value. */
interface Part {
  readonly literal: string;
  readonly value: 'sd' | 'seq' | 'session' | 'time' | 'lag' | 'end' | { readonly member: string };
}

interface Shape {
  readonly members: number;
  readonly parts: readonly Part[];
}

/** No members. One object, so that what is remembered for it is found again. */
const NO_CLEAR: JsonObject = {};

/**
 * Writes entries as canonical JSON (RFC 8785) of the envelope of version 1, without sorting anything per record: records of
 * one kind have the same members, so where each stands is worked out once.
 */
export class EnvelopeWriter {
  readonly #origin: string;
  /** By the shared members, whose values are part of the literal text. */
  readonly #shapes = new WeakMap<JsonObject, Map<string, Shape>>();
  readonly #words = new Map<string, string>();
  #millisecond = Number.NaN;
  #timestamp = '';

  constructor(origin: string) {
    this.#origin = origin;
  }

  /**
   * @param digests value of `_sd`; empty when nothing is concealed.
   * @param time milliseconds since the epoch, as the log's order admits it; `lag` says by how many the caller's clock was behind that.
   * @throws LedgerError `ERR_LEDGER_RECORD` for what canonical JSON cannot carry or a member that is not the caller's.
   */
  write(record: AuditRecord, digests: string, seq: number, time: number, lag: number): string {
    const clear = record.clear ?? NO_CLEAR;
    try {
      let text = '';
      for (const { literal, value } of this.#shape(record, clear, digests !== '', lag !== 0)) {
        text += literal;
        if (typeof value === 'object') text += this.#value(clear[value.member]);
        else if (value === 'seq') text += seq;
        else if (value === 'time') text += this.#time(time);
        else if (value === 'sd') text += digests;
        else if (value === 'session') text += this.#string(record.session ?? '');
        else if (value === 'lag') text += canonicalInteger(lag);
      }
      return text;
    } catch (error) {
      if (!(error instanceof VerifyError || error instanceof RangeError)) throw error;
      throw new LedgerError(
        'ERR_LEDGER_RECORD',
        `A record of kind ${record.kind} cannot be written: ${error.message}`,
        { cause: error },
      );
    }
  }

  #shape(record: AuditRecord, clear: JsonObject, concealed: boolean, late: boolean): readonly Part[] {
    const shared = record.sharedClear ?? NO_CLEAR;
    let shapes = this.#shapes.get(shared);
    if (shapes === undefined) {
      shapes = new Map();
      this.#shapes.set(shared, shapes);
    }
    const names = Object.keys(clear);
    const session = record.session !== undefined;
    // Names with a line feed are never admitted, so two shapes of equal length cannot share a key.
    const key = `${record.kind}\n${session ? 's' : ''}${concealed ? 'c' : ''}${late ? 'l' : ''}\n${names.join('\n')}`;
    const known = shapes.get(key);
    if (known !== undefined && known.members === names.length) return known.parts;
    const parts = this.#plan(record.kind, shared, names, session, concealed, late);
    if (shapes.size >= MOST_SHAPES) shapes.clear();
    shapes.set(key, { members: names.length, parts });
    return parts;
  }

  #plan(
    kind: string,
    shared: JsonObject,
    names: readonly string[],
    session: boolean,
    concealed: boolean,
    late: boolean,
  ): Part[] {
    const common = Object.keys(shared);
    for (const name of [...common, ...names]) {
      if (!isClearName(name)) {
        throw new LedgerError('ERR_LEDGER_RECORD', `A record of kind ${kind} may not have a clear member "${name}".`);
      }
    }
    const members = new Map<string, string | Part['value']>([
      ['k', canonicalString(kind)],
      ['log', canonicalString(this.#origin)],
      ['seq', 'seq'],
      ['t', 'time'],
      ['v', '1'],
    ]);
    if (concealed) members.set('_sd', 'sd').set('_sd_alg', '"sha-256"');
    if (session) members.set('ses', 'session');
    if (late) members.set('lag', 'lag');
    for (const name of common) members.set(name, this.#value(shared[name]));
    for (const name of names) members.set(name, { member: name }); // of two, the record's own
    const parts: Part[] = [];
    let literal = '{';
    for (const name of [...members.keys()].sort()) {
      const value = members.get(name) as string | Part['value'];
      literal += `${literal === '{' ? '' : ','}"${name}":`;
      if (isChanging(value)) {
        parts.push({ literal, value });
        literal = '';
      } else {
        literal += value;
      }
    }
    parts.push({ literal: `${literal}}`, value: 'end' });
    return parts;
  }

  #value(value: JsonValue | undefined): string {
    if (typeof value === 'string') return this.#string(value);
    if (typeof value === 'number') return canonicalInteger(value);
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
      return value.length === 0 ? '[]' : `[${value.map((item) => this.#string(item)).join(',')}]`;
    }
    return canonicalJson(value as JsonValue);
  }

  #string(text: string): string {
    if (text.length > LONGEST_WORD) return canonicalString(text);
    let word = this.#words.get(text);
    if (word === undefined) {
      word = canonicalString(text);
      if (this.#words.size >= MOST_WORDS) this.#words.clear();
      this.#words.set(text, word);
    }
    return word;
  }

  #time(milliseconds: number): string {
    if (milliseconds !== this.#millisecond) {
      this.#timestamp = `"${new Date(milliseconds).toISOString()}"`;
      this.#millisecond = milliseconds;
    }
    return this.#timestamp;
  }
}

/** Names are the code's own and few; what a mistake might bring in is not remembered for ever. */
const clearNames = new Map<string, boolean>();

/** Whether a record may have a clear member of that name. */
export function isClearName(name: string): boolean {
  let admitted = clearNames.get(name);
  if (admitted === undefined) {
    admitted = !OWN.has(name) && /^[A-Za-z][A-Za-z0-9_]*$/.test(name);
    if (clearNames.size < MOST_WORDS) clearNames.set(name, admitted);
  }
  return admitted;
}

const CHANGING: ReadonlySet<unknown> = new Set(['sd', 'seq', 'session', 'time', 'lag']);

function isChanging(value: string | Part['value']): value is Part['value'] {
  return typeof value === 'object' || CHANGING.has(value);
}
