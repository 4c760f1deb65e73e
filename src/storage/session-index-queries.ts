import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

export type StatementDecision = 'forward' | 'hold' | 'refuse';

/** All given conditions must hold; those on statements (`label`, `decision`, `text`, `table`) for one and the same statement. */
export interface SessionFilter {
  /** Principal id or name, exactly (letter case of ASCII aside). */
  readonly person?: string;
  readonly kind?: 'person' | 'service' | 'agent';
  readonly onBehalfOf?: string;
  readonly connection?: string;
  /** Milliseconds since the epoch: sessions that were there at or after `since`, and started before `until`. */
  readonly since?: number;
  readonly until?: number;
  /** A label or one above it: `pii` finds `pii.contact.email`. */
  readonly label?: string;
  readonly decision?: StatementDecision;
  /** Part of a statement's text. */
  readonly text?: string;
  /** `schema.table`, or the table's name alone. */
  readonly table?: string;
  /** 1–1,000; 50 by default. */
  readonly limit?: number;
  /** From `next` of the page before. */
  readonly cursor?: string;
}

export interface IndexedSession {
  readonly id: string;
  /** Index of its first record in the ledger. */
  readonly leaf: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Time of its last record. */
  readonly lastAt: number;
  /** Absent while it lives, or when the gateway died before its end. */
  readonly endedAt?: number;
  readonly endReason?: string;
  /** Absent when erased. */
  readonly person?: {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
    readonly issuer: string;
    readonly groups: readonly string[];
  };
  readonly onBehalfOf?: string;
  readonly connection: string;
  readonly client: string;
  readonly sourceIp: string;
  readonly statements: number;
  readonly refused: number;
  /** Statements that needed consent, whether it was given or not. */
  readonly held: number;
  /** Its youngest approval request, when no statement was recorded after it: it may still wait for that. */
  readonly waitsFor?: string;
  readonly rows: number;
  readonly labels: readonly string[];
}

export interface IndexedStatement {
  /** Index of its record in the ledger. */
  readonly leaf: number;
  /** Number in its session. */
  readonly number?: number;
  readonly at: number;
  /** Absent when erased. */
  readonly text?: string;
  readonly decision: StatementDecision;
  readonly verb: string;
  readonly effect?: string;
  readonly fingerprint?: string;
  /** Policy set in force. */
  readonly policy?: string;
  readonly policies: readonly string[];
  /** Refusal code and what the client was told. */
  readonly code?: string;
  readonly reason?: string;
  readonly tables: readonly string[];
  readonly labels: readonly string[];
  /** Masked columns. */
  readonly masked: number;
  /** Approval request that it waited for or used. */
  readonly approval?: string;
  /** Absent until it ended. */
  readonly rows?: number;
  readonly bytes?: number;
  readonly outcome?: string;
  readonly sqlstate?: string;
  readonly durationMs?: number;
}

export interface IndexedEvent {
  readonly leaf: number;
  readonly at: number;
  readonly kind: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface SessionPage {
  /** Youngest first. */
  readonly sessions: readonly IndexedSession[];
  /** Absent on the last page. */
  readonly next?: string;
}

export interface SessionDetail {
  readonly session: IndexedSession;
  /** In the order of the ledger; at most 10,000. */
  readonly statements: readonly IndexedStatement[];
  /** Its other records: approvals, alerts … */
  readonly events: readonly IndexedEvent[];
}

const MOST_STATEMENTS = 10_000;

type Row = Record<string, SQLInputValue>;

export function listSessions(database: DatabaseSync, filter: SessionFilter): SessionPage {
  const limit = Math.min(Math.max(Math.trunc(filter.limit ?? 50), 1), 1_000);
  const { where, values } = conditions(filter);
  const rows = database
    .prepare(`SELECT * FROM session_index s WHERE ${where} ORDER BY first_seq DESC LIMIT ?`)
    .all(...values, limit + 1) as Row[];
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    sessions: page.map((row) => toSession(database, row)),
    ...(rows.length > limit && last !== undefined ? { next: String(last['first_seq']) } : {}),
  };
}

export function showSession(database: DatabaseSync, id: string): SessionDetail | undefined {
  const row = database.prepare('SELECT * FROM session_index WHERE id = ?').get(id) as Row | undefined;
  if (row === undefined) return undefined;
  const number = row['number'] ?? null;
  const statements = database
    .prepare(
      'SELECT c.*, q.* FROM statement_index q JOIN statement_class c ON c.id = q.class WHERE q.session = ? ORDER BY q.seq LIMIT ?',
    )
    .all(number, MOST_STATEMENTS) as Row[];
  const events = database
    .prepare('SELECT * FROM session_event WHERE session = ? ORDER BY seq LIMIT ?')
    .all(number, MOST_STATEMENTS) as Row[];
  return { session: toSession(database, row), statements: statements.map(toStatement), events: events.map(toEvent) };
}

