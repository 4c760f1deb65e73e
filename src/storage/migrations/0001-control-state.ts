import { type Kysely, sql } from 'kysely';

/** Approvals, credentials, sealed secrets, budgets, sticky labels and settings. STRICT tables: SQLite checks the types. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE approvals (
      id TEXT PRIMARY KEY,
      state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'exhausted')),
      requester TEXT NOT NULL,
      resource TEXT NOT NULL,
      session TEXT NOT NULL,
      binding_key TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      not_after INTEGER,
      uses INTEGER,
      used INTEGER,
      row_limit INTEGER,
      revision INTEGER NOT NULL,
      leaf INTEGER NOT NULL,
      body TEXT NOT NULL,
      CHECK (used IS NULL OR (used >= 0 AND used <= uses)),
      CHECK (state NOT IN ('approved', 'exhausted') OR (not_after IS NOT NULL AND uses IS NOT NULL AND used IS NOT NULL))
    ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE UNIQUE INDEX approvals_one_pending ON approvals (requester, binding_key) WHERE state = 'pending'`.execute(
    db,
  );
  await sql`CREATE INDEX approvals_usable ON approvals (binding_key, not_after) WHERE state = 'approved'`.execute(db);
  await sql`CREATE INDEX approvals_due ON approvals (state, expires_at)`.execute(db);
  await sql`CREATE INDEX approvals_newest ON approvals (created_at, id)`.execute(db);
  await sql`CREATE INDEX approvals_requester ON approvals (requester, created_at)`.execute(db);
  await sql`
    CREATE TABLE credentials (
      id TEXT PRIMARY KEY,
      principal_id TEXT NOT NULL,
      principal TEXT NOT NULL,
      salt BLOB NOT NULL,
      iterations INTEGER NOT NULL,
      stored_key BLOB NOT NULL,
      server_key BLOB NOT NULL,
      issued_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      revoked_at INTEGER
    ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX credentials_principal ON credentials (principal_id, issued_at)`.execute(db);
  await sql`CREATE INDEX credentials_expiry ON credentials (expires_at)`.execute(db);
  // A revocation is never undone, not even by a mistake in our own code.
  await sql`
    CREATE TRIGGER credentials_stay_revoked BEFORE UPDATE ON credentials
    WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at
    BEGIN SELECT RAISE(ABORT, 'a revoked credential stays revoked'); END`.execute(db);
  await sql`
    CREATE TABLE sealed_secrets (name TEXT PRIMARY KEY, sealed BLOB NOT NULL, changed_at INTEGER NOT NULL)
    STRICT, WITHOUT ROWID`.execute(db);
  await sql`
    CREATE TABLE row_budgets (
      principal_id TEXT NOT NULL,
      slot INTEGER NOT NULL,
      rows INTEGER NOT NULL CHECK (rows >= 0),
      PRIMARY KEY (principal_id, slot)
    ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX row_budgets_slot ON row_budgets (slot)`.execute(db);
  await sql`
    CREATE TABLE sticky_labels (connection TEXT PRIMARY KEY, body TEXT NOT NULL, changed_at INTEGER NOT NULL)
    STRICT, WITHOUT ROWID`.execute(db);
  await sql`
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL, changed_at INTEGER NOT NULL)
    STRICT, WITHOUT ROWID`.execute(db);
}
