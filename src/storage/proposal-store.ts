import { createHash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Kysely, Selectable } from 'kysely';
import type {
  Finding,
  LabelEvidence,
  LabelProposal,
  ProposalDecision,
  ProposalFilter,
  ProposalState,
  ProposalStore,
} from '../model/label-proposal.ts';
import { storageError } from './errors.ts';
import type { ControlSchema } from './schema.ts';

type Row = Selectable<ControlSchema['label_proposals']>;

/** So many proposals of one connection are kept, decided ones included. */
export const MOST_PROPOSALS = 5_000;

/**
 * Proposed labels in SQLite. Decisions go through `db`, which is fsynced; evidence goes through `file`, many pieces in one transaction that no
 * other work of this thread can come between (it would wait for a lock that nobody could give back).
 */
export class SqliteProposalStore implements ProposalStore {
  readonly #db: Kysely<ControlSchema>;
  readonly #file: DatabaseSync;
  readonly #most: number;
  readonly #statements: Readonly<Record<'find' | 'merge' | 'insert' | 'count' | 'makeRoom', StatementSync>>;

  constructor(db: Kysely<ControlSchema>, file: DatabaseSync, most = MOST_PROPOSALS) {
    this.#db = db;
    this.#file = file;
    this.#most = most;
    this.#statements = {
      find: file.prepare('SELECT evidence, last_seen FROM label_proposals WHERE id = ?'),
      merge: file.prepare('UPDATE label_proposals SET evidence = ?, last_seen = ? WHERE id = ?'),
      insert: file.prepare(
        `INSERT INTO label_proposals (id, connection, schema_name, relation, column_name, label, state, evidence, first_seen, last_seen)
          VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?)`,
      ),
      count: file.prepare('SELECT count(*) AS n FROM label_proposals WHERE connection = ?'),
      // The label of an accepted one stands in a file now. What is open or dismissed is still needed.
      makeRoom: file.prepare(
        `DELETE FROM label_proposals WHERE id =
          (SELECT id FROM label_proposals WHERE connection = ? AND state = 'accepted' ORDER BY decided_at LIMIT 1)`,
      ),
    };
  }

  async add(findings: readonly Finding[]): Promise<number> {
    let turnedAway = 0;
    this.#file.exec('BEGIN IMMEDIATE');
    try {
      for (const finding of findings) if (!this.#addOne(finding)) turnedAway += 1;
      this.#file.exec('COMMIT');
      return turnedAway;
    } catch (error) {
      if (this.#file.isTransaction) this.#file.exec('ROLLBACK');
      throw storageError(error);
    }
  }

  async get(id: string): Promise<LabelProposal | undefined> {
    const row = await this.#db.selectFrom('label_proposals').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : proposalOf(row);
  }

  async list({ connection, state }: ProposalFilter): Promise<readonly LabelProposal[]> {
    let query = this.#db.selectFrom('label_proposals').selectAll();
    if (connection !== undefined) query = query.where('connection', '=', connection);
    if (state !== undefined) query = query.where('state', '=', state);
    const rows = await query
      .orderBy('connection')
      .orderBy('schema_name')
      .orderBy('relation')
      .orderBy('column_name')
      .orderBy('label')
      .execute();
    return rows.map(proposalOf);
  }

  async decide(
    id: string,
    state: Exclude<ProposalState, 'open'>,
    { at, by, reason }: ProposalDecision,
  ): Promise<LabelProposal | undefined> {
    const row = await this.#db
      .updateTable('label_proposals')
      .set({ state, decided_at: at, decided_by: JSON.stringify(by), reason })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
    return row === undefined ? undefined : proposalOf(row);
  }

  #addOne(finding: Finding): boolean {
    const { connection, schema, relation, column, label, at, evidence } = finding;
    const { find, merge, insert, count, makeRoom } = this.#statements;
    const id = proposalId(finding);
    const known = find.get(id) as Pick<Row, 'evidence' | 'last_seen'> | undefined;
    if (known !== undefined) {
      const merged = mergedEvidence(JSON.parse(known.evidence) as LabelEvidence[], evidence);
      merge.run(JSON.stringify(merged), Math.max(at, known.last_seen), id);
      return true;
    }
    // Rows without a hit say something about what is proposed already, and propose nothing.
    if (evidence.hits === 0) return true;
    const { n } = count.get(connection) as { readonly n: number };
    if (n >= this.#most && makeRoom.run(connection).changes === 0) return false;
    insert.run(id, connection, schema, relation, column, label, JSON.stringify([evidence]), at, at);
    return true;
  }
}

/** The same column and label have the same id on every node and after every restart. */
function proposalId({ connection, schema, relation, column, label }: Finding): string {
  const hash = createHash('sha256').update(JSON.stringify([connection, schema, relation, column, label]));
  return `lbl_${hash.digest('hex').slice(0, 16)}`;
}

function mergedEvidence(known: readonly LabelEvidence[], found: LabelEvidence): LabelEvidence[] {
  const same = ({ source, detector }: LabelEvidence): boolean => source === found.source && detector === found.detector;
  const before = known.find(same);
  const adds = found.source === 'detected' && before !== undefined;
  const merged = adds ? { ...found, hits: before.hits + found.hits, rows: before.rows + found.rows } : found;
  return [...known.filter((each) => !same(each)), merged];
}

function proposalOf(row: Row): LabelProposal {
  const { decided_at, decided_by, reason } = row;
  return {
    id: row.id,
    connection: row.connection,
    schema: row.schema_name,
    relation: row.relation,
    column: row.column_name,
    label: row.label,
    state: row.state as ProposalState,
    evidence: JSON.parse(row.evidence) as LabelEvidence[],
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    ...(decided_at === null || decided_by === null
      ? {}
      : { decision: { at: decided_at, by: JSON.parse(decided_by) as ProposalDecision['by'], reason: reason ?? '' } }),
  };
}
