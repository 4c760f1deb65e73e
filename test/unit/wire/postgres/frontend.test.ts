import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FrameReader, frameOf } from '../../../../src/wire/bytes/index.ts';
import {
  authenticationLimit,
  type FormatCode,
  type FrontendMessage,
  frontend,
  frontendLimit,
  parseFrontend,
  parsePassword,
  parseSaslInitial,
} from '../../../../src/wire/postgres/index.ts';
import { SESSIONS, transcript } from '../transcripts.ts';
import { brokenFrontend, frame } from './broken-frontend.ts';

const messages: [name: string, type: string, body: string, message: FrontendMessage][] = [
  ['Query', 'Q', '73656c6563742031 00', { kind: 'query', text: 'select 1', wellFormed: true }],
  ['Query in another encoding', 'Q', '27 e9 27 00', { kind: 'query', text: "'\ufffd'", wellFormed: false }],
  ['empty Query', 'Q', '00', { kind: 'query', text: '', wellFormed: true }],
  [
    'Parse',
    'P',
    '7300 2431 00 0002 00000017 ffffffff',
    { kind: 'parse', name: 's', text: '$1', wellFormed: true, parameterTypes: [23, 4294967295] },
  ],
  ['unnamed Parse', 'P', '00 00 0000', { kind: 'parse', name: '', text: '', wellFormed: true, parameterTypes: [] }],
  [
    'Bind',
    'B',
    '7000 7300 0002 0000 0001 0002 ffffffff 00000002 abcd 0001 0001',
    {
      kind: 'bind',
      portal: 'p',
      statement: 's',
      parameterFormats: [0, 1],
      parameters: [null, Buffer.from('abcd', 'hex')],
      resultFormats: [1],
    },
  ],
  [
    'Bind with one format for all',
    'B',
    '00 00 0001 0001 0002 00000000 00000000 0000',
    {
      kind: 'bind',
      portal: '',
      statement: '',
      parameterFormats: [1],
      parameters: [Buffer.alloc(0), Buffer.alloc(0)],
      resultFormats: [],
    },
  ],
  ['Describe statement', 'D', '53 7300', { kind: 'describe', of: 'statement', name: 's' }],
  ['Describe portal', 'D', '50 00', { kind: 'describe', of: 'portal', name: '' }],
  ['Close statement', 'C', '53 7300', { kind: 'close', of: 'statement', name: 's' }],
  ['Close portal', 'C', '50 7000', { kind: 'close', of: 'portal', name: 'p' }],
  ['Execute', 'E', '7000 0000000a', { kind: 'execute', portal: 'p', maxRows: 10 }],
  ['Execute with a negative limit', 'E', '00 ffffffff', { kind: 'execute', portal: '', maxRows: -1 }],
  [
    'FunctionCall',
    'F',
    '00000539 0001 0000 0001 00000001 31 0001',
    { kind: 'function-call', oid: 1337, argumentFormats: [0], arguments: [Buffer.from('1')], resultFormat: 1 },
  ],
  ['Flush', 'H', '', { kind: 'flush' }],
  ['Sync', 'S', '', { kind: 'sync' }],
  ['Terminate', 'X', '', { kind: 'terminate' }],
  ['CopyData', 'd', '00ff00', { kind: 'copy-data', data: Buffer.from('00ff00', 'hex') }],
  ['CopyDone', 'c', '', { kind: 'copy-done' }],
  ['CopyFail', 'f', '6e6f00', { kind: 'copy-fail', message: 'no' }],
  ['PasswordMessage', 'p', '707700', { kind: 'password', data: Buffer.from('pw\0') }],
];

for (const [name, type, body, message] of messages) {
  test(`parses ${name}`, () => assert.deepEqual(parseFrontend(frame(type, body)), message));
}

for (const [name, type, body, code] of brokenFrontend) {
  test(`refuses ${name}`, () => assert.throws(() => parseFrontend(frame(type, body)), { name: 'WireError', code }));
}

test('a password is one string, a SASL response may be absent', () => {
  assert.equal(parsePassword(Buffer.from('pw\0')), 'pw');
  assert.throws(() => parsePassword(Buffer.from('pw\0x')), { code: 'ERR_WIRE_LEFT_OVER' });
  assert.throws(() => parsePassword(Buffer.from('pw')), { code: 'ERR_WIRE_UNTERMINATED_STRING' });
  const read = (bytes: Buffer) => {
    const message = parseFrontend(frameOf(bytes));
    assert.equal(message.kind, 'password');
    return parseSaslInitial(message.kind === 'password' ? message.data : Buffer.alloc(0));
  };
  assert.deepEqual(read(frontend.saslInitial('SCRAM-SHA-256', Buffer.from('n,,'))), {
    mechanism: 'SCRAM-SHA-256',
    response: Buffer.from('n,,'),
  });
  assert.deepEqual(read(frontend.saslInitial('X', null)), { mechanism: 'X', response: undefined });
});

const name = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
const oid = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const data = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const values = fc.array(fc.option(data), { maxLength: 8 });
const format = fc.constantFrom<FormatCode>(0, 1);
const withFormats = values.chain((parameters) =>
  fc.record({
    parameters: fc.constant(parameters),
    parameterFormats: fc.oneof(
      fc.constant([]),
      format.map((one) => [one]),
      fc.array(format, { minLength: parameters.length, maxLength: parameters.length }),
    ),
  }),
);

