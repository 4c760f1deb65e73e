import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FrameReader, frameOf } from '../../../../src/wire/bytes/index.ts';
import {
  type BackendMessage,
  backend,
  backendLimit,
  type FormatCode,
  parseBackend,
  type WireErrorCode,
} from '../../../../src/wire/postgres/index.ts';
import { SESSIONS, transcript } from '../transcripts.ts';

/** Type letter, then the body in hex; the length is filled in. */
function frame(type: string, hex: string) {
  const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const head = Buffer.from(`${type}....`);
  head.writeUInt32BE(body.length + 4, 1);
  return frameOf(Buffer.concat([head, body]));
}

const field = {
  name: 'n',
  tableOid: 4294967295,
  columnNumber: -1,
  typeOid: 23,
  typeSize: 4,
  typeModifier: -1,
  format: 1,
} as const;

const messages: [name: string, type: string, body: string, message: BackendMessage][] = [
  ['AuthenticationOk', 'R', '00000000', { kind: 'authentication', method: 'ok' }],
  ['AuthenticationCleartextPassword', 'R', '00000003', { kind: 'authentication', method: 'cleartext' }],
  [
    'AuthenticationMD5Password',
    'R',
    '00000005 01020304',
    { kind: 'authentication', method: 'md5', salt: Buffer.from([1, 2, 3, 4]) },
  ],
  [
    'AuthenticationKerberosV5',
    'R',
    '00000002',
    { kind: 'authentication', method: 'other', code: 2, data: Buffer.alloc(0) },
  ],
  [
    'AuthenticationGSSContinue',
    'R',
    '00000008 aa',
    { kind: 'authentication', method: 'other', code: 8, data: Buffer.from([0xaa]) },
  ],
  [
    'AuthenticationSASL',
    'R',
    '0000000a 4100 4200 00',
    { kind: 'authentication', method: 'sasl', mechanisms: ['A', 'B'] },
  ],
  [
    'AuthenticationSASLContinue',
    'R',
    '0000000b 723d',
    { kind: 'authentication', method: 'sasl-continue', data: Buffer.from('r=') },
  ],
  [
    'AuthenticationSASLFinal',
    'R',
    '0000000c 763d',
    { kind: 'authentication', method: 'sasl-final', data: Buffer.from('v=') },
  ],
  [
    'BackendKeyData of 3.0',
    'K',
    '00000102 0a0b0c0d',
    { kind: 'backend-key-data', pid: 258, key: Buffer.from('0a0b0c0d', 'hex') },
  ],
  [
    'BackendKeyData of 3.2',
    'K',
    `00000102 ${'0f'.repeat(256)}`,
    { kind: 'backend-key-data', pid: 258, key: Buffer.alloc(256, 15) },
  ],
  ['ParameterStatus', 'S', '6100 6200', { kind: 'parameter-status', name: 'a', value: 'b' }],
  ['ReadyForQuery', 'Z', '54', { kind: 'ready-for-query', status: 'T' }],
  [
    'RowDescription',
    'T',
    '0001 6e00 ffffffff ffff 00000017 0004 ffffffff 0001',
    { kind: 'row-description', fields: [field] },
  ],
  ['RowDescription without columns', 'T', '0000', { kind: 'row-description', fields: [] }],
  ['ParameterDescription', 't', '0001 00000019', { kind: 'parameter-description', types: [25] }],
  [
    'DataRow',
    'D',
    '0003 00000001 31 ffffffff 00000000',
    { kind: 'data-row', values: [Buffer.from('1'), null, Buffer.alloc(0)] },
  ],
  ['CommandComplete', 'C', '53454c454354203100', { kind: 'command-complete', tag: 'SELECT 1' }],
  [
    'ErrorResponse',
    'E',
    '53 4500 43 3030303030 00 53 4600 00',
    {
      kind: 'error-response',
      fields: [
        { code: 'S', value: 'E' },
        { code: 'C', value: '00000' },
        { code: 'S', value: 'F' },
      ],
    },
  ],
  [
    'ErrorResponse in another encoding',
    'E',
    '4d ff00 00',
    { kind: 'error-response', fields: [{ code: 'M', value: '\ufffd' }] },
  ],
  ['NoticeResponse without fields', 'N', '00', { kind: 'notice-response', fields: [] }],
  ['NotificationResponse', 'A', '00000001 6300 7000', { kind: 'notification', pid: 1, channel: 'c', payload: 'p' }],
  ['FunctionCallResponse', 'V', '00000001 37', { kind: 'function-call-response', value: Buffer.from('7') }],
  ['FunctionCallResponse of null', 'V', 'ffffffff', { kind: 'function-call-response', value: null }],
  [
    'NegotiateProtocolVersion as servers send it',
    'v',
    '00030000 00000001 5f00',
    { kind: 'negotiate-protocol-version', minor: 0, unrecognised: ['_'] },
  ],
  [
    'NegotiateProtocolVersion as the manual describes it',
    'v',
    '00000002 00000000',
    { kind: 'negotiate-protocol-version', minor: 2, unrecognised: [] },
  ],
  ['CopyInResponse', 'G', '00 0002 0000 0000', { kind: 'copy-in', format: 0, columnFormats: [0, 0] }],
  ['CopyOutResponse', 'H', '01 0001 0001', { kind: 'copy-out', format: 1, columnFormats: [1] }],
  ['CopyBothResponse', 'W', '00 0000', { kind: 'copy-both', format: 0, columnFormats: [] }],
  ['CopyData', 'd', '310a', { kind: 'copy-data', data: Buffer.from('1\n') }],
  ['CopyDone', 'c', '', { kind: 'copy-done' }],
  ['EmptyQueryResponse', 'I', '', { kind: 'empty-query' }],
  ['NoData', 'n', '', { kind: 'no-data' }],
  ['ParseComplete', '1', '', { kind: 'parse-complete' }],
  ['BindComplete', '2', '', { kind: 'bind-complete' }],
  ['CloseComplete', '3', '', { kind: 'close-complete' }],
  ['PortalSuspended', 's', '', { kind: 'portal-suspended' }],
];

