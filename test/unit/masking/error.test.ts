import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { type ErrorField, gateError } from '../../../src/masking/index.ts';
import { installations, type RealPostgres, startPostgres } from './real-postgres.ts';

/** Field letters: https://www.postgresql.org/docs/current/protocol-error-fields.html */
const LETTERS: Readonly<Record<string, string>> = {
  severity: 'S',
  code: 'C',
  message: 'M',
  detail: 'D',
  hint: 'H',
  position: 'P',
  internalPosition: 'p',
  internalQuery: 'q',
  where: 'W',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'd',
  constraint: 'n',
  file: 'F',
  line: 'L',
  routine: 'R',
};

function fieldsOf(error: object): ErrorField[] {
  return Object.entries(LETTERS).flatMap(([name, code]) => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === 'string' ? [{ code, value }] : [];
  });
}

const get = (fields: readonly ErrorField[], code: string) => fields.find((field) => field.code === code)?.value;

const SECRET = 'sekret77';
const NUMBER = '918273645';

const SETUP = `
CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE, salary int CHECK (salary > 0), note text NOT NULL);
INSERT INTO people VALUES (1, '${SECRET}', ${NUMBER}, 'x');
CREATE TABLE refs (id int REFERENCES people);
INSERT INTO refs VALUES (1);
CREATE VIEW as_number AS SELECT email::int AS n FROM people;
CREATE VIEW as_date AS SELECT email::date AS d FROM people;
CREATE VIEW as_json AS SELECT ('{' || email)::json AS j FROM people;
CREATE VIEW as_small AS SELECT salary::text::smallint AS s FROM people;
CREATE VIEW as_char AS SELECT chr(salary) AS c FROM people;
CREATE VIEW as_made AS SELECT make_date(salary, 77, 88) AS d FROM people;
CREATE VIEW as_array AS SELECT email::int[] AS a FROM people;
CREATE VIEW as_query AS SELECT to_tsquery('simple', email || ' ' || email) AS q FROM people;
CREATE VIEW as_vector AS SELECT ('''' || email)::tsvector AS v FROM people;
CREATE VIEW as_relation AS SELECT email::regclass AS r FROM people;
CREATE VIEW as_many_parts AS SELECT replace('a.b.c.d.x', 'x', email)::regclass AS r FROM people;
CREATE VIEW as_other_database AS SELECT ('a.b.' || email)::regclass AS r FROM people;
CREATE VIEW as_routine AS SELECT email::regproc AS r FROM people;
CREATE VIEW as_type AS SELECT email::regtype AS r FROM people;
CREATE VIEW as_role AS SELECT email::regrole AS r FROM people;
CREATE VIEW as_schema AS SELECT email::regnamespace AS r FROM people;
CREATE VIEW as_dictionary AS SELECT email::regdictionary AS r FROM people;
CREATE VIEW as_database AS SELECT has_database_privilege(email, 'connect') AS p FROM people;
CREATE VIEW as_column AS SELECT has_column_privilege('people', email, 'select') AS p FROM people;
CREATE VIEW as_setting AS SELECT current_setting(email) AS s FROM people;
CREATE VIEW as_headline AS SELECT ts_headline(email, 'x'::tsquery, 'a=' || email || ' x') AS h FROM people;
CREATE VIEW as_form AS SELECT is_normalized('x', email || 'x') AS n FROM people;
CREATE FUNCTION named(e text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = e; END $$;
CREATE VIEW by_condition AS SELECT named(email) AS n FROM people;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'row is %', NEW USING DETAIL = NEW.email, HINT = NEW.email, ERRCODE = TG_ARGV[0], COLUMN = NEW.email, TABLE = NEW.email; END $$;
CREATE TABLE loud AS SELECT * FROM people;
CREATE TRIGGER t BEFORE UPDATE ON loud FOR EACH ROW EXECUTE FUNCTION shout('22012');
CREATE TABLE loud42 AS SELECT * FROM people;
CREATE TRIGGER t BEFORE UPDATE ON loud42 FOR EACH ROW EXECUTE FUNCTION shout('42501');
CREATE FUNCTION convert_it(e text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN e::int; END $$;
CREATE VIEW by_function AS SELECT convert_it(email) AS n FROM people;
CREATE FUNCTION whisper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row is %', NEW; RETURN NEW; END $$;
CREATE TABLE noticed AS SELECT * FROM people;
CREATE TRIGGER t BEFORE UPDATE ON noticed FOR EACH ROW EXECUTE FUNCTION whisper();
`;

