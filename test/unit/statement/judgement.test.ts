import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import type { SqlStatement } from '../../../src/model/statement.ts';
import { verbRule } from '../../../src/statement/sql/postgres/verbs.ts';
import { hazardsOf, noObjects, questionsOf, relation, session, statement } from './world.ts';

type Row = readonly [text: string, verb: string, effect: string, questions: readonly string[]];

const table: readonly Row[] = [
  ['SELECT 1', 'select', 'read', []],
  ['VALUES (1)', 'values', 'read', []],
  ['TABLE shop.orders', 'table', 'read', ['read shop.orders']],
  ['SELECT * FROM pg_class', 'select', 'read', []],
  ['SELECT * FROM information_schema.tables', 'select', 'read', []],
  ['INSERT INTO shop.orders (id) VALUES (1)', 'insert', 'change', ['write shop.orders']],
  ['UPDATE shop.orders SET total = 1', 'update', 'change', ['write shop.orders']],
  ['DELETE FROM shop.orders WHERE id = 1', 'delete', 'change', ['write shop.orders']],
  [
    'MERGE INTO shop.orders o USING shop.customers c ON false WHEN MATCHED THEN DELETE',
    'merge',
    'change',
    ['write shop.orders', 'read shop.customers'],
  ],
  ['WITH x AS (DELETE FROM shop.orders RETURNING id) SELECT * FROM x', 'select', 'change', ['write shop.orders']],
  ['TRUNCATE shop.orders, orders', 'truncate', 'change', ['write shop.orders', 'write public.orders']],
  ['COPY shop.orders TO STDOUT', 'copy-to', 'read', ['read shop.orders']],
  ['COPY shop.orders FROM STDIN', 'copy-from', 'change', ['write shop.orders']],
  ["COPY shop.orders TO PROGRAM 'id'", 'copy-program', 'change', ['exec', 'read shop.orders']],
  ["COPY shop.orders FROM '/etc/passwd'", 'copy-from', 'change', ['exec', 'write shop.orders']],
  ['EXPLAIN SELECT * FROM shop.orders', 'explain', 'read', ['read shop.orders']],
  ['EXPLAIN ANALYZE DELETE FROM shop.orders', 'explain', 'change', ['write shop.orders']],
  ['REINDEX INDEX shop.some_index', 'reindex', 'change', ['define']],
  ['REINDEX TABLE shop.orders', 'reindex', 'change', ['define shop.orders']],
  ['SHOW search_path', 'show', 'session', []],
  ['SET work_mem = 1', 'set', 'session', []],
  ['SET enable_seqscan = off', 'set', 'session', []],
  ['SET TIME ZONE UTC', 'set', 'session', []],
  ["SET app.tenant = 'x'", 'set', 'change', ['set']],
  ["SET session_replication_role = 'replica'", 'set', 'change', ['set']],
  ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'set', 'session', []],
  ['SET ROLE other', 'set', 'change', ['set']],
  ['SET ROLE NONE', 'set', 'session', []],
  ['RESET ROLE', 'reset', 'session', []],
  ['RESET ALL', 'reset', 'session', []],
  ["SELECT set_config('app.tenant', 'x', true)", 'select', 'change', ['set']],
  ["SELECT set_config('work_mem', '1', true)", 'select', 'read', []],
  ['DISCARD ALL', 'discard', 'session', []],
  ['BEGIN', 'begin', 'session', []],
  ['START TRANSACTION READ ONLY', 'begin', 'session', []],
  ['END', 'commit', 'session', []],
  ['ABORT', 'rollback', 'session', []],
  ['SAVEPOINT a', 'savepoint', 'session', []],
  ['RELEASE a', 'release', 'session', []],
  ['ROLLBACK TO a', 'rollback-to', 'session', []],
  ["PREPARE TRANSACTION 'x'", 'prepare-transaction', 'change', ['set']],
  ['PREPARE p AS SELECT * FROM shop.orders', 'prepare', 'read', ['read shop.orders']],
  ['DEALLOCATE p', 'deallocate', 'session', []],
  ['DECLARE k CURSOR FOR SELECT * FROM shop.orders', 'declare', 'read', ['read shop.orders']],
  ['CLOSE ALL', 'close', 'session', []],
  ['LISTEN x', 'listen', 'session', []],
  ['UNLISTEN *', 'unlisten', 'session', []],
  ["NOTIFY x, 'y'", 'notify', 'session', []],
  ['LOCK TABLE shop.orders IN ACCESS SHARE MODE', 'lock', 'read', ['read shop.orders']],
  ['LOCK TABLE shop.orders', 'lock', 'change', ['write shop.orders']],
  ['CREATE TEMP TABLE x (id int)', 'create', 'session', []],
  ['CREATE TEMP SEQUENCE x', 'create', 'session', []],
  ['CREATE TEMP TABLE x AS SELECT * FROM shop.orders', 'create', 'read', ['read shop.orders']],
  ['SELECT * INTO TEMP x FROM shop.orders', 'create', 'read', ['read shop.orders']],
  ['CREATE TEMP VIEW x AS SELECT * FROM shop.orders', 'create', 'read', ['read shop.orders']],
  ['CREATE TABLE shop.x (id int)', 'create', 'change', ['define shop.x']],
  ['CREATE TABLE x AS SELECT * FROM shop.orders', 'create', 'change', ['read shop.orders', 'define public.x']],
  ['SELECT * INTO x FROM shop.orders', 'create', 'change', ['read shop.orders', 'define public.x']],
  ['CREATE VIEW shop.x AS SELECT * FROM shop.orders', 'create', 'change', ['read shop.orders', 'define shop.x']],
  ['CREATE INDEX ON shop.orders (id)', 'create', 'change', ['define shop.orders']],
  ['CREATE SCHEMA x', 'create', 'change', ['define x']],
  ['CREATE ROLE x', 'create', 'change', ['define']],
  ["CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", 'create', 'change', ['define shop']],
  ['CREATE EXTENSION hstore', 'create', 'change', ['define']],
  ['ALTER TABLE shop.orders ADD x int', 'alter', 'change', ['define shop.orders']],
  ['ALTER TABLE shop.orders RENAME TO y', 'alter', 'change', ['define shop.orders']],
  ['ALTER SYSTEM SET work_mem = 1', 'alter', 'change', ['define']],
  ['DROP TABLE shop.orders', 'drop', 'change', ['define shop.orders']],
  ['DROP FUNCTION shop.f()', 'drop', 'change', ['define']],
  ['GRANT SELECT ON shop.orders TO x', 'grant', 'change', ['define']],
  ["COMMENT ON TABLE shop.orders IS 'x'", 'comment', 'change', ['define']],
  ['REFRESH MATERIALIZED VIEW shop.contacts', 'refresh', 'change', ['write shop.contacts']],
  ['VACUUM shop.orders', 'vacuum', 'change', ['define shop.orders']],
  ['ANALYZE', 'analyze', 'change', ['define']],
  ['CHECKPOINT', 'checkpoint', 'change', ['define']],
  ["LOAD 'x'", 'load', 'change', ['exec']],
  ['CALL shop.tidy()', 'call', 'change', ['call shop.tidy']],
  ["SELECT nextval('shop.tickets')", 'select', 'change', ['write shop.tickets']],
  ["SELECT pg_read_file('x')", 'select', 'change', ['call pg_catalog.pg_read_file']],
  ['SELECT pg_terminate_backend(1)', 'select', 'change', ['call pg_catalog.pg_terminate_backend']],
];
for (const [text, verb, effect, questions] of table) {
  test(`${text} is judged as ${verb}`, async () => {
    const found = await statement(text);
    assert.deepEqual([found.verb, found.effect, questionsOf(found).sort()], [verb, effect, [...questions].sort()]);
  });
}