for (const [name, type, body, message] of messages) {
  test(`parses ${name}`, () => assert.deepEqual(parseBackend(frame(type, body)), message));
}

const broken: [name: string, type: string, body: string, code: WireErrorCode][] = [
  ['a CommandComplete without its NUL', 'C', '53454c454354', 'ERR_WIRE_UNTERMINATED_STRING'],
  ['bytes after a CommandComplete', 'C', '5300 53', 'ERR_WIRE_LEFT_OVER'],
  [
    'more columns than a RowDescription holds',
    'T',
    '0002 6e00 00000000 0000 00000017 0004 ffffffff 0000',
    'ERR_WIRE_TRUNCATED',
  ],
  ['65,535 columns in an empty RowDescription', 'T', 'ffff', 'ERR_WIRE_TRUNCATED'],
  ['a column in no format', 'T', '0001 6e00 00000000 0000 00000017 0004 ffffffff 0007', 'ERR_WIRE_BAD_VALUE'],
  ['more values than a DataRow holds', 'D', '0002 ffffffff', 'ERR_WIRE_TRUNCATED'],
  ['a value beyond its DataRow', 'D', '0001 7fffffff', 'ERR_WIRE_TRUNCATED'],
  ['a value of length -2', 'D', '0001 fffffffe', 'ERR_WIRE_BAD_VALUE'],
  ['an ErrorResponse without end', 'E', '4d 6100', 'ERR_WIRE_TRUNCATED'],
  ['bytes after an ErrorResponse', 'E', '4d 6100 00 4d', 'ERR_WIRE_LEFT_OVER'],
  ['a transaction status that does not exist', 'Z', '58', 'ERR_WIRE_BAD_VALUE'],
  ['a short md5 salt', 'R', '00000005 010203', 'ERR_WIRE_TRUNCATED'],
  ['a long md5 salt', 'R', '00000005 0102030405', 'ERR_WIRE_LEFT_OVER'],
  ['SASL mechanisms without end', 'R', '0000000a 4100', 'ERR_WIRE_UNTERMINATED_STRING'],
  ['a key of three bytes', 'K', '00000001 010203', 'ERR_WIRE_BAD_VALUE'],
  ['a key of 257 bytes', 'K', `00000001 ${'00'.repeat(257)}`, 'ERR_WIRE_BAD_VALUE'],
  ['a COPY in no format', 'G', '02 0000', 'ERR_WIRE_BAD_VALUE'],
  ['4 billion unknown options', 'v', '00030000 ffffffff', 'ERR_WIRE_TRUNCATED'],
  ['protocol 4', 'v', '00040000 00000000', 'ERR_WIRE_BAD_VALUE'],
  ['an unknown type', '?', '', 'ERR_WIRE_UNKNOWN_MESSAGE'],
  ["a client's message", 'Q', '00', 'ERR_WIRE_UNKNOWN_MESSAGE'],
];

