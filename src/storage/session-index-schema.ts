import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Raised when the tables or what is read into them change: the index is then made anew from the ledger. */
const VERSION = 3;

const TABLES = `
CREATE TABLE IF NOT EXISTS index_state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS session_index (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  first_seq INTEGER NOT NULL UNIQUE,
  started INTEGER NOT NULL,
  last INTEGER NOT NULL,
  ended INTEGER,
  reason TEXT,
  person_id TEXT, person_name TEXT, kind TEXT, issuer TEXT, person_groups TEXT NOT NULL DEFAULT '[]', on_behalf_of TEXT,
  connection TEXT, client TEXT, source TEXT,
  statements INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  asked TEXT, asked_at INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS session_by_person ON session_index (person_id, first_seq);
CREATE INDEX IF NOT EXISTS session_by_name ON session_index (person_name, first_seq);
CREATE INDEX IF NOT EXISTS session_by_connection ON session_index (connection, first_seq);
CREATE INDEX IF NOT EXISTS session_by_start ON session_index (started);
CREATE TABLE IF NOT EXISTS session_label (session INTEGER NOT NULL, label TEXT NOT NULL, PRIMARY KEY (session, label)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statement_class (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  text TEXT,
  decision TEXT NOT NULL,
  verb TEXT, effect TEXT, fingerprint TEXT, policy TEXT, code TEXT, why TEXT,
  policies TEXT NOT NULL,
  labels TEXT NOT NULL,
  tables TEXT NOT NULL,
  masked INTEGER NOT NULL,
  approval TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS class_by_session ON statement_class (session);
CREATE TABLE IF NOT EXISTS statement_index (
  session INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  class INTEGER NOT NULL,
  stmt INTEGER,
  time INTEGER NOT NULL,
  rows INTEGER, bytes INTEGER, outcome TEXT, sqlstate TEXT, ms INTEGER,
  PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session_event (seq INTEGER PRIMARY KEY, session INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS event_by_session ON session_event (session);
`;

/** Every table, to be emptied when the index is made anew. */
export const INDEX_TABLES = [
  'index_state',
  'session_index',
  'session_label',
  'statement_class',
  'statement_index',
  'session_event',
] as const;

/**
 * Opens (creating it when needed) the index, which is never the only copy of anything: it may be lost or deleted.
 * That is why a commit does not wait for the disk here: after a loss of power the cursor is as old as the rows.
 */
export function openIndexDatabase(path: string): DatabaseSync {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON',
  );
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version !== VERSION) {
    for (const table of INDEX_TABLES) database.exec(`DROP TABLE IF EXISTS ${table}`);
    database.exec(`PRAGMA user_version = ${VERSION}`);
  }
  database.exec(TABLES);
  return database;
}