test('what concerns temporary relations alone asks nothing and changes nothing outside', async () => {
  const path = ['pg_temp_3', ...session.searchPath];
  const temporary = {
    ...session,
    searchPath: path,
    temporary: [relation('pg_temp_3.t', 'a')],
    temporarySchema: 'pg_temp_3',
  };
  for (const text of [
    'INSERT INTO t VALUES (1) RETURNING a',
    'UPDATE t SET a = 2',
    'DELETE FROM pg_temp.t',
    'TRUNCATE t',
    'COPY t FROM STDIN',
    'ALTER TABLE t ADD b int',
    'CREATE INDEX ON t (a)',
    'DROP TABLE t',
    'ANALYZE t',
    'LOCK t',
  ]) {
    const found = await statement(text, { session: temporary });
    assert.deepEqual([found.effect === 'change', questionsOf(found), hazardsOf(found)], [false, [], []], text);
  }
});

test('every kind of statement that the grammar knows has a rule, or is refused on purpose', () => {
  const types = readFileSync(new URL('../../../node_modules/@pgsql/types/types.d.ts', import.meta.url), 'utf8');
  const nodes = [...types.matchAll(/export interface (\w*Stmt)\b/g)].map((match) => match[1] ?? '');
  assert.ok(nodes.length > 100);
  // Never at the top of a script: the wrapper, parts of ALTER TABLE and of functions.
  const inner = ['PLAssignStmt', 'RawStmt', 'ReplicaIdentityStmt', 'ReturnStmt', 'SetOperationStmt'];
  assert.deepEqual(nodes.filter((node) => !verbRule(node)).sort(), inner);
});

