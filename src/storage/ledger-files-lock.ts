import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LedgerError } from '../ledger/index.ts';

/*
 * Two files. `lock.db` is held by a lock of the operating system, taken through SQLite because Node has no call for it: it
 * goes when its process ends, however it ends, so a lock can neither be stale nor be stolen between a look and a grab, and it
 * also holds between containers that share the disk but not their process numbers. `lock` only says who it is.
 */
const GUARD = 'lock.db';
const HOLDER = 'lock';

/**
 * Makes this process the only writer of a folder.
 * @returns how to let go.
 * @throws LedgerError `ERR_LEDGER_LOCKED`
 */
export function lockLedgerFolder(folder: string): () => void {
  const guardPath = join(folder, GUARD);
  // SQLite would make it with the process's umask; nobody else has to be able to lock the ledger.
  closeSync(openSync(guardPath, 'a', 0o600));
  const guard = new DatabaseSync(guardPath);
  try {
    guard.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    guard.close();
    if (isBusy(error)) throw ledgerLocked(folder, error);
    throw error;
  }
  const holder = join(folder, HOLDER);
  try {
    writeFileSync(holder, `${JSON.stringify({ pid: process.pid, started: startTime() })}\n`, { mode: 0o600 });
  } catch {
    // Says who it is, no more: a full disk must not keep a ledger from being opened and read.
  }
  return () => {
    rmSync(holder, { force: true });
    guard.close();
  };
}

function isBusy(error: unknown): boolean {
  // https://www.sqlite.org/rescode.html#busy
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5;
}

export function ledgerLocked(folder: string, cause?: unknown): LedgerError {
  return new LedgerError(
    'ERR_LEDGER_LOCKED',
    `The ledger in ${folder} is being written by ${holderOf(folder)}. A log has one writer: stop the other gateway, or give this one a state folder of its own.`,
    { cause },
  );
}

function holderOf(folder: string): string {
  try {
    const { pid, started } = JSON.parse(readFileSync(join(folder, HOLDER), 'utf8'));
    return `process ${pid}, running since ${started}`;
  } catch {
    return 'another process';
  }
}

function startTime(): string {
  return new Date(performance.timeOrigin).toISOString();
}
