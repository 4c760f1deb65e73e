import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { type Dialect, type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely';
import { storageError } from './errors.ts';

/** Statements that are kept prepared; the stores use a few dozen. */
const PREPARED = 100;

/**
 * Opens an SQLite file so that what a commit promised survives `kill -9` and loss of power: write-ahead log, fsync on every
 * commit (https://www.sqlite.org/pragma.html#pragma_synchronous), foreign keys on, and 5 s of patience with other processes.
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5_000, enableForeignKeyConstraints: true });
  try {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA trusted_schema = OFF');
    // What is deleted (revoked credentials, replaced secrets) shall not linger in free pages.
    database.exec('PRAGMA secure_delete = ON');
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** Kysely's SQLite dialect over node:sqlite, which lacks better-sqlite3's `reader` and takes parameters one by one. */
export function sqliteDialect(database: DatabaseSync): Dialect {
  return new SqliteDialect({ database: new Adapter(database) });
}

class Adapter implements SqliteDatabase {
  readonly #database: DatabaseSync;
  /** In order of last use, so that the first is the one to forget. */
  readonly #prepared = new Map<string, Statement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(sql: string): SqliteStatement {
    const known = this.#prepared.get(sql);
    if (known !== undefined) {
      this.#prepared.delete(sql);
      this.#prepared.set(sql, known);
      return known;
    }
    const statement = new Statement(this.#database.prepare(sql));
    // DDL and PRAGMA run once, and a prepared PRAGMA may hold on to what it saw.
    if (!/^\s*(select|insert|update|delete|with|begin|commit|rollback)\b/i.test(sql)) return statement;
    this.#prepared.set(sql, statement);
    if (this.#prepared.size > PREPARED) {
      const oldest = this.#prepared.keys().next().value;
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return statement;
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
  }
}

class Statement implements SqliteStatement {
  readonly #statement: StatementSync;
  readonly reader: boolean;

  constructor(statement: StatementSync) {
    this.#statement = statement;
    this.reader = statement.columns().length > 0;
  }

  all(parameters: readonly unknown[]): unknown[] {
    try {
      return this.#statement.all(...(parameters as SQLInputValue[]));
    } catch (error) {
      throw storageError(error);
    }
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    try {
      return this.#statement.run(...(parameters as SQLInputValue[]));
    } catch (error) {
      throw storageError(error);
    }
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...(parameters as SQLInputValue[]));
  }
}