for (const [name, type, body, code] of broken) {
  test(`refuses ${name}`, () => assert.throws(() => parseBackend(frame(type, body)), { name: 'WireError', code }));
}

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int16 = fc.integer({ min: -32768, max: 32767 });
const data = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const format = fc.constantFrom<FormatCode>(0, 1);
const key = fc.uint8Array({ minLength: 4, maxLength: 256 }).map((bytes) => Buffer.from(bytes));
const fields = fc.array(
  fc.record(
    {
      name: text,
      tableOid: uint32,
      columnNumber: int16,
      typeOid: uint32,
      typeSize: int16,
      typeModifier: fc.integer(),
      format,
    },
    { noNullPrototype: true },
  ),
);
const letter = fc.integer({ min: 0x41, max: 0x7a }).map((code) => String.fromCharCode(code));
const notices = fc.array(fc.record({ code: letter, value: text }, { noNullPrototype: true }));

const anyMessage: fc.Arbitrary<BackendMessage> = fc.oneof(
  fc
    .array(text.filter((value) => value !== ''))
    .map((mechanisms): BackendMessage => ({ kind: 'authentication', method: 'sasl', mechanisms })),
  fc
    .tuple(fc.constantFrom('sasl-continue' as const, 'sasl-final' as const), data)
    .map(([method, bytes]): BackendMessage => ({ kind: 'authentication', method, data: bytes })),
  fc.tuple(fc.integer(), key).map(([pid, bytes]): BackendMessage => ({ kind: 'backend-key-data', pid, key: bytes })),
  fc.tuple(text, text).map(([name, value]): BackendMessage => ({ kind: 'parameter-status', name, value })),
  fc
    .constantFrom('I' as const, 'T' as const, 'E' as const)
    .map((status): BackendMessage => ({ kind: 'ready-for-query', status })),
  fields.map((all): BackendMessage => ({ kind: 'row-description', fields: all })),
  fc.array(uint32).map((types): BackendMessage => ({ kind: 'parameter-description', types })),
  fc.array(fc.option(data)).map((values): BackendMessage => ({ kind: 'data-row', values })),
  text.map((tag): BackendMessage => ({ kind: 'command-complete', tag })),
  notices.map((all): BackendMessage => ({ kind: 'error-response', fields: all })),
  notices.map((all): BackendMessage => ({ kind: 'notice-response', fields: all })),
  fc
    .tuple(fc.integer(), text, text)
    .map(([pid, channel, payload]): BackendMessage => ({ kind: 'notification', pid, channel, payload })),
  fc.option(data).map((value): BackendMessage => ({ kind: 'function-call-response', value })),
  fc
    .tuple(fc.integer({ min: 0, max: 65535 }), fc.array(text))
    .map(([minor, unrecognised]): BackendMessage => ({ kind: 'negotiate-protocol-version', minor, unrecognised })),
  fc
    .tuple(fc.constantFrom('copy-in' as const, 'copy-out' as const, 'copy-both' as const), format, fc.array(format))
    .map(([kind, overall, columnFormats]): BackendMessage => ({ kind, format: overall, columnFormats })),
  data.map((bytes): BackendMessage => ({ kind: 'copy-data', data: bytes })),
  fc.constantFrom<BackendMessage>(
    { kind: 'authentication', method: 'ok' },
    { kind: 'authentication', method: 'cleartext' },
    { kind: 'authentication', method: 'md5', salt: Buffer.from([1, 2, 3, 4]) },
    { kind: 'copy-done' },
    { kind: 'empty-query' },
    { kind: 'no-data' },
    { kind: 'parse-complete' },
    { kind: 'bind-complete' },
    { kind: 'close-complete' },
    { kind: 'portal-suspended' },
  ),
);

