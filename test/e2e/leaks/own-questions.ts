/** Questions that are answered with yes or no, with a row or none, with an error or none. */
import type { Case } from './cases.ts';
import { probes } from './own.ts';

const FROM = 'FROM shop.customers WHERE id = 1';
const letter = 'ascii(substr(notes, {i}, 1))';
const more = `${letter} > {m}`;

export const QUESTIONS: readonly Case[] = [
  ...probes('an error or none', {
    'division by zero': { sql: `SELECT 1 / (CASE WHEN ${more} THEN 0 ELSE 1 END) ${FROM}`, obs: 'error' },
    'a number too large': { sql: `SELECT (CASE WHEN ${more} THEN 2147483647 ELSE 0 END) + 1 ${FROM}`, obs: 'error' },
    'a logarithm': { sql: `SELECT ln(CASE WHEN ${more} THEN 0 ELSE 1 END) ${FROM}`, obs: 'error' },
    'a negative length': { sql: `SELECT substr('x', 1, CASE WHEN ${more} THEN -1 ELSE 1 END) ${FROM}`, obs: 'error' },
    'two rows where one may be': {
      sql: `SELECT (SELECT 1 FROM generate_series(1, CASE WHEN ${more} THEN 2 ELSE 1 END)) ${FROM}`,
      obs: 'error',
    },
    'a broken expression': { sql: `SELECT 'a' ~ (CASE WHEN ${more} THEN '(' ELSE 'a' END) ${FROM}`, obs: 'error' },
    'an invalid date': { sql: `SELECT make_date(2024, CASE WHEN ${more} THEN 13 ELSE 1 END, 1) ${FROM}`, obs: 'error' },
    'a dimension of an array': {
      sql: `SELECT array_fill(1, ARRAY[CASE WHEN ${more} THEN -1 ELSE 1 END]) ${FROM}`,
      obs: 'error',
    },
    'a path through an array': {
      sql: `SELECT jsonb_path_query('[1]', CASE WHEN ${more} THEN 'strict $[5]' ELSE '$' END::jsonpath) ${FROM}`,
      obs: 'error',
    },
    'a limit below zero': { sql: `SELECT 1 LIMIT (SELECT CASE WHEN ${more} THEN -1 ELSE 1 END ${FROM})`, obs: 'error' },
    'a frame below zero': {
      sql: `SELECT sum(n) OVER (ROWS (SELECT CASE WHEN ${more} THEN -1 ELSE 1 END ${FROM}) PRECEDING) FROM generate_series(1, 2) n`,
      obs: 'error',
    },
    'a check of a temporary table': {
      sql: `ROLLBACK; BEGIN; CREATE TEMP TABLE k (v boolean CHECK (NOT v)) ON COMMIT DROP; INSERT INTO k SELECT ${more} ${FROM}; COMMIT`,
      obs: 'error',
    },
  }),
  ...probes('a row or none', {
    limit: { sql: `SELECT id FROM shop.products LIMIT (SELECT CASE WHEN ${more} THEN 1 ELSE 0 END ${FROM})` },
    offset: {
      sql: `SELECT id FROM shop.products WHERE id = 1 OFFSET (SELECT CASE WHEN ${more} THEN 0 ELSE 1 END ${FROM})`,
    },
    fetch: {
      sql: `SELECT id FROM shop.products FETCH FIRST (SELECT CASE WHEN ${more} THEN 1 ELSE 0 END ${FROM}) ROWS ONLY`,
    },
    series: { sql: `SELECT generate_series(1, CASE WHEN ${more} THEN 1 ELSE 0 END) ${FROM}` },
    sample: {
      sql: `SELECT id FROM shop.products TABLESAMPLE BERNOULLI ((SELECT CASE WHEN ${more} THEN 100 ELSE 0 END ${FROM}))`,
    },
    having: { sql: `SELECT count(*) ${FROM} GROUP BY notes HAVING ${more}` },
    'having without groups': { sql: `SELECT 1 ${FROM} HAVING bool_or(${more})` },
    'a join with another table': {
      sql: `SELECT p.id FROM shop.products p JOIN shop.customers c ON c.id = 1 AND ascii(substr(c.notes, {i}, 1)) > {m} WHERE p.id = 1`,
    },
    'a semi-join': { sql: `SELECT 1 WHERE 1 IN (SELECT id FROM shop.customers WHERE ${more})` },
    'no row in all others': { sql: `SELECT 1 WHERE true = ALL (SELECT ${more} ${FROM})` },
    'an empty array': { sql: `SELECT unnest(CASE WHEN ${more} THEN ARRAY[1] ELSE '{}' END) ${FROM}` },
    except: { sql: `SELECT 1 EXCEPT SELECT CASE WHEN ${more} THEN 0 ELSE 1 END ${FROM}` },
    'a table of JSON': {
      sql: `SELECT e FROM shop.customers, jsonb_array_elements(CASE WHEN ${more} THEN '[1]' ELSE '[]' END::jsonb) e WHERE id = 1`,
    },
    'a table of XML': {
      sql: `SELECT 1 FROM shop.customers WHERE id = 1 AND xpath_exists('/a[@n > {m}]', xmlelement(name a, xmlattributes(${letter} AS n)))`,
    },
    'a recursion': {
      sql: `WITH RECURSIVE t (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM t WHERE n < (SELECT CASE WHEN ${more} THEN 1 ELSE 0 END ${FROM})) SELECT n FROM t WHERE n = 1`,
    },
    'a document that matches': {
      sql: `SELECT 1 FROM shop.customers WHERE id = 1 AND to_tsvector('simple', notes) @@ to_tsquery('simple', '{p}{c}:*')`,
      alphabet: 'abcdefghijklmnopqrstuvwxyz',
      n: 7,
    },
    'a range that holds it': {
      sql: `SELECT 1 FROM shop.customers WHERE id = 1 AND int4range({m}, 200, '()') @> ${letter}`,
    },
    'a pair that is larger': { sql: `SELECT 1 FROM shop.customers WHERE id = 1 AND (${letter}, 1) > ({m}, 1)` },
    'a whole row that is larger': {
      sql: `SELECT 1 FROM shop.customers c WHERE id = 1 AND c > ROW(1, (SELECT '{p}{c}'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::shop.customers AND NOT c > ROW(1, (SELECT '{p}{c}~'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::shop.customers`,
      alphabet: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ',
      n: 8,
    },
  }),
  ...probes('a value that tells', {
    'a count of nulls': { sql: `SELECT num_nulls(CASE WHEN ${more} THEN NULL ELSE 1 END) ${FROM}`, obs: 'value' },
    'a rank': {
      sql: `SELECT rank({m}) WITHIN GROUP (ORDER BY ${letter} DESC) - 1 ${FROM}`,
      obs: 'value',
    },
    'a bucket': { sql: `SELECT width_bucket(${letter}, ARRAY[{m} + 1]) ${FROM}`, obs: 'value' },
    'a sign': { sql: `SELECT greatest(0, sign(${letter} - {m}))::int ${FROM}`, obs: 'value' },
    'a regression': { sql: `SELECT count(*) FILTER (WHERE ${more}) OVER () ${FROM}`, obs: 'value' },
    'a bit': { sql: `SELECT get_bit(${letter}::bit(8), 7 - {m} % 8) * 0 + (${more})::int ${FROM}`, obs: 'value' },
    'an order of two': {
      sql: `SELECT v FROM (SELECT 0 AS v, {m} AS k UNION ALL SELECT 1, ${letter} ${FROM}) q ORDER BY k DESC, v LIMIT 1`,
      obs: 'value',
    },
    'a first value': { sql: `SELECT first_value(${more}) OVER () ${FROM}`, obs: 'value' },
    'a setting': { sql: `SELECT set_config('my.flag', (${more})::int::text, false) ${FROM}`, obs: 'value' },
    'nullable or not': { sql: `SELECT CASE WHEN ${more} THEN 1 END ${FROM}`, obs: 'null' },
  }),
  ...probes('what a command says', {
    'rows of a plan that ran': {
      sql: `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT 1 FROM shop.customers WHERE id = 1 AND ${more}`,
      obs: 'plan',
      find: 'rows=1',
    },
    'a part of a plan that never ran': {
      sql: `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT CASE WHEN (SELECT ${more} ${FROM}) THEN (SELECT count(*) FROM shop.products) END`,
      obs: 'plan',
      find: 'products (actual',
    },
    'a plan as JSON': {
      sql: `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT 1 FROM shop.customers WHERE id = 1 AND ${more}`,
      obs: 'plan',
      find: '"Actual Rows": 1,',
    },
    'a notice': {
      sql: `DO $$ BEGIN IF (SELECT ${more} ${FROM}) THEN RAISE NOTICE 'x'; END IF; END $$`,
      obs: 'notice',
    },
    'a warning of a lock': {
      sql: `SELECT CASE WHEN (SELECT ${more} ${FROM}) THEN pg_advisory_unlock(991) END`,
      obs: 'notice',
    },
  }),
];
