import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * One case. `direct`: statements that show a protected value on the server itself. `inference`: questions that find one out step by
 * step. `policy`: statements with an effect that the policies forbid. `benign`: what an analyst does every day, which has to work.
 */
export interface Case {
  readonly id: string;
  readonly category: string;
  readonly class: 'direct' | 'inference' | 'policy' | 'benign';
  readonly mode: Mode;
  readonly statements: readonly Item[];
  /** Changes the database when it runs unprotected. */
  readonly dirty?: boolean;
  /** Seconds to wait for what the server sends by itself. */
  readonly tail?: number;
  readonly connect?: { readonly params?: Readonly<Record<string, string>> };
  /** How to tell that a forbidden effect happened. */
  readonly check?: Check;
  /** Names of result columns that are masked, so that their values differ. */
  readonly pii?: readonly string[];
  /** Filters, groups or sorts by hidden columns: answered by the masked world, as docs/limits.md says. */
  readonly masked_world?: boolean;
}

export type Mode =
  | 'simple'
  | 'multi-statement'
  | 'copy'
  | 'extended'
  | 'extended-binary'
  | 'prepared-by-name'
  | 'pipeline'
  | 'cursor';

export interface Check {
  readonly sql?: string;
  readonly value?: string;
  readonly rows_gt?: number;
  readonly raw_contains?: string;
}

/** A parameter: text, the bytes written in hexadecimal, or NULL. */
export type Parameter = string | { readonly hex: string } | null;

export interface Sql {
  readonly sql: string;
  readonly mode?: Mode;
  readonly params?: readonly Parameter[];
  readonly types?: readonly number[];
  /** Formats of the parameters, and the one of the results. */
  readonly pfmt?: readonly (0 | 1)[];
  readonly fmt?: 0 | 1;
  readonly max?: number;
  readonly times?: number;
  readonly copy_data?: string;
}

/** Messages of the protocol as they are sent: `["P", name, sql, types]`, `["wait"]`, `["cut", bytes, message]` … */
export type Written = readonly [kind: string, ...rest: readonly unknown[]];

export interface Messages {
  readonly msgs: readonly Written[];
  /** How many times the server says that it is ready. */
  readonly wait?: number;
}

/** A question asked again and again: which character stands at place `{i}`? */
export interface Probe {
  readonly sql: string;
  readonly alphabet?: string;
  readonly n?: number;
  readonly from?: number;
  /** What of the answer says yes: rows by default. */
  readonly obs?: 'rows' | 'value' | 'error' | 'null' | 'notice' | 'tag' | 'plan';
  readonly find?: string;
  /** Values that mean yes, for `value`. */
  readonly true?: readonly string[];
  /** The value is found from its end. */
  readonly rev?: boolean;
}

export type Item = string | Sql | Messages | { readonly probe: Probe };

/** The cases that this project shares with others of its kind. */
export function publicCases(): readonly Case[] {
  const text = readFileSync(join(import.meta.dirname, 'public.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Case => JSON.parse(line));
}
