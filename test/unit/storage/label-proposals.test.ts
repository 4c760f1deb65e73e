import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { confidenceOf, type Finding, type LabelEvidence } from '../../../src/model/label-proposal.ts';
import { openStorage } from '../../../src/storage/index.ts';
import * as controlState from '../../../src/storage/migrations/0001-control-state.ts';
import { SqliteProposalStore } from '../../../src/storage/proposal-store.ts';
import type { ControlSchema } from '../../../src/storage/schema.ts';
import { openDatabase, sqliteDialect } from '../../../src/storage/sqlite.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-proposals-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const finding = (over: Partial<Omit<Finding, 'evidence'>> & { evidence?: Partial<LabelEvidence> } = {}): Finding => ({
  connection: 'shop',
  schema: 'shop',
  relation: 'payments',
  column: 'iban',
  label: 'fin.iban',
  at: 1_000,
  ...over,
  evidence: { source: 'detected', detector: 'iban', hits: 9, rows: 10, ...over.evidence },
});
const DECISION = { at: 5_000, by: { id: 'idp|ann', name: 'ann' }, reason: 'not ours' };

test('evidence adds up over restarts; a scan takes the place of the scan before', async (t) => {
  const folder = await folderOf(t);
  const first = await openStorage(folder);
  await first.proposals.add([finding(), finding({ at: 2_000, evidence: { hits: 1, rows: 5 } })]);
  await first.proposals.add([finding({ evidence: { source: 'scanned', hits: 500, rows: 1_000 } })]);
  await first.close();
  const second = await openStorage(folder);
  t.after(() => second.close());
  await second.proposals.add([
    finding({ at: 3_000, evidence: { hits: 0, rows: 85 } }),
    finding({ at: 3_000, evidence: { source: 'scanned', hits: 90, rows: 100 } }),
    finding({ at: 3_000, evidence: { source: 'name', detector: 'iban', hits: 1, rows: 0 } }),
  ]);
  const [only, ...others] = await second.proposals.list({ connection: 'shop' });
  assert.deepEqual(others, []);
  assert.match(only?.id ?? '', /^lbl_[0-9a-f]{16}$/);
  assert.deepEqual(
    { ...only, evidence: [...(only?.evidence ?? [])].sort((a, b) => (a.source < b.source ? -1 : 1)), id: '' },
    {
      id: '',
      connection: 'shop',
      schema: 'shop',
      relation: 'payments',
      column: 'iban',
      label: 'fin.iban',
      state: 'open',
      firstSeen: 1_000,
      lastSeen: 3_000,
      evidence: [
        { source: 'detected', detector: 'iban', hits: 10, rows: 100 },
        { source: 'name', detector: 'iban', hits: 1, rows: 0 },
        { source: 'scanned', detector: 'iban', hits: 90, rows: 100 },
      ],
    },
  );
});

test('rows without a hit propose nothing', async (t) => {
  const storage = await openStorage(await folderOf(t));
  t.after(() => storage.close());
  assert.equal(await storage.proposals.add([finding({ evidence: { hits: 0, rows: 1_000 } })]), 0);
  assert.deepEqual(await storage.proposals.list({}), []);
});

test('what was dismissed stays dismissed whatever comes, but another label of the column is proposed', async (t) => {
  const storage = await openStorage(await folderOf(t));
  t.after(() => storage.close());
  await storage.proposals.add([finding()]);
  const [{ id = '' } = {}] = await storage.proposals.list({});
  const dismissed = await storage.proposals.decide(id, 'dismissed', DECISION);
  assert.deepEqual([dismissed?.state, dismissed?.decision], ['dismissed', DECISION]);
  await storage.proposals.add([finding({ at: 9_000 }), finding({ label: 'pii.name', evidence: { detector: 'x' } })]);
  const states = (await storage.proposals.list({})).map(({ label, state }) => [label, state]);
  assert.deepEqual(states, [
    ['fin.iban', 'dismissed'],
    ['pii.name', 'open'],
  ]);
  assert.equal((await storage.proposals.list({ state: 'open' })).length, 1);
  assert.equal(await storage.proposals.decide('lbl_none', 'accepted', DECISION), undefined);
});

test('there are never more than a bound of one connection; accepted ones make room, open and dismissed ones do not', async (t) => {
  const folder = await folderOf(t);
  await (await openStorage(folder)).close();
  const [file, other] = [openDatabase(join(folder, 'control.db')), openDatabase(join(folder, 'control.db'))];
  const db = new Kysely<ControlSchema>({ dialect: sqliteDialect(other) });
  t.after(async () => {
    file.close();
    await db.destroy();
  });
  const store = new SqliteProposalStore(db, file, 3);
  const column = (name: string, connection = 'shop') => finding({ column: name, connection });
  assert.equal(await store.add([column('a'), column('b'), column('c'), column('d'), column('e')]), 2);
  assert.equal(await store.add([column('a', 'crm')]), 0, 'each connection has its own room');
  assert.equal(await store.add([column('a')]), 0, 'what is known needs no room');
  const [a, b] = await store.list({ connection: 'shop' });
  await store.decide(a?.id ?? '', 'accepted', DECISION);
  await store.decide(b?.id ?? '', 'dismissed', DECISION);
  assert.equal(await store.add([column('f'), column('g')]), 1);
  assert.deepEqual(
    (await store.list({ connection: 'shop' })).map((one) => [one.column, one.state]),
    [
      ['b', 'dismissed'],
      ['c', 'open'],
      ['f', 'open'],
    ],
  );
});

test('what goes wrong in the middle leaves nothing half written', async (t) => {
  const folder = await folderOf(t);
  const storage = await openStorage(folder);
  t.after(() => storage.close());
  const broken = { ...finding({ column: 'b' }), connection: null } as unknown as Finding;
  await assert.rejects(storage.proposals.add([finding(), broken]));
  assert.deepEqual(await storage.proposals.list({}), []);
  assert.equal(await storage.proposals.add([finding()]), 0);
});

test('a state database of before gets the table', async (t) => {
  const folder = await folderOf(t);
  const old = new Kysely<ControlSchema>({ dialect: sqliteDialect(openDatabase(join(folder, 'control.db'))) });
  const provider = { getMigrations: async () => ({ '0001-control-state': controlState as Migration }) };
  const { error } = await new Migrator({ db: old, provider }).migrateToLatest();
  assert.equal(error, undefined);
  await old.destroy();
  const storage = await openStorage(folder);
  t.after(() => storage.close());
  assert.equal(await storage.proposals.add([finding()]), 0);
});

test('confidence grows with rows and share, and a name takes doubt away', () => {
  const of = (hits: number, rows: number, source: LabelEvidence['source'] = 'scanned') =>
    confidenceOf([{ source, detector: 'x', hits, rows }]);
  const name: LabelEvidence = { source: 'name', detector: 'iban', hits: 1, rows: 0 };
  assert.deepEqual(
    [of(1, 1), of(10, 10), of(100, 100), of(1000, 1000), of(500, 1000), of(1, 1000), of(0, 1000), of(2000, 1000)],
    [20, 72, 96, 99, 46, 0, 0, 99],
  );
  assert.equal(confidenceOf([name]), 40);
  assert.equal(confidenceOf([name, { source: 'detected', detector: 'iban', hits: 10, rows: 10 }]), 83);
  const none = (rows: number): LabelEvidence => ({ source: 'scanned', detector: 'iban', hits: 0, rows });
  assert.deepEqual([confidenceOf([name, none(5)]), confidenceOf([name, none(500)])], [40, 20], 'nothing confirms it');
  assert.equal(confidenceOf([]), 0);
});
