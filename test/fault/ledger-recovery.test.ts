import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchBuilder, readSegments } from '../../src/ledger/write-ahead.ts';
import { assertWhole, create, fill, NOW, ORIGIN, open, recordOf } from '../unit/ledger/fixture.ts';
import { Disk, MemoryStorage } from '../unit/ledger/memory-storage.ts';

const created = new Disk();
const { vkey } = await create(new MemoryStorage(created));

function segments(disk: Disk): string[] {
  return [...disk.files.keys()].filter((path) => path.startsWith('wal/')).sort();
}

/** A log that died with two published entries and three batches behind them. */
async function died(): Promise<{
  disk: Disk;
  segment: string;
  bytes: Buffer;
  batches: { at: number; count: number }[];
}> {
  const disk = created.clone();
  const ledger = await open(new MemoryStorage(disk));
  await fill(ledger, 2);
  await ledger.checkpointNow();
  for (const count of [1, 3, 2]) await fill(ledger, count);
  const segment = segments(disk).at(-1) as string;
  const bytes = Buffer.from(disk.files.get(segment) as Buffer);
  let at = 0;
  const batches = readSegments([{ path: segment, bytes }]).map((batch) => {
    const start = at;
    at += batch.bytes.length;
    return { at: start, count: batch.count };
  });
  assert.deepEqual(
    batches.map(({ count }) => count),
    [1, 3, 2],
  );
  return { disk, segment, bytes, batches };
}

test('a tail torn at any byte of the last batch is cut off, and everything before it is kept', async () => {
  const { disk, segment, bytes, batches } = await died();
  const last = batches.at(-1)?.at as number;
  for (let cut = last; cut < bytes.length; cut += 1) {
    for (const rest of [Buffer.alloc(0), Buffer.alloc(bytes.length - cut)]) {
      if (cut > last + 40 && cut % 16 !== 0) continue;
      const torn = disk.clone();
      torn.files.set(segment, Buffer.concat([bytes.subarray(0, cut), rest]));
      const storage = new MemoryStorage(torn);
      const ledger = await open(storage);
      assert.equal(ledger.size, 6, `cut at ${cut}`);
      await assertWhole(storage, vkey, 6);
      await fill(ledger, 1);
      await ledger.close();
      await assertWhole(storage, vkey, 7);
    }
  }
});

test('every cut of the whole write-ahead log gives a whole number of batches', async () => {
  const { segment, bytes, batches } = await died();
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const whole = batches.filter((_, n) => (batches[n + 1]?.at ?? bytes.length) <= cut).length;
    assert.equal(readSegments([{ path: segment, bytes: bytes.subarray(0, cut) }]).length, whole, `cut at ${cut}`);
  }
});

test('a byte changed anywhere before the last batch is a refusal to start, and nothing is touched', async () => {
  const { disk, segment, bytes, batches } = await died();
  const last = batches.at(-1)?.at as number;
  for (let at = 0; at < last; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ 0x10;
    assert.throws(
      () => readSegments([{ path: segment, bytes: damaged }]),
      { code: 'ERR_LEDGER_WAL_CORRUPT' },
      `byte ${at}`,
    );
  }
  const damaged = disk.clone();
  (damaged.files.get(segment) as Buffer)[30] = 0xaa;
  const before = damaged.clone();
  await assert.rejects(open(new MemoryStorage(damaged)), { code: 'ERR_LEDGER_WAL_CORRUPT' });
  assert.deepEqual(damaged.files, before.files);
});

test('a batch taken out of the middle, or a segment that was damaged while a younger one is whole, is a refusal to start', async () => {
  const { segment, bytes, batches } = await died();
  const [, second, third] = batches;
  const without = Buffer.concat([bytes.subarray(0, second?.at), bytes.subarray(third?.at)]);
  assert.throws(() => readSegments([{ path: segment, bytes: without }]), { code: 'ERR_LEDGER_WAL_CORRUPT' });
  const files = [
    { path: 'wal/000000000001', bytes: bytes.subarray(0, (third?.at as number) - 1) },
    { path: 'wal/000000000002', bytes: bytes.subarray(third?.at) },
  ];
  assert.throws(() => readSegments(files), { code: 'ERR_LEDGER_WAL_CORRUPT' });
});

test('a statement that holds the bytes of a batch cannot pass for one', () => {
  const forged = new BatchBuilder();
  forged.add(7, { entry: '{"forged":1}', disclosures: '' });
  const inner = forged.take(new Set()).bytes.toString('latin1');
  const builder = new BatchBuilder();
  builder.add(0, { entry: JSON.stringify({ text: inner }), disclosures: '' });
  const { bytes } = builder.take(new Set());
  assert.deepEqual(readSegments([{ path: 'wal/000000000001', bytes: bytes.subarray(0, bytes.length - 1) }]), []);
});

