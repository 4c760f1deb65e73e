import { chmod, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import type { ApprovalStore } from '../approval/index.ts';
import type { CredentialStore, SealedSecretStore } from '../identity/index.ts';
import type { BudgetStore } from '../model/budget.ts';
import type { ProposalStore } from '../model/label-proposal.ts';
import { SqliteApprovalStore } from './approval-store.ts';
import { SqliteCredentialStore } from './credential-store.ts';
import { StorageError } from './errors.ts';
import { migrate } from './migrate.ts';
import { SqliteProposalStore } from './proposal-store.ts';
import { RowBudgets } from './row-budgets.ts';
import type { ControlSchema } from './schema.ts';
import { SqliteSealedSecretStore } from './sealed-secret-store.ts';
import {
  type SettingStore,
  SqliteSettingStore,
  SqliteStickyLabelStore,
  type StickyLabelStore,
} from './setting-store.ts';
import { openDatabase, sqliteDialect } from './sqlite.ts';

/** The control state of one gateway, behind the ports of the rooms that use it. */
export interface Storage {
  readonly approvals: ApprovalStore;
  readonly credentials: CredentialStore;
  readonly secrets: SealedSecretStore;
  readonly budgets: BudgetStore;
  readonly stickyLabels: StickyLabelStore;
  readonly proposals: ProposalStore;
  readonly settings: SettingStore;
  /** Resolves when everything is on stable storage and the files are closed. */
  close(): Promise<void>;
}

export interface StorageOptions {
  /** Milliseconds since the epoch; the system's clock when absent. */
  readonly clock?: () => number;
  /** Told when budgets could not be written; they are tried again. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Opens `control.db` in the state folder, making both if need be: the folder for its owner only (0700), files 0600.
 * @throws StorageError `ERR_STORAGE_OPEN`, `ERR_STORAGE_VERSION`, `ERR_STORAGE_BUSY`
 */
export async function openStorage(stateFolder: string, options: StorageOptions = {}): Promise<Storage> {
  const clock = options.clock ?? Date.now;
  const file = join(stateFolder, 'control.db');
  let database: DatabaseSync;
  try {
    await makePrivate(stateFolder, [file, `${file}.lock`]);
    database = openDatabase(file);
  } catch (cause) {
    throw new StorageError(
      'ERR_STORAGE_OPEN',
      `The state database ${file} cannot be opened (${(cause as Error).message}). Check that the folder is writable for the user gatehouse runs as and the disk is not full.`,
      { cause },
    );
  }
  let budgetFile: DatabaseSync | undefined;
  const db = new Kysely<ControlSchema>({ dialect: sqliteDialect(database) });
  try {
    await migrate(db, `${file}.lock`);
    // Budgets are written several times a second on the data path's own thread: safe against kill -9, at most 200 ms behind after a loss of power.
    budgetFile = openDatabase(file);
    budgetFile.exec('PRAGMA synchronous = NORMAL');
    const budgets = new RowBudgets(budgetFile, clock(), options.onFailure ?? (() => undefined));
    let closed = false;
    return {
      approvals: new SqliteApprovalStore(db),
      credentials: new SqliteCredentialStore(db),
      secrets: new SqliteSealedSecretStore(db, clock),
      budgets,
      stickyLabels: new SqliteStickyLabelStore(db, clock),
      proposals: new SqliteProposalStore(db, budgetFile),
      settings: new SqliteSettingStore(db, clock),
      async close() {
        if (closed) return;
        closed = true;
        try {
          budgets.close();
          budgetFile?.close();
        } finally {
          await db.destroy();
        }
      },
    };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/** SQLite gives its journal files the mode of the database, so making that one private is enough. */
async function makePrivate(folder: string, files: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  for (const file of files) {
    const handle = await open(file, 'a', 0o600);
    try {
      await handle.chmod(0o600);
    } finally {
      await handle.close();
    }
  }
}
