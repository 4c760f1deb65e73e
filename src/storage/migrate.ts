import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { StorageError } from './errors.ts';
import * as controlState from './migrations/0001-control-state.ts';
import * as labelProposals from './migrations/0002-label-proposals.ts';
import * as revokedRequests from './migrations/0003-revoked-requests.ts';

/** In order of their names; a published migration is never edited, only followed by another. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-control-state': controlState as Migration,
  '0002-label-proposals': labelProposals as Migration,
  '0003-revoked-requests': revokedRequests as Migration,
};

const LOCK_PATIENCE_MS = 15_000;

/**
 * Brings the schema up to date. `lockFile` is an SQLite file of its own: its lock keeps other processes out and is freed by
 * the operating system when this one dies.
 * @throws StorageError `ERR_STORAGE_VERSION`, `ERR_STORAGE_BUSY`
 */
export async function migrate<Schema>(db: Kysely<Schema>, lockFile: string): Promise<void> {
  const lock = await takeLock(lockFile);
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) {
      throw new StorageError(
        'ERR_STORAGE_VERSION',
        'The state database does not fit this version of gatehouse. It was written by a newer one, or is damaged: run the version that wrote it, or restore a backup.',
        { cause: error },
      );
    }
  } finally {
    lock.close();
  }
}

async function takeLock(file: string): Promise<DatabaseSync> {
  // No waiting inside SQLite: it would block this process, and the holder may be this process.
  const lock = new DatabaseSync(file, { timeout: 0 });
  const patience = Date.now() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      lock.exec('BEGIN EXCLUSIVE');
      return lock;
    } catch (cause) {
      if (Date.now() > patience) {
        lock.close();
        throw new StorageError(
          'ERR_STORAGE_BUSY',
          'Another process has been changing the state database for 15 s. Stop it, or wait for it to end, and start again.',
          { cause },
        );
      }
      await sleep(25);
    }
  }
}