test('batches of every size come back as they went in, across memory blocks', () => {
  const builder = new BatchBuilder();
  const pieces: Buffer[] = [];
  let seq = 0;
  for (const [count, length] of [
    [1, 10],
    [500, 300],
    [3, 60_000],
    [40, 60_000],
    [2, 1],
  ] as const) {
    for (let n = 0; n < count; n += 1) {
      builder.add(seq, {
        entry: 'ä'.repeat(length / 2) + seq,
        disclosures: `{"d":["${'A'.repeat(length * 20)}"],"seq":${seq}}\n`,
      });
      seq += 1;
    }
    pieces.push(Buffer.from(builder.take(new Set()).bytes));
  }
  const read = readSegments([{ path: 'wal/000000000001', bytes: Buffer.concat(pieces) }]);
  assert.deepEqual(
    read.map(({ first, count }) => [first, count]),
    [
      [0, 1],
      [1, 500],
      [501, 3],
      [504, 40],
      [544, 2],
    ],
  );
  assert.deepEqual(Buffer.concat(read.map(({ bytes }) => bytes)), Buffer.concat(pieces));
});

test('a write-ahead log that is gone, or begins too late, is a refusal to start', async () => {
  const { disk, segment, bytes, batches } = await died();
  const gone = disk.clone();
  gone.files.delete(segment);
  await assert.rejects(open(new MemoryStorage(gone)), { code: 'ERR_LEDGER_WAL_MISSING' });
  const late = disk.clone();
  late.files.set(segment, bytes.subarray(batches[1]?.at));
  await assert.rejects(open(new MemoryStorage(late)), { code: 'ERR_LEDGER_WAL_MISSING' });
});

test('a checkpoint and write-ahead log that were set back behind what was published are a refusal to start', async () => {
  const disk = created.clone();
  const ledger = await open(new MemoryStorage(disk));
  await fill(ledger, 10);
  await ledger.checkpointNow();
  const old = disk.clone();
  await fill(ledger, 5);
  await ledger.checkpointNow();
  const mixed = disk.clone();
  mixed.files.set('checkpoint', old.files.get('checkpoint') as Buffer);
  for (const path of segments(mixed)) mixed.files.delete(path);
  for (const path of segments(old)) mixed.files.set(path, old.files.get(path) as Buffer);
  await assert.rejects(open(new MemoryStorage(mixed)), { code: 'ERR_LEDGER_PUBLISHED_AHEAD' });
  await fill(ledger, 300);
  await ledger.checkpointNow();
  const over = disk.clone();
  over.files.set('checkpoint', old.files.get('checkpoint') as Buffer);
  for (const path of old.files.keys()) over.files.set(path, old.files.get(path) as Buffer);
  for (const path of segments(over)) if (!old.files.has(path)) over.files.delete(path);
  await assert.rejects(open(new MemoryStorage(over)), { code: 'ERR_LEDGER_PUBLISHED_AHEAD' });
});

test('a write-ahead log that tells another story than the published log is a refusal to start', async () => {
  const disk = created.clone();
  const ledger = await open(new MemoryStorage(disk));
  await fill(ledger, 2);
  await ledger.checkpointNow();
  const builder = new BatchBuilder();
  const entry = `{"k":"heartbeat","log":"${ORIGIN}","seq":1,"t":"${new Date(NOW).toISOString()}","v":1}`;
  builder.add(1, { entry, disclosures: '' });
  disk.files.set(segments(disk).at(-1) as string, Buffer.from(builder.take(new Set()).bytes));
  await assert.rejects(open(new MemoryStorage(disk)), { code: 'ERR_LEDGER_WAL_MISMATCH' });
});

test('a published file that would have to change is a refusal to start', async () => {
  const { disk } = await died();
  disk.files.set('tile/0/000.p/8', Buffer.alloc(256, 1));
  await assert.rejects(open(new MemoryStorage(disk)), { code: 'ERR_LEDGER_IMMUTABLE' });
});

test('a published log that was tampered with is not opened', async () => {
  const { disk } = await died();
  const bundle = disk.files.get('tile/entries/000.p/2') as Buffer;
  bundle[bundle.indexOf('"stmt":') + 7] = 0x39;
  await assert.rejects(open(new MemoryStorage(disk)), {
    code: 'ERR_LEDGER_VERIFY',
    cause: { code: 'ERR_VERIFY_ENTRY_HASH', index: 0, message: 'Entry 0 was changed after it was recorded.' },
  });
});

test('entries that wait in the write-ahead log are in order after a checkpoint died between its steps', async () => {
  const disk = created.clone();
  const ledger = await open(new MemoryStorage(disk));
  await fill(ledger, 260);
  await ledger.checkpointNow();
  const published = disk.clone();
  await fill(ledger, 4);
  // The checkpoint is there, the old segments too: it died before it dropped them.
  const { checkpoint } = ledger.status;
  assert.equal(checkpoint.size, 260);
  const both = disk.clone();
  for (const [path, bytes] of published.files) if (!both.files.has(path)) both.files.set(path, bytes);
  const storage = new MemoryStorage(both);
  const reopened = await open(storage);
  assert.equal(reopened.size, 264);
  await reopened.append(recordOf(reopened, 264));
  await reopened.close();
  await assertWhole(storage, vkey, 265);
});
