/** Names, settings and the protocol: the same column by a way that has to be followed exactly. */
import type { Case } from './cases.ts';
import { theme } from './own.ts';

export const SESSION: readonly Case[] = [
  ...theme('names that change their meaning')({
    'back to a savepoint': [
      'SET search_path = shop',
      'BEGIN',
      'SAVEPOINT s',
      'SET search_path = lab',
      'ROLLBACK TO s',
      'SELECT email FROM customers',
      'COMMIT',
    ],
    'a released savepoint': [
      'BEGIN',
      'SAVEPOINT s',
      'SET LOCAL search_path = shop',
      'RELEASE s',
      'SELECT ssn FROM customers',
      'COMMIT',
    ],
    'SET SCHEMA': [`SET SCHEMA 'shop'`, 'SELECT notes FROM customers'],
    'a default of the session': [
      'SET search_path = shop',
      'SET search_path TO DEFAULT',
      `SET search_path = "$user", shop`,
      'SELECT notes FROM customers',
    ],
    'all in one string': `SET search_path = shop; SELECT email FROM customers`,
    'a set and a reset in one string': `SET search_path = shop; SELECT phone FROM customers; RESET search_path`,
    'a table dropped at commit': [
      'SET search_path = pg_temp, shop',
      'BEGIN',
      'CREATE TEMP TABLE customers (email text) ON COMMIT DROP',
      'COMMIT',
      'SELECT email FROM customers',
    ],
    'a table that was rolled back': [
      'SET search_path = pg_temp, shop',
      'BEGIN',
      'CREATE TEMP TABLE customers (email text)',
      'ROLLBACK',
      'SELECT email FROM customers',
    ],
    'a table thrown away': [
      'SET search_path = pg_temp, shop',
      'CREATE TEMP TABLE customers (email text)',
      'DISCARD TEMP',
      'SELECT email FROM customers',
    ],
    'a table renamed': [
      'SET search_path = pg_temp, shop',
      'CREATE TEMP TABLE customers (email text)',
      'ALTER TABLE pg_temp.customers RENAME TO others',
      'SELECT email FROM customers',
    ],
    'a temporary table of that name': [
      'CREATE TEMP TABLE customers AS SELECT notes FROM shop.customers',
      'SELECT notes FROM customers',
    ],
    'a temporary view of that name': [
      'CREATE TEMP VIEW customers AS SELECT notes AS id FROM shop.customers',
      'SELECT id FROM customers',
    ],
    'a statement prepared under another path': [
      'SET search_path = shop',
      'PREPARE q AS SELECT email FROM customers',
      'SET search_path = lab',
      'SET search_path = shop',
      'EXECUTE q',
    ],
    'a local path that ends': [
      'SET search_path = shop',
      'BEGIN',
      'SET LOCAL search_path = lab',
      'COMMIT',
      'SELECT phone FROM customers',
    ],
    'a path with a missing schema': ['SET search_path = nowhere, shop', 'SELECT ssn FROM customers'],
    'a path in capitals': ['SET SEARCH_PATH TO Shop', 'SELECT Notes FROM Customers'],
    'set_config for one statement': [`SELECT set_config('search_path', 'shop', false)`, 'TABLE customers'],
    'another role': ['SET ROLE shop_owner', 'SELECT email FROM shop.customers'],
    'another role for a while': ['BEGIN', 'SET LOCAL ROLE shop_owner', 'SELECT notes FROM shop.customers', 'COMMIT'],
    'another role by set_config': [
      `SELECT set_config('role', 'shop_owner', false)`,
      'SELECT notes FROM shop.customers',
    ],
  }),
  ...theme('a path given at the start')(
    { options: 'SELECT email FROM customers' },
    { connect: { params: { options: '-c search_path=shop,public' } } },
  ),
  ...theme('a parameter given at the start')(
    { search_path: 'SELECT email FROM customers' },
    { connect: { params: { search_path: 'shop' } } },
  ),
  ...theme('a role given at the start')(
    { options: 'SELECT email FROM shop.customers' },
    { connect: { params: { options: '-c role=shop_owner' } } },
  ),
  ...theme('letters of the lexer')({
    'nested comments': 'SELECT/* /* email */ */notes/**/FROM/* */shop/**/./**/customers',
    'a comment that ends a line': 'SELECT notes--\nFROM shop--\n.customers',
    'capitals and quotes': 'SELECT "notes" FROM SHOP."customers"',
    'an escaped schema': `SELECT notes FROM U&"sh\\006Fp".customers`,
    'an escaped table with its own escape': `SELECT notes FROM shop.U&"!0063ustomers" UESCAPE '!'`,
    'six digits of an escape': `SELECT U&"\\+00006Eotes" FROM shop.customers`,
    'a star behind the name': 'SELECT notes FROM shop.customers*',
    'parentheses around joins': 'SELECT notes FROM ((shop.customers c CROSS JOIN (SELECT 1) x))',
    'the database before the schema': 'SELECT notes FROM leaks_open.shop.customers',
    'a label without AS': 'SELECT notes id FROM shop.customers',
    'an operator between': 'SELECT notes OPERATOR(pg_catalog.||) id FROM shop.customers',
    'continued strings': `SELECT 'a'\n'b' || notes FROM shop.customers`,
    'bits and bytes': `SELECT B'01', X'1F', notes FROM shop.customers`,
    'a dollar quote with letters': 'SELECT $ä$ FROM $ä$ || notes FROM shop.customers',
    'an escape string': `SELECT E'\\x41\\'' || notes FROM shop.customers`,
    'a Unicode string': `SELECT U&'d\\0061t\\+000061' || notes FROM shop.customers`,
    'a very long list': `SELECT ${Array.from({ length: 300 }, () => 'id').join(', ')}, notes FROM shop.customers`,
  }),
  ...theme('what lives in the session')({
    'a merge': [
      'CREATE TEMP TABLE t (id int, v text)',
      'MERGE INTO t USING shop.customers c ON t.id = c.id WHEN NOT MATCHED THEN INSERT VALUES (c.id, c.notes)',
      'TABLE t',
    ],
    'an update from it': [
      'CREATE TEMP TABLE t AS SELECT 1 AS id, NULL::text AS v',
      'UPDATE t SET v = c.email FROM shop.customers c WHERE c.id = t.id RETURNING v',
    ],
    'a delete by it': [
      'CREATE TEMP TABLE t AS SELECT 1 AS id',
      'DELETE FROM t USING shop.customers c WHERE c.id = t.id RETURNING c.notes',
    ],
    'an upsert': [
      'CREATE TEMP TABLE t (id int PRIMARY KEY, v text)',
      `INSERT INTO t VALUES (1, 'x')`,
      'INSERT INTO t SELECT id, ssn FROM shop.customers WHERE id = 1 ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING v',
    ],
    'a changing CTE': [
      'CREATE TEMP TABLE t (v text)',
      'WITH q AS (INSERT INTO t SELECT notes FROM shop.customers RETURNING v) SELECT * FROM q',
    ],
    'a copy of the structure': [
      'CREATE TEMP TABLE t (LIKE shop.customers)',
      'INSERT INTO t SELECT * FROM shop.customers RETURNING notes',
    ],
    'an element of an array': [
      `CREATE TEMP TABLE t AS SELECT ARRAY['a', 'b'] AS v`,
      'UPDATE t SET v[1] = (SELECT notes FROM shop.customers WHERE id = 1) RETURNING v',
    ],
    'a key of a document': [
      `CREATE TEMP TABLE t AS SELECT '{}'::jsonb AS v`,
      `UPDATE t SET v['k'] = (SELECT to_jsonb(notes) FROM shop.customers WHERE id = 1) RETURNING v`,
    ],
    'a row of several columns': [
      'CREATE TEMP TABLE t AS SELECT NULL::text AS a, NULL::text AS b',
      'UPDATE t SET (a, b) = (SELECT email, ssn FROM shop.customers WHERE id = 1) RETURNING *',
    ],
    'a table from a prepared statement': [
      'PREPARE q AS SELECT notes FROM shop.customers',
      'CREATE TEMP TABLE t AS EXECUTE q',
      'TABLE t',
    ],
    'a plan that runs': ['EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT notes FROM shop.customers', 'TABLE t'],
    'statistics of a temporary table': [
      'CREATE TEMP TABLE t AS SELECT notes FROM shop.customers',
      'ANALYZE t',
      `SELECT histogram_bounds FROM pg_stats WHERE tablename = 't'`,
    ],
    'a cursor that outlives': [
      'BEGIN',
      'DECLARE k CURSOR WITH HOLD FOR SELECT notes FROM shop.customers',
      'COMMIT',
      'FETCH ALL FROM k',
    ],
    'a cursor moved back': [
      'BEGIN',
      'DECLARE k SCROLL CURSOR FOR SELECT notes FROM shop.customers',
      'MOVE 3 FROM k',
      'FETCH PRIOR FROM k',
      'COMMIT',
    ],
    'a sequence': [
      'CREATE TEMP SEQUENCE s',
      `SELECT setval('s', replace(ssn, '-', '')::bigint) FROM shop.customers WHERE id = 1`,
      `SELECT lastval(), currval('s')`,
    ],
    'two keys of a lock': [
      `SELECT pg_advisory_xact_lock(left(ssn, 3)::int, replace(ssn, '-', '')::int) FROM shop.customers WHERE id = 1`,
      'BEGIN',
      `SELECT pg_advisory_xact_lock(1, replace(ssn, '-', '')::int) FROM shop.customers WHERE id = 1`,
      `SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory'`,
      'COMMIT',
    ],
    'a channel': [
      `SELECT set_config('my.channel', notes, false) IS NULL FROM shop.customers WHERE id = 1`,
      `SELECT current_setting('my.channel')`,
    ],
    'an application name': [
      `SELECT set_config('application_name', replace(notes, ' ', ''), false) IS NULL FROM shop.customers WHERE id = 1`,
    ],
  }),
  ...theme(
    'ways of COPY',
    'copy',
  )({
    'a table command': 'COPY (TABLE shop.customers) TO STDOUT',
    'a CTE': 'COPY (WITH q AS (SELECT notes FROM shop.customers) SELECT * FROM q) TO STDOUT',
    values: 'COPY (VALUES ((SELECT string_agg(notes, $$,$$) FROM shop.customers))) TO STDOUT',
    'with all quoted': `COPY shop.customers TO STDOUT (FORMAT csv, FORCE_QUOTE *, NULL 'none', HEADER)`,
    'a child table': 'COPY shop.former_customers TO STDOUT',
    'a document': 'COPY shop.customers (prefs) TO STDOUT',
    'a generated column': 'COPY (SELECT full_name_lc FROM shop.customers) TO STDOUT',
    'a binary query': 'COPY (SELECT notes FROM shop.customers) TO STDOUT (FORMAT binary)',
    'in another encoding': `COPY (SELECT notes FROM shop.customers) TO STDOUT (ENCODING 'LATIN1', DELIMITER '|')`,
    'a stored row': 'COPY shop.snapshots TO STDOUT',
    'a materialised view': 'COPY (TABLE shop.mv_nested) TO STDOUT',
    'the rows of a write': [
      'CREATE TEMP TABLE t (v text)',
      'COPY (INSERT INTO t SELECT notes FROM shop.customers RETURNING v) TO STDOUT',
    ],
  }),
  ...theme(
    'ways of the protocol',
    'extended',
  )({
    'a statement prepared in SQL, executed by message': [
      { sql: 'PREPARE q AS SELECT notes FROM shop.customers', mode: 'simple' },
      { msgs: [['B', '', 'q', [], [], []], ['D', 'P', ''], ['E', '', 0], ['S']] },
    ],
    'a statement prepared by message, executed in SQL': [
      { msgs: [['P', 'q', 'SELECT notes FROM shop.customers', []], ['S']] },
      { sql: 'EXECUTE q', mode: 'simple' },
    ],
    'a table from a statement prepared by message': [
      { msgs: [['P', 'q', 'SELECT notes FROM shop.customers', []], ['S']] },
      { sql: 'CREATE TEMP TABLE t AS EXECUTE q', mode: 'simple' },
      { sql: 'TABLE t', mode: 'simple' },
    ],
    'two portals by turns': {
      msgs: [
        ['P', 'a', 'SELECT notes FROM shop.customers', []],
        ['P', 'b', 'SELECT email FROM shop.customers', []],
        ['B', 'x', 'a', [], [], []],
        ['B', 'y', 'b', [], [], []],
        ['E', 'x', 1],
        ['E', 'y', 1],
        ['E', 'x', 1],
        ['S'],
      ],
    },
    'a name used again': {
      msgs: [
        ['P', 'a', 'SELECT 1', []],
        ['C', 'S', 'a'],
        ['P', 'a', 'SELECT notes FROM shop.customers', []],
        ['B', '', 'a', [], [], []],
        ['E', '', 0],
        ['S'],
      ],
    },
    'a flush instead of a sync': {
      msgs: [['P', '', 'SELECT notes FROM shop.customers', []], ['B', '', '', [], [], []], ['E', '', 0], ['H'], ['S']],
    },
    'a cursor by its portal': [
      { sql: 'BEGIN', mode: 'simple' },
      { sql: 'DECLARE k CURSOR FOR SELECT notes FROM shop.customers', mode: 'simple' },
      { msgs: [['D', 'P', 'k'], ['E', 'k', 5], ['S']] },
    ],
    'a path set within the pipeline': {
      msgs: [
        ['P', '', 'SET search_path = shop', []],
        ['B', '', '', [], [], []],
        ['E', '', 0],
        ['P', '', 'SELECT notes FROM customers', []],
        ['B', '', '', [], [], []],
        ['E', '', 0],
        ['S'],
      ],
    },
    'a text that is a parameter': [{ sql: 'SELECT notes FROM shop.customers WHERE country = $1', params: ['DE'] }],
    'a row given back in binary': [{ sql: 'SELECT c FROM shop.customers c WHERE id = 1', fmt: 1 }],
    'an array given back in binary': [{ sql: 'SELECT array_agg(notes) FROM shop.customers', fmt: 1 }],
    'COPY by message': [{ sql: 'COPY shop.customers (notes) TO STDOUT' }],
  }),
];
