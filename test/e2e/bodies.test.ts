/** Code that stands behind names or runs by itself: it may show nothing hidden, whatever it is written in, and harmless code goes on working. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import { assertMasked, type House, openHouse, SECRET } from '../support/gateway-house.ts';

let house: House;
let analyst: pg.Client;
let engineer: pg.Client;

const OBJECTS = `SET ROLE app;
  CREATE SCHEMA code;
  SET search_path = code, pg_catalog;

  -- Readers, one per way of getting a value out.
  CREATE FUNCTION by_sql() RETURNS text LANGUAGE sql AS 'SELECT email FROM shop.customers ORDER BY id LIMIT 1';
  CREATE FUNCTION by_query() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT c.email::text FROM shop.customers c LIMIT 3; END $$;
  CREATE FUNCTION by_loop() RETURNS SETOF shop.customers LANGUAGE plpgsql AS $$
    DECLARE c shop.customers%ROWTYPE; BEGIN FOR c IN SELECT * FROM shop.customers LIMIT 2 LOOP RETURN NEXT c; END LOOP; END $$;
  CREATE FUNCTION by_out(OUT mail text, INOUT n int) LANGUAGE plpgsql AS $$ BEGIN mail := (SELECT email FROM shop.customers WHERE id = n); END $$;
  CREATE FUNCTION by_table() RETURNS TABLE (mail text, id int) LANGUAGE plpgsql AS $$ BEGIN
    SELECT c.email, c.id INTO mail, id FROM shop.customers c LIMIT 1; RETURN NEXT; END $$;
  CREATE FUNCTION by_path() RETURNS text LANGUAGE plpgsql SET search_path = shop AS $$ BEGIN RETURN (SELECT email FROM customers LIMIT 1); END $$;
  CREATE FUNCTION by_execute() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE v text; BEGIN EXECUTE 'SELECT email FROM shop.customers LIMIT 1' INTO v; RETURN v; END $$;
  CREATE FUNCTION by_query_execute() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT email::text FROM shop.customers'; END $$;
  CREATE FUNCTION by_error() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', (SELECT email FROM shop.customers LIMIT 1); END $$;
  CREATE FUNCTION by_detail() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no' USING DETAIL = (SELECT email FROM shop.customers LIMIT 1); END $$;
  CREATE FUNCTION by_notice() RETURNS int LANGUAGE plpgsql AS $$
    DECLARE v text; BEGIN SELECT email INTO v FROM shop.customers LIMIT 1; RAISE NOTICE 'saw %', v; RETURN 1; END $$;
  CREATE FUNCTION by_assert() RETURNS int LANGUAGE plpgsql AS $$ BEGIN ASSERT false, (SELECT email FROM shop.customers LIMIT 1); RETURN 1; END $$;
  CREATE FUNCTION by_cast() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT email::text::int FROM shop.customers LIMIT 1); END $$;
  CREATE FUNCTION by_condition(guess text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN IF EXISTS (SELECT FROM shop.customers WHERE email = guess) THEN RETURN true; END IF; RETURN false; END $$;
  CREATE FUNCTION by_cursor() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE k CURSOR FOR SELECT email FROM shop.customers; v text; BEGIN OPEN k; FETCH k INTO v; CLOSE k; RETURN v; END $$;
  CREATE FUNCTION by_other() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN code.by_path(); END $$;
  CREATE FUNCTION by_default(v text DEFAULT (code.by_sql())) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN v; END $$;
  CREATE FUNCTION by_definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT email FROM shop.customers LIMIT 1); END $$;
  CREATE FUNCTION by_array() RETURNS text[] LANGUAGE plpgsql AS $$
    DECLARE a text[]; BEGIN a[1] := (SELECT email FROM shop.customers LIMIT 1); RETURN a; END $$;
  CREATE FUNCTION by_view() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT buyer FROM shop.order_overview LIMIT 1); END $$;
  CREATE FUNCTION by_handler() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE d text; BEGIN
      UPDATE shop.customers SET city = NULL WHERE id = 1;
      RETURN NULL;
    EXCEPTION WHEN not_null_violation THEN GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL; RETURN d; END $$;
  CREATE PROCEDURE by_call(INOUT v text) LANGUAGE plpgsql AS $$ BEGIN v := (SELECT email FROM shop.customers LIMIT 1); END $$;

  -- Harmless ones.
  CREATE TABLE notes (id int PRIMARY KEY, note text, at timestamptz);
  CREATE TABLE journal (id int, op text);
  INSERT INTO notes VALUES (1, 'open'), (2, 'more');
  CREATE FUNCTION gross(net numeric, rate numeric DEFAULT 0.2) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE factor CONSTANT numeric := 1 + rate; BEGIN RETURN round(net * factor, 2); END $$;
  CREATE FUNCTION fibonacci(n int) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN IF n < 2 THEN RETURN n; END IF; RETURN code.fibonacci(n - 1) + code.fibonacci(n - 2); END $$;
  CREATE FUNCTION words(t text) RETURNS SETOF text LANGUAGE plpgsql AS $$
    DECLARE w text; BEGIN FOREACH w IN ARRAY string_to_array(t, ' ') LOOP RETURN NEXT upper(w); END LOOP; RETURN; END $$;
  CREATE FUNCTION city_of(customer int) RETURNS text LANGUAGE plpgsql STABLE AS $$
    DECLARE r record; BEGIN SELECT c.city INTO STRICT r FROM shop.customers c WHERE c.id = customer; RETURN r.city;
    EXCEPTION WHEN no_data_found THEN RETURN 'none'; END $$;
  CREATE FUNCTION notes_like(pattern text) RETURNS TABLE (id int, note text) LANGUAGE plpgsql AS $$
    BEGIN RETURN QUERY SELECT n.id, n.note FROM code.notes n WHERE n.note LIKE pattern; END $$;
  CREATE FUNCTION first_note() RETURNS code.notes LANGUAGE plpgsql AS $$
    DECLARE n code.notes%ROWTYPE; BEGIN SELECT * INTO n FROM code.notes ORDER BY id LIMIT 1; n.note := upper(n.note); RETURN n; END $$;
  CREATE FUNCTION kind(n int) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN CASE WHEN n < 0 THEN RETURN 'negative'; WHEN n = 0 THEN RETURN 'zero'; ELSE RETURN 'positive'; END CASE; END $$;
  CREATE FUNCTION pair(OUT a int, OUT b text) LANGUAGE plpgsql AS $$ BEGIN a := 1; b := 'x'; END $$;
  CREATE FUNCTION changing() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'harmless'; END $$;
  CREATE FUNCTION told(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'n is %', n; RETURN n; END $$;
`;

before(async () => {
  house = await openHouse({
    // Calling and writing is allowed: what refuses is that something is hidden.
    policy: 'permit (principal in Group::"analysts", action in [Action::"call", Action::"write"], resource);',
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(OBJECTS);
      const { rows } = await admin.query<{ v: string }>(`SELECT current_setting('server_version_num') AS v`);
      if (Number(rows[0]?.v) >= 140000) {
        await admin.query(`CREATE FUNCTION code.by_atomic() RETURNS text LANGUAGE sql
          BEGIN ATOMIC SELECT c.email::text FROM shop.customers c ORDER BY c.id LIMIT 1; END;
          CREATE FUNCTION code.atomic_city(int) RETURNS text LANGUAGE sql RETURN (SELECT c.city FROM shop.customers c WHERE c.id = $1)`);
      } else {
        await admin.query(`CREATE FUNCTION code.by_atomic() RETURNS text LANGUAGE sql AS 'SELECT code.by_sql()';
          CREATE FUNCTION code.atomic_city(int) RETURNS text LANGUAGE sql AS 'SELECT code.city_of($1)'`);
      }
      await admin.end();
    },
  });
  analyst = await house.connect(await house.through('ana', 'analysts'));
  engineer = await house.connect(await house.through('eng', 'engineers'));
});
after(() => house[Symbol.asyncDispose]());

/** All that a client is told: rows, errors, notices. */
async function heard(client: pg.Client, sql: string): Promise<string> {
  const told: string[] = [];
  const listen = (notice: { message?: string | undefined; detail?: string | undefined }): void => {
    told.push(`${notice.message} ${notice.detail}`);
  };
  client.on('notice', listen);
  try {
    told.push(JSON.stringify((await client.query(sql)).rows));
  } catch (error) {
    const { message, detail, hint, where } = error as pg.DatabaseError;
    told.push(`${message} ${detail} ${hint} ${where}`);
  } finally {
    client.off('notice', listen);
  }
  return told.join('\n');
}

