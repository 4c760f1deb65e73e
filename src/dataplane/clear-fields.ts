import type { JsonObject } from '../model/json.ts';

/** Kinds of statements that are remembered. */
const MOST = 2_000;

/** What the records of a statement say in clear. */
export interface ClearFields {
  readonly clear: JsonObject;
  /** The same and what a record of its being forwarded by these policies says besides; the same object again for the same policies. */
  forwardedAs(policies: readonly string[]): JsonObject;
}

/** Gives statements that differ in nothing a record says in clear the same objects, by which the ledger knows what they share. */
export class ClearFieldsOf {
  readonly #known = new Map<string, ClearFields>();

  of(clear: JsonObject): ClearFields {
    const key = JSON.stringify(clear);
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= MOST) this.#known.clear();
      known = { clear, forwardedAs: forwardedClear(clear) };
      this.#known.set(key, known);
    }
    return known;
  }
}

/** Decisions of one statement come from few sets of policies: the last one is nearly always the next one. */
function forwardedClear(clear: JsonObject): (policies: readonly string[]) => JsonObject {
  const byPolicies = new Map<string, JsonObject>();
  let last: { readonly policies: readonly string[]; readonly clear: JsonObject } | undefined;
  return (policies) => {
    if (last?.policies === policies) return last.clear;
    const key = policies.join('\n');
    const known = byPolicies.get(key) ?? { ...clear, decision: 'forward', policies };
    if (byPolicies.size >= MOST) byPolicies.clear();
    byPolicies.set(key, known);
    last = { policies, clear: known };
    return known;
  };
}
