/** Values in PostgreSQL's binary format as the text that recognisers read. */

type Decode = (bytes: Buffer) => string | undefined;

const TEXT: Decode = (bytes) => bytes.toString('utf8');
const EPOCH_2000_DAYS = 10_957;
const EPOCH_2000_MS = 946_684_800_000;

const integer =
  (size: 2 | 4 | 8, signed = true): Decode =>
  (bytes) => {
    if (bytes.length !== size) return undefined;
    if (size === 8) return String(signed ? bytes.readBigInt64BE() : bytes.readBigUInt64BE());
    return String(signed ? bytes.readIntBE(0, size) : bytes.readUIntBE(0, size));
  };

/** The one value that masks show, by its bytes; others are nothing that a recogniser has to know. */
const only =
  (text: string, isIt: (bytes: Buffer) => boolean): Decode =>
  (bytes) =>
    isIt(bytes) ? text : undefined;
const zeros = (bytes: Buffer): boolean => bytes.length > 0 && bytes.every((byte) => byte === 0);

const timestamp: Decode = (bytes) => {
  if (bytes.length !== 8) return undefined;
  const ms = Number(bytes.readBigInt64BE() / 1000n) + EPOCH_2000_MS;
  return Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString().replace('Z', '+00') : undefined;
};

const decoders: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  ...[25, 1043, 1042, 19, 18, 705, 114].map((oid): [number, Decode] => [oid, TEXT]),
  [3802, (bytes) => (bytes[0] === 1 ? TEXT(bytes.subarray(1)) : undefined)], // jsonb
  [4072, (bytes) => (bytes[0] === 1 ? TEXT(bytes.subarray(1)) : undefined)], // jsonpath
  [16, (bytes) => (bytes.length === 1 ? (bytes[0] === 0 ? 'false' : 'true') : undefined)],
  [17, (bytes) => `\\x${bytes.toString('hex')}`],
  [20, integer(8)],
  [21, integer(2)],
  [23, integer(4)],
  ...[26, 24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, 28, 29].map((oid): [number, Decode] => [
    oid,
    integer(4, false),
  ]),
  [5069, integer(8, false)],
  [700, (bytes) => (bytes.length === 4 ? String(bytes.readFloatBE()) : undefined)],
  [701, (bytes) => (bytes.length === 8 ? String(bytes.readDoubleBE()) : undefined)],
  // Zero has no digits. https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c (numeric_send)
  [1700, only('0', (bytes) => bytes.length >= 8 && bytes.readInt16BE(0) === 0 && bytes.readUInt16BE(4) === 0)],
  [790, integer(8)],
  [1082, (bytes) => (bytes.length === 4 ? day(bytes.readInt32BE()) : undefined)],
  [1114, timestamp],
  [1184, timestamp],
  [1083, only('00:00:00', zeros)],
  [1266, only('00:00:00+00', zeros)],
  [1186, only('0', zeros)],
  [2950, (bytes) => (bytes.length === 16 ? bytes.toString('hex') : undefined)],
  [829, only('00:00:00:00:00:00', zeros)],
  [774, only('00:00:00:00:00:00:00:00', zeros)],
  [3220, only('0/0', zeros)],
  [600, only('(0,0)', zeros)],
  [601, only('[(0,0),(0,0)]', zeros)],
  [603, only('(0,0),(0,0)', zeros)],
  [718, only('<(0,0),0>', zeros)],
  [602, only('[(0,0)]', (bytes) => bytes.length === 21 && bytes[0] === 0 && zeros(bytes.subarray(5)))],
  [604, only('((0,0))', (bytes) => bytes.length === 20 && zeros(bytes.subarray(4)))],
  [628, only('{1,0,0}', (bytes) => bytes.length === 24 && bytes.readDoubleBE() === 1 && zeros(bytes.subarray(8)))],
  // Family, bits, whether it is a network, length, address.
  [650, only('0.0.0.0/0', (bytes) => bytes.length === 8 && bytes[1] === 0 && zeros(bytes.subarray(4)))],
  [869, only('0.0.0.0', (bytes) => bytes.length === 8 && zeros(bytes.subarray(4)))],
  [1560, (bytes) => bits(bytes)],
  [1562, (bytes) => bits(bytes)],
  [3614, only('', (bytes) => bytes.length === 4 && zeros(bytes))],
  // The flag that says empty.
  ...[3904, 3906, 3908, 3910, 3912, 3926].map((oid): [number, Decode] => [
    oid,
    only('empty', (bytes) => bytes.length === 1 && bytes[0] === 1),
  ]),
  ...[4451, 4532, 4533, 4534, 4535, 4536].map((oid): [number, Decode] => [
    oid,
    only('{}', (bytes) => bytes.length === 4 && zeros(bytes)),
  ]),
]);

function day(days: number): string {
  const ms = (days + EPOCH_2000_DAYS) * 86_400_000;
  return Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString().slice(0, 10) : 'infinity';
}

function bits(bytes: Buffer): string | undefined {
  if (bytes.length < 4) return undefined;
  const count = Math.min(bytes.readInt32BE(), (bytes.length - 4) * 8);
  return [...bytes.subarray(4)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, Math.max(0, count));
}

/** Elements of an array: dimensions, whether there are NULLs, the element's type, bounds; then each with its length before it. */
function array(bytes: Buffer): string | undefined {
  if (bytes.length < 12) return undefined;
  const dimensions = bytes.readInt32BE();
  const element = bytes.readUInt32BE(8);
  const found: string[] = [];
  for (let at = 12 + dimensions * 8; dimensions >= 0 && at + 4 <= bytes.length; ) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) continue;
    const value = textOfBinary(element, bytes.subarray(at, at + length));
    if (value !== undefined) found.push(`"${value.replaceAll(/["\\]/g, '\\$&')}"`);
    at += length;
  }
  return `{${found.join(',')}}`;
}

/**
 * @param category `pg_type.typcategory`, where it is known: arrays, enums and text of extensions have no identifiers of their own.
 * @returns undefined for what no recogniser has to know.
 */
export function textOfBinary(typeOid: number, bytes: Buffer, category?: string): string | undefined {
  const decode = decoders.get(typeOid);
  if (decode) return decode(bytes);
  if (category === 'A') return array(bytes);
  return category === undefined || category === 'S' || category === 'E' ? TEXT(bytes) : undefined;
}
