import assert from 'node:assert/strict';
import test from 'node:test';
import { FrameReader, WireError } from '../../../../src/wire/bytes/index.ts';
import { SESSIONS, transcript } from '../transcripts.ts';

const anything = () => 1_000_000;

/** The frames of a stream that arrives in these chunks, each chunk overwritten as soon as the reader has drained it. */
function readFrames(chunks: Iterable<Buffer>): string[] {
  const reader = new FrameReader(anything);
  const frames: string[] = [];
  for (const chunk of chunks) {
    const reused = Buffer.from(chunk);
    reader.push(reused);
    for (let frame = reader.next(); frame; frame = reader.next()) {
      assert.deepEqual(frame.bytes.subarray(5), frame.body);
      assert.equal(frame.bytes[0], frame.type);
      frames.push(frame.bytes.toString('hex'));
    }
    reused.fill(0xee);
  }
  assert.equal(reader.buffered, 0);
  return frames;
}

for (const name of SESSIONS) {
  for (const side of ['frontend', 'backend'] as const) {
    test(`framing does not depend on how TCP cut the stream: ${name}, ${side}`, () => {
      const session = transcript(name)[side];
      const whole = readFrames([session]);
      assert.ok(whole.length > 5);
      assert.equal(whole.join(''), session.toString('hex'));
      for (let cut = 0; cut <= session.length; cut++) {
        assert.deepEqual(readFrames([session.subarray(0, cut), session.subarray(cut)]), whole, `cut at byte ${cut}`);
      }
      for (const size of [1, 2, 3, 4, 5, 6, 7, 64])
        assert.deepEqual(readFrames(pieces(session, size)), whole, `pieces of ${size}`);
    });
  }
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('a chunk that was not drained is kept in front of the next one', () => {
  const session = transcript('psql-simple').frontend;
  const reader = new FrameReader(anything);
  for (const chunk of pieces(session, 100)) reader.push(chunk);
  const frames: Buffer[] = [];
  for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame.bytes);
  assert.deepEqual(Buffer.concat(frames), session);
});

test('a frame that lies whole in one chunk is a view of it', () => {
  const chunk = Buffer.from('5300000004510000000561', 'hex');
  const reader = new FrameReader(anything);
  reader.push(chunk);
  assert.equal(reader.next()?.bytes.buffer, chunk.buffer);
  assert.equal(reader.next()?.body.buffer, chunk.buffer);
  assert.equal(reader.next(), undefined);
});

function header(length: number): Buffer {
  const bytes = Buffer.from('Q....');
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

for (const [length, code] of [
  [0, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [1, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [2, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [3, 'ERR_WIRE_FRAME_TOO_SHORT'],
  [105, 'ERR_WIRE_FRAME_TOO_LARGE'],
  [2 ** 31 - 1, 'ERR_WIRE_FRAME_TOO_LARGE'],
  [2 ** 31, 'ERR_WIRE_FRAME_TOO_LARGE'],
  [2 ** 32 - 1, 'ERR_WIRE_FRAME_TOO_LARGE'],
] as const) {
  test(`a length of ${length} is judged when the header is whole, before its bytes`, () => {
    for (const size of [1, 2, 5]) {
      const reader = new FrameReader(() => 100);
      const [last = Buffer.alloc(0), ...first] = [...pieces(header(length), size)].reverse();
      for (const piece of first.reverse()) {
        reader.push(piece);
        assert.equal(reader.next(), undefined);
      }
      reader.push(last);
      assert.throws(() => reader.next(), { name: 'WireError', code });
    }
  });
}

test('the largest body that the limit allows passes', () => {
  const reader = new FrameReader(() => 100);
  reader.push(Buffer.concat([header(104), Buffer.alloc(100)]));
  assert.equal(reader.next()?.body.length, 100);
});

test('a type with a negative limit is not accepted, however short', () => {
  const reader = new FrameReader((type) => (type === 0x51 ? -1 : 10));
  reader.push(header(4));
  assert.throws(
    () => reader.next(),
    (error) => error instanceof WireError && error.code === 'ERR_WIRE_UNKNOWN_MESSAGE' && error.message.includes("'Q'"),
  );
});

test('an announced length reserves no memory: it grows with what arrives', () => {
  const reader = new FrameReader(() => 2 ** 30);
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 50 }, () => {
    const one = new FrameReader(() => 2 ** 30);
    one.push(header(2 ** 30));
    assert.equal(one.next(), undefined);
    return one;
  });
  assert.equal(readers[0]?.buffered, 5);
  assert.ok(process.memoryUsage().arrayBuffers - before < 10 * 1024 * 1024);
  assert.equal(reader.buffered, 0);
});

test('what is left can be taken over by another reader', () => {
  const session = transcript('psql-simple').frontend;
  for (let cut = 0; cut <= session.length; cut += 7) {
    const first = new FrameReader(anything);
    first.push(session.subarray(0, cut));
    const frames = [first.next()?.bytes];
    if (frames[0]) while (frames.length < 3) frames.push(first.next()?.bytes);
    const taken = Buffer.concat(frames.filter((bytes) => bytes !== undefined));
    assert.deepEqual(Buffer.concat([taken, first.rest(), session.subarray(cut)]), session, `cut at ${cut}`);
    assert.equal(first.buffered, 0);
  }
});