const anyMessage: fc.Arbitrary<[FrontendMessage, Buffer]> = fc.oneof(
  name.map((text): [FrontendMessage, Buffer] => [{ kind: 'query', text, wellFormed: true }, frontend.query(text)]),
  fc
    .tuple(name, name, fc.array(oid))
    .map(([n, text, types]): [FrontendMessage, Buffer] => [
      { kind: 'parse', name: n, text, wellFormed: true, parameterTypes: types },
      frontend.parse(n, text, types),
    ]),
  fc
    .tuple(name, name, withFormats, fc.array(format))
    .map(([portal, statement, bound, resultFormats]): [FrontendMessage, Buffer] => {
      const bind = { portal, statement, ...bound, resultFormats };
      return [{ kind: 'bind', ...bind }, frontend.bind(bind)];
    }),
  fc
    .tuple(fc.constantFrom('statement' as const, 'portal' as const), name)
    .map(([of, n]): [FrontendMessage, Buffer] => [{ kind: 'describe', of, name: n }, frontend.describe(of, n)]),
  fc
    .tuple(fc.constantFrom('statement' as const, 'portal' as const), name)
    .map(([of, n]): [FrontendMessage, Buffer] => [{ kind: 'close', of, name: n }, frontend.close(of, n)]),
  fc
    .tuple(name, fc.integer())
    .map(([portal, maxRows]): [FrontendMessage, Buffer] => [
      { kind: 'execute', portal, maxRows },
      frontend.execute(portal, maxRows),
    ]),
  fc.tuple(oid, withFormats, format).map(([id, bound, resultFormat]): [FrontendMessage, Buffer] => [
    {
      kind: 'function-call',
      oid: id,
      argumentFormats: bound.parameterFormats,
      arguments: bound.parameters,
      resultFormat,
    },
    frontend.functionCall(id, bound.parameterFormats, bound.parameters, resultFormat),
  ]),
  data.map((bytes): [FrontendMessage, Buffer] => [{ kind: 'copy-data', data: bytes }, frontend.copyData(bytes)]),
  name.map((message): [FrontendMessage, Buffer] => [{ kind: 'copy-fail', message }, frontend.copyFail(message)]),
  data.map((bytes): [FrontendMessage, Buffer] => [{ kind: 'password', data: bytes }, frontend.saslResponse(bytes)]),
  fc.constantFrom<[FrontendMessage, Buffer]>(
    [{ kind: 'flush' }, frontend.flush()],
    [{ kind: 'sync' }, frontend.sync()],
    [{ kind: 'terminate' }, frontend.terminate()],
    [{ kind: 'copy-done' }, frontend.copyDone()],
  ),
);

test('what the encoder writes, the parser reads back', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 10 }), (sent) => {
      const reader = new FrameReader(() => 1_000_000);
      reader.push(Buffer.concat(sent.map(([, bytes]) => bytes)));
      for (const [message] of sent) {
        const read = reader.next();
        assert.ok(read);
        assert.deepEqual(parseFrontend(read), message);
      }
      assert.equal(reader.next(), undefined);
    }),
  );
});

test('65,535 parameters pass', () => {
  const parameters = Array.from({ length: 65_535 }, (_, i) => (i % 3 === 0 ? null : Buffer.from(String(i))));
  const message = parseFrontend(frameOf(frontend.bind({ parameters })));
  assert.ok(message.kind === 'bind');
  assert.deepEqual(message.parameters, parameters);
  assert.throws(() => frontend.bind({ parameters: [...parameters, null] }), { code: 'ERR_WIRE_NOT_ENCODABLE' });
});

for (const session of SESSIONS) {
  test(`every message of a recorded client is understood and written back byte for byte: ${session}`, () => {
    const { frontend: sent } = transcript(session);
    const reader = new FrameReader(frontendLimit({ statement: 10_000, bind: 10_000, copyData: 10_000 }));
    reader.push(sent);
    const written: Buffer[] = [];
    for (let next = reader.next(); next; next = reader.next()) written.push(encode(parseFrontend(next)));
    assert.deepEqual(Buffer.concat(written), sent);
  });
}

function encode(message: FrontendMessage): Buffer {
  switch (message.kind) {
    case 'query':
      return frontend.query(message.text);
    case 'parse':
      return frontend.parse(message.name, message.text, message.parameterTypes);
    case 'bind':
      return frontend.bind(message);
    case 'describe':
      return frontend.describe(message.of, message.name);
    case 'close':
      return frontend.close(message.of, message.name);
    case 'execute':
      return frontend.execute(message.portal, message.maxRows);
    case 'function-call':
      return frontend.functionCall(message.oid, message.argumentFormats, message.arguments, message.resultFormat);
    case 'copy-data':
      return frontend.copyData(message.data);
    case 'copy-fail':
      return frontend.copyFail(message.message);
    case 'password':
      return frontend.saslResponse(message.data);
    case 'flush':
      return frontend.flush();
    case 'sync':
      return frontend.sync();
    case 'terminate':
      return frontend.terminate();
    case 'copy-done':
      return frontend.copyDone();
  }
}

test('limits are an allow-list: by state and by type', () => {
  const before = authenticationLimit(20_000);
  const after = frontendLimit({ statement: 5, bind: 6, copyData: 7 });
  const letters = (limit: (type: number) => number) =>
    [...Array(256).keys()]
      .filter((type) => limit(type) >= 0)
      .map((type) => String.fromCharCode(type))
      .join('');
  assert.equal(letters(before), 'Xp');
  assert.equal(letters(after), 'BCDEFHPQSXcdf');
  assert.equal(before(0x70), 20_000);
  assert.deepEqual(
    ['Q', 'P', 'F', 'B', 'd', 'S', 'X'].map((letter) => after(letter.charCodeAt(0))),
    [5, 5, 5, 6, 7, 0, 0],
  );
});
