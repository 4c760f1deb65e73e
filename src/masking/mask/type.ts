import type { CatalogColumn } from '../../model/catalog.ts';

/** Types that hold text, as far as a mask is concerned. */
export interface TextType {
  /** Longest value in characters; absent when the type has no limit. */
  readonly length?: number;
  /** Compares without regard to case: equal values may be written differently. */
  readonly ignoresCase: boolean;
}

const TEXT = 25;
const VARCHAR = 1043;
const BPCHAR = 1042;
const NAME = 19;
const CHAR = 18;
const scalars: ReadonlySet<number> = new Set([TEXT, VARCHAR, BPCHAR, NAME]);
const arrays: ReadonlySet<number> = new Set([1009, 1015, 1014]);

/** Object identifiers of built-in types never change: pg_type.dat numbers them. */
export const OID = {
  int8: 20,
  int2: 21,
  int4: 23,
  float4: 700,
  float8: 701,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  name: NAME,
  char: CHAR,
} as const;

function textType(typeName: string): TextType {
  const modifier = /\((\d+)\)(?:\[\])?$/.exec(typeName)?.[1];
  const length = /\bname(?:\[\])?$/.test(typeName) ? 63 : modifier === undefined ? undefined : Number(modifier);
  return { ...(length === undefined ? {} : { length }), ignoresCase: /(?:^|\.)citext(?:\[\])?$/.test(typeName) };
}

/** citext is an extension's type without a fixed identifier: known by its name and by being of the string category. */
export function textTypeOf(column: CatalogColumn): TextType | undefined {
  if (scalars.has(column.baseTypeOid)) return textType(column.baseTypeName);
  if (column.baseTypeOid === CHAR) return { length: 1, ignoresCase: false };
  return column.category === 'S' && /(?:^|\.)citext$/.test(column.baseTypeName)
    ? textType(column.baseTypeName)
    : undefined;
}

/** The element type of an array of text. */
export function textElementOf(column: CatalogColumn): TextType | undefined {
  if (arrays.has(column.baseTypeOid)) return textType(column.baseTypeName);
  return column.category === 'A' && /(?:^|\.)citext\[\]$/.test(column.baseTypeName)
    ? textType(column.baseTypeName)
    : undefined;
}
