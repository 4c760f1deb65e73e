import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BodyReader, BodyWriter } from '../../../../src/wire/bytes/index.ts';

const bytes = (hex: string) => new BodyReader(Buffer.from(hex, 'hex'));

test('integers are big-endian and know their sign', () => {
  const reader = bytes('ff ffff ffff ffffffff ffffffff'.replaceAll(' ', ''));
  assert.equal(reader.byte(), 255);
  assert.equal(reader.int16(), -1);
  assert.equal(reader.uint16(), 65535);
  assert.equal(reader.int32(), -1);
  assert.equal(reader.uint32(), 4294967295);
  reader.end();
});

test('nothing is read beyond the end of the body', () => {
  for (const read of [
    (r: BodyReader) => r.uint32(),
    (r: BodyReader) => r.int32(),
    (r: BodyReader) => r.bytes(4),
    (r: BodyReader) => r.bytes(-1),
    (r: BodyReader) => r.bytes(2 ** 32 - 1),
    (r: BodyReader) => r.bytes(Number.NaN),
  ]) {
    const reader = bytes('000001');
    assert.throws(() => read(reader), { name: 'WireError', code: 'ERR_WIRE_TRUNCATED' });
    assert.equal(reader.remaining, 3, 'a failed read takes nothing');
  }
  for (const read of [(r: BodyReader) => r.byte(), (r: BodyReader) => r.int16(), (r: BodyReader) => r.uint16()]) {
    assert.throws(() => read(bytes('')), { code: 'ERR_WIRE_TRUNCATED' });
  }
});

test('a view of a body does not reach into its neighbour', () => {
  const chunk = Buffer.from('ab\0cd\0');
  const reader = new BodyReader(chunk.subarray(0, 2));
  assert.throws(() => reader.cstring(), { code: 'ERR_WIRE_UNTERMINATED_STRING' });
});

test('a string must be UTF-8 where it is compared, and is shown as well as possible where it is not', () => {
  assert.throws(() => bytes('ff00').cstring(), { code: 'ERR_WIRE_BAD_ENCODING' });
  assert.throws(() => bytes('c08000').cstring(), { code: 'ERR_WIRE_BAD_ENCODING' }, 'an overlong NUL');
  assert.equal(bytes('ff00').displayString(), '\ufffd');
  assert.equal(bytes('c3a900').cstring(), 'é');
});

test('a count is judged against what the body can hold', () => {
  assert.equal(bytes('000200010002').count(2), 2);
  assert.throws(() => bytes('000300010002').count(2), { code: 'ERR_WIRE_TRUNCATED' });
  assert.throws(() => bytes('ffff').count(4), { code: 'ERR_WIRE_TRUNCATED' });
});

test('left-over bytes are an error', () => {
  assert.throws(() => bytes('00').end(), { code: 'ERR_WIRE_LEFT_OVER' });
});

test('the writer refuses what the wire cannot say', () => {
  const unsayable = { name: 'WireError', code: 'ERR_WIRE_NOT_ENCODABLE' };
  assert.throws(() => new BodyWriter().cstring('a\0b'), unsayable);
  assert.throws(() => new BodyWriter().uint16(65536), unsayable);
  assert.throws(() => new BodyWriter().int16(32768), unsayable);
  assert.throws(() => new BodyWriter().int32(2 ** 31), unsayable);
  assert.throws(() => new BodyWriter().uint32(-1), unsayable);
  assert.throws(() => new BodyWriter().byte(256), unsayable);
  assert.throws(() => new BodyWriter().int32(1.5), unsayable);
});

test('the length of a value never wraps: what is too long for a frame is refused before it is copied', () => {
  const virtual = { length: 2 ** 32 + 8 } as Uint8Array;
  assert.throws(() => new BodyWriter('d').bytes(virtual), { code: 'ERR_WIRE_NOT_ENCODABLE' });
  for (const length of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 8]) {
    assert.throws(
      () => new BodyWriter('D').value({ length } as Uint8Array),
      { code: 'ERR_WIRE_NOT_ENCODABLE' },
      String(length),
    );
  }
});

test('what is written reads back, however often the buffer had to grow', () => {
  const part = fc.oneof(
    fc.record({ kind: fc.constant('byte' as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('int16' as const), value: fc.integer({ min: -32768, max: 32767 }) }),
    fc.record({ kind: fc.constant('uint16' as const), value: fc.integer({ min: 0, max: 65535 }) }),
    fc.record({ kind: fc.constant('int32' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('uint32' as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
    fc.record({
      kind: fc.constant('cstring' as const),
      value: fc.string({ unit: 'grapheme' }).filter((s) => !s.includes('\0')),
    }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), fc.boolean(), (parts, framed) => {
      const writer = framed ? new BodyWriter('X', 0) : new BodyWriter(undefined, 0);
      for (const { kind, value } of parts) {
        if (kind === 'cstring') writer.cstring(value);
        else writer[kind](value);
      }
      const written = writer.finish();
      if (framed) assert.equal(written.readUInt32BE(1), written.length - 1);
      const reader = new BodyReader(framed ? written.subarray(5) : written);
      for (const { kind, value } of parts) assert.equal(reader[kind](), value);
      reader.end();
    }),
  );
});