function encode(message: BackendMessage): Buffer {
  switch (message.kind) {
    case 'authentication':
      switch (message.method) {
        case 'ok':
          return backend.authenticationOk();
        case 'cleartext':
          return backend.authenticationCleartext();
        case 'md5':
          return backend.authenticationMd5(message.salt);
        case 'sasl':
          return backend.authenticationSasl(message.mechanisms);
        case 'sasl-continue':
          return backend.authenticationSaslContinue(message.data);
        case 'sasl-final':
          return backend.authenticationSaslFinal(message.data);
        case 'other':
          return assert.fail('not ours to send');
      }
      break;
    case 'backend-key-data':
      return backend.backendKeyData(message.pid, message.key);
    case 'parameter-status':
      return backend.parameterStatus(message.name, message.value);
    case 'ready-for-query':
      return backend.readyForQuery(message.status);
    case 'row-description':
      return backend.rowDescription(message.fields);
    case 'parameter-description':
      return backend.parameterDescription(message.types);
    case 'data-row':
      return backend.dataRow(message.values);
    case 'command-complete':
      return backend.commandComplete(message.tag);
    case 'error-response':
      return backend.errorResponse(message.fields);
    case 'notice-response':
      return backend.noticeResponse(message.fields);
    case 'notification':
      return backend.notification(message.pid, message.channel, message.payload);
    case 'function-call-response':
      return backend.functionCallResponse(message.value);
    case 'negotiate-protocol-version':
      return backend.negotiateProtocolVersion(message.minor, message.unrecognised);
    case 'copy-in':
      return backend.copyIn(message.format, message.columnFormats);
    case 'copy-out':
      return backend.copyOut(message.format, message.columnFormats);
    case 'copy-both':
      return backend.copyBoth(message.format, message.columnFormats);
    case 'copy-data':
      return backend.copyData(message.data);
    case 'copy-done':
      return backend.copyDone();
    case 'empty-query':
      return backend.emptyQuery();
    case 'no-data':
      return backend.noData();
    case 'parse-complete':
      return backend.parseComplete();
    case 'bind-complete':
      return backend.bindComplete();
    case 'close-complete':
      return backend.closeComplete();
    case 'portal-suspended':
      return backend.portalSuspended();
  }
}

test('what the encoder writes, the parser reads back', () => {
  fc.assert(
    fc.property(anyMessage, (message) => assert.deepEqual(parseBackend(frameOf(encode(message))), message)),
    { numRuns: 1000 },
  );
});

for (const session of SESSIONS) {
  test(`every message of a recorded server is understood and written back byte for byte: ${session}`, () => {
    const { backend: sent } = transcript(session);
    const reader = new FrameReader(backendLimit());
    reader.push(sent);
    const written: Buffer[] = [];
    for (let next = reader.next(); next; next = reader.next()) written.push(encode(parseBackend(next)));
    assert.deepEqual(Buffer.concat(written), sent);
  });
}

test('an error field has one letter', () => {
  for (const code of ['', '\0', 'SS', 'é'.normalize('NFD')]) {
    assert.throws(() => backend.errorResponse([{ code, value: 'x' }]), { code: 'ERR_WIRE_NOT_ENCODABLE' });
  }
});
