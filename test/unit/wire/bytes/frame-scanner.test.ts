import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Frame, FrameReader, FrameScanner, type ScanSink } from '../../../../src/wire/bytes/index.ts';
import { backend, backendLimit, streamedByBackend } from '../../../../src/wire/postgres/index.ts';
import { SESSIONS, transcript } from '../transcripts.ts';

const D = 0x44;
const make = (whole?: number) => new FrameScanner({ limit: backendLimit(whole), streamed: streamedByBackend });

/** Remembers everything, counts frames, and judges that runs are what they claim to be. */
class Collector implements ScanSink {
  readonly bytes: Buffer[] = [];
  /** Letters of whole messages, runs folded to letter*count. */
  readonly story: string[] = [];
  rows = 0;
  runs = 0;
  onFrame: (frame: Frame) => boolean = () => true;
  onRun: () => void = () => undefined;

  run(type: number, bytes: Buffer, completed: number): void {
    assert.ok(bytes.length > 0, 'no empty runs');
    this.bytes.push(Buffer.from(bytes));
    this.rows += completed;
    this.runs++;
    for (let i = 0; i < completed; i++) this.story.push(String.fromCharCode(type));
    this.onRun();
  }

  frame(frame: Frame): boolean {
    this.bytes.push(Buffer.from(frame.bytes));
    this.story.push(String.fromCharCode(frame.type));
    return this.onFrame(frame);
  }