test('rows, WHERE and context changes are told', async () => {
  const outline = ({ returnsRows, hasWhere, changesContext, changesCatalog }: SqlStatement) =>
    [returnsRows, hasWhere, changesContext, changesCatalog].map(Number).join('');
  assert.equal(outline(await statement('SELECT * FROM shop.orders')), '1000');
  assert.equal(outline(await statement('SELECT * FROM shop.orders WHERE id = 1')), '1100');
  assert.equal(outline(await statement('UPDATE shop.orders SET total = 1')), '0000');
  assert.equal(outline(await statement('DELETE FROM shop.orders WHERE id = 1 RETURNING id')), '1100');
  assert.equal(outline(await statement('SET search_path = x')), '0110');
  assert.equal(outline(await statement('CREATE TABLE shop.x (id int)')), '0101');
  assert.equal(outline(await statement('COPY shop.orders TO STDOUT')), '1000');
});

const hazards: readonly (readonly [string, readonly string[]])[] = [
  ['SELECT shop.customer_email(1)', ['function-reads hidden-here']],
  ['SELECT shop.order_total(1)', ['function-reads hidden-here']],
  ['SELECT shop.via_path()', ['function-reads hidden-here']],
  ['SELECT shop.atomic()', ['function-reads hidden-here']],
  ['SELECT shop.returning_one()', []],
  ['SELECT shop.again()', []],
  ['SELECT shop.with_default()', ['function-reads hidden-here']],
  ['SELECT shop.plain_default()', []],
  ['SELECT shop.unread_default()', ['opaque-function hidden-anywhere']],
  ["SELECT * FROM shop.run_report('x')", ['opaque-function hidden-anywhere']],
  ['SELECT upper(name) FROM shop.customers', []],
  ['SET search_path = shop; SELECT upper(name) FROM customers', ['opaque-function hidden-anywhere']],
  ['SET search_path = shop; SELECT pg_catalog.upper(name) FROM customers', []],
  ['SELECT c.domain_of FROM shop.customers c', ['opaque-function hidden-anywhere']],
  ['SELECT (c).domain_of FROM shop.customers c', ['opaque-function hidden-anywhere']],
  ['SELECT public.similarity(name, email) FROM shop.customers', []],
  ["SELECT * FROM dblink('x', 'y') AS t(a int)", ['server-access hidden-anywhere']],
  ['SELECT public.distance()', ['function-reads hidden-here']],
  ['SELECT public.partition_data()', ['opaque-function hidden-anywhere']],
  ['SELECT shop.collect(name) FROM shop.customers', ['opaque-function hidden-anywhere']],
  ['SELECT shop.join_up(name) FROM shop.customers', ['opaque-function hidden-anywhere']],
  ['SELECT public.first(name) FROM shop.customers', []],
  ['SELECT extract(year FROM now())', []],
  ['SELECT shop.never_seen(1)', ['unknown-function hidden-anywhere']],
  ['SELECT never_seen(1)', ['unknown-function hidden-anywhere']],
  ['SELECT email(c) FROM shop.customers c', []],
  ['SELECT 1 OPERATOR(shop.=~=) 2', ['opaque-function hidden-anywhere']],
  ['SELECT 1 =~= 2', []],
  ['SET search_path = shop; SELECT 1 =~= 2', ['opaque-function hidden-anywhere']],
  ["SELECT query_to_xml('SELECT * FROM shop.orders', true, true, '')", ['function-reads hidden-here']],
  ["SELECT query_to_xml('SELECT 1', true, true, '')", []],
  ["SELECT query_to_xml('SEL' || 'ECT 1', true, true, '')", ['dynamic-sql hidden-anywhere']],
  [
    "SELECT query_to_xml(query => 'SELECT 1', nulls => true, tableforest => true, targetns => '')",
    ['dynamic-sql hidden-anywhere'],
  ],
  ["SELECT query_to_xml('DELETE FROM shop.orders', true, true, '')", ['dynamic-sql hidden-anywhere']],
  ["SELECT table_to_xml('shop.customers', true, true, '')", ['function-reads hidden-here']],
  ["SELECT table_to_xml(20000, true, true, '')", ['dynamic-sql hidden-anywhere']],
  ['SELECT * FROM crosstab(\'SELECT 1, 2, 3\', \'TABLE"shop"."customers"\') t(a int)', ['function-reads hidden-here']],
  ["SELECT * FROM crosstab('SELECT 1, 2, 3', 4) t(a int)", []],
  ["SELECT ts_rewrite('a', 'b', 'c')", []],
  ["SELECT ts_rewrite('a', 'SELECT email, name FROM shop.customers')", ['function-reads hidden-here']],
  ["SELECT * FROM xpath_table('id', 'prefs', 'shop.customers', '/a', 'true') t(a int)", ['function-reads hidden-here']],
  [
    "SELECT * FROM xpath_table('id', 'total', 'shop.orders', '/a', 'id = (SELECT 1)') t(a int)",
    ['function-reads hidden-here'],
  ],
  [
    "SELECT * FROM xpath_table('id', 'total', lower('shop.orders'), '/a', 'true') t(a int)",
    ['dynamic-sql hidden-anywhere'],
  ],
  [
    "SET standard_conforming_strings = off; SELECT query_to_xml('SELECT ''\\''', true, true, '')",
    ['dynamic-sql hidden-anywhere'],
  ],
  ["SELECT query_to_xml('SELECT ''\\''', true, true, '')", []],
  ["SELECT database_to_xml(true, true, '')", ['reads-around hidden-anywhere']],
  ['SELECT pid FROM pg_stat_activity', []],
  ['SELECT * FROM (SELECT pid FROM pg_stat_activity) x', []],
  ['SELECT 1 FROM pg_authid', ['echoing-relation hidden-anywhere']],
  ['SHOW gatehouse.key', ['gateway-setting everyone']],
  ["SET gatehouse.key = 'x'", ['gateway-setting everyone']],
  [
    "CREATE FUNCTION shop.kept() RETURNS text LANGUAGE sql SET Gatehouse.key FROM CURRENT AS 'SELECT 1'",
    ['gateway-setting everyone'],
  ],
  ["SELECT current_setting('gatehouse.key')", ['gateway-setting everyone']],
  ["SELECT current_setting('GATEHOUSE' || '.key')", ['computed-setting hidden-anywhere']],
  ["SELECT set_config('gatehouse.key', 'x', false)", ['gateway-setting everyone']],
  ['SELECT current_setting(s.name) FROM pg_settings s', []],
  ['SELECT current_setting(s.name) FROM shop.customers s', ['computed-setting hidden-anywhere']],
  ['SELECT current_setting(s.name) FROM pg_settings s(x, name)', ['computed-setting hidden-anywhere']],
  [
    "SELECT (SELECT current_setting(s.name) FROM (VALUES ('x')) s(name)) FROM pg_settings s",
    ['computed-setting hidden-anywhere'],
  ],
  [
    "SELECT current_setting(s.name) FROM (pg_settings s CROSS JOIN shop.orders) j, (VALUES ('x')) s(name)",
    ['computed-setting hidden-anywhere'],
  ],
  [
    'UPDATE shop.orders SET note = current_setting(s.name) FROM pg_settings s(x, name)',
    ['computed-setting hidden-anywhere'],
  ],
  ['DO $$ BEGIN PERFORM 1; END $$', []],
  ['DO $$ BEGIN PERFORM email FROM shop.customers; END $$', ['function-reads hidden-here']],
  ["DO $$ BEGIN RAISE NOTICE '%', (SELECT email FROM shop.customers); END $$", ['function-reads hidden-here']],
  [
    'DO $$ DECLARE x text := (SELECT email FROM shop.customers); BEGIN x := x || 1; END $$',
    ['function-reads hidden-here'],
  ],
  ["DO $$ BEGIN EXECUTE 'SELECT 1'; END $$", ['dynamic-sql hidden-anywhere']],
  ['DO $$ BEGIN SET search_path = shop; END $$', ['dynamic-sql hidden-anywhere']],
  ['DO LANGUAGE plpython3u $$ pass $$', ['dynamic-sql hidden-anywhere']],
  ['DO $$ not plpgsql $$', ['dynamic-sql hidden-anywhere']],
  ['INSERT INTO shop.audited (id) VALUES (1)', ['trigger-on-target hidden-anywhere']],
  ['SET ROLE x', ['changes-identity hidden-anywhere']],
  ['SET SESSION AUTHORIZATION x', ['changes-identity hidden-anywhere']],
  ["COPY shop.orders TO '/tmp/x'", ['server-file hidden-anywhere']],
  ['ALTER TABLE shop.customers ADD x text GENERATED ALWAYS AS (email) STORED', ['defines-on-masked hidden-here']],
  ['CREATE INDEX ON shop.customers (lower(email))', ['defines-on-masked hidden-here']],
  ['CREATE TABLE shop.x () INHERITS (shop.customers)', ['defines-on-masked hidden-here']],
  ['CREATE STATISTICS s ON email, name FROM shop.customers', ['defines-out-of-sight hidden-anywhere']],
  ['CREATE EXTENSION dblink', ['defines-out-of-sight hidden-anywhere']],
  ['EXECUTE nothing', ['unknown-name everyone']],
  ['FETCH 1 FROM nothing', ['unknown-name everyone']],
];
for (const [text, expected] of hazards) {
  test(`dangers of ${text}`, async () => {
    assert.deepEqual(hazardsOf(await statement(text)), expected);
  });
}

