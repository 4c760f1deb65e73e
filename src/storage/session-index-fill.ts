import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { parseDisclosure } from '../ledger/verify/index.ts';
import type { JsonValue } from '../model/json.ts';
import type { IndexedEntry } from './session-index-entry.ts';
import {
  asObject,
  classKey,
  detailOf,
  integer,
  list,
  Revealed,
  strings,
  text,
  unique,
} from './session-index-values.ts';

/** Longest statement text that is kept for searching, in characters; the ledger has the rest. */
const LONGEST_TEXT = 100_000;
/** Sessions, and classes and running statements of one, that are remembered between batches; what is forgotten is read or made again. */
const MOST_SESSIONS = 5_000;
const MOST_CLASSES = 2_000;
const MOST_OPEN = 4_096;

interface Statement {
  readonly seq: number;
  readonly stmt: number | null;
  readonly time: number;
  class: number;
  approval: string | null;
  rows: number | null;
  bytes: number | null;
  outcome: string | null;
  sqlstate: string | null;
  ms: number | null;
}

interface Session {
  readonly number: number;
  last: number;
  statements: number;
  refused: number;
  held: number;
  rows: number;
  /** Its youngest approval request, as long as no statement was recorded after it. */
  asked: string | null;
  askedAt: number;
  youngest: Statement | undefined;
  readonly classes: Map<string, number>;
  /** Statements that have not ended, by their number. */
  readonly open: Map<number, Statement>;
  readonly changed: Set<Statement>;
}

/**
 * Puts entries into the index. What statements of a session have in common (text, decision, labels …) is a row of its own, their class; one
 * more execution of the same statement costs one short row, whatever it says.
 */