const attacks: readonly (readonly [string, RegExp])[] = [
  ['SELECT code.by_sql()', /code\.by_sql reads columns that are masked for you \(email of shop\.customers\)/],
  ['SELECT code.by_atomic()', /code\.by_(atomic|sql) reads columns .*email of shop\.customers/],
  ['SELECT * FROM code.by_query()', /code\.by_query reads .*email of shop\.customers/],
  ['SELECT * FROM code.by_loop()', /code\.by_loop reads .*full_name.*email.*of shop\.customers/],
  ['SELECT * FROM code.by_out(1)', /code\.by_out reads .*email of shop\.customers/],
  ['SELECT * FROM code.by_table()', /code\.by_table reads .*email of shop\.customers/],
  ['SELECT code.by_path()', /code\.by_path reads .*email of shop\.customers/],
  ['SELECT code.by_execute()', /code\.by_execute .*could show masked data: what it runs is not all written in it/],
  ['SELECT code.by_query_execute()', /code\.by_query_execute .*could show masked data/],
  ['SELECT code.by_error()', /code\.by_error reads .*email/],
  ['SELECT code.by_detail()', /code\.by_detail reads .*email/],
  ['SELECT code.by_notice()', /code\.by_notice reads .*email/],
  ['SELECT code.by_assert()', /code\.by_assert reads .*email/],
  ['SELECT code.by_cast()', /code\.by_cast reads .*email/],
  [`SELECT code.by_condition('Person1@secret1.example')`, /code\.by_condition reads .*email/],
  ['SELECT code.by_cursor()', /code\.by_cursor reads .*email/],
  ['SELECT code.by_other()', /code\.by_path reads .*email/],
  ['SELECT code.by_default()', /code\.by_sql reads .*email/],
  ['SELECT code.by_definer()', /code\.by_definer reads .*email/],
  ['SELECT code.by_array()', /code\.by_array reads .*email/],
  ['SELECT code.by_view()', /code\.by_view reads .*buyer of shop\.order_overview/],
  ['SELECT code.by_handler()', /code\.by_handler looks at the details of errors/],
  ["CALL code.by_call('')", /code\.by_call reads .*email/],
  ["DO $$ BEGIN RAISE NOTICE '%', code.by_path(); END $$", /code\.by_path reads .*email/],
  [
    `DO $$ DECLARE d text; BEGIN UPDATE shop.customers SET city = NULL WHERE id = 1;
       EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL; RAISE NOTICE '%', d; END $$`,
    /The block looks at the details of errors/,
  ],
];
for (const [sql, reason] of attacks) {
  test(`hidden values do not come out of ${sql.replace(/\s+/g, ' ').slice(0, 60)}`, async () => {
    if (!/by_condition/.test(sql)) assert.match(await heard(engineer, sql), SECRET, 'it shows them without masks');
    const told = await heard(analyst, sql);
    assertMasked(told);
    assert.match(told, reason);
  });
}

