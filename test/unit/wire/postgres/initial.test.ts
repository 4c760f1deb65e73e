import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  frontend,
  type InitialMessage,
  parseInitial,
  readInitialLength,
  type WireErrorCode,
} from '../../../../src/wire/postgres/index.ts';
import { SESSIONS, transcript } from '../transcripts.ts';

function startup(body: string, code = '\0\x03\0\0'): Buffer {
  return Buffer.from(code + body, 'latin1');
}

test('parses what clients send first', () => {
  const cases: [Buffer, InitialMessage][] = [
    [
      startup('user\0app\0database\0shop\0\0'),
      {
        kind: 'startup',
        major: 3,
        minor: 0,
        parameters: new Map([
          ['user', 'app'],
          ['database', 'shop'],
        ]),
      },
    ],
    [
      startup('user\0\0\0', '\0\x03\0\x02'),
      { kind: 'startup', major: 3, minor: 2, parameters: new Map([['user', '']]) },
    ],
    [startup('\0'), { kind: 'startup', major: 3, minor: 0, parameters: new Map() }],
    [Buffer.from('04d2162f', 'hex'), { kind: 'ssl-request' }],
    [Buffer.from('04d21630', 'hex'), { kind: 'gssenc-request' }],
    [
      Buffer.from('04d2162e0000010201020304', 'hex'),
      { kind: 'cancel-request', pid: 258, key: Buffer.from([1, 2, 3, 4]) },
    ],
    [
      Buffer.from(`04d2162effffffff${'ab'.repeat(256)}`, 'hex'),
      { kind: 'cancel-request', pid: -1, key: Buffer.alloc(256, 0xab) },
    ],
    [Buffer.from('00020000', 'hex'), { kind: 'unsupported-version', major: 2, minor: 0 }],
    [Buffer.from('ffffffff', 'hex'), { kind: 'unsupported-version', major: 65535, minor: 65535 }],
    [Buffer.from('04d21631', 'hex'), { kind: 'unsupported-version', major: 1234, minor: 5681 }],
  ];
  for (const [body, message] of cases) assert.deepEqual(parseInitial(body), message);
});

const broken: [name: string, body: Buffer, code: WireErrorCode][] = [
  ['no version', Buffer.from([0, 3, 0]), 'ERR_WIRE_TRUNCATED'],
  ['no end of the parameters', startup('user\0app\0'), 'ERR_WIRE_UNTERMINATED_STRING'],
  ['a name without value', startup('user\0'), 'ERR_WIRE_UNTERMINATED_STRING'],
  ['bytes after the end', startup('user\0app\0\0x'), 'ERR_WIRE_LEFT_OVER'],
  ['a parameter twice', startup('user\0app\0user\0root\0\0'), 'ERR_WIRE_BAD_VALUE'],
  ['a parameter that is not UTF-8', startup('user\0\xff\0\0'), 'ERR_WIRE_BAD_ENCODING'],
  ['bytes after an SSLRequest', Buffer.from('04d2162f00', 'hex'), 'ERR_WIRE_LEFT_OVER'],
  ['bytes after a GSSENCRequest', Buffer.from('04d2163000', 'hex'), 'ERR_WIRE_LEFT_OVER'],
  ['a cancel key of three bytes', Buffer.from('04d2162e00000001010203', 'hex'), 'ERR_WIRE_BAD_VALUE'],
  ['a cancel key of 257 bytes', Buffer.from(`04d2162e00000001${'00'.repeat(257)}`, 'hex'), 'ERR_WIRE_BAD_VALUE'],
  ['a cancel request without process', Buffer.from('04d2162e', 'hex'), 'ERR_WIRE_TRUNCATED'],
];
for (const [name, body, code] of broken) {
  test(`refuses an initial packet with ${name}`, () =>
    assert.throws(() => parseInitial(body), { name: 'WireError', code }));
}

for (const [length, code] of [
  [0, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [3, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [7, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [10_001, 'ERR_WIRE_FRAME_TOO_LARGE'],
  [0x16030100, 'ERR_WIRE_FRAME_TOO_LARGE'], // a TLS ClientHello
  [0x47455420, 'ERR_WIRE_FRAME_TOO_LARGE'], // "GET "
  [2 ** 31, 'ERR_WIRE_FRAME_TOO_LARGE'],
  [2 ** 32 - 1, 'ERR_WIRE_FRAME_TOO_LARGE'],
] as const) {
  test(`an initial length of ${length} is judged before its bytes`, () => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    assert.throws(() => readInitialLength(head), { name: 'WireError', code });
    assert.throws(() => readInitialLength(head.subarray(0, 3)), { name: 'WireError', code: 'ERR_WIRE_TRUNCATED' });
  });
}

test('what the encoder writes, the parser reads back', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 50 }).filter((value) => !value.includes('\0'));
  const parameters = fc.uniqueArray(
    fc.tuple(
      text.filter((name) => name !== ''),
      text,
    ),
    { selector: ([name]) => name, maxLength: 20 },
  );
  fc.assert(
    fc.property(parameters, fc.integer({ min: 0, max: 65535 }), (pairs, minor) => {
      const message = parseInitial(frontend.startup(pairs, minor).subarray(4));
      assert.deepEqual(message, { kind: 'startup', major: 3, minor, parameters: new Map(pairs) });
    }),
  );
  assert.throws(() => frontend.startup([['user', 'x'.repeat(10_000)]], 0), { code: 'ERR_WIRE_NOT_ENCODABLE' });
  assert.throws(() => frontend.startup([['', 'x']], 0), { code: 'ERR_WIRE_NOT_ENCODABLE' });
  assert.throws(() => frontend.cancelRequest(1, Buffer.alloc(3)), { code: 'ERR_WIRE_BAD_VALUE' });
});

for (const name of SESSIONS) {
  test(`the startup packet of a recorded client is understood: ${name}`, () => {
    const { initial } = transcript(name);
    assert.equal(readInitialLength(initial), initial.length);
    const message = parseInitial(initial.subarray(4));
    assert.ok(message.kind === 'startup');
    assert.equal(message.parameters.get('user'), 'postgres');
    assert.equal(message.parameters.get('database'), 'postgres');
  });
}