export class IndexFill {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #sessions = new Map<string, Session>();
  readonly #dirty = new Set<Session>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Takes entries and the cursor behind them in one transaction: after a crash both are there or neither. */
  take(entries: readonly IndexedEntry[], cursor: number): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const entry of entries) this.#entry(entry);
      this.#flush();
      for (const name of ['cursor', 'taken'])
        this.#run('INSERT OR REPLACE INTO index_state (name, value) VALUES (?, ?)', name, String(cursor));
      this.#database.exec('COMMIT');
    } catch (error) {
      this.forget();
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** What is remembered of the tables is not true any more. */
  forget(): void {
    this.#sessions.clear();
    this.#dirty.clear();
  }

  #entry(entry: IndexedEntry): void {
    if (entry.session === undefined) return;
    const session = this.#session(entry.session, entry);
    session.last = Math.max(session.last, entry.time);
    this.#dirty.add(session);
    const { kind } = entry;
    if (kind === 'query') this.#query(entry, session);
    else if (kind === 'query.end') this.#queryEnd(entry, session);
    else if (kind === 'session.start') this.#start(entry, session);
    else if (kind === 'session.end') this.#end(entry, session);
    else this.#event(entry, session);
  }

  #session(id: string, { seq, time }: IndexedEntry): Session {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    if (this.#sessions.size >= MOST_SESSIONS) {
      this.#flush();
      this.#sessions.clear();
    }
    this.#run(
      'INSERT OR IGNORE INTO session_index (id, first_seq, started, last) VALUES (?, ?, ?, ?)',
      id,
      seq,
      time,
      time,
    );
    const row = this.#one('SELECT number, last, asked, asked_at FROM session_index WHERE id = ?', id) ?? {};
    const number = integer(row['number']) ?? 0;
    const session: Session = {
      number,
      last: integer(row['last']) ?? time,
      statements: 0,
      refused: 0,
      held: 0,
      rows: 0,
      asked: text(row['asked']),
      askedAt: integer(row['asked_at']) ?? 0,
      youngest: this.#stored('ORDER BY q.seq DESC LIMIT 1', number),
      classes: new Map(),
      open: new Map(),
      changed: new Set(),
    };
    this.#sessions.set(id, session);
    return session;
  }

  #start({ members, disclosures }: IndexedEntry, session: Session): void {
    const hidden = new Revealed(disclosures.map(parseDisclosure));
    const actor = asObject(hidden.one('actor'));
    const source = asObject(hidden.one('src'));
    this.#run(
      `UPDATE session_index SET person_id = ?, person_name = ?, kind = ?, issuer = ?, person_groups = ?, on_behalf_of = ?,
        connection = ?, client = ?, source = ? WHERE number = ?`,
      text(actor['id']),
      text(actor['name']),
      text(actor['kind']),
      text(actor['issuer']),
      list(actor['groups']),
      text(actor['on_behalf_of']),
      text(members['connection'] ?? hidden.one('connection')),
      text(members['client'] ?? hidden.one('client')),
      text(source['ip']),
      session.number,
    );
  }

  #end({ members, time, session: id }: IndexedEntry, session: Session): void {
    this.#settleAsked(session);
    this.#run(
      'UPDATE session_index SET ended = ?, reason = ? WHERE number = ?',
      time,
      text(members['reason']),
      session.number,
    );
    this.#flushSession(session);
    this.#dirty.delete(session);
    if (id !== undefined) this.#sessions.delete(id);
  }

  #query(entry: IndexedEntry, session: Session): void {
    const { members, seq, time } = entry;
    const decision = text(members['decision']) ?? 'refuse';
    const { asked } = session;
    const used = text(members['approval']);
    // A request is recorded before the statement it was opened for, unless its rows were already leaving.
    const opened = asked !== null && (used === asked || (used === null && decision === 'hold'));
    if (asked !== null && !opened) this.#settleAsked(session);
    const approval = used ?? (opened ? asked : null);
    const stmt = integer(members['stmt']);
    const statement: Statement = {
      seq,
      stmt,
      time,
      class: this.#class(entry, session, decision, approval),
      approval,
      rows: null,
      bytes: null,
      outcome: null,
      sqlstate: null,
      ms: null,
    };
    session.youngest = statement;
    session.changed.add(statement);
    if (stmt !== null && decision === 'forward') {
      if (session.open.size >= MOST_OPEN) session.open.clear();
      session.open.set(stmt, statement);
    }
    session.statements += 1;
    if (decision === 'refuse') session.refused += 1;
    if (!opened && (decision === 'hold' || approval !== null)) session.held += 1;
    if (opened) session.asked = null;
  }

  #class(entry: IndexedEntry, session: Session, decision: string, approval: string | null): number {
    const key = classKey(entry, decision, approval);
    const known = session.classes.get(key);
    if (known !== undefined) return known;
    const { members } = entry;
    const hidden = new Revealed(entry.disclosures.map(parseDisclosure));
    // A script's statements have a text each.
    const statements = hidden.all('statement').filter((value) => typeof value === 'string');
    const labels = unique(strings(members['labels']));
    const made = this.#run(
      `INSERT INTO statement_class (session, text, decision, verb, effect, fingerprint, policy, code, why, policies, labels, tables,
        masked, approval) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      session.number,
      statements.length === 0 ? null : statements.join(';\n').slice(0, LONGEST_TEXT),
      decision,
      text(members['verb']),
      text(members['effect']),
      text(members['fingerprint']),
      text(members['policy']),
      text(members['code']),
      text(hidden.one('reason')),
      list(members['policies']),
      JSON.stringify(labels),
      JSON.stringify(unique(hidden.all('tables').flatMap(strings))),
      integer(members['masked']) ?? 0,
      approval,
    );
    for (const label of labels)
      this.#run('INSERT OR IGNORE INTO session_label (session, label) VALUES (?, ?)', session.number, label);
    if (session.classes.size >= MOST_CLASSES) session.classes.clear();
    session.classes.set(key, made);
    return made;
  }

  /** A request without a statement of its own belongs to the one that was running then: its next row needed consent. */
  #settleAsked(session: Session): void {
    const { asked, youngest } = session;
    if (asked === null) return;
    session.asked = null;
    if (youngest === undefined || youngest.approval !== null) return;
    if (youngest.ms !== null && youngest.time + youngest.ms <= session.askedAt) return;
    youngest.class = this.#run(
      `INSERT INTO statement_class (session, text, decision, verb, effect, fingerprint, policy, code, why, policies, labels, tables,
        masked, approval) SELECT session, text, decision, verb, effect, fingerprint, policy, code, why, policies, labels, tables,
        masked, ? FROM statement_class WHERE id = ?`,
      asked,
      youngest.class,
    );
    youngest.approval = asked;
    session.changed.add(youngest);
  }

  #queryEnd({ members }: IndexedEntry, session: Session): void {
    const { ends } = members as { readonly ends?: JsonValue };
    if (Array.isArray(ends)) for (const end of ends) this.#ended(asObject(end), session);
    else this.#ended(members, session);
  }

  #ended(end: Readonly<Record<string, JsonValue | undefined>>, session: Session): void {
    const stmt = integer(end['stmt']);
    if (stmt === null) return;
    // A held statement has two records: the end belongs to the one that let it run, the youngest.
    const statement = session.open.get(stmt) ?? this.#forgotten(stmt, session);
    session.open.delete(stmt);
    if (statement === undefined || statement.outcome !== null) return;
    statement.rows = integer(end['rows']);
    statement.bytes = integer(end['bytes']);
    statement.outcome = text(end['outcome']) ?? 'ok';
    statement.sqlstate = text(end['sqlstate']);
    statement.ms = integer(end['ms']);
    session.rows += statement.rows ?? 0;
    session.changed.add(statement);
  }

  /** One that began before the index was opened, or before too many others. */
  #forgotten(stmt: number, session: Session): Statement | undefined {
    this.#flushStatements(session);
    return this.#stored('AND q.stmt = ? ORDER BY q.seq DESC LIMIT 1', session.number, stmt);
  }

  #event(entry: IndexedEntry, session: Session): void {
    const { members, seq, time, kind } = entry;
    this.#run(
      'INSERT INTO session_event (seq, session, time, kind, detail) VALUES (?, ?, ?, ?, ?)',
      seq,
      session.number,
      time,
      kind,
      JSON.stringify(detailOf(members)),
    );
    const request = kind === 'approval.requested' ? text(members['request']) : null;
    if (request === null) return;
    // Counts as held from now on, before anybody decided: the session may wait for days.
    this.#settleAsked(session);
    session.held += 1;
    session.asked = request;
    session.askedAt = time;
  }

  #flush(): void {
    for (const session of this.#dirty) this.#flushSession(session);
    this.#dirty.clear();
  }

  #flushSession(session: Session): void {
    this.#flushStatements(session);
    this.#run(
      `UPDATE session_index SET last = ?, statements = statements + ?, refused = refused + ?, held = held + ?, rows = rows + ?,
        asked = ?, asked_at = ? WHERE number = ?`,
      session.last,
      session.statements,
      session.refused,
      session.held,
      session.rows,
      session.asked,
      session.askedAt,
      session.number,
    );
    Object.assign(session, { statements: 0, refused: 0, held: 0, rows: 0 });
  }

  #flushStatements(session: Session): void {
    for (const { seq, class: common, stmt, time, rows, bytes, outcome, sqlstate, ms } of session.changed) {
      this.#run(
        `INSERT OR REPLACE INTO statement_index (session, seq, class, stmt, time, rows, bytes, outcome, sqlstate, ms)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[session.number, seq, common, stmt, time, rows, bytes, outcome, sqlstate, ms],
      );
    }
    session.changed.clear();
  }

  #stored(which: string, ...values: SQLInputValue[]): Statement | undefined {
    const row = this.#one(
      `SELECT q.*, c.approval FROM statement_index q JOIN statement_class c ON c.id = q.class WHERE q.session = ? ${which}`,
      ...values,
    );
    if (row === undefined) return undefined;
    return {
      seq: integer(row['seq']) ?? 0,
      stmt: integer(row['stmt']),
      time: integer(row['time']) ?? 0,
      class: integer(row['class']) ?? 0,
      approval: text(row['approval']),
      rows: integer(row['rows']),
      bytes: integer(row['bytes']),
      outcome: text(row['outcome']),
      sqlstate: text(row['sqlstate']),
      ms: integer(row['ms']),
    };
  }

  /** @returns the number of the row that was inserted last. */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid);
  }

  #one(sql: string, ...values: SQLInputValue[]): Record<string, JsonValue> | undefined {
    return this.#statement(sql).get(...values) as Record<string, JsonValue> | undefined;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
