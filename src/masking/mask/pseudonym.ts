import type { CatalogColumn } from '../../model/catalog.ts';
import { MaskingError } from '../errors.ts';
import type { ValueShape } from './kind.ts';
import { OID, type TextType } from './type.ts';

const INNER = 'gatehouse.pseudonym_inner';
const OUTER = 'gatehouse.pseudonym_outer';
const BLOCK = 64;
/** Domain of pseudonymous addresses: RFC 6761 §6.4, never deliverable. */
const DOMAIN = '@masked.invalid';

/**
 * Session settings that carry the key, to be sent as startup options of a target session. HMAC (RFC 2104) needs the key only as
 * two padded blocks; they are given as hex.
 * @param key At least 16 bytes; one key for all connections between which pseudonyms have to agree.
 * @throws MaskingError ERR_MASKING_KEY_TOO_SHORT.
 */
export function pseudonymSettings(key: Buffer): readonly (readonly [name: string, value: string])[] {
  if (key.length < 16 || key.length > BLOCK) {
    throw new MaskingError(
      'ERR_MASKING_KEY_TOO_SHORT',
      `a pseudonym key has 16 to ${BLOCK} bytes, this one has ${key.length}; make one with: openssl rand 32`,
    );
  }
  const pad = (byte: number): string => {
    const block = Buffer.alloc(BLOCK, byte);
    for (const [index, value] of key.entries()) block[index] = value ^ byte;
    return block.toString('hex');
  };
  return [
    [INNER, pad(0x36)],
    [OUTER, pad(0x5c)],
  ];
}

/** A pad out of its setting, NULL when it is missing or no pad. Without a reference to the row it is computed once per statement. */
function pad(setting: string): string {
  const value = `pg_catalog.current_setting('${setting}', true)`;
  return `(SELECT pg_catalog.decode(${value}, 'hex') WHERE ${value} OPERATOR(pg_catalog.~) '^[0-9a-f]{128}$')`;
}

/**
 * HMAC-SHA-256 over the value's bytes as 64 hex digits; NULL without a key. The bytes are those of the database's own encoding:
 * a conversion could fail for a value.
 */
function hmac(text: string): string {
  const message = `pg_catalog.convert_to(${text}, pg_catalog.getdatabaseencoding())`;
  const inner = `pg_catalog.sha256(${pad(INNER)} OPERATOR(pg_catalog.||) ${message})`;
  return `pg_catalog.encode(pg_catalog.sha256(${pad(OUTER)} OPERATOR(pg_catalog.||) ${inner}), 'hex')`;
}

/**
 * `p_` and 22 letters from a to p; an address at an undeliverable domain for e-mail. Equal text gives the same pseudonym in every column and
 * connection with the same key, cut to the column's length.
 * @param value SQL of type text.
 */
export function pseudonymText(value: string, type: TextType, shape: ValueShape, constant: string): string {
  const text = type.ignoresCase ? `pg_catalog.lower((${value}) COLLATE pg_catalog."default")` : value;
  // Letters only: no part of a pseudonym can be taken for a number, and none looks like one that is protected elsewhere.
  const digest = `pg_catalog.translate(${hmac(text)}, '0123456789', 'ghijklmnop')`;
  const room = type.length ?? Number.POSITIVE_INFINITY;
  const shaped = (): string => {
    const digits = Math.min(22, room - DOMAIN.length - 2);
    if (shape === 'email' && digits >= 8) {
      return `'p_' OPERATOR(pg_catalog.||) pg_catalog.left(${digest}, ${digits}) OPERATOR(pg_catalog.||) '${DOMAIN}'`;
    }
    // In a short column every character counts to tell values apart.
    if (room < 10) return `pg_catalog.left(${digest}, ${room})`;
    return `'p_' OPERATOR(pg_catalog.||) pg_catalog.left(${digest}, ${Math.min(22, room - 2)})`;
  };
  return `COALESCE(${shaped()}, ${constant})`;
}

/** Pseudonyms of other types, `undefined` where there is none: positive whole numbers over the type's range, and version 8 UUIDs. */
export function pseudonymOther(type: CatalogColumn, column: string, constant: string): string | undefined {
  const digest = hmac(`${column}::pg_catalog.text`);
  const number = (digits: number, typeName: string, mask: string): string =>
    `COALESCE((('x' OPERATOR(pg_catalog.||) pg_catalog.left(${digest}, ${digits}))::bit(${digits * 4})::${typeName} OPERATOR(pg_catalog.&) ${mask}), ${constant})`;
  switch (type.baseTypeOid) {
    case OID.int2:
      return number(8, 'integer', '32767');
    case OID.int4:
      return number(8, 'integer', '2147483647');
    case OID.int8:
      return number(16, 'bigint', '9223372036854775807');
    case OID.uuid:
      // RFC 9562 §5.8: version 8 and variant 10 are fixed, all else is the digest.
      return `COALESCE(pg_catalog.overlay(pg_catalog.overlay(pg_catalog.left(${digest}, 32), '8', 13), '8', 17)::pg_catalog.uuid, ${constant})`;
    default:
      return undefined;
  }
}
