/** Functions that run without being named (behind operators, casts, aggregates and attributes) show nothing hidden either. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import { assertMasked, type House, openHouse, SECRET } from '../../support/gateway-house.ts';

let house: House;
let analyst: pg.Client;
let engineer: pg.Client;

/** Every function reads the hidden column by itself, whatever it is given. */
const body = (type: string, value = 'email'): string =>
  `LANGUAGE plpgsql AS $$DECLARE v ${type}; BEGIN SELECT ${value} INTO v FROM shop.customers ORDER BY id LIMIT 1; RETURN v; END$$`;

const OBJECTS = `SET ROLE app;
  CREATE SCHEMA peep;
  CREATE TYPE peep.coin AS (cents int);
  CREATE TYPE peep.jar AS (coins peep.coin[]);
  CREATE TYPE peep.tag AS ENUM ('a', 'b');
  CREATE TABLE peep.purse (id int PRIMARY KEY, coin peep.coin, tag peep.tag);
  INSERT INTO peep.purse VALUES (1, ROW(5), 'a');
  CREATE TABLE peep.plain (id int PRIMARY KEY, note text);
  INSERT INTO peep.plain VALUES (1, 'open');
  CREATE FUNCTION peep.look(text, text) RETURNS text ${body('text')};
  CREATE FUNCTION peep.look(text) RETURNS text ${body('text')};
  CREATE FUNCTION peep.look(peep.purse, text) RETURNS boolean ${body('boolean', "email LIKE '%@%'")};
  CREATE FUNCTION peep.step(text, text) RETURNS text ${body('text')};
  CREATE FUNCTION peep.keep(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
  CREATE FUNCTION peep.coin_text(peep.coin) RETURNS text ${body('text')};
  CREATE FUNCTION peep.text_coin(text) RETURNS peep.coin ${body('peep.coin', 'id')};
  CREATE FUNCTION peep.tag_text(peep.tag) RETURNS text ${body('text')};
  CREATE FUNCTION peep.double(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2';
  CREATE OPERATOR peep.## (LEFTARG = text, RIGHTARG = text, FUNCTION = peep.look);
  CREATE OPERATOR peep.## (RIGHTARG = text, FUNCTION = peep.look);
  CREATE OPERATOR peep.= (LEFTARG = peep.purse, RIGHTARG = text, FUNCTION = peep.look);
  CREATE OPERATOR peep.>= (LEFTARG = peep.purse, RIGHTARG = text, FUNCTION = peep.look);
  CREATE OPERATOR peep.<= (LEFTARG = peep.purse, RIGHTARG = text, FUNCTION = peep.look);
  CREATE OPERATOR peep.|#| (LEFTARG = text, RIGHTARG = text, FUNCTION = peep.double);
  CREATE AGGREGATE peep.gather(text) (SFUNC = peep.step, STYPE = text);
  CREATE AGGREGATE peep.finally(text) (SFUNC = peep.keep, STYPE = text, FINALFUNC = peep.look);
  CREATE AGGREGATE peep.widest(text) (SFUNC = pg_catalog.text_larger, STYPE = text);
  CREATE CAST (peep.coin AS text) WITH FUNCTION peep.coin_text(peep.coin);
  CREATE CAST (text AS peep.coin) WITH FUNCTION peep.text_coin(text);
  CREATE CAST (peep.tag AS text) WITH FUNCTION peep.tag_text(peep.tag) AS IMPLICIT;`;

before(async () => {
  house = await openHouse({
    // Calling is allowed: what refuses is that something is hidden.
    policy: 'permit (principal in Group::"analysts", action == Action::"call", resource);',
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(OBJECTS);
      await admin.end();
    },
  });
  analyst = await house.connect(await house.through('ana', 'analysts'));
  engineer = await house.connect(await house.through('eng', 'engineers'));
});
after(() => house[Symbol.asyncDispose]());

/** The statement runs for an engineer; an analyst gets an error of the gateway that shows nothing. */
async function refusedForAnalyst(sql: string, values?: readonly unknown[]): Promise<void> {
  const query = { text: sql, ...(values ? { values: [...values] } : {}) };
  await engineer.query(query);
  await assert.rejects(analyst.query(query), (error: pg.DatabaseError) => {
    assertMasked(JSON.stringify([error.message, error.detail, error.where]));
    assert.match(error.message, /could show masked data|reads columns that are masked/, sql);
    return true;
  });
}