const benign: readonly string[] = [
  'SELECT code.gross(100), code.gross(100, 0.1)',
  'SELECT code.fibonacci(10)',
  `SELECT * FROM code.words('a b c')`,
  'SELECT code.city_of(7), code.city_of(-1)',
  `SELECT * FROM code.notes_like('o%')`,
  'SELECT * FROM code.first_note()',
  'SELECT code.kind(n) FROM generate_series(-1, 1) n',
  'SELECT * FROM code.pair()',
  'SELECT code.told(3)',
  'SELECT code.atomic_city(7)',
  'SELECT shop.order_count(5)',
  'SELECT id, code.gross(total) FROM shop.orders ORDER BY id LIMIT 5',
  `DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM shop.orders; PERFORM code.told(n); END $$`,
];
for (const sql of benign) {
  test(`harmless code goes on: ${sql}`, async () => {
    const rows = [];
    for (const client of [engineer, analyst]) rows.push((await client.query(sql)).rows);
    assert.deepEqual(rows[1], rows[0]);
  });
}

test('the text of what harmless code raises is withheld all the same', async () => {
  assert.match(await heard(engineer, 'SELECT code.told(3)'), /n is 3/);
  assert.match(await heard(analyst, 'SELECT code.told(3)'), /its text is withheld/);
});

test('a body that is replaced past the gateway is read anew, also for what is prepared', async () => {
  const prepared = { name: 'changing', text: 'SELECT code.changing() AS v' };
  for (const query of ['SELECT code.changing() AS v', prepared])
    assert.equal((await analyst.query(query)).rows[0]?.v, 'harmless');
  const admin = await house.server.admin();
  await admin.query(`CREATE OR REPLACE FUNCTION code.changing() RETURNS text LANGUAGE plpgsql AS $$
    BEGIN RETURN (SELECT email FROM shop.customers ORDER BY id LIMIT 1); END $$`);
  await admin.end();
  for (const query of [prepared, 'SELECT code.changing() AS v', { ...prepared, name: 'again' }]) {
    await assert.rejects(analyst.query(query), (error: pg.DatabaseError) => {
      assertMasked(JSON.stringify(error));
      return true;
    });
  }
  await assert.rejects(analyst.query('SELECT code.changing()'), /code\.changing reads .*email of shop\.customers/);
});
