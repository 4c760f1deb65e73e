/** Errors and notices of the server that quote a value. */
import type { Case } from './cases.ts';
import { theme } from './own.ts';

const one = (expression: string): string => `SELECT ${expression} FROM shop.customers WHERE id = 1`;

const CASTS = [
  ...[
    'uuid',
    'inet',
    'cidr',
    'macaddr',
    'macaddr8',
    'money',
    'interval',
    'time',
    'timetz',
    'timestamp',
    'date',
    'boolean',
  ],
  ...[
    'point',
    'lseg',
    'box',
    'path',
    'polygon',
    'circle',
    'line',
    'pg_lsn',
    'txid_snapshot',
    'oid',
    'tid',
    'float8',
    'isbn',
  ],
  ...['int4range', 'daterange', 'int4multirange', 'text[]', 'int[]', 'shop.ticket', 'tsquery', 'regtype'],
];
const NAMES = ['regproc', 'regclass', 'regrole', 'regnamespace', 'regconfig', 'regdictionary', 'regcollation'];

export const ERRORS: readonly Case[] = [
  ...theme('a cast that fails')(
    Object.fromEntries([
      ...CASTS.map((type) => [type, one(`(notes || '''(')::text::${type}`)]),
      ...NAMES.map((type) => [type, one(`replace(notes, ' ', '_')::text::${type}`)]),
    ]),
  ),
  ...theme('a function that quotes its argument')({
    'an unknown unit of date_trunc': one('date_trunc(email::text, now())'),
    'an unknown unit of date_part': one('date_part(email::text, now())'),
    'an unknown encoding of encode': one(`encode('x'::bytea, email::text)`),
    'an unknown encoding of convert_from': one(`convert_from('x'::bytea, email::name)`),
    'an unknown encoding of convert': one(`convert('x'::bytea, 'UTF8', email::name)`),
    'a hash that does not exist': one(`digest('x', email::text)`),
    'a cipher that does not exist': one(`encrypt('x'::bytea, 'k'::bytea, email::text)`),
    'a size in bytes': one('pg_size_bytes(email::text)'),
    'an identifier to be parsed': one('parse_ident(email::text)'),
    'an index in jsonb_set': one(`jsonb_set('[1]', ARRAY[email::text], '1')`),
    'an index in jsonb_insert': one(`jsonb_insert('[1]', ARRAY[notes], '1')`),
    'a document that is none': one('xmlparse(DOCUMENT notes)'),
    'an escaped text': one(`('<a>' || notes || '<' || '/b>')::xml`),
    'a role for has_table_privilege': one(`has_table_privilege(email::name, 'shop.products', 'SELECT')`),
    'a table for has_table_privilege': one(`has_table_privilege(email::text, 'SELECT')`),
    'a column for has_column_privilege': one(`has_column_privilege('shop.products', email::text, 'SELECT')`),
    'a schema for has_schema_privilege': one(`has_schema_privilege(email::text, 'USAGE')`),
    'a function for has_function_privilege': one(`has_function_privilege(replace(notes, ' ', '_') || '()', 'EXECUTE')`),
    'a type for has_type_privilege': one(`has_type_privilege(email::text, 'USAGE')`),
    'a language for has_language_privilege': one(`has_language_privilege(email::text, 'USAGE')`),
    'a server for has_server_privilege': one(`has_server_privilege(email::text, 'USAGE')`),
    'a tablespace': one(`has_tablespace_privilege(email::text, 'CREATE')`),
    'a database': one(`has_database_privilege(email::text, 'CONNECT')`),
    'a privilege': one(`has_table_privilege('shop.products', email::text)`),
    'a sequence for currval': one('currval(email::text)'),
    'a table for pg_get_serial_sequence': one(`pg_get_serial_sequence(email::text, 'id')`),
    'a column for pg_get_serial_sequence': one(`pg_get_serial_sequence('shop.products', email::text)`),
    'a view for pg_get_viewdef': one('pg_get_viewdef(email::text)'),
    'a folder to be listed': one('pg_ls_dir(email::text)'),
    'a file to be read': one('pg_read_file(email::text)'),
    'a file for a large object': one('lo_import(email::text)'),
    'a setting that does not exist': one('current_setting(email::text)'),
    'a value of a setting': one(`set_config('work_mem', email::text, false)`),
    'a value of an enumerated setting': one(`set_config('bytea_output', email::text, false)`),
    'a time zone to be set': one(`set_config('TimeZone', email::text, false)`),
    'a flag of jsonb_to_tsvector': one(`jsonb_to_tsvector('simple', '{}', to_jsonb(email::text))`),
    'a name of a cursor': one(`cursor_to_xml(email::text::refcursor, 1, true, true, '')`),
    'text for a number': one(`to_number(ssn, '999-99-9999')`),
    'a label of a snapshot': one('pg_snapshot_xmin(notes::pg_snapshot)'),
    'a name of a slot': one(`pg_create_physical_replication_slot(left(replace(notes, ' ', '!'), 40)::name)`),
    'an extension option of xslt_process': one(`xslt_process('<a/>', notes)`),
  }),
  ...theme('a constraint of a temporary table')({
    unique: [
      'CREATE TEMP TABLE k (v text UNIQUE)',
      'INSERT INTO k SELECT email FROM shop.customers, generate_series(1, 2)',
    ],
    'a primary key over two columns': [
      'CREATE TEMP TABLE k (v text, w int, PRIMARY KEY (v, w))',
      'INSERT INTO k SELECT ssn, 1 FROM shop.customers, generate_series(1, 2) WHERE id = 1',
    ],
    'an index over an expression': [
      'CREATE TEMP TABLE k (v text)',
      'CREATE UNIQUE INDEX ON k (lower(v))',
      'INSERT INTO k SELECT full_name FROM shop.customers, generate_series(1, 2)',
    ],
    'an index made over doubles': [
      'CREATE TEMP TABLE k AS SELECT phone AS v FROM shop.customers, generate_series(1, 2)',
      'CREATE UNIQUE INDEX ON k (v)',
    ],
    exclusion: [
      'CREATE TEMP TABLE k (v text, EXCLUDE USING hash (v WITH =))',
      'INSERT INTO k SELECT email FROM shop.customers, generate_series(1, 2)',
    ],
    check: ['CREATE TEMP TABLE k (v text CHECK (length(v) < 3))', 'INSERT INTO k SELECT notes FROM shop.customers'],
    'not null': [
      'CREATE TEMP TABLE k (v text, w int NOT NULL)',
      'INSERT INTO k SELECT email, NULL FROM shop.customers',
    ],
    'a check added to rows': [
      'CREATE TEMP TABLE k AS SELECT email::text AS v FROM shop.customers',
      'ALTER TABLE k ADD CONSTRAINT few CHECK (length(v) < 3) NOT VALID',
      'UPDATE k SET v = v',
    ],
    'no partition': [
      'CREATE TEMP TABLE k (v text) PARTITION BY LIST (v)',
      "CREATE TEMP TABLE k_a PARTITION OF k FOR VALUES IN ('a')",
      'INSERT INTO k SELECT email FROM shop.customers',
    ],
    'a view with check option': [
      'CREATE TEMP TABLE k (v text)',
      "CREATE TEMP VIEW w AS SELECT v FROM k WHERE v = 'a' WITH CHECK OPTION",
      'INSERT INTO w SELECT email FROM shop.customers',
    ],
    'a change of type': [
      'CREATE TEMP TABLE k AS SELECT email::text AS v FROM shop.customers',
      'ALTER TABLE k ALTER v TYPE int USING v::int',
    ],
    'a foreign key': [
      'CREATE TEMP TABLE k (v text PRIMARY KEY)',
      'CREATE TEMP TABLE r AS SELECT card_number AS v FROM shop.customers',
      'ALTER TABLE r ADD FOREIGN KEY (v) REFERENCES k',
    ],
  }),
  ...theme('a block that raises')({
    message: `DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = (SELECT email FROM shop.customers WHERE id = 1); END $$`,
    column: `DO $$ BEGIN RAISE EXCEPTION 'x' USING COLUMN = (SELECT notes FROM shop.customers WHERE id = 1); END $$`,
    constraint: `DO $$ BEGIN RAISE EXCEPTION 'x' USING CONSTRAINT = (SELECT notes FROM shop.customers WHERE id = 1); END $$`,
    datatype: `DO $$ BEGIN RAISE EXCEPTION 'x' USING DATATYPE = (SELECT notes FROM shop.customers WHERE id = 1); END $$`,
    table: `DO $$ BEGIN RAISE EXCEPTION 'x' USING TABLE = (SELECT notes FROM shop.customers WHERE id = 1); END $$`,
    schema: `DO $$ BEGIN RAISE EXCEPTION 'x' USING SCHEMA = (SELECT notes FROM shop.customers WHERE id = 1); END $$`,
    'the context of a call': `DO $$ BEGIN EXECUTE 'SELECT 1/0 -- ' || (SELECT email FROM shop.customers WHERE id = 1); END $$`,
    'notices in a loop': `DO $$ DECLARE r record; BEGIN FOR r IN SELECT ssn FROM shop.customers LOOP RAISE NOTICE '%', r; END LOOP; END $$`,
    'a log message': [
      'SET client_min_messages = log',
      `DO $$ BEGIN RAISE LOG '%', (SELECT phone FROM shop.customers WHERE id = 1); END $$`,
    ],
    'a caught error': `DO $$ DECLARE m text; BEGIN PERFORM notes::int FROM shop.customers; EXCEPTION WHEN others THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT; RAISE NOTICE '%', m; END $$`,
    'an open cursor that stays': [
      'BEGIN',
      `DO $$ DECLARE c refcursor := 'left_open'; BEGIN OPEN c FOR SELECT email FROM shop.customers; END $$`,
      'FETCH ALL FROM left_open',
      'COMMIT',
    ],
    'a temporary table that stays': [
      `DO $$ BEGIN CREATE TEMP TABLE stays AS SELECT notes FROM shop.customers; END $$`,
      'TABLE stays',
    ],
    'a setting that stays': [
      `DO $$ BEGIN PERFORM set_config('my.own', (SELECT ssn FROM shop.customers WHERE id = 1), false); END $$`,
      'SHOW my.own',
    ],
    'a notification': [
      'LISTEN ring',
      `DO $$ BEGIN PERFORM pg_notify('ring', (SELECT card_number FROM shop.customers WHERE id = 1)); END $$`,
      'SELECT 1',
    ],
    'a comment on a temporary table': [
      'CREATE TEMP TABLE k (v text)',
      `DO $$ BEGIN EXECUTE format('COMMENT ON TABLE pg_temp.k IS %L', (SELECT email FROM shop.customers WHERE id = 1)); END $$`,
      `SELECT obj_description('pg_temp.k'::regclass)`,
    ],
  }),
];