async function same(sql: string): Promise<void> {
  const rows = [];
  for (const client of [engineer, analyst]) rows.push((await client.query({ text: sql, rowMode: 'array' })).rows);
  assert.deepEqual(rows[1], rows[0], sql);
}

test('an operator is the function behind it, qualified or found by search_path', async () => {
  await refusedForAnalyst(`SELECT 'a' OPERATOR(peep.##) 'b'`);
  await refusedForAnalyst(`SELECT OPERATOR(peep.##) 'b'::text`);
  for (const client of [engineer, analyst]) await client.query('SET search_path = public, peep');
  const shown = await engineer.query<{ v: string }>(`SELECT 'a' ## 'b' AS v`);
  assert.match(shown.rows[0]?.v ?? '', SECRET, 'the operator reads what is hidden');
  await refusedForAnalyst(`SELECT 'a' ## 'b'`);
  await refusedForAnalyst(`SELECT ## 'b'::text`);
  for (const client of [engineer, analyst]) await client.query('RESET search_path');
  await assert.rejects(analyst.query(`SELECT 'a' ## 'b'`), /operator (does not exist|is not unique)/);
});

test('operators that are looked up without being written: IN, CASE, BETWEEN', async () => {
  for (const client of [engineer, analyst]) await client.query('SET search_path = peep');
  for (const sql of [
    `SELECT p = 'x'::text FROM purse p`,
    `SELECT p IN ('x'::text, 'y'::text) FROM purse p`,
    `SELECT p IN (SELECT note FROM plain) FROM purse p`,
    `SELECT CASE p WHEN 'x'::text THEN 1 ELSE 2 END FROM purse p`,
    `SELECT p BETWEEN 'x'::text AND 'y'::text FROM purse p`,
    `SELECT p = ANY (ARRAY['x'::text]) FROM purse p`,
    `SELECT 1 FROM purse p WHERE p = 'x'::text ORDER BY 1`,
  ]) {
    await refusedForAnalyst(sql);
  }
  for (const client of [engineer, analyst]) await client.query('RESET search_path');
});

test('an aggregate is its support functions', async () => {
  await refusedForAnalyst('SELECT peep.gather(note) FROM peep.plain');
  await refusedForAnalyst('SELECT peep.gather(note) OVER () FROM peep.plain');
  await refusedForAnalyst('SELECT peep.finally(note) FROM peep.plain');
  await refusedForAnalyst(`SELECT peep.gather(x) FROM (VALUES ('a'), ('b')) v (x)`);
});

test('a cast is the function behind it: written, as a call, inside arrays and rows, and implicit', async () => {
  await refusedForAnalyst('SELECT coin::text FROM peep.purse');
  await refusedForAnalyst('SELECT CAST(coin AS text) FROM peep.purse');
  await refusedForAnalyst('SELECT ARRAY[coin]::text[] FROM peep.purse');
  await refusedForAnalyst(`SELECT note::peep.coin FROM peep.plain`);
  for (const call of ['text(tag)', 'text(coin)'])
    await assert.rejects(
      engineer.query(`SELECT ${call} FROM peep.purse`),
      /does not exist/,
      'a cast is not found by its type’s name',
    );
  await refusedForAnalyst(`SELECT ARRAY[note]::peep.coin[] FROM peep.plain`);
  await refusedForAnalyst(`SELECT ROW(ARRAY[note])::peep.jar FROM peep.plain`);
  await refusedForAnalyst(`SELECT coin || 'x'::text FROM peep.purse`);
  await refusedForAnalyst('SELECT quote_literal(coin) FROM peep.purse');
  await refusedForAnalyst('SELECT upper(tag) FROM peep.purse');
  await refusedForAnalyst('SELECT upper($1::peep.tag)', ['a']);
  await refusedForAnalyst(`SELECT (SELECT lower(p.tag)) FROM peep.purse p`);
});

test('what runs no such function goes on', async () => {
  await same('SELECT note::varchar, id::text FROM peep.plain');
  await same(`SELECT '5'::int, now()::date = current_date, count(*)::text FROM peep.plain`);
  await same('SELECT id FROM peep.plain WHERE note IN (SELECT note FROM peep.plain)');
  await same(`SELECT note OPERATOR(peep.|#|) 'x' FROM peep.plain`);
  await same('SELECT peep.widest(note) FROM peep.plain');
  await same('SELECT relname::text FROM pg_class WHERE oid = 1259');
});