  get all(): Buffer {
    return Buffer.concat(this.bytes);
  }
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function scan(chunks: Iterable<Buffer>): { story: string; all: Buffer } {
  const scanner = make();
  const sink = new Collector();
  for (const chunk of chunks) {
    const reused = Buffer.from(chunk);
    assert.equal(scanner.push(reused, sink), true);
    reused.fill(0xee);
  }
  assert.equal(scanner.held, 0);
  assert.equal(scanner.insideFrame, false);
  return { story: sink.story.join(''), all: sink.all };
}

function storyOf(session: Buffer): string {
  const reader = new FrameReader(() => 1_000_000);
  reader.push(session);
  let story = '';
  for (let frame = reader.next(); frame; frame = reader.next()) story += String.fromCharCode(frame.type);
  return story;
}

for (const name of SESSIONS) {
  test(`scanning does not depend on how TCP cut the stream: ${name}`, () => {
    const session = transcript(name).backend;
    const whole = { story: storyOf(session), all: session };
    assert.match(whole.story, /^RS+K?.*[Dd].*Z$/);
    assert.deepEqual(scan([session]), whole);
    for (let cut = 0; cut <= session.length; cut++) {
      assert.deepEqual(scan([session.subarray(0, cut), session.subarray(cut)]), whole, `cut at byte ${cut}`);
    }
    for (const size of [1, 2, 3, 4, 5, 6, 7, 64])
      assert.deepEqual(scan(pieces(session, size)), whole, `pieces of ${size}`);
  });
}

test('rows in one chunk pass as one run', () => {
  const rows = Buffer.concat(Array.from({ length: 1000 }, (_, i) => backend.dataRow([Buffer.from(String(i))])));
  const sink = new Collector();
  make().push(Buffer.concat([backend.rowDescription([]), rows, backend.commandComplete('SELECT 1000')]), sink);
  assert.equal(sink.runs, 1);
  assert.equal(sink.rows, 1000);
});

const row = backend.dataRow([Buffer.from('value')]);
const empty = backend.copyData(Buffer.alloc(0));
const result = Buffer.concat([
  backend.rowDescription([]),
  ...Array(6).fill(row),
  backend.commandComplete('SELECT 6'),
  backend.readyForQuery('I'),
]);

for (const size of [1, 2, 4, 5, 11, 17, 10_000]) {
  test(`exactly the allowed rows pass, then the rest when more are allowed (pieces of ${size})`, () => {
    for (let allowed = 0; allowed <= 7; allowed++) {
      const scanner = make();
      const sink = new Collector();
      scanner.allow(allowed);
      let stopped = false;
      for (const piece of pieces(result, size)) stopped = !scanner.push(piece, sink) || stopped;
      assert.equal(sink.rows, Math.min(allowed, 6));
      assert.equal(stopped, allowed < 6);
      const passed = sink.all.length;
      assert.equal(passed, allowed < 6 ? backend.rowDescription([]).length + allowed * row.length : result.length);
      assert.equal(scanner.held, result.length - passed);
      assert.equal(scanner.insideFrame, false);
      assert.equal(scanner.resume(sink), allowed >= 6, 'nothing moves until more is allowed');
      assert.equal(sink.all.length, passed);
      scanner.allow(Number.POSITIVE_INFINITY);
      assert.equal(scanner.resume(sink), true);
      assert.deepEqual(sink.all, result);
    }
  });

  test(`the allowance may change inside frame and run (pieces of ${size})`, () => {
    const scanner = make();
    const sink = new Collector();
    sink.onFrame = (frame) => {
      if (frame.type === 0x54) scanner.allow(2); // T
      return true;
    };
    let raised = 0;
    sink.onRun = () => {
      if (scanner.allowed === 0 && !scanner.insideFrame && raised++ === 0) scanner.allow(1);
    };
    scanner.allow(0);
    for (const piece of pieces(result, size)) scanner.push(piece, sink);
    assert.equal(sink.rows, 3);
    scanner.allow(3);
    sink.onRun = () => undefined;
    assert.equal(scanner.resume(sink), true);
    assert.deepEqual(sink.all, result);
  });

  test(`a sink that pauses after every message gets them one by one (pieces of ${size})`, () => {
    const scanner = make();
    const sink = new Collector();
    sink.onFrame = () => false;
    for (const piece of pieces(result, size)) scanner.push(piece, sink);
    assert.equal(sink.story.join(''), 'T');
    assert.equal(scanner.resume(sink), false);
    assert.equal(sink.story.join(''), 'TDDDDDDC');
    assert.equal(scanner.resume(sink), false);
    assert.deepEqual(sink.all, result);
    assert.equal(scanner.resume(sink), true);
    assert.equal(scanner.held, 0);
  });
}

/** Gives out rows by itself, some at a time, as often as it is told. */
class Granting extends Collector {
  asked = 0;
  grants: number[];
  constructor(grants: number[]) {
    super();
    this.grants = grants;
  }
  more(): number {
    this.asked++;
    return this.grants.shift() ?? 0;
  }
}

for (const size of [1, 3, 7, 64, 100_000]) {
  test(`a sink that grants more is asked when the next row begins, and 0 stops the scan (pieces of ${size})`, () => {
    const rows = Array.from({ length: 10 }, (_, n) => backend.dataRow([Buffer.from(`row ${n}`)]));
    const bytes = Buffer.concat([...rows, backend.commandComplete('SELECT 10')]);
    const scanner = make();
    const sink = new Granting([3, 4]);
    scanner.allow(0);
    let finished = true;
    for (const piece of pieces(bytes, size)) finished = scanner.push(piece, sink);
    assert.equal(finished, false);
    assert.equal(sink.rows, 7);
    assert.equal(sink.asked, 3, 'not before a row begins, and once for the answer 0');
    assert.ok(sink.all.equals(Buffer.concat(rows.slice(0, 7))), 'nothing of row 8 leaves, not even its header');
    sink.grants = [Number.POSITIVE_INFINITY];
    assert.equal(scanner.resume(sink), true);
    assert.equal(sink.story.join(''), 'DDDDDDDDDDC');
    assert.ok(sink.all.equals(bytes));
  });
}

test('a sink is not asked for more when the last allowed row was the last', () => {
  const scanner = make();
  const sink = new Granting([]);
  scanner.allow(1);
  assert.equal(scanner.push(Buffer.concat([backend.dataRow([null]), backend.commandComplete('SELECT 1')]), sink), true);
  assert.equal(sink.asked, 0);
});

test('streamed frames of two types are two runs, and empty ones count', () => {
  const scanner = make();
  const sink = new Collector();
  scanner.push(Buffer.concat([empty, empty, row, empty]), sink);
  assert.equal(sink.story.join(''), 'ddDd');
  assert.equal(sink.runs, 3);
});

test('a row of a gigabyte passes in pieces and is never held', () => {
  const scanner = make();
  const piece = Buffer.alloc(1024 * 1024, 0x44);
  let passed = 0;
  let completed = 0;
  const sink: ScanSink = {
    run: (type, bytes, count) => {
      assert.equal(type, D);
      passed += bytes.length;
      completed += count;
    },
    frame: () => assert.fail('no other message'),
  };
  const size = 2 ** 30;
  const head = Buffer.from('D....');
  head.writeUInt32BE(size + 4, 1);
  scanner.allow(1);
  scanner.push(head, sink);
  assert.equal(scanner.insideFrame, true);
  for (let sent = 0; sent < size; sent += piece.length) {
    assert.equal(completed, 0);
    scanner.push(piece, sink);
    assert.equal(scanner.held, 0);
  }
  assert.equal(completed, 1);
  assert.equal(passed, size + 5);
  assert.equal(scanner.insideFrame, false);
});

for (const [type, length, code] of [
  ['D', 0, 'ERR_WIRE_FRAME_TOO_SHORT'],
  ['D', 3, 'ERR_WIRE_FRAME_TOO_SHORT'],
  ['D', 2 ** 31, 'ERR_WIRE_FRAME_TOO_LARGE'],
  ['D', 2 ** 32 - 1, 'ERR_WIRE_FRAME_TOO_LARGE'],
  ['T', 1, 'ERR_WIRE_FRAME_TOO_SHORT'],
  ['T', 1005, 'ERR_WIRE_FRAME_TOO_LARGE'],
  ['E', 2 ** 31 - 1, 'ERR_WIRE_FRAME_TOO_LARGE'],
  ['E', 2 ** 32 - 1, 'ERR_WIRE_FRAME_TOO_LARGE'],
  ['?', 4, 'ERR_WIRE_UNKNOWN_MESSAGE'],
  ['\0', 4, 'ERR_WIRE_UNKNOWN_MESSAGE'],
] as const) {
  test(`the scanner refuses ${JSON.stringify(type)} with length ${length}, in one piece or byte by byte`, () => {
    const head = Buffer.from(`${type}....`);
    head.writeUInt32BE(length, 1);
    for (const size of [1, 5, 1000]) {
      const scanner = make(1000);
      const sink = new Collector();
      assert.throws(
        () => {
          for (const piece of pieces(Buffer.concat([row, head]), size)) scanner.push(piece, sink);
        },
        { name: 'WireError', code },
      );
      assert.deepEqual(sink.all, row, 'what came before it has passed');
    }
  });
}

test('however the stream is cut, paused and throttled, the bytes come out once and in order', () => {
  const stream = Buffer.concat([transcript('psql-copy').backend, result, transcript('pgbench-extended').backend]);
  const story = storyOf(stream);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 40 }),
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
      (sizes, allowances, answers) => {
        const scanner = make();
        const sink = new Collector();
        let turn = 0;
        sink.onFrame = () => answers[turn++ % answers.length] as boolean;
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length] as number;
          const allowed = allowances[i % allowances.length] as number;
          scanner.allow(allowed);
          const before = sink.rows + (scanner.insideFrame ? 1 : 0);
          const chunk = Buffer.from(stream.subarray(at, at + size));
          at += chunk.length;
          if (!scanner.push(chunk, sink)) scanner.resume(sink);
          chunk.fill(0xee);
          assert.ok(sink.rows + (scanner.insideFrame ? 1 : 0) - before <= allowed);
          assert.deepEqual(sink.all, stream.subarray(0, sink.all.length));
          assert.equal(sink.all.length + scanner.held, at);
        }
        scanner.allow(Number.POSITIVE_INFINITY);
        while (!scanner.resume(sink)) assert.ok(sink.all.length <= stream.length);
        assert.deepEqual(sink.all, stream);
        assert.equal(sink.story.join(''), story);
      },
    ),
    { numRuns: 200 },
  );
});
