import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ledger } from '../../src/ledger/index.ts';
import { bundlePath, parseBundle, parseEntry } from '../../src/ledger/verify/index.ts';
import { assertWhole, create, open, recordOf } from '../unit/ledger/fixture.ts';
import { Disk, type Fault, MemoryStorage } from '../unit/ledger/memory-storage.ts';

/** Two checkpoints with entries before, between and behind them, over a bundle's end. */
async function live(storage: MemoryStorage, told: Set<number>): Promise<void> {
  let ledger: Ledger;
  try {
    ledger = await open(storage);
  } catch (error) {
    assert.ok(storage.writes >= storage.failAt, `opening failed without a fault: ${error}`);
    return;
  }
  try {
    for (const count of [250, 20, 5]) {
      const first = ledger.size;
      const outcomes = await Promise.allSettled(
        Array.from({ length: count }, (_, n) => ledger.append(recordOf(ledger, first + n))),
      );
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') told.add(outcome.value.index);
        else assert.equal(outcome.reason.code, 'ERR_LEDGER_UNAVAILABLE');
      }
      if (count !== 5)
        await ledger.checkpointNow().catch((error) => assert.equal(error.code, 'ERR_LEDGER_UNAVAILABLE'));
      if (ledger.status.failed !== undefined) {
        assert.equal(ledger.status.failed.code, 'ERR_LEDGER_UNAVAILABLE');
        await assert.rejects(ledger.append(recordOf(ledger, 0)), { code: 'ERR_LEDGER_UNAVAILABLE' }, 'it stays failed');
        await assert.rejects(ledger.checkpointNow(), { code: 'ERR_LEDGER_UNAVAILABLE' });
        return;
      }
    }
  } finally {
    await ledger.close().catch(() => undefined);
  }
}

/** Every record of which somebody was told stands at its index, as it was. */
function assertTold(disk: Disk, size: number, told: ReadonlySet<number>): void {
  const entries: Buffer[] = [];
  for (let index = 0; index * 256 < size; index += 1) {
    entries.push(
      ...parseBundle(disk.files.get(bundlePath({ index, width: Math.min(256, size - index * 256) })) as Buffer),
    );
  }
  for (const index of told) assert.equal(parseEntry(entries[index] as Buffer).members['stmt'], index);
}

const created = new Disk();
const { vkey } = await create(new MemoryStorage(created));
const rehearsal = new MemoryStorage(created.clone());
await live(rehearsal, new Set());

for (const fault of ['rejected', 'rejected-but-stored', 'half-stored'] as const satisfies readonly Fault[]) {
  for (let point = 1; point <= rehearsal.writes; point += 1) {
    const what = (rehearsal.log[point - 1] ?? '').split(' ').slice(0, 2).join(' ');
    test(`the ledger reopens whole after write ${point} (${what}) is ${fault}`, async () => {
      const disk = created.clone();
      const storage = new MemoryStorage(disk);
      storage.failAt = point;
      storage.fault = fault;
      const told = new Set<number>();
      await live(storage, told);
      assert.ok(storage.writes >= point, 'the fault was met');

      const next = new MemoryStorage(disk);
      const ledger = await open(next);
      const { size } = ledger;
      assert.ok([...told].every((index) => index < size));
      await assertWhole(next, vkey, size);
      assertTold(disk, size, told);
      await ledger.append(recordOf(ledger, size));
      await ledger.close();
      await assertWhole(next, vkey, size + 1);
    });
  }
}

test('recovery itself may fail at any write, in any way, and the next recovery succeeds', async () => {
  const crashed = created.clone();
  const first = await open(new MemoryStorage(crashed));
  const all = Array.from({ length: 300 }, (_, n) => first.append(recordOf(first, n)));
  await Promise.all(all);
  const told = new Set(all.keys());
  const counting = new MemoryStorage(crashed.clone());
  await open(counting);
  assert.ok(counting.writes >= 4);
  for (const fault of ['rejected', 'rejected-but-stored', 'half-stored'] as const) {
    for (let point = 1; point <= counting.writes; point += 1) {
      const disk = crashed.clone();
      const failing = new MemoryStorage(disk);
      failing.failAt = point;
      failing.fault = fault;
      await assert.rejects(open(failing), { code: 'ERR_LEDGER_STORAGE' }, `write ${point} ${fault}`);
      const ledger = await open(new MemoryStorage(disk));
      assert.equal(ledger.size, 300);
      await assertWhole(new MemoryStorage(disk), vkey, 300);
      assertTold(disk, 300, told);
      await ledger.close();
    }
  }
});

test('creation may fail at any write, and is then finished or complete', async () => {
  for (const fault of ['rejected', 'rejected-but-stored'] as const) {
    for (let point = 1; point <= 3; point += 1) {
      const disk = new Disk();
      const failing = new MemoryStorage(disk);
      failing.failAt = point;
      failing.fault = fault;
      await assert.rejects(create(failing));
      if (!disk.files.has('checkpoint')) await create(new MemoryStorage(disk));
      const ledger = await open(new MemoryStorage(disk));
      assert.equal(ledger.size, 0);
      await ledger.close();
    }
  }
});

test('an append that is being written when a checkpoint fails is rejected, whether its own write then fails or not', async () => {
  for (const written of [true, false]) {
    const storage = new MemoryStorage(created.clone());
    const ledger = await open(storage);
    await ledger.append(recordOf(ledger, 0));
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    storage.publish = async () => {
      arrived.resolve();
      await gate.promise;
      throw new Error('EIO');
    };
    const begun = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const createSegment = storage.createSegment.bind(storage);
    storage.createSegment = async (path) => {
      const segment = await createSegment(path);
      return {
        append: async (bytes) => {
          begun.resolve();
          await release.promise;
          if (!written) throw new Error('EIO');
          await segment.append(bytes);
        },
        close: () => segment.close(),
      };
    };
    const checkpoint = assert.rejects(ledger.checkpointNow(), { code: 'ERR_LEDGER_UNAVAILABLE' });
    await arrived.promise;
    const inFlight = assert.rejects(ledger.append(recordOf(ledger, 1)), { code: 'ERR_LEDGER_UNAVAILABLE' });
    await begun.promise;
    const waiting = assert.rejects(ledger.append(recordOf(ledger, 2)), { code: 'ERR_LEDGER_UNAVAILABLE' });
    gate.resolve();
    await checkpoint;
    release.resolve();
    await Promise.all([inFlight, waiting]);
    await ledger.close();
    const again = await open(new MemoryStorage(storage.disk));
    assert.equal(again.size, written ? 2 : 1);
    await assertWhole(storage, vkey, again.size);
    await again.close();
  }
});
