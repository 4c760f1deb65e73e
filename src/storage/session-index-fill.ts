import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { type EntryEnvelope, parseDisclosure } from '../ledger/verify/index.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';

/** Longest statement text that is kept for searching, in characters; the ledger has the rest. */
const LONGEST_TEXT = 100_000;

/** One durable entry with what is disclosed of it. */
export interface IndexedEntry {
  readonly envelope: EntryEnvelope;
  readonly disclosures: readonly string[];
}

/** Puts entries into the index. Taking the same entry twice changes nothing. */
export class IndexFill {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Takes entries and the cursor behind them in one transaction: after a crash both are there or neither. */
  take(entries: readonly IndexedEntry[], cursor: number): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const entry of entries) this.#entry(entry);
      this.#run('INSERT OR REPLACE INTO index_state (name, value) VALUES (?, ?)', 'cursor', String(cursor));
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #entry({ envelope, disclosures }: IndexedEntry): void {
    const { session, seq, time, kind } = envelope;
    if (session === undefined) return;
    const hidden = revealed(disclosures);
    this.#run(
      'INSERT INTO session_index (id, first_seq, started, last) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)',
      session,
      seq,
      time,
      time,
    );
    if (kind === 'session.start') this.#start(envelope, session, hidden);
    else if (kind === 'session.end') this.#end(envelope, session);
    else if (kind === 'query') this.#query(envelope, session, hidden);
    else if (kind === 'query.end') this.#queryEnd(envelope, session);
    else {
      const first = this.#event(envelope, session);
      if (first && kind === 'approval.requested') this.#asked(envelope, session);
    }
  }

  #start(envelope: EntryEnvelope, session: string, hidden: Revealed): void {
    const { members } = envelope;
    const actor = asObject(hidden.one('actor'));
    const source = asObject(hidden.one('src'));
    this.#run(
      `UPDATE session_index SET person_id = ?, person_name = ?, kind = ?, issuer = ?, person_groups = ?, on_behalf_of = ?,
        connection = ?, client = ?, source = ? WHERE id = ?`,
      text(actor['id']),
      text(actor['name']),
      text(actor['kind']),
      text(actor['issuer']),
      list(actor['groups']),
      text(actor['on_behalf_of']),
      text(members['connection'] ?? hidden.one('connection')),
      text(members['client'] ?? hidden.one('client')),
      text(source['ip']),
      session,
    );
  }

  #end({ members, time }: EntryEnvelope, session: string): void {
    this.#settleAsked(session);
    this.#run('UPDATE session_index SET ended = ?, reason = ? WHERE id = ?', time, text(members['reason']), session);
  }

  #query({ members, seq, time }: EntryEnvelope, session: string, hidden: Revealed): void {
    const decision = text(members['decision']) ?? 'refuse';
    // A script's statements have a text each.
    const statements = hidden.all('statement').filter((value) => typeof value === 'string');
    const tables = unique(hidden.all('tables').flatMap(strings));
    const labels = unique(strings(members['labels']));
    const known = this.#one('SELECT 1 AS found FROM statement_index WHERE seq = ?', seq) !== undefined;
    if (known) return;
    const asked = text(this.#one('SELECT asked FROM session_index WHERE id = ?', session)?.['asked']);
    const used = text(members['approval']);
    // A request is recorded before the statement it was opened for, unless its rows were already leaving.
    const opened = asked !== null && (used === asked || (used === null && decision === 'hold'));
    if (asked !== null && !opened) this.#settleAsked(session);
    const approval = used ?? (opened ? asked : null);
    this.#run(
      `INSERT INTO statement_index (seq, session, stmt, time, text, decision, verb, effect, fingerprint, policy, code, why,
        policies, labels, tables, masked, approval) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      seq,
      session,
      integer(members['stmt']),
      time,
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
      JSON.stringify(tables),
      integer(members['masked']) ?? 0,
      approval,
    );
    for (const label of labels)
      this.#run('INSERT OR IGNORE INTO statement_label (seq, label) VALUES (?, ?)', seq, label);
    for (const table of tables)
      this.#run('INSERT OR IGNORE INTO statement_table (seq, name) VALUES (?, ?)', seq, table);
    this.#run(
      'UPDATE session_index SET statements = statements + 1, refused = refused + ?, held = held + ? WHERE id = ?',
      decision === 'refuse' ? 1 : 0,
      !opened && (decision === 'hold' || approval !== null) ? 1 : 0,
      session,
    );
    if (opened) this.#run('UPDATE session_index SET asked = NULL WHERE id = ?', session);
  }

  /** Counts as held from now on, before anybody decided: the session may wait for days. */
  #asked({ members, time }: EntryEnvelope, session: string): void {
    const request = text(members['request']);
    if (request === null) return;
    this.#settleAsked(session);
    this.#run('UPDATE session_index SET held = held + 1, asked = ?, asked_at = ? WHERE id = ?', request, time, session);
  }

  /** A request without a statement of its own belongs to the one that was running then: its next row needed consent. */
  #settleAsked(session: string): void {
    this.#run(
      `UPDATE statement_index SET approval = s.asked FROM session_index s
        WHERE s.id = ? AND s.asked IS NOT NULL AND statement_index.approval IS NULL
          AND statement_index.seq = (SELECT max(seq) FROM statement_index WHERE session = s.id)
          AND (statement_index.ms IS NULL OR statement_index.time + statement_index.ms > s.asked_at)`,
      session,
    );
    this.#run('UPDATE session_index SET asked = NULL WHERE id = ? AND asked IS NOT NULL', session);
  }

  #queryEnd({ members }: EntryEnvelope, session: string): void {
    // A held statement has two records: the end belongs to the one that let it run, the youngest.
    const ended = this.#run(
      `UPDATE statement_index SET rows = ?, bytes = ?, outcome = ?, sqlstate = ?, ms = ?
        WHERE outcome IS NULL AND seq = (SELECT max(seq) FROM statement_index WHERE session = ? AND stmt = ?)`,
      integer(members['rows']),
      integer(members['bytes']),
      text(members['outcome']) ?? 'ok',
      text(members['sqlstate']),
      integer(members['ms']),
      session,
      integer(members['stmt']),
    );
    if (ended > 0)
      this.#run('UPDATE session_index SET rows = rows + ? WHERE id = ?', integer(members['rows']) ?? 0, session);
  }

  /** True when the record was not there before. */
  #event({ members, seq, time, kind }: EntryEnvelope, session: string): boolean {
    const detail = Object.fromEntries(Object.entries(members).filter(([name]) => !ENVELOPE.has(name)));
    const inserted = this.#run(
      'INSERT OR IGNORE INTO session_event (seq, session, time, kind, detail) VALUES (?, ?, ?, ?, ?)',
      seq,
      session,
      time,
      kind,
      JSON.stringify(detail),
    );
    return inserted > 0;
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
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

const ENVELOPE = new Set(['_sd', '_sd_alg', 'k', 'lag', 'log', 'seq', 'ses', 't', 'v']);

/** Disclosed values by name; a name may come several times. */
class Revealed {
  readonly #values: readonly { readonly name: string; readonly value: JsonValue }[];

  constructor(values: readonly { readonly name: string; readonly value: JsonValue }[]) {
    this.#values = values;
  }

  one(name: string): JsonValue | undefined {
    return this.#values.find((one) => one.name === name)?.value;
  }

  all(name: string): JsonValue[] {
    return this.#values.filter((one) => one.name === name).map(({ value }) => value);
  }
}

function revealed(disclosures: readonly string[]): Revealed {
  return new Revealed(disclosures.map(parseDisclosure));
}

function asObject(value: JsonValue | undefined): Readonly<Record<string, JsonValue | undefined>> {
  return isObject(value) ? value : {};
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function integer(value: JsonValue | undefined): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

function strings(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function list(value: JsonValue | undefined): string {
  return JSON.stringify(strings(value));
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
