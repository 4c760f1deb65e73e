import type { CatalogColumn } from '../../model/catalog.ts';
import { quoteLiteral } from '../sql-name.ts';
import { textTypeOf } from './type.ts';

export const STARS = '***';

/**
 * Type-preserving constants by type identifier (https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat).
 * Each is input that its type accepts under any setting of the session (DateStyle, lc_monetary, xmloption …) and without a notice;
 * types for which there is no such value (xml, tsquery, tid, snapshots) are left out and become NULL.
 */
const constants: ReadonlyMap<number, string> = new Map([
  [16, 'false'], // boolean
  [17, ''], // bytea
  [20, '0'], // bigint
  [21, '0'], // smallint
  [23, '0'], // integer
  [26, '0'], // oid
  [24, '0'], // regproc
  [2202, '0'], // regprocedure
  [2203, '0'], // regoper
  [2204, '0'], // regoperator
  [2205, '0'], // regclass
  [2206, '0'], // regtype
  [3734, '0'], // regconfig
  [3769, '0'], // regdictionary
  [4089, '0'], // regnamespace
  [4096, '0'], // regrole
  [4191, '0'], // regcollation
  [28, '0'], // xid
  [29, '0'], // cid
  [5069, '0'], // xid8
  [114, '{}'], // json
  [3802, '{}'], // jsonb
  [600, '(0,0)'], // point
  [601, '[(0,0),(0,0)]'], // lseg
  [602, '[(0,0)]'], // path
  [603, '(0,0),(0,0)'], // box
  [604, '((0,0))'], // polygon
  [628, '{1,0,0}'], // line
  [718, '<(0,0),0>'], // circle
  [650, '0.0.0.0/0'], // cidr
  [869, '0.0.0.0'], // inet
  [700, '0'], // real
  [701, '0'], // double precision
  [790, '0'], // money
  [829, '00:00:00:00:00:00'], // macaddr
  [774, '00:00:00:00:00:00:00:00'], // macaddr8
  [1082, '1970-01-01'], // date
  [1083, '00:00:00'], // time
  [1266, '00:00:00+00'], // timetz
  [1114, '1970-01-01 00:00:00'], // timestamp
  [1184, '1970-01-01 00:00:00+00'], // timestamptz
  [1186, '0'], // interval
  [1560, '0'], // bit(n): an explicit cast pads with zeros
  [1562, ''], // bit varying
  [1700, '0'], // numeric
  [2950, '00000000-0000-0000-0000-000000000000'], // uuid
  [3220, '0/0'], // pg_lsn
  [3614, ''], // tsvector
  [4072, '$'], // jsonpath
  ...[3904, 3906, 3908, 3910, 3912, 3926].map((oid): [number, string] => [oid, 'empty']), // ranges
  ...[4451, 4532, 4533, 4534, 4535, 4536].map((oid): [number, string] => [oid, '{}']), // multiranges
]);

/** What stands for every value of the column, as text of its base type; undefined where the type offers nothing but NULL. */
export function redactedText(column: CatalogColumn): string | undefined {
  if (textTypeOf(column)) return STARS;
  const constant = constants.get(column.baseTypeOid);
  if (constant !== undefined) return constant;
  if (column.category === 'E' && column.firstEnumLabel !== undefined) return column.firstEnumLabel;
  return column.category === 'A' && column.baseTypeName.endsWith('[]') ? '{}' : undefined;
}

/** The same as an SQL constant of the column's base type. */
export function redactConstant(column: CatalogColumn): string {
  const text = redactedText(column);
  return text === undefined ? `NULL::${column.baseTypeName}` : `${quoteLiteral(text)}::${column.baseTypeName}`;
}
