import { type Kysely, sql } from 'kysely';

/** Proposed labels: one row for each column and label that evidence speaks for. Counts and names only, never a value. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE label_proposals (
      id TEXT PRIMARY KEY,
      connection TEXT NOT NULL,
      schema_name TEXT NOT NULL,
      relation TEXT NOT NULL,
      column_name TEXT NOT NULL,
      label TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'dismissed')),
      evidence TEXT NOT NULL,
      first_seen INTEGER NOT NULL,
      last_seen INTEGER NOT NULL,
      decided_at INTEGER,
      decided_by TEXT,
      reason TEXT,
      UNIQUE (connection, schema_name, relation, column_name, label),
      CHECK (state = 'open' OR (decided_at IS NOT NULL AND decided_by IS NOT NULL AND reason IS NOT NULL))
    ) STRICT, WITHOUT ROWID`.execute(db);
}
