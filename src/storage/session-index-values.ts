import type { JsonObject, JsonValue } from '../model/json.ts';
import type { IndexedEntry } from './session-index-entry.ts';

const ENVELOPE = new Set(['_sd', '_sd_alg', 'k', 'lag', 'log', 'seq', 'ses', 't', 'v']);

/** Clear members of a record that are not the envelope's. */
export function detailOf(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !ENVELOPE.has(name)));
}

/** `","params` behind a salt of 22 characters, in base64url: how parameters of a statement begin, which are new each time. */
const PARAMETERS = Buffer.from('","params').toString('base64url');
const PARAMETERS_AT = 32;

/** Equal for statements of one session that the index need not tell apart but by number, time and result. */
export function classKey({ members, disclosures }: IndexedEntry, decision: string, approval: string | null): string {
  let key = `${decision}\n${approval}\n${members['verb']}\n${members['effect']}\n${members['fingerprint']}\n${members['policy']}\n${members['code']}\n${members['masked']}\n`;
  for (const name of ['policies', 'labels'] as const) {
    const values = members[name];
    if (Array.isArray(values)) for (const value of values) key += `${value}\n`;
    key += '\n';
  }
  for (const disclosure of disclosures) {
    if (!disclosure.startsWith(PARAMETERS, PARAMETERS_AT)) key += `${disclosure}\n`;
  }
  return key;
}

/** Disclosed values by name; a name may come several times. */
export class Revealed {
  readonly #values: readonly { readonly name: string; readonly value: JsonValue }[];

  constructor(values: readonly { readonly name: string; readonly value: JsonValue }[]) {
    this.#values = values;
  }

  one(name: string): JsonValue | undefined {
    return this.#values.find((one) => one.name === name)?.value;
  }

  all(name: string): JsonValue[] {
    return this.#values.filter((one) => one.name === name).map(({ value }) => value);
  }
}

export function asObject(value: JsonValue | undefined): Readonly<Record<string, JsonValue | undefined>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

export function integer(value: JsonValue | undefined): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

export function strings(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

export function list(value: JsonValue | undefined): string {
  return JSON.stringify(strings(value));
}

export function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
