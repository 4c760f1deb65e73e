import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStorage } from '../../../src/storage/index.ts';

const NOW = Date.UTC(2026, 6, 1, 12, 2);
const MINUTE = 60_000;

async function stateFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-budget-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('rows count for an hour and for a day, for each principal alone', async (t) => {
  const { budgets, close } = await openStorage(await stateFolder(t), { clock: () => NOW });
  budgets.add('ann', 10, NOW);
  budgets.add('ann', 5, NOW + MINUTE);
  budgets.add('bob', 1, NOW);
  assert.deepEqual(budgets.current('ann', NOW + MINUTE), { hour: 15, day: 15 });
  assert.deepEqual(budgets.current('ann', NOW + 59 * MINUTE), { hour: 15, day: 15 });
  assert.deepEqual(budgets.current('ann', NOW + 66 * MINUTE), { hour: 0, day: 15 });
  budgets.add('ann', 2, NOW + 66 * MINUTE);
  assert.deepEqual(budgets.current('ann', NOW + 66 * MINUTE), { hour: 2, day: 17 });
  assert.deepEqual(budgets.current('ann', NOW + 1_439 * MINUTE), { hour: 0, day: 17 });
  assert.deepEqual(budgets.current('ann', NOW + 1_446 * MINUTE), { hour: 0, day: 2 });
  assert.deepEqual(budgets.current('bob', NOW), { hour: 1, day: 1 });
  assert.deepEqual(budgets.current('eve', NOW), { hour: 0, day: 0 });
  await close();
});

test('a clock that steps back forgives nothing', async (t) => {
  const { budgets, close } = await openStorage(await stateFolder(t), { clock: () => NOW });
  budgets.add('ann', 10, NOW);
  assert.deepEqual(budgets.current('ann', NOW - 3_600_000), { hour: 10, day: 10 });
  await close();
});

test('what was counted is on disk within the promised time, and there again after a restart', async (t) => {
  const folder = await stateFolder(t);
  const first = await openStorage(folder, { clock: () => NOW });
  first.budgets.add('ann', 10, NOW);
  first.budgets.add('ann', 1, NOW);
  await sleep(350);
  const reader = new DatabaseSync(join(folder, 'control.db'), { readOnly: true });
  assert.equal(reader.prepare('SELECT sum(rows) AS rows FROM row_budgets').get()?.['rows'], 11);
  reader.close();
  first.budgets.add('ann', 4, NOW);
  await first.close();
  const second = await openStorage(folder, { clock: () => NOW + MINUTE });
  assert.deepEqual(second.budgets.current('ann', NOW + MINUTE), { hour: 15, day: 15 });
  await second.close();
  const later = await openStorage(folder, { clock: () => NOW + 2 * 86_400_000 });
  assert.deepEqual(later.budgets.current('ann', NOW + 2 * 86_400_000), { hour: 0, day: 0 });
  await later.close();
});

test('a write that fails is told, forgets nothing and succeeds later', async (t) => {
  const folder = await stateFolder(t);
  const failures: unknown[] = [];
  const storage = await openStorage(folder, { clock: () => NOW, onFailure: (error) => failures.push(error) });
  const raw = new DatabaseSync(join(folder, 'control.db'));
  raw.exec("CREATE TRIGGER broken BEFORE INSERT ON row_budgets BEGIN SELECT RAISE(ABORT, 'disk full'); END");
  storage.budgets.add('ann', 3, NOW);
  await sleep(350);
  assert.match(String(failures[0]), /disk full/);
  assert.deepEqual(storage.budgets.current('ann', NOW), { hour: 3, day: 3 });
  raw.exec('DROP TRIGGER broken');
  await storage.close();
  assert.equal(raw.prepare('SELECT rows FROM row_budgets').get()?.['rows'], 3);
  raw.close();
});
