import { textOfBinary } from './binary.ts';
import { arrayElements } from './literals.ts';
import type { Likeness, Recogniser } from './recogniser.ts';

/** `text[]`; the element's type stands in the value. */
const ARRAY = 1009;
const TEXT_TYPES: ReadonlySet<number> = new Set([25, 1043, 1042, 19, 2950]);

/** An array of text or UUIDs in binary format, as the text of one; undefined for anything else. */
export function textOfBinaryArray(bytes: Buffer): string | undefined {
  if (bytes.length < 20) return undefined;
  const dimensions = bytes.readInt32BE();
  const isArray = dimensions > 0 && dimensions <= 6 && bytes.readUInt32BE(4) <= 1;
  return isArray && TEXT_TYPES.has(bytes.readUInt32BE(8)) ? textOfBinary(ARRAY, bytes, 'A') : undefined;
}

/**
 * What looks into arrays and JSON from which a statement takes values (`unnest`, `jsonb_to_recordset`). Only what nobody writes by himself
 * counts there: which element goes into which column is not followed.
 */
export function likenessWithin(text: string): (recognise: Recogniser) => Likeness | undefined {
  let values: readonly string[] | undefined;
  return (recognise) => {
    values ??= valuesWithin(text);
    return values.some((value) => recognise(value) === 'mask') ? 'mask' : undefined;
  };
}

function valuesWithin(text: string): readonly string[] {
  // The binary format of jsonb begins with its version.
  const written = text.startsWith('\u0001') ? text.slice(1) : text;
  if (!/^\s*[[{]/.test(written)) return [];
  const strings: string[] = [];
  try {
    JSON.parse(written, (_, value: unknown) => {
      if (typeof value === 'string') strings.push(value);
      return value;
    });
    return strings;
  } catch {
    return arrayElements(written);
  }
}
