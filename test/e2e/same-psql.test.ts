/** Somebody from whom nothing is hidden notices no gateway: psql says the same, byte for byte, through either door. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { Door } from '../support/clients/door.ts';
import { missing, psql } from '../support/clients/programs.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const skip = await missing({ programs: ['psql'] });
let house: House;
let engineer: Door;

before(async () => {
  house = await openHouse();
  engineer = await house.through('eng', 'engineers');
});
after(() => house[Symbol.asyncDispose]());

/** Runs a script through both doors; what may differ is the server's source line and process id. */
async function same(script: string, args: readonly string[] = ['-a']): Promise<string> {
  const said = async (door: Door) => {
    const { code, stdout, stderr } = await psql(door, script, { args: [...args, '-v', 'VERBOSITY=verbose'] });
    const clean = stderr.replace(/^LOCATION: .*\n/gm, '');
    return { code, stdout: stdout.replace(/with PID \d+/g, 'with PID'), stderr: clean };
  };
  const direct = await said(house.direct);
  assert.deepEqual(await said(engineer), direct);
  return direct.stdout + direct.stderr;
}

const scripts: Readonly<Record<string, string>> = {
  'every type of the shop': `
    SELECT * FROM shop.customers ORDER BY id LIMIT 20;
    SELECT * FROM shop.orders ORDER BY id LIMIT 20;
    TABLE shop.products;
    SELECT * FROM shop.payments ORDER BY order_id LIMIT 5;
    SELECT * FROM shop.visits ORDER BY at LIMIT 5;
    SELECT * FROM shop."Kunden Straße";
    SELECT * FROM shop.city_totals ORDER BY city;`,
  'values of many types': `
    SELECT 1::int2, 2::int8, 1.5::float4, 'NaN'::float8, '-Infinity'::float8, 12345.678::numeric, 7::money, true, 'x'::"char";
    SELECT '2024-02-29'::date, 'infinity'::timestamptz, '24:00'::time, '12:00+02'::timetz, '1 year 2 mons'::interval;
    SELECT '{1,NULL,3}'::int[], '{{a,"b c"},{d,e}}'::text[], ROW(1,'x',NULL), '[1,5)'::int4range, '{[1,2),[4,5)}'::int4multirange;
    SELECT '\\xdeadbeef'::bytea, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr, B'101', '(1,2)'::point, 'a:1 b'::tsvector, '<a/>'::xml;
    SELECT NULL, '', 'tab	and ''quote''', E'line\\nbreak', repeat('wide ', 2000);
    SELECT; SELECT 1 AS a, 2 AS a, 3 AS "Großes Ü";`,
  'errors with all their fields': `
    SELECT nonsense FROM shop.customers;
    SELECT * FROM shop.custmers;
    SELEC 1;
    SELECT 1/0;
    SELECT 'x'::int;
    INSERT INTO shop.customers (full_name, email, city, created_at) VALUES ('A', 'person1@x.example', 'Graz', now()), ('B', 'no address', 'Graz', now());
    INSERT INTO shop.products VALUES (1, 'again', 1);
    INSERT INTO shop.products VALUES (99, 'negative', -1);
    INSERT INTO shop.order_lines VALUES (1, 9, 12345);
    DELETE FROM shop.customers WHERE id = 2;
    UPDATE shop.customers SET city = NULL WHERE id = 1;
    UPDATE shop.customers SET email_lower = 'x' WHERE id = 1;
    SELECT shop.order_count(99999);
    SELECT * FROM generate_series(1, 3) g(n) WHERE 6 / (n - 2) > 0;
    SELECT shop.vat('a', 'b');
    DROP TABLE shop.customers;`,
  'errors about what is not there': `
    SELECT * FROM nowhere.nothing;
    INSERT INTO nothing VALUES (1);
    UPDATE nothing SET a = 1;
    MERGE INTO nothing USING shop.orders o ON true WHEN MATCHED THEN DELETE;
    COPY nothing TO STDOUT;
    COPY nowhere.nothing TO STDOUT;
    COPY shop.customers (nothing) TO STDOUT;
    COPY (SELECT 1 FROM nothing) TO STDOUT;
    COPY nothing FROM STDIN;
    TRUNCATE nothing;
    TRUNCATE nowhere.nothing;
    BEGIN; LOCK TABLE nothing; ROLLBACK;
    VACUUM nothing;
    ANALYZE shop.nothing;
    REFRESH MATERIALIZED VIEW nothing;
    REINDEX TABLE nothing;
    CLUSTER nothing;
    CREATE TABLE shop.heir () INHERITS (nothing);
    CREATE TABLE shop.heir PARTITION OF nothing DEFAULT;
    CREATE TABLE shop.heir (LIKE nothing);
    CREATE INDEX ON nothing (a);
    CREATE VIEW shop.vain AS SELECT * FROM nothing;
    DECLARE c CURSOR FOR SELECT * FROM nothing;
    PREPARE q AS SELECT * FROM nothing;`,
  notices: `
    SELECT shop.order_count(1);
    DO $$ BEGIN RAISE WARNING 'careful' USING ERRCODE = '01Z99', HINT = 'or not', TABLE = 'customers'; RAISE INFO 'and info'; END $$;
    SET client_min_messages = debug1; DROP TABLE IF EXISTS shop.nothing; RESET client_min_messages;
    CREATE TEMP TABLE noticed (a int PRIMARY KEY); COMMIT; TRUNCATE noticed;`,
  'command tags': `
    \\set QUIET off
    BEGIN; CREATE TEMP TABLE tagged (a int, b text); INSERT INTO tagged VALUES (1, 'x'), (2, 'y'), (3, 'z') RETURNING a;
    UPDATE tagged SET b = upper(b) WHERE a > 1; DELETE FROM tagged WHERE a = 1; SELECT * FROM tagged; TABLE tagged;
    MERGE INTO tagged t USING (VALUES (2), (9)) v (a) ON t.a = v.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.a, 'm');
    CREATE INDEX ON tagged (a); ALTER TABLE tagged ADD c int; TRUNCATE tagged; SAVEPOINT s; ROLLBACK TO s; RELEASE s; COMMIT;
    EXPLAIN (COSTS off) SELECT * FROM tagged; SHOW search_path; SET search_path = shop; RESET ALL; DISCARD TEMP; VALUES (1), (2);
    CREATE TEMP VIEW tv AS SELECT 1 AS one; COMMENT ON VIEW tv IS 'x'; DROP VIEW tv; CHECKPOINT; VACUUM shop.products; ANALYZE shop.products;
    LOCK TABLE shop.orders; REFRESH MATERIALIZED VIEW shop.city_totals; CALL nothing();`,
  'transactions and their failures': `
    BEGIN; SELECT 1; SELECT 1/0; SELECT 2; ROLLBACK; SELECT 3;
    BEGIN; SAVEPOINT a; SELECT broken; ROLLBACK TO a; SELECT count(*) FROM shop.orders; COMMIT;
    BEGIN; SELECT 1/0; COMMIT; COMMIT;
    BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; DELETE FROM shop.order_lines; ROLLBACK;
    SELECT 1 \\; SELECT 2/0 \\; SELECT 3;
    BEGIN \\; SELECT 1 \\; COMMIT;
    \\set ON_ERROR_ROLLBACK on
    BEGIN; SELECT oops; SELECT 'still here'; COMMIT;`,
  'cursors and prepared statements': `
    BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id, email FROM shop.customers ORDER BY id;
    FETCH 3 FROM c; FETCH BACKWARD 1 FROM c; MOVE FORWARD 10 IN c; FETCH NEXT FROM c; FETCH LAST FROM c; FETCH 0 FROM c; CLOSE c; FETCH c; ROLLBACK;
    DECLARE h CURSOR WITH HOLD FOR SELECT id FROM shop.products ORDER BY id; FETCH 2 FROM h; CLOSE ALL;
    PREPARE p (int, text) AS SELECT $1 + 1, $2; EXECUTE p (1, 'a'); EXECUTE p (2, NULL); EXECUTE p (1); PREPARE p AS SELECT 1;
    DEALLOCATE p; EXECUTE p (1, 'a'); PREPARE q AS SELECT name, statement FROM pg_prepared_statements; EXECUTE q; DEALLOCATE ALL;
    \\set FETCH_COUNT 7
    SELECT id, state FROM shop.orders WHERE id <= 30 ORDER BY id;`,
  'what psql itself asks': `
    \\d
    \\dn
    \\dt+ shop.*
    \\d+ shop.customers
    \\d shop.visits
    \\d+ shop.order_overview
    \\df+ shop.*
    \\sf shop.order_count
    \\dT+ shop.*
    \\dD shop.*
    \\di shop.*
    \\dp shop.*
    \\du
    \\l
    \\d shop."Kunden Straße"
    SELECT id, total FROM shop.orders \\gdesc
    SELECT format('SELECT %s', n) FROM generate_series(1, 3) n \\gexec
    SELECT 1 AS one, 'x' AS two \\gset got_
    \\echo :got_one :got_two :ROW_COUNT :SQLSTATE
    SELECT state, city, count(*) FROM shop.order_overview GROUP BY 1, 2 \\crosstabview`,
  'notifications, settings and large objects': `
    LISTEN news; NOTIFY news, 'hello'; SELECT pg_notify('news', 'again'); UNLISTEN *; NOTIFY news;
    SET datestyle = 'German'; SELECT date '2024-02-29'; SET TimeZone = 'Asia/Tokyo'; SELECT timestamptz '2024-01-01 00:00Z'; SET extra_float_digits = 0; SELECT 0.1::float8;
    SET client_encoding = 'LATIN1'; SELECT 'Stra' || chr(223) || 'e'; RESET client_encoding; RESET ALL;
    SHOW ALL_NOTHING; SET nothing.own = '1'; SHOW nothing.own; SELECT set_config('nothing.own', '2', false); SHOW nothing.own;`,
};

