import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { createApprovals } from '../../../src/approval/index.ts';
import { openStorage } from '../../../src/storage/index.ts';
import * as first from '../../../src/storage/migrations/0001-control-state.ts';
import { openDatabase, sqliteDialect } from '../../../src/storage/sqlite.ts';
import { bindingOf, MemorySink, principal } from '../approval/support.ts';

test('requests of a version that knew no taking back are all there afterwards, and can be taken back for good', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-migration-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'control.db');
  const database = openDatabase(file);
  const db = new Kysely<unknown>({ dialect: sqliteDialect(database) });
  const getMigrations = async () => ({ '0001-control-state': first });
  const { error } = await new Migrator({ db, provider: { getMigrations } }).migrateToLatest();
  assert.equal(error, undefined);
  const body = JSON.stringify({ binding: bindingOf(principal('ann')), nonce: 'n', decisions: [], approvers: [] });
  const insert = database.prepare(
    `INSERT INTO approvals VALUES (?, ?, 'idp|ann', 'shop', 'ses_1', ?, 1, 9000000000000, ?, ?, ?, NULL, 3, 7, ?)`,
  );
  insert.run('req_a', 'approved', 'key-a', 9_000_000_000_000, 2, 1, body);
  insert.run('req_b', 'pending', 'key-b', null, null, null, body);
  insert.run('req_c', 'denied', 'key-b', null, null, null, body);
  await db.destroy();

  const storage = await openStorage(folder);
  const { items } = await storage.approvals.list({}, { limit: 10 });
  assert.deepEqual(items.map(({ id, state }) => `${id} ${state}`).sort(), [
    'req_a approved',
    'req_b pending',
    'req_c denied',
  ]);
  assert.deepEqual((await storage.approvals.get('req_a'))?.request.grant, {
    notAfter: 9_000_000_000_000,
    uses: 2,
    used: 1,
  });
  const settings = { expireSeconds: 3600, grantSeconds: 900, reasonMinLength: 5 };
  const approvals = createApprovals({ store: storage.approvals, sink: new MemorySink(), clock: Date.now, settings });
  assert.equal((await approvals.revoke('req_a', principal('olga'), 'not needed')).state, 'revoked');
  assert.equal(await storage.approvals.consume('req_a', Date.now()), undefined);
  await storage.close();

  const again = openDatabase(file);
  for (const state of ['approved', 'exhausted'])
    assert.throws(() => again.exec(`UPDATE approvals SET state = '${state}' WHERE id = 'req_a'`), /stays revoked/);
  again.close();
});
