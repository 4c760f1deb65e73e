import { type Kysely, sql } from 'kysely';

/** Requests whose consent was taken back. SQLite changes no CHECK of a table that is there, so the rows move to a new one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE approvals_new (
      id TEXT PRIMARY KEY,
      state TEXT NOT NULL
        CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'exhausted', 'revoked')),
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
      CHECK (
        state NOT IN ('approved', 'exhausted', 'revoked')
        OR (not_after IS NOT NULL AND uses IS NOT NULL AND used IS NOT NULL)
      )
    ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`INSERT INTO approvals_new SELECT * FROM approvals`.execute(db);
  await sql`DROP TABLE approvals`.execute(db);
  await sql`ALTER TABLE approvals_new RENAME TO approvals`.execute(db);
  await sql`CREATE UNIQUE INDEX approvals_one_pending ON approvals (requester, binding_key) WHERE state = 'pending'`.execute(
    db,
  );
  await sql`CREATE INDEX approvals_usable ON approvals (binding_key, not_after) WHERE state = 'approved'`.execute(db);
  await sql`CREATE INDEX approvals_due ON approvals (state, expires_at)`.execute(db);
  await sql`CREATE INDEX approvals_newest ON approvals (created_at, id)`.execute(db);
  await sql`CREATE INDEX approvals_requester ON approvals (requester, created_at)`.execute(db);
  // Consent that was taken back is never given again, not even by a mistake in our own code.
  await sql`
    CREATE TRIGGER approvals_stay_revoked BEFORE UPDATE ON approvals
    WHEN OLD.state = 'revoked' AND NEW.state IS NOT OLD.state
    BEGIN SELECT RAISE(ABORT, 'a revoked request stays revoked'); END`.execute(db);
}