for (const [what, script] of Object.entries(scripts)) {
  test(`psql shows the same: ${what}`, { skip }, async () => {
    assert.ok((await same(script)).length > 100);
  });
}

test('psql in its other formats shows the same', { skip }, async () => {
  const script = 'SELECT * FROM shop.customers ORDER BY id LIMIT 3; SELECT 1/0;';
  for (const format of [['--csv'], ['-x'], ['-H'], ['-1', '-e'], ['-s', '-A'], ['--single-line']])
    await same(script, format);
});

test('COPY out and in, in every format, moves the same bytes', { skip }, async () => {
  for (const format of ['text', 'csv, HEADER', 'csv, FORCE_QUOTE *', 'binary']) {
    await same(`COPY shop.customers TO STDOUT (FORMAT ${format});`, []);
    await same(`COPY (SELECT id, note FROM shop.orders ORDER BY id) TO STDOUT (FORMAT ${format});`, []);
  }
  await same(`
    CREATE TEMP TABLE copied (a int, b text);
    COPY copied FROM STDIN;
1\tx
2\t\\N
\\.
    COPY copied (b, a) FROM STDIN (FORMAT csv, HEADER);
b,a
"say ""hi""",3
\\.
    SELECT * FROM copied;
    COPY copied FROM STDIN;
no number\tx
\\.
    SELECT count(*) FROM copied;
    \\copy copied TO PROGRAM 'cat'
    COPY copied TO PROGRAM 'cat';
    COPY copied TO STDOUT \\; SELECT 'after';`);
});

test('psql’s exit codes and ON_ERROR_STOP are the same', { skip }, async () => {
  await same('SELECT 1; SELECT 1/0; SELECT 2;', ['-v', 'ON_ERROR_STOP=1']);
  await same('SELECT 1; SELECT 1/0; SELECT 2;', ['-1', '-v', 'ON_ERROR_STOP=1']);
});

test('startup options, environment and search_path mean the same', { skip }, async () => {
  for (const env of [
    { PGOPTIONS: '-c search_path=shop -c statement_timeout=123s' },
    { PGOPTIONS: '--datestyle=SQL,DMY --application-name=reports' },
    { PGAPPNAME: 'my report', PGDATESTYLE: 'German', PGTZ: 'Asia/Tokyo', PGCLIENTENCODING: 'LATIN1' },
  ]) {
    const script = `SHOW search_path; SHOW statement_timeout; SHOW application_name; SELECT date '2024-02-29', now() IS NULL, current_setting('TimeZone');
      SHOW client_encoding; SELECT count(*) FROM customers; \\encoding`;
    const [direct, through] = [await psql(house.direct, script, { env }), await psql(engineer, script, { env })];
    assert.deepEqual(through, direct);
  }
});
