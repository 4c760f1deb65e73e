import type { JsonObject, JsonValue } from '../model/json.ts';

/** One durable entry with what is disclosed of it. */
export interface IndexedEntry {
  readonly seq: number;
  readonly kind: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly session: string | undefined;
  readonly members: JsonObject;
  /** Encoded. */
  readonly disclosures: readonly string[];
}

/** Lines of a disclosure file, not yet read, by the entry they belong to. */
export type DisclosureFile = ReadonlyMap<number, string>;

const NOTHING: readonly string[] = [];
const NO_LINES: DisclosureFile = new Map();

/**
 * Reads an entry as far as the index needs it. That it is what the log speaks for, and in canonical form, is looked at where the ledger is
 * opened and audited; here it would cost more than all the rest. @throws when it is no JSON of an object.
 */
export function indexedEntry(seq: number, bytes: Buffer, disclosed: DisclosureFile): IndexedEntry {
  const members: JsonObject = JSON.parse(bytes.toString('utf8'));
  const { k, t, ses } = members as Record<string, JsonValue | undefined>;
  const line = disclosed.get(seq);
  return {
    seq,
    kind: String(k),
    time: Date.parse(String(t)),
    session: typeof ses === 'string' ? ses : undefined,
    members,
    disclosures: line === undefined ? NOTHING : disclosuresOf(line),
  };
}

/** A line tells its entry at its end: `…],"seq":n}`. The last one may just be being written, and belongs to no published entry then. */
export function disclosureFile(bytes: Uint8Array | undefined): DisclosureFile {
  if (bytes === undefined) return NO_LINES;
  const lines = new Map<number, string>();
  for (const line of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1').split('\n')) {
    const at = line.lastIndexOf('"seq":');
    if (at >= 0 && line.endsWith('}')) lines.set(Number(line.slice(at + 6, -1)), line);
  }
  return lines;
}

function disclosuresOf(line: string): readonly string[] {
  const { d } = JSON.parse(line) as { readonly d?: unknown };
  return Array.isArray(d) ? d.filter((one) => typeof one === 'string') : NOTHING;
}