const raw: readonly (readonly [string, readonly string[] | 'all' | undefined])[] = [
  ["UPDATE shop.customers SET email = 'x'", undefined],
  ["UPDATE shop.customers SET country = 'x' WHERE id = 1", ['id']],
  ['UPDATE shop.customers SET name = email WHERE id = 1', ['email', 'id']],
  ['UPDATE shop.customers SET country = country RETURNING email', ['country', 'email']],
  ['UPDATE shop.customers SET country = 1 RETURNING *', 'all'],
  ['UPDATE shop.customers c SET country = 1 RETURNING c', 'all'],
  ['UPDATE shop.customers c SET country = o.total FROM shop.orders o WHERE o.id = c.id', ['id']],
  ['DELETE FROM shop.customers', undefined],
  ["DELETE FROM shop.customers WHERE email LIKE 'a%'", ['email']],
  ["INSERT INTO shop.customers (id, email) VALUES (1, 'x')", undefined],
  ['INSERT INTO shop.customers SELECT * FROM shop.orders', undefined],
  ['INSERT INTO shop.customers (id) VALUES (1) RETURNING email', ['email']],
  ['INSERT INTO shop.customers (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET country = excluded.country', undefined],
  [
    "INSERT INTO shop.customers (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET country = 'x' WHERE customers.email = 'y'",
    ['email'],
  ],
  ['MERGE INTO shop.customers c USING shop.orders o ON c.email = o.total::text WHEN MATCHED THEN DELETE', ['email']],
];
for (const [text, expected] of raw) {
  test(`raw columns of a target in ${text}`, async () => {
    const hazard = (await statement(text)).hazards.find((item) => item.code === 'raw-target-column');
    const columns = hazard && (hazard.columns ? [...hazard.columns].sort() : 'all');
    assert.deepEqual(columns, expected);
  });
}

