import { frameOf } from '../../../../src/wire/bytes/index.ts';
import type { WireErrorCode } from '../../../../src/wire/postgres/index.ts';

/** Type letter, then the body in hex; the length is filled in. */
export function frame(type: string, hex: string) {
  const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const head = Buffer.from(`${type}....`);
  head.writeUInt32BE(body.length + 4, 1);
  return frameOf(Buffer.concat([head, body]));
}

/** Messages that no client may send. */
export const brokenFrontend: [name: string, type: string, body: string, code: WireErrorCode][] = [
  ['a second statement behind a NUL', 'Q', '73656c6563742031 00 64726f70 00', 'ERR_WIRE_LEFT_OVER'],
  ['a Query without end', 'Q', '73656c', 'ERR_WIRE_UNTERMINATED_STRING'],
  ['an empty body', 'Q', '', 'ERR_WIRE_UNTERMINATED_STRING'],
  ['bytes after Sync', 'S', '00', 'ERR_WIRE_LEFT_OVER'],
  ['bytes after Terminate', 'X', '00', 'ERR_WIRE_LEFT_OVER'],
  ['bytes after the types of Parse', 'P', '00 00 0000 00', 'ERR_WIRE_LEFT_OVER'],
  ['more types than Parse holds', 'P', '00 00 0002 00000017', 'ERR_WIRE_TRUNCATED'],
  ['65,535 types in an empty Parse', 'P', '00 00 ffff', 'ERR_WIRE_TRUNCATED'],
  ['a statement name in another encoding', 'P', 'ff00 00 0000', 'ERR_WIRE_BAD_ENCODING'],
  ['a format that does not exist', 'B', '00 00 0001 0002 0000 0000', 'ERR_WIRE_BAD_VALUE'],
  [
    'two formats for three values',
    'B',
    '00 00 0002 0000 0000 0003 ffffffff ffffffff ffffffff 0000',
    'ERR_WIRE_BAD_VALUE',
  ],
  ['a value of length -2', 'B', '00 00 0000 0001 fffffffe 0000', 'ERR_WIRE_BAD_VALUE'],
  ['a value of length -2^31', 'B', '00 00 0000 0001 80000000 0000', 'ERR_WIRE_BAD_VALUE'],
  ['a value longer than its message', 'B', '00 00 0000 0001 7fffffff 0000', 'ERR_WIRE_TRUNCATED'],
  ['a Bind without result formats', 'B', '00 00 0000 0000', 'ERR_WIRE_TRUNCATED'],
  ['Describe of neither statement nor portal', 'D', '58 00', 'ERR_WIRE_BAD_VALUE'],
  ['Describe in lower case', 'D', '73 00', 'ERR_WIRE_BAD_VALUE'],
  ['Execute without limit', 'E', '00', 'ERR_WIRE_TRUNCATED'],
  ['an unknown type', 'z', '', 'ERR_WIRE_UNKNOWN_MESSAGE'],
  ["a server's message", 'T', '0000', 'ERR_WIRE_UNKNOWN_MESSAGE'],
];
