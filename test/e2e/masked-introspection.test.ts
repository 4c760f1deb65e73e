/** What tools ask a database about itself goes on working for somebody from whom columns are hidden. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { Door } from '../support/clients/door.ts';
import { missing, psql } from '../support/clients/programs.ts';
import { assertMasked, type House, openHouse, PSEUDONYM } from '../support/gateway-house.ts';

const skip = await missing({ programs: ['psql'] });
let house: House;
let analyst: Door;

before(async () => {
  house = await openHouse();
  analyst = await house.through('ana', 'analysts');
});
after(() => house[Symbol.asyncDispose]());

const META = [
  ...[
    '\\d',
    '\\dn+',
    '\\l',
    '\\du',
    '\\dt shop.*',
    '\\dv shop.*',
    '\\dm shop.*',
    '\\di shop.*',
    '\\ds shop.*',
    '\\df shop.*',
    '\\dT shop.*',
    '\\dD shop.*',
  ],
  ...[
    '\\d shop.customers',
    '\\d+ shop.customers',
    '\\d+ shop.visits',
    '\\d+ shop.order_overview',
    '\\d shop.orders',
    '\\d shop."Kunden Straße"',
  ],
  ...[
    '\\dp shop.*',
    '\\dd shop.*',
    '\\sv shop.order_overview',
    '\\sf shop.vat',
    '\\do',
    '\\dx',
    '\\drds',
    '\\db',
    '\\dc',
    '\\dC',
    '\\dL',
    '\\encoding',
  ],
];

test('psql’s own commands show what they show directly', { skip }, async () => {
  const script = META.join('\n');
  const [direct, masked] = [
    await psql(house.direct, script, { args: ['-a'] }),
    await psql(analyst, script, { args: ['-a'] }),
  ];
  assert.equal(masked.stderr, direct.stderr);
  assert.equal(masked.stdout, direct.stdout);
});

/** As graphical tools and drivers send them at connect and when a tree is opened. */
const QUERIES: Readonly<Record<string, string>> = {
  'server and session': `SELECT version(), current_database(), current_schema(), current_user = session_user, pg_is_in_recovery(), current_setting('server_version_num'), current_setting('search_path')`,
  'database list': `SELECT db.oid, db.*, pg_catalog.pg_encoding_to_char(encoding) AS serverencoding, shobj_description(db.oid, 'pg_database') FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate ORDER BY datname`,
  'schema list': `SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass WHERE nspname !~ '^pg_t' ORDER BY nspname`,
  'relation list': `SELECT c.oid, c.relname, c.relkind, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c') ORDER BY c.relname`,
  'column list': `SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relnamespace = 'shop'::regnamespace AND a.attnum > 0 ORDER BY c.relname, a.attnum`,
  'constraint list': `SELECT c.oid, c.conname, c.contype, t.relname AS tabrelname, pg_catalog.pg_get_constraintdef(c.oid) AS definition FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid WHERE t.relnamespace = 'shop'::regnamespace ORDER BY c.oid`,
  'index list': `SELECT i.*, i.indkey AS keys, c.relname, pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.pg_relation_size(i.indexrelid) > 0 FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'shop'::regnamespace ORDER BY c.relname`,
  'view definitions': `SELECT c.relname, pg_catalog.pg_get_viewdef(c.oid, true) FROM pg_catalog.pg_class c WHERE c.relkind IN ('v', 'm') AND c.relnamespace = 'shop'::regnamespace ORDER BY 1`,
  'function list': `SELECT p.oid, p.proname, pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid), l.lanname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'shop'::regnamespace ORDER BY p.proname`,
  'type list': `SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid WHERE typnamespace = 'shop'::regnamespace ORDER BY t.oid`,
  'enum values': `SELECT e.enumlabel FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid WHERE t.typname = 'order_state' ORDER BY e.enumsortorder`,
  'information schema': `SELECT table_name, column_name, ordinal_position, column_default, is_nullable, data_type, udt_name, is_generated FROM information_schema.columns WHERE table_schema = 'shop' ORDER BY 1, 3`,
  'information schema, keys': `SELECT tc.table_name, kcu.column_name, ccu.table_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_schema, constraint_name) JOIN information_schema.constraint_column_usage ccu USING (constraint_schema, constraint_name) WHERE tc.constraint_type = 'FOREIGN KEY' ORDER BY 1, 2, 3`,
  'settings and roles': `SELECT name, vartype FROM pg_catalog.pg_settings WHERE name IN ('server_version', 'TimeZone') ORDER BY 1; SELECT r.rolname, r.rolsuper, pg_catalog.shobj_description(r.oid, 'pg_authid') FROM pg_catalog.pg_roles r ORDER BY 1`,
  privileges: `SELECT has_table_privilege('shop.customers', 'SELECT'), has_schema_privilege('shop', 'USAGE'), has_column_privilege('shop.customers', 'email', 'SELECT'), pg_catalog.pg_has_role('app', 'MEMBER')`,
  sizes: `SELECT c.relname, pg_total_relation_size(c.oid) > 0, pg_size_pretty(pg_relation_size(c.oid)) IS NOT NULL, obj_description(c.oid) FROM pg_class c WHERE c.relname IN ('orders', 'products') ORDER BY 1`,
  'inheritance and partitions': `SELECT i.inhrelid::regclass::text, i.inhparent::regclass::text, i.inhseqno FROM pg_catalog.pg_inherits i WHERE i.inhparent = 'shop.visits'::regclass ORDER BY 1`,
};

