import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Kysely } from 'kysely';
import { StorageError } from '../../../src/storage/index.ts';
import { openDatabase, sqliteDialect } from '../../../src/storage/sqlite.ts';

interface Schema {
  t: { id: number; text: string };
}

test('a full disk is told as such, undoes the statement, and is over when there is room again', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-sqlite-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const database = openDatabase(join(folder, 'full.db'));
  assert.equal(database.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal');
  // 2 is FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
  assert.equal(database.prepare('PRAGMA synchronous').get()?.['synchronous'], 2);
  assert.equal(database.prepare('PRAGMA foreign_keys').get()?.['foreign_keys'], 1);
  database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT');
  database.exec('PRAGMA max_page_count = 4');
  const db = new Kysely<Schema>({ dialect: sqliteDialect(database) });
  const text = 'x'.repeat(50_000);
  await assert.rejects(
    db.insertInto('t').values({ id: 1, text }).execute(),
    (e) => e instanceof StorageError && e.code === 'ERR_STORAGE_FULL',
  );
  assert.deepEqual(await db.selectFrom('t').selectAll().execute(), []);
  database.exec('PRAGMA max_page_count = 1000');
  await db.insertInto('t').values({ id: 1, text }).execute();
  await db.destroy();
});

test('transactions at once on one connection follow one another, and a failed one leaves nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-sqlite-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const database = openDatabase(join(folder, 'turns.db'));
  database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT');
  const db = new Kysely<Schema>({ dialect: sqliteDialect(database) });
  const results = await Promise.allSettled(
    [1, 2, 3, 4].map((id) =>
      db.transaction().execute(async (tx) => {
        await tx.insertInto('t').values({ id, text: 'a' }).execute();
        await new Promise((resolve) => setImmediate(resolve));
        if (id === 2) throw new Error('no');
        await tx.updateTable('t').set({ text: 'b' }).where('id', '=', id).execute();
      }),
    ),
  );
  assert.deepEqual(
    results.map((one) => one.status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  const rows = await db.selectFrom('t').selectAll().orderBy('id').execute();
  assert.deepEqual(
    rows.map(({ id, text }) => [id, text]),
    [
      [1, 'b'],
      [3, 'b'],
      [4, 'b'],
    ],
  );
  await db.destroy();
});
