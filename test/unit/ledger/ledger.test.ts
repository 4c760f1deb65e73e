import assert from 'node:assert/strict';
import test from 'node:test';
import {
  bundlePath,
  disclosurePath,
  parseBundle,
  parseEntry,
  parseNote,
  parseVkey,
  verifyNote,
} from '../../../src/ledger/verify/index.ts';
import { assertWhole, create, fill, MANUAL, NOW, ORIGIN, open, recordOf, verify } from './fixture.ts';
import { Disk, MemoryStorage } from './memory-storage.ts';

test('a ledger is created once, empty and verifiable, and never by opening it', async () => {
  const storage = new MemoryStorage();
  await assert.rejects(open(storage), { code: 'ERR_LEDGER_NOT_FOUND' });
  assert.equal(storage.disk.files.size, 0);
  const { vkey } = await create(storage);
  await assertWhole(storage, vkey, 0);
  await assert.rejects(create(storage), { code: 'ERR_LEDGER_EXISTS' });
  const keyless = storage.disk.clone();
  keyless.files.delete('key.pem');
  await assert.rejects(create(new MemoryStorage(keyless)), { code: 'ERR_LEDGER_EXISTS' });
});

test('a creation that was interrupted is finished with the key that it had made; a log whose head is gone is no such thing', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const begun = storage.disk.clone();
  begun.files.delete('checkpoint');
  assert.deepEqual(await create(new MemoryStorage(begun)), { vkey });
  const ledger = await open(storage);
  await fill(ledger, 1);
  await ledger.close();
  storage.disk.files.delete('checkpoint');
  await assert.rejects(create(storage), { code: 'ERR_LEDGER_EXISTS' });
  await assert.rejects(open(storage), { code: 'ERR_LEDGER_VERIFY' });
});

test('an append resolves with its index, in call order, and only when it is in the write-ahead log', async () => {
  const storage = new MemoryStorage();
  await create(storage);
  const ledger = await open(storage);
  const stored = () =>
    Buffer.concat([...storage.disk.files].filter(([path]) => path.startsWith('wal/')).map(([, bytes]) => bytes));
  const heard: number[] = [];
  ledger.onDurable((durable) => heard.push(durable));
  const appended = ledger.append(recordOf(ledger, 0));
  assert.equal(ledger.size, 1);
  assert.equal(ledger.status.durable, 0);
  assert.equal(stored().length, 0);
  assert.deepEqual(await appended, { index: 0 });
  assert.ok(stored().includes('"stmt":0'));
  await fill(ledger, 10);
  assert.equal(ledger.status.durable, 11);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(heard.at(-1), 11);
  assert.ok(heard.length <= 3, 'ten records that came at once shared a write');
  await ledger.close();
});

for (const sizes of [[1], [255], [256], [257], [1, 254, 1, 1, 300], [600], [512, 0, 3]]) {
  test(`logs that grow by ${sizes.join(', ')} entries verify after every checkpoint and after reopening`, async () => {
    const disk = new Disk();
    const { vkey } = await create(new MemoryStorage(disk));
    let total = 0;
    for (const more of sizes) {
      const storage = new MemoryStorage(disk);
      const ledger = await open(storage);
      assert.equal(ledger.size, total);
      await fill(ledger, more);
      total += more;
      const checkpoint = await ledger.checkpointNow();
      assert.equal(checkpoint.size, total);
      await assertWhole(storage, vkey, total);
      await ledger.close();
      await assertWhole(storage, vkey, total);
    }
  });
}

test('two levels of full tiles are written and verify', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const ledger = await open(storage);
  for (let n = 0; n < 66; n += 1) {
    await fill(ledger, 1_000);
    if (n % 7 === 0) await ledger.checkpointNow();
  }
  await ledger.close();
  await assertWhole(storage, vkey, 66_000);
  assert.ok(storage.disk.files.has('tile/1/000'));
  assert.ok(storage.disk.files.has('tile/2/000.p/1'));
  assert.equal(
    [...storage.disk.files.keys()].filter((path) => path.startsWith('tile/0/000.p')).length,
    0,
    'partial tiles go when the full one is there',
  );
});

test('the checkpoint is a note signed by the key that init named, and what was appended before it was asked for is in it', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const ledger = await open(storage);
  assert.equal(ledger.vkey, vkey);
  const appended = Promise.all([1, 2, 3].map((n) => ledger.append(recordOf(ledger, n))));
  assert.equal((await ledger.checkpointNow()).size, 3);
  await appended;
  const note = parseNote(storage.disk.files.get('checkpoint') as Buffer);
  assert.equal(verifyNote(note, [parseVkey(vkey)]).length, 1);
  assert.deepEqual(note.text.split('\n').slice(0, 2), [ORIGIN, '3']);
  await ledger.close();
});

test('checkpoints come by themselves: soon after 256 entries, and within the pace for one', async () => {
  const storage = new MemoryStorage();
  await create(storage);
  const ledger = await open(storage, { milliseconds: 120, entries: 256, rest: 5 });
  const published = async () => {
    const before = ledger.status.checkpoint.size;
    const from = performance.now();
    while (ledger.status.checkpoint.size === before) await new Promise((resolve) => setTimeout(resolve, 2));
    return performance.now() - from;
  };
  await fill(ledger, 1);
  assert.ok((await published()) > 50);
  await fill(ledger, 256);
  assert.ok((await published()) < 100);
  await ledger.close();
});

