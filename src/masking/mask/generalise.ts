import type { CatalogColumn } from '../../model/catalog.ts';
import type { MaskKind } from '../../model/mask.ts';
import { STARS } from './constant.ts';
import { OID } from './type.ts';

type Unit = 'year' | 'month' | 'decade';
type Generalise = Extract<MaskKind, { kind: 'generalise' }>;

/** Outside these years (and for infinity) date arithmetic can fail: such values become the constant. */
const FROM = '0010-01-01';
const TO = '9999-12-31';

const INTEGER_LIMITS: ReadonlyMap<number, number> = new Map([
  [OID.int2, 32_767],
  [OID.int4, 2_147_483_647],
  [OID.int8, Number.MAX_SAFE_INTEGER],
]);

/**
 * The beginning of the span of time, or of the band, that holds the value; `constant` when the rule does not fit the type. Bands are
 * cut towards zero, so that no result is larger than its value and none overflows the type.
 * @param column SQL for the bare column.
 * @param value The same as text, for columns of text.
 */
export function generalised(
  kind: Generalise,
  type: CatalogColumn,
  column: string,
  value: string | undefined,
  constant: string,
): string {
  if (typeof kind.to === 'object') return banded(kind.to.band, type, column, constant);
  if (value !== undefined) return textDate(kind.to, value);
  return spanOfTime(kind.to, type, column, constant);
}

const TIMES: ReadonlySet<number> = new Set([OID.date, OID.timestamp, OID.timestamptz]);

/** Whether the rule fits the column's type, which is not text: values show as the beginnings of their spans or bands. */
export function generalises(column: CatalogColumn, { to }: Generalise): boolean {
  if (typeof to !== 'object') return TIMES.has(column.baseTypeOid);
  return banded(to.band, column, '', '') !== '';
}

function spanOfTime(unit: Unit, type: CatalogColumn, column: string, constant: string): string {
  const between = (typeName: string, zone: string): string =>
    `${column} OPERATOR(pg_catalog.>=) '${FROM}${zone}'::${typeName} AND ${column} OPERATOR(pg_catalog.<) '${TO}${zone}'::${typeName}`;
  switch (type.baseTypeOid) {
    case OID.date:
      return `CASE WHEN ${between('pg_catalog.date', '')} THEN pg_catalog.date_trunc('${unit}', ${column}::timestamp)::pg_catalog.date ELSE ${constant} END`;
    case OID.timestamp:
      return `CASE WHEN ${between('timestamp', '')} THEN pg_catalog.date_trunc('${unit}', ${column}) ELSE ${constant} END`;
    case OID.timestamptz:
      // Always in UTC: with the session's time zone, moving the zone would find out how near to the boundary a value lies.
      return `CASE WHEN ${between('timestamp with time zone', ' 00:00:00+00')} THEN pg_catalog.date_trunc('${unit}', ${column}, 'UTC') ELSE ${constant} END`;
    default:
      return constant;
  }
}

/** Dates written as ISO 8601 in text; any other text becomes the stars. */
function textDate(unit: Unit, value: string): string {
  const kept = { month: 7, year: 4, decade: 3 }[unit];
  const rest = { month: '-01', year: '-01-01', decade: '0-01-01' }[unit];
  return `CASE WHEN (${value}) OPERATOR(pg_catalog.~) '^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.+Z-]*)?$' THEN pg_catalog.left(${value}, ${kept}) OPERATOR(pg_catalog.||) '${rest}' ELSE '${STARS}' END`;
}

function banded(band: number, type: CatalogColumn, column: string, constant: string): string {
  if (!Number.isFinite(band) || band <= 0) return constant;
  const limit = INTEGER_LIMITS.get(type.baseTypeOid);
  if (limit !== undefined) {
    const whole = Math.ceil(band);
    // A band of 1 would show every number as it is.
    if (whole < 2 || whole > limit) return constant;
    return `((${column} OPERATOR(pg_catalog./) ${whole}) OPERATOR(pg_catalog.*) ${whole})`;
  }
  if (type.baseTypeOid === OID.numeric) {
    return `(${column} OPERATOR(pg_catalog.-) pg_catalog.mod(${column}, ${band}::numeric))`;
  }
  if (type.baseTypeOid === OID.float4 || type.baseTypeOid === OID.float8) return bandedFloat(band, column, constant);
  return constant;
}

/** Only where neither division nor product can overflow or underflow; NaN and infinities sort above every bound. */
function bandedFloat(band: number, column: string, constant: string): string {
  if (band < 1e-6 || band > 1e15) return constant;
  const number = `(${column}::double precision)`;
  const step = `'${band}'::double precision`;
  const size = `pg_catalog.abs(${number})`;
  return `CASE WHEN ${size} OPERATOR(pg_catalog.>=) ${step} AND ${size} OPERATOR(pg_catalog.<=) '1e15'::double precision THEN pg_catalog.trunc(${number} OPERATOR(pg_catalog./) ${step}) OPERATOR(pg_catalog.*) ${step} ELSE ${constant} END`;
}