for (const [what, query] of Object.entries(QUERIES)) {
  test(`a tool’s question about the ${what} is answered as directly`, { skip }, async () => {
    const [direct, masked] = [await psql(house.direct, query), await psql(analyst, query)];
    assert.equal(masked.stderr, direct.stderr);
    assert.equal(masked.stdout, direct.stdout);
    assert.ok(direct.stdout.length > 1);
  });
}

test('what the server remembers of values and statements shows nothing hidden', { skip }, async () => {
  const { stdout } = await psql(
    analyst,
    `SELECT * FROM pg_stats WHERE schemaname = 'shop';
     SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'customers';
     SELECT stavalues1 FROM pg_statistic;
     SELECT query FROM pg_stat_activity;
     SELECT statement FROM pg_prepared_statements; SELECT statement FROM pg_cursors;
     SELECT current_query();
     EXPLAIN (VERBOSE, ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT email FROM shop.customers WHERE email = 'x' AND phone > '1';
     SELECT name, setting, boot_val, reset_val FROM pg_settings;`,
  );
  assertMasked(stdout);
});

test('the key of pseudonyms is nowhere to be read', { skip }, async () => {
  const { stdout, stderr } = await psql(
    analyst,
    `SHOW gatehouse.pseudonym_inner; SHOW gatehouse.pseudonym_outer; SHOW ALL;
     SELECT current_setting('gatehouse.pseudonym_inner'); SELECT current_setting('gatehouse.pseudonym_' || 'outer', true);
     SELECT name, setting, boot_val, reset_val FROM pg_settings WHERE name LIKE 'gatehouse%';
     SELECT setconfig FROM pg_db_role_setting; SELECT * FROM pg_show_all_settings();
     EXPLAIN (VERBOSE) SELECT email FROM shop.customers; EXPLAIN (VERBOSE, ANALYZE, SETTINGS) SELECT email FROM shop.customers;
     SELECT query FROM pg_stat_activity;
     PREPARE p AS SELECT email FROM shop.customers; EXPLAIN (VERBOSE) EXECUTE p;
     SET gatehouse.pseudonym_inner = 'known'; SELECT email FROM shop.customers ORDER BY id LIMIT 1;`,
  );
  assert.ok(PSEUDONYM.test(stdout));
  const key = /[0-9a-f]{32,}|[A-Za-z0-9+/]{40,}={0,2}/;
  assert.doesNotMatch(stdout.replace(/p_\w+@masked/g, ''), key);
  assert.doesNotMatch(stderr, key);
  assert.match(stderr, /gatehouse/);
});