test('checkpointNow does not wait for appends that never stop coming', async () => {
  const storage = new MemoryStorage();
  await create(storage);
  const ledger = await open(storage);
  let going = true;
  const stream = (async () => {
    while (going) await ledger.append(recordOf(ledger, ledger.size));
  })();
  const other = (async () => {
    while (going) await ledger.append(recordOf(ledger, ledger.size));
  })();
  for (let n = 0; n < 5; n += 1) await ledger.checkpointNow();
  going = false;
  await Promise.all([stream, other]);
  await ledger.close();
});

test('what is durable but not published is taken over by the next opening, disclosures and all', async () => {
  const disk = new Disk();
  const { vkey } = await create(new MemoryStorage(disk));
  const first = await open(new MemoryStorage(disk));
  await fill(first, 300);
  await first.checkpointNow();
  await fill(first, 17);
  // No close: the process died here.
  const storage = new MemoryStorage(disk);
  const second = await open(storage);
  assert.equal(second.size, 317);
  await assertWhole(storage, vkey, 317);
  await fill(second, 3);
  await second.close();
  await assertWhole(storage, vkey, 320);
  assert.equal([...disk.files.keys()].filter((path) => path.startsWith('wal/')).length, 1);
});

test('values go beside the public tree, and erasing them breaks nothing', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const ledger = await open(storage);
  await ledger.append({
    kind: 'query',
    time: NOW,
    hidden: [ledger.conceal('statement', 'select canary_4711'), ledger.conceal('tables', [])],
  });
  await ledger.close();
  const secret = Buffer.from('canary_4711').toString('base64').slice(0, 12);
  for (const [path, bytes] of storage.disk.files) {
    const shown = bytes.includes('canary_4711') || bytes.includes(secret);
    if (!path.startsWith('disclosures/')) assert.ok(!shown, path);
  }
  storage.disk.files.delete(disclosurePath(0));
  const verdict = await verify(storage, vkey);
  assert.deepEqual([verdict.ok, verdict.concealed, verdict.disclosed], [true, 2, 0]);
  const again = await open(storage);
  await again.append({ kind: 'query', time: NOW, hidden: [again.conceal('statement', 'select 1')] });
  await again.close();
  assert.equal((await verify(storage, vkey)).ok, true);
});

test('a statement of 4 MB goes by disclosure; an entry above 65,535 bytes harms no other', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const ledger = await open(storage);
  const long = 'ü'.repeat(2_000_000);
  const results = await Promise.allSettled([
    ledger.append({ kind: 'query', time: NOW, hidden: [ledger.conceal('statement', long)] }),
    ledger.append({ kind: 'query', time: NOW, clear: { text: 'x'.repeat(65_535) } }),
    ledger.append({ kind: 'query', time: NOW, clear: { bad: 0.5 } }),
    ledger.append({ kind: 'query', time: NOW, clear: { text: 'x'.repeat(60_000) } }),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  assert.equal(results[1]?.status === 'rejected' && results[1].reason.code, 'ERR_LEDGER_TOO_LARGE');
  assert.equal(results[2]?.status === 'rejected' && results[2].reason.code, 'ERR_LEDGER_RECORD');
  assert.deepEqual(results[3]?.status === 'fulfilled' && results[3].value, { index: 1 });
  await ledger.close();
  const verdict = await verify(storage, vkey);
  assert.deepEqual([verdict.problems, verdict.entries, verdict.disclosed], [[], 2, 1]);
});

test('one commitment given twice stands once in the entry', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const ledger = await open(storage);
  const shared = ledger.conceal('statement', 'select 1');
  await ledger.append({ kind: 'query', time: NOW, hidden: [shared, shared, ledger.conceal('tables', [])] });
  await ledger.append({ kind: 'query', time: NOW, hidden: [shared] });
  await ledger.close();
  const verdict = await verify(storage, vkey);
  assert.deepEqual([verdict.problems, verdict.concealed, verdict.disclosed], [[], 3, 3]);
});

test('a clock that was set back by an hour leaves a log that verifies and says so', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  let ledger = await open(storage);
  await ledger.append({ kind: 'heartbeat', time: NOW });
  await ledger.append({ kind: 'heartbeat', time: NOW - 4_000 });
  await ledger.append({ kind: 'heartbeat', time: NOW - 3_600_000 });
  await ledger.close();
  ledger = await open(storage);
  await ledger.append({ kind: 'heartbeat', time: NOW - 3_600_000 });
  await ledger.close();
  assert.deepEqual((await verify(storage, vkey)).problems, []);
  const entries = parseBundle(storage.disk.files.get(bundlePath({ index: 0, width: 4 })) as Buffer).map(parseEntry);
  assert.deepEqual(
    entries.map(({ time }) => time - NOW),
    [0, -4_000, 0, 0],
  );
  assert.deepEqual(
    entries.map(({ members }) => members['lag']),
    [undefined, undefined, 3_600_000, 3_600_000],
  );
});

test('after close nothing is accepted, and everything before it was written', async () => {
  const storage = new MemoryStorage();
  const { vkey } = await create(storage);
  const ledger = await open(storage);
  const appended = fill(ledger, 20);
  const closed = ledger.close();
  await assert.rejects(ledger.append(recordOf(ledger, 20)), { code: 'ERR_LEDGER_CLOSED' });
  await Promise.all([appended, closed, ledger.close()]);
  await assertWhole(storage, vkey, 20);
});

test('a second writer is refused while the first is open, and welcome after it closed', async () => {
  const storage = new MemoryStorage();
  await create(storage);
  const first = await open(storage, MANUAL);
  await assert.rejects(open(storage), { code: 'ERR_LEDGER_LOCKED' });
  await fill(first, 3);
  await first.close();
  const second = await open(storage);
  assert.equal(second.size, 3);
  await second.close();
});
