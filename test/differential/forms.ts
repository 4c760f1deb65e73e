import { type FormatCode, frontend } from '../../src/wire/postgres/index.ts';
import type { Choices } from './choices.ts';
import type { Query } from './queries.ts';

/** A case as it is sent: messages that each end with ReadyForQuery. */
export interface Sent {
  readonly form: string;
  readonly steps: readonly (readonly Buffer[])[];
  /** Puts the session back; its answer counts for nothing. */
  readonly after: readonly string[];
  /** What a person would read. */
  readonly text: string;
}

const TEXT_OID = 25;

/** Ways to have a query answered, and how often each is chosen. */
const FORMS = {
  simple: 16,
  extended: 12,
  binary: 8,
  twice: 5,
  script: 4,
  copy: 8,
  prepare: 5,
  cursor: 5,
  portal: 5,
  'temporary table': 2,
  'temporary view': 2,
  insert: 2,
} as const;
export type Form = keyof typeof FORMS;

const CHOICES = Object.entries(FORMS).flatMap(([form, weight]) => Array.from({ length: weight }, () => form as Form));

export function takesParameters(form: Form): boolean {
  return form === 'extended' || form === 'binary' || form === 'twice';
}

export function chooseForm(choices: Choices): Form {
  return choices.of(CHOICES);
}

/** The query in one of the ways, the same for every session. */
export function send(form: Form, query: Query, choices: Choices): Sent {
  const { sql } = query;
  const simple = (...statements: readonly string[]): Sent['steps'] => statements.map((each) => [frontend.query(each)]);
  const made = (steps: Sent['steps'], after: readonly string[] = [], text = sql): Sent => ({
    form,
    steps,
    after,
    text,
  });
  switch (form) {
    case 'simple':
      return made(simple(sql));
    case 'extended':
    case 'binary':
      return made([[...extended(query, form === 'binary' ? 1 : 0), frontend.sync()]], [], withParameters(query));
    case 'twice': {
      const run = [
        frontend.bind({ statement: 'd', parameters: values(query), resultFormats: [0] }),
        frontend.execute(),
        frontend.sync(),
      ];
      const prepared = [frontend.parse('d', sql, types(query)), frontend.describe('statement', 'd'), frontend.sync()];
      return made([prepared, run, run], ['DEALLOCATE ALL'], withParameters(query));
    }
    case 'script':
      return made(simple(`SELECT 1; ${sql}; SELECT 'after'`));
    case 'copy': {
      // In binary format the first row comes with the header.
      const formats = ['', ' WITH CSV HEADER', ...(query.ordered ? [' (FORMAT binary)'] : [])];
      return made(simple(`COPY (${sql}) TO STDOUT${choices.of(formats)}`));
    }
    case 'prepare':
      return made(simple(`PREPARE d AS ${sql}`, 'EXECUTE d', 'EXECUTE d'), ['DEALLOCATE ALL']);
    case 'cursor': {
      const all = query.ordered
        ? choices.of(['FETCH ALL FROM d', 'FETCH 2 FROM d', 'MOVE 1 FROM d'])
        : 'FETCH ALL FROM d';
      const kind = choices.of(['', 'SCROLL ', 'BINARY ']);
      const hold = choices.of([' ', ' WITH HOLD ']);
      return made(simple('BEGIN', `DECLARE d ${kind}CURSOR${hold}FOR ${sql}`, all, 'FETCH ALL FROM d', 'COMMIT'), [
        'ROLLBACK',
        'CLOSE ALL',
      ]);
    }
    case 'portal': {
      const rows = query.ordered ? 2 : 0;
      const parts = Array.from({ length: 3 }, () => frontend.execute('d', rows));
      const bind = frontend.bind({ portal: 'd', statement: '', resultFormats: [0] });
      return made([[frontend.parse('', sql), bind, frontend.describe('portal', 'd'), ...parts, frontend.sync()]]);
    }
    case 'temporary table': {
      const show = choices.of(['TABLE d_temp', 'SELECT * FROM d_temp', 'SELECT d_temp::text FROM d_temp']);
      return made(simple(`CREATE TEMP TABLE d_temp AS ${sql}`, show), ['DROP TABLE IF EXISTS d_temp']);
    }
    case 'temporary view':
      return made(simple(`CREATE TEMP VIEW d_view AS ${sql}`, 'SELECT * FROM d_view'), ['DROP VIEW IF EXISTS d_view']);
    case 'insert':
      return made(
        simple(
          `CREATE TEMP TABLE d_temp AS ${sql} WITH NO DATA`,
          `INSERT INTO d_temp ${sql} RETURNING *`,
          'SELECT count(*) FROM d_temp',
        ),
        ['DROP TABLE IF EXISTS d_temp'],
      );
  }
}

function extended(query: Query, format: FormatCode): readonly Buffer[] {
  return [
    frontend.parse('', query.sql, types(query)),
    frontend.describe('statement'),
    frontend.bind({ parameters: values(query), resultFormats: [format] }),
    frontend.describe('portal'),
    frontend.execute(),
  ];
}

function types(query: Query): readonly number[] {
  return query.parameters.map(() => TEXT_OID);
}

function values(query: Query): readonly Buffer[] {
  return query.parameters.map((value) => Buffer.from(value));
}

function withParameters({ sql, parameters }: Query): string {
  return parameters.length === 0 ? sql : `${sql}\n-- ${JSON.stringify(parameters)}`;
}