function conditions(filter: SessionFilter): { where: string; values: SQLInputValue[] } {
  const parts: string[] = ['TRUE'];
  const values: SQLInputValue[] = [];
  const add = (part: string, ...given: SQLInputValue[]): void => {
    parts.push(part);
    values.push(...given);
  };
  if (filter.person !== undefined) {
    add('(person_id = ? OR person_name = ? COLLATE NOCASE)', filter.person, filter.person);
  }
  if (filter.kind !== undefined) add('kind = ?', filter.kind);
  if (filter.onBehalfOf !== undefined) add('on_behalf_of = ?', filter.onBehalfOf);
  if (filter.connection !== undefined) add('connection = ?', filter.connection);
  if (filter.since !== undefined) add('last >= ?', filter.since);
  if (filter.until !== undefined) add('started < ?', filter.until);
  if (filter.cursor !== undefined)
    add('first_seq < ?', /^[0-9]{1,15}$/.test(filter.cursor) ? Number(filter.cursor) : 0);
  const ofStatement: string[] = [];
  const addOfStatement = (part: string, ...given: SQLInputValue[]): void => {
    ofStatement.push(part);
    values.push(...given);
  };
  // A statement that was forwarded with consent was held all the same.
  if (filter.decision === 'hold') addOfStatement("(q.decision = 'hold' OR q.approval IS NOT NULL)");
  else if (filter.decision !== undefined) addOfStatement('q.decision = ?', filter.decision);
  if (filter.text !== undefined) addOfStatement("q.text LIKE ? ESCAPE '\\'", `%${escapeLike(filter.text)}%`);
  if (filter.label !== undefined) {
    addOfStatement(
      "EXISTS (SELECT 1 FROM json_each(q.labels) l WHERE l.value = ? OR l.value LIKE ? ESCAPE '\\')",
      filter.label,
      `${escapeLike(filter.label)}.%`,
    );
  }
  if (filter.table !== undefined) {
    addOfStatement(
      "EXISTS (SELECT 1 FROM json_each(q.tables) t WHERE t.value = ? OR t.value LIKE ? ESCAPE '\\')",
      filter.table,
      `%.${escapeLike(filter.table)}`,
    );
  }
  // One that still waits is counted, but has no record of its own yet.
  if (filter.decision === 'hold' && ofStatement.length === 1) parts.push('s.held > 0');
  else if (ofStatement.length > 0) {
    parts.push(`EXISTS (SELECT 1 FROM statement_class q WHERE q.session = s.number AND ${ofStatement.join(' AND ')})`);
  }
  return { where: parts.join(' AND '), values };
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

function toSession(database: DatabaseSync, row: Row): IndexedSession {
  const labels = database
    .prepare('SELECT label FROM session_label WHERE session = ? ORDER BY label')
    .all(row['number'] ?? null) as Row[];
  const id = optional(row['person_id']);
  return {
    id: String(row['id']),
    leaf: Number(row['first_seq']),
    startedAt: Number(row['started']),
    lastAt: Number(row['last']),
    ...given('endedAt', number(row['ended'])),
    ...given('endReason', optional(row['reason'])),
    ...(id === undefined
      ? {}
      : {
          person: {
            id,
            name: optional(row['person_name']) ?? id,
            kind: optional(row['kind']) ?? '',
            issuer: optional(row['issuer']) ?? '',
            groups: parsedList(row['person_groups']),
          },
        }),
    ...given('onBehalfOf', optional(row['on_behalf_of'])),
    connection: optional(row['connection']) ?? '',
    client: optional(row['client']) ?? '',
    sourceIp: optional(row['source']) ?? '',
    statements: Number(row['statements']),
    refused: Number(row['refused']),
    held: Number(row['held']),
    ...given('waitsFor', optional(row['asked'])),
    rows: Number(row['rows']),
    labels: labels.map(({ label }) => String(label)),
  };
}

function toStatement(row: Row): IndexedStatement {
  return {
    leaf: Number(row['seq']),
    ...given('number', number(row['stmt'])),
    at: Number(row['time']),
    ...given('text', optional(row['text'])),
    decision: String(row['decision']) as StatementDecision,
    verb: optional(row['verb']) ?? '',
    ...given('effect', optional(row['effect'])),
    ...given('fingerprint', optional(row['fingerprint'])),
    ...given('policy', optional(row['policy'])),
    policies: parsedList(row['policies']),
    ...given('code', optional(row['code'])),
    ...given('reason', optional(row['why'])),
    tables: parsedList(row['tables']),
    labels: parsedList(row['labels']),
    masked: Number(row['masked']),
    ...given('approval', optional(row['approval'])),
    ...given('rows', number(row['rows'])),
    ...given('bytes', number(row['bytes'])),
    ...given('outcome', optional(row['outcome'])),
    ...given('sqlstate', optional(row['sqlstate'])),
    ...given('durationMs', number(row['ms'])),
  };
}

function toEvent(row: Row): IndexedEvent {
  return {
    leaf: Number(row['seq']),
    at: Number(row['time']),
    kind: String(row['kind']),
    detail: JSON.parse(String(row['detail'])),
  };
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

function optional(value: SQLInputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: SQLInputValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function parsedList(value: SQLInputValue | undefined): string[] {
  return typeof value === 'string' ? JSON.parse(value) : [];
}
