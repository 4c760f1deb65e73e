import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { PseudonymEpochs } from '../../../src/gateway/pseudonym-epochs.ts';
import { MemorySink, principal } from '../approval/support.ts';

const DAY = 86_400_000;

function bench(period?: number) {
  const kept = new Map<string, Buffer>();
  const sink = new MemorySink();
  const time = { now: Date.UTC(2026, 0, 1), period };
  const open = () =>
    PseudonymEpochs.open({
      derive: (use) => createHash('sha256').update(use).digest(),
      kept: {
        get: async (name) => kept.get(name),
        put: async (name, value) => void kept.set(name, value),
      },
      sink,
      clock: () => time.now,
      period: () => time.period,
    });
  return { kept, sink, time, open };
}

test('without a period the epoch stays until somebody rotates, over restarts too', async () => {
  const { sink, time, open } = bench();
  const epochs = await open();
  const { settings, id } = epochs.current;
  time.now += 4_000 * DAY;
  await epochs.tick();
  assert.equal(epochs.current.id, id);
  const rotated = await epochs.rotate(principal('eve'), 'a key was seen');
  assert.deepEqual(rotated, { before: id, after: epochs.current.id });
  assert.notDeepEqual(epochs.current.settings, settings);
  const again = await open();
  assert.deepEqual(again.current, epochs.current);
  assert.deepEqual(
    sink.records.map(({ kind, clear }) => [kind, clear?.['epoch'], clear?.['by']]),
    [
      ['mask.rotated', '0', 'clock'],
      ['mask.rotated', '1', 'person'],
    ],
  );
  assert.equal(sink.revealed(1)['reason'], 'a key was seen');
});

test('with a period the clock rotates, at the same moments on every node, and never back to an old key by hand', async () => {
  const one = bench(90 * 86_400);
  const other = bench(90 * 86_400);
  other.time.now += 3 * DAY;
  const [first, second] = [await one.open(), await other.open()];
  assert.deepEqual(first.current, second.current);
  const seen = new Set([first.current.id]);
  for (let turn = 0; turn < 5; turn++) {
    one.time.now += 90 * DAY;
    await Promise.all([first.tick(), first.tick(), first.tick()]);
    assert.ok(!seen.has(first.current.id));
    seen.add(first.current.id);
    await first.rotate(principal('eve'), 'now');
    assert.ok(!seen.has(first.current.id));
    seen.add(first.current.id);
  }
  assert.equal(one.sink.records.length, 11, 'one record for each change, however often the clock asks');
});

test('a change that cannot be recorded is not made', async () => {
  const { sink, time, open } = bench(86_400);
  const epochs = await open();
  const { id } = epochs.current;
  sink.failing = true;
  time.now += DAY;
  await assert.rejects(epochs.tick());
  await assert.rejects(epochs.rotate(principal('eve'), 'now'));
  assert.equal(epochs.current.id, id);
  sink.failing = false;
  await epochs.tick();
  assert.notEqual(epochs.current.id, id);
});

test('no record holds anything of a key', async () => {
  const { sink, open, kept } = bench(86_400);
  const epochs = await open();
  await epochs.rotate(principal('eve'), 'now');
  const texts = JSON.stringify([sink.records, [...kept].map(([name, value]) => [name, value.toString('latin1')])]);
  for (const [, pad] of epochs.current.settings) assert.ok(!texts.includes(pad.slice(0, 16)));
});
