import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { ProposalCollector, type World } from '../../../src/dataplane/index.ts';
import { type ColumnHits, DetectorSet, effectiveLabels, parseLabelFile } from '../../../src/masking/index.ts';
import type { CatalogSnapshot } from '../../../src/model/catalog.ts';
import type { ProposalStore } from '../../../src/model/label-proposal.ts';
import { openStorage } from '../../../src/storage/index.ts';
import { relation } from '../statement/world.ts';

const people = relation('shop.people', 'id, email, note, name');
const catalog: CatalogSnapshot = {
  connection: 'shop',
  database: 'shop',
  serverVersion: 180_000,
  version: 'v',
  takenAt: 0,
  relations: new Map([[people.oid, people]]),
  functions: [],
  types: new Map(),
  schemas: new Set(['shop']),
};
const { files } = parseLabelFile('shop: { shop.people: { note: [], name: [pii.name] } }', 'f');
const labels = effectiveLabels(catalog, files, new Map());
const world: World = { connection: 'shop', catalog, labels, version: 'w' };
const [email] = new DetectorSet({ families: new Set(['email']) }).detectors;
assert.ok(email);

interface Made {
  readonly collector: ProposalCollector;
  readonly store: ProposalStore;
  readonly logged: string[];
}

async function made(t: TestContext, add?: ProposalStore['add']): Promise<Made> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-collector-'));
  const storage = await openStorage(folder);
  t.after(async () => {
    await storage.close();
    await rm(folder, { recursive: true, force: true });
  });
  const logged: string[] = [];
  const log = (_fields: object, message: string): void => void logged.push(message);
  const collector = new ProposalCollector({
    store: {
      add: add ?? ((findings) => storage.proposals.add(findings)),
      get: (id) => storage.proposals.get(id),
      list: (filter) => storage.proposals.list(filter),
      decide: (id, state, decision) => storage.proposals.decide(id, state, decision),
    },
    worlds: {
      peek: (name) => (name === 'shop' ? world : undefined),
      inventory: () => labels,
      lineage: () => new Map(),
    },
    clock: () => 1_000,
    log: { debug: log, info: log, warn: log, error: log },
  });
  return { collector, store: storage.proposals, logged };
}

/** A result of columns of the table, by attnum (0: an expression), with hits of the e-mail detector by position. */
function result(attnums: readonly number[], hits: Readonly<Record<number, number>>) {
  const counts = Object.entries(hits).map(
    ([column, n]): ColumnHits => ({ column: Number(column), detector: email as NonNullable<typeof email>, hits: n }),
  );
  return {
    fields: attnums.map((attnum) => ({ tableOid: attnum === 0 ? 0 : people.oid, columnNumber: attnum })),
    counts: () => counts,
  };
}

test('hits are evidence for unlabelled columns only, and rows without a hit count from then on', async (t) => {
  const { collector, store } = await made(t);
  collector.note('shop', result([1, 2], {}), 7);
  collector.note('shop', result([1, 2, 3, 4, 0], { 1: 5, 2: 9, 3: 9, 4: 9, [-1]: 3, 9: 1 }), 10);
  collector.note('shop', result([2], {}), 30);
  collector.note('elsewhere', result([2], { 0: 1 }), 1);
  collector.note('shop', result([2], { 0: 1 }), 0);
  await collector.flush();
  collector.note('shop', result([2, 1], {}), 60);
  await collector.flush();
  const all = await store.list({});
  assert.deepEqual(
    all.map(({ relation: name, column, label, evidence }) => [name, column, label, evidence]),
    [['people', 'email', 'pii.contact.email', [{ source: 'detected', detector: 'email', hits: 5, rows: 100 }]]],
  );
});

test('no session ends because evidence cannot be noted or kept', async (t) => {
  const failing = await made(t, async () => {
    throw new Error('disk full');
  });
  failing.collector.note('shop', result([2], { 0: 1 }), 1);
  await failing.collector.flush();
  assert.deepEqual(failing.logged, ['label proposals could not be kept']);
  const broken = {
    fields: [],
    counts: (): ColumnHits[] => {
      throw new Error('broken');
    },
  };
  failing.collector.note('shop', broken, 1);
  assert.equal(failing.logged.length, 2);
});

test('a store without room is said once, not every second', async (t) => {
  const { collector, logged } = await made(t, async () => 1);
  for (let n = 0; n < 3; n++) {
    collector.note('shop', result([2], { 0: 1 }), 1);
    await collector.flush();
  }
  assert.deepEqual(logged, ['there is no room for more label proposals; accept or dismiss some']);
});
