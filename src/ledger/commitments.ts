import type { AuditRecord, Disclosure } from '../model/record.ts';

/** What a record conceals, as its entry and its line of disclosures write it. */
export interface Committed {
  /** The value of `_sd`, sorted; empty when nothing is concealed. */
  readonly digests: string;
  /** The members of `d`, quoted. */
  readonly encoded: string;
}

interface Shared extends Committed {
  readonly sorted: readonly string[];
}

const NOTHING: Shared = { digests: '', encoded: '', sorted: [] };

/**
 * Puts a record's commitments together. Those that many records share are sorted and joined once.
 * The same commitment twice in one entry is refused by verifiers, so the second one is left out:
 * https://www.rfc-editor.org/rfc/rfc9901#section-7.1
 */
export class Commitments {
  readonly #shared = new WeakMap<readonly Disclosure[], Shared>();

  of({ hidden, sharedHidden }: AuditRecord): Committed {
    const shared = sharedHidden === undefined ? NOTHING : this.#sharedOf(sharedHidden);
    if (hidden === undefined || hidden.length === 0) return shared;
    const sorted = [...shared.sorted];
    let { encoded } = shared;
    for (const disclosure of hidden) {
      if (sorted.includes(disclosure.digest)) continue;
      sorted.push(disclosure.digest);
      encoded += `${encoded === '' ? '' : ','}"${disclosure.encoded}"`;
    }
    return { digests: arrayOf(sorted.sort()), encoded };
  }

  #sharedOf(disclosures: readonly Disclosure[]): Shared {
    const known = this.#shared.get(disclosures);
    if (known !== undefined) return known;
    const unique = new Map(disclosures.map((disclosure) => [disclosure.digest, disclosure.encoded]));
    const sorted = [...unique.keys()].sort();
    const made: Shared = {
      digests: sorted.length === 0 ? '' : arrayOf(sorted),
      encoded: [...unique.values()].map((encoded) => `"${encoded}"`).join(','),
      sorted,
    };
    this.#shared.set(disclosures, made);
    return made;
  }
}

function arrayOf(digests: readonly string[]): string {
  return `["${digests.join('","')}"]`;
}