describe('errors of a real server', () => {
  let server: RealPostgres;
  let client: pg.Client;

  before(async () => {
    const [installation] = await installations();
    assert.ok(installation);
    server = await startPostgres(installation);
    client = await server.connect();
    await client.query(SETUP);
  });

  after(async () => {
    await client?.end();
    await server?.stop();
  });

  async function failing(sql: string): Promise<ErrorField[]> {
    try {
      await client.query(sql);
    } catch (error) {
      assert.ok(error instanceof pg.DatabaseError, String(error));
      return fieldsOf(error);
    }
    assert.fail(`no error: ${sql}`);
  }

  const leaking: readonly (readonly [string, string])[] = [
    ['SELECT * FROM as_number', '22P02'],
    ['SELECT * FROM as_date', '22007'],
    ['SELECT * FROM as_json', '22P02'],
    ['SELECT * FROM as_small', '22003'],
    ['SELECT * FROM as_char', '54000'],
    ['SELECT * FROM as_made', '22008'],
    ['SELECT * FROM as_array', '22P02'],
    ['SELECT * FROM by_function', '22P02'],
    ['SELECT * FROM as_query', '42601'],
    ['SELECT * FROM as_vector', '42601'],
    ['SELECT * FROM as_relation', '42P01'],
    ['SELECT * FROM as_many_parts', '42601'],
    ['SELECT * FROM as_other_database', '0A000'],
    ['SELECT * FROM as_routine', '42883'],
    ['SELECT * FROM as_type', '42704'],
    ['SELECT * FROM as_role', '42704'],
    ['SELECT * FROM as_schema', '3F000'],
    ['SELECT * FROM as_dictionary', '42704'],
    ['SELECT * FROM as_database', '3D000'],
    ['SELECT * FROM as_column', '42703'],
    ['SELECT * FROM as_setting', '42704'],
    ['SELECT * FROM as_headline', '42601'],
    ['SELECT * FROM as_form', '22023'],
    ['SELECT * FROM by_condition', '42704'],
    [`UPDATE people SET note = NULL`, '23502'],
    [`UPDATE people SET salary = -salary`, '23514'],
    [`INSERT INTO people SELECT 2, email, 5, 'y' FROM people`, '23505'],
    ['UPDATE loud SET id = 5', '22012'],
    ['UPDATE loud42 SET id = 5', '42501'],
  ];

  for (const [sql, sqlstate] of leaking) {
    test(`${sql} fails with ${sqlstate} and says nothing of the row`, async () => {
      const raw = await failing(sql);
      assert.equal(get(raw, 'C'), sqlstate);
      assert.match(JSON.stringify(raw), new RegExp(`${SECRET}|${NUMBER}`), 'the server itself would have told');
      const gated = gateError(raw, true);
      assert.doesNotMatch(JSON.stringify(gated), new RegExp(`${SECRET}|${NUMBER}|row is`));
      assert.equal(get(gated, 'C'), sqlstate);
      assert.equal(get(gated, 'S'), 'ERROR');
      assert.ok(get(gated, 'M'));
      assert.deepEqual(gateError(raw, false), raw, 'for a principal from whom nothing is hidden it passes unchanged');
    });
  }

  test('what drivers act on stays: constraint, table, column names, and messages that hold no values', async () => {
    const unique = gateError(await failing(`INSERT INTO people VALUES (3, '${SECRET}', 5, 'y')`), true);
    assert.equal(get(unique, 'n'), 'people_email_key');
    assert.equal(get(unique, 't'), 'people');
    assert.equal(get(unique, 'M'), 'duplicate key value violates unique constraint "people_email_key"');
    assert.equal(get(unique, 'D'), undefined);
    const foreign = gateError(await failing('DELETE FROM people'), true);
    assert.equal(get(foreign, 'C'), '23503');
    assert.equal(get(foreign, 'n'), 'refs_id_fkey');
  });

  test('mistakes in the client’s own text are told as by the server, with position and hint', async () => {
    for (const sql of [
      "SELECT 'abc'::int",
      'SELECT emial FROM people',
      'SELECT * FROM nowhere',
      'SELCT 1',
      "SELECT date '2020-13-45'",
    ]) {
      const raw = await failing(sql);
      const gated = gateError(raw, true);
      for (const code of ['C', 'M', 'P', 'H', 'D']) assert.equal(get(gated, code), get(raw, code), `${sql} ${code}`);
    }
  });

  test('names of objects stay where no rows are computed, and where an object is there already', async () => {
    const message = async (sql: string, computes: boolean) => get(gateError(await failing(sql), true, computes), 'M');
    assert.equal(await message('DROP ROLE nobody', false), 'role "nobody" does not exist');
    assert.equal(await message('SET nothing = 1', false), 'unrecognized configuration parameter "nothing"');
    assert.equal(await message('CREATE TABLE people AS SELECT 1 AS n', true), 'relation "people" already exists');
    assert.equal(
      await message("SELECT 'x' ~ (n::text || '(') FROM (SELECT 1 AS n OFFSET 0) x", true),
      'invalid regular expression: parentheses () not balanced',
    );
  });

  test('the values of a message go, its words and type modifiers stay', async () => {
    const message = async (sql: string) => get(gateError(await failing(sql), true), 'M');
    assert.equal(await message('SELECT * FROM as_number'), 'invalid input syntax for type integer: "***"');
    assert.equal(await message('SELECT n / 0 FROM (SELECT 1 AS n OFFSET 0) x'), 'division by zero');
    assert.equal(
      await message(
        `SELECT repeat('x', 9)::varchar(2000) FROM people WHERE (email || repeat(' ', 9))::char(3) = (SELECT 1/0)::text`,
      ),
      'division by zero',
    );
  });

  test('a notice that somebody composed is withheld', async () => {
    const notices: ErrorField[][] = [];
    client.on('notice', (notice) => notices.push(fieldsOf(notice)));
    await client.query('UPDATE noticed SET id = 5');
    client.removeAllListeners('notice');
    assert.match(JSON.stringify(notices), new RegExp(SECRET));
    const gated = notices.map((notice) => gateError(notice, true));
    assert.doesNotMatch(JSON.stringify(gated), new RegExp(SECRET));
    assert.equal(get(gated[0] ?? [], 'S'), 'NOTICE');
  });
});

test('COPY says where it failed, without the value', () => {
  const gated = gateError(
    [
      { code: 'S', value: 'ERROR' },
      { code: 'C', value: '22P02' },
      { code: 'M', value: 'invalid input syntax for type integer: "a"b"' },
      { code: 'W', value: 'COPY people, line 3, column id: "a"b"' },
    ],
    true,
  );
  assert.equal(get(gated, 'W'), 'COPY people, line 3');
  assert.equal(get(gated, 'M'), 'invalid input syntax for type integer: "***"');
});

test('an unknown field, and an error without SQLSTATE, tell nothing', () => {
  const gated = gateError(
    [
      { code: 'M', value: 'odd "x" 7' },
      { code: 'Z', value: 'x' },
      { code: 'D', value: 'x' },
    ],
    true,
  );
  assert.deepEqual(gated, [{ code: 'M', value: 'odd "***" ***' }]);
});