test('columns that echo others are told where they can be seen, and are a danger inside functions', async () => {
  const echoes = async (text: string) => (await statement(text)).sites.map((site) => site.echoes ?? []);
  assert.deepEqual(await echoes('SELECT pid FROM pg_stat_activity'), [[]]);
  for (const text of [
    'SELECT query FROM pg_stat_activity',
    'SELECT a.* FROM pg_stat_activity a',
    'SELECT a FROM pg_stat_activity a',
  ]) {
    assert.deepEqual(await echoes(text), [['query']], text);
  }
  const inside = "SELECT query_to_xml('SELECT query FROM pg_stat_activity', true, true, '')";
  assert.deepEqual(hazardsOf(await statement(inside)).includes('echoing-relation hidden-anywhere'), true);
});

test('EXECUTE and FETCH are what stands behind the name', async () => {
  const prepared = await statement('PREPARE p AS SELECT email FROM shop.customers');
  const objects = {
    ...noObjects,
    prepared: (name: string) => (name === 'p' ? prepared : undefined),
    cursor: () => prepared,
  };
  for (const text of ['EXECUTE p', 'FETCH ALL FROM k']) {
    const found = await statement(text, { objects });
    assert.deepEqual(questionsOf(found), ['read shop.customers']);
    assert.deepEqual(
      found.sites.map((site) => [site.form, site.columns]),
      [['behind', new Set(['email'])]],
    );
    assert.ok(found.returnsRows);
  }
  const script = await statement('PREPARE q AS DELETE FROM shop.orders; EXECUTE q');
  assert.deepEqual([questionsOf(script), script.effect], [['write shop.orders'], 'change']);
  assert.deepEqual(hazardsOf(await statement('PREPARE q AS SELECT 1; DEALLOCATE q; EXECUTE q')), [
    'unknown-name everyone',
  ]);
});

test('a prepared statement whose names mean something else by now is not run', async () => {
  const prepared = await statement('PREPARE p AS SELECT * FROM orders');
  const objects = { ...noObjects, prepared: () => prepared };
  const moved = { ...session, searchPath: ['pg_catalog', 'shop'] };
  assert.deepEqual(hazardsOf(await statement('EXECUTE p', { objects })), []);
  const [hazard] = (await statement('EXECUTE p', { objects, session: moved })).hazards;
  assert.deepEqual([hazard?.applies, hazard?.sqlstate], ['everyone', '0A000']);
});
