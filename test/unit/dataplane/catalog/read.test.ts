import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import {
  CatalogError,
  functionsNamed,
  parseSessionContext,
  readCatalog,
  readSessionContext,
  relationNamed,
} from '../../../../src/dataplane/catalog/index.ts';
import type { CatalogRelation, CatalogSnapshot } from '../../../../src/model/catalog.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from '../../masking/real-postgres.ts';

const SETUP = `
CREATE EXTENSION citext;
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN shop.short AS varchar(20) COLLATE "C";
CREATE DOMAIN shop.shorter AS shop.short CHECK (length(VALUE) < 5);
CREATE TYPE shop."Pair" AS (a int, b shop.shorter);
CREATE TABLE shop.t (
  a int, b shop.shorter NOT NULL, gone int, c numeric(10,2)[], d public.citext, e shop.mood, f bpchar, g char(3), h bit, i bit(3),
  j timestamptz(3), k text COLLATE "C", l shop."Pair", m "char", n text GENERATED ALWAYS AS (b || k) STORED, o name,
  PRIMARY KEY (b, a));
ALTER TABLE shop.t DROP COLUMN gone;
CREATE TABLE shop.parent (x int, y text) PARTITION BY LIST (x);
CREATE TABLE shop.child PARTITION OF shop.parent FOR VALUES IN (1);
CREATE TABLE shop.grandparent (z int);
CREATE TABLE shop.both (w int) INHERITS (shop.grandparent);
CREATE VIEW shop."V iew" AS SELECT a, b FROM shop.t WHERE a > 0;
CREATE VIEW shop.over AS SELECT v.a, p.y FROM shop."V iew" v, shop.parent p;
CREATE MATERIALIZED VIEW shop.mat AS SELECT count(*) AS n FROM shop.over;
CREATE SEQUENCE shop.seq;
CREATE RULE r AS ON INSERT TO shop.both DO ALSO NOTHING;
CREATE FUNCTION shop.f(one int, OUT two text, VARIADIC three int[]) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = shop, "$user", "A b" AS 'SELECT one::text';
CREATE FUNCTION shop.trigger_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE UPDATE ON shop.t FOR EACH ROW EXECUTE FUNCTION shop.trigger_it();
CREATE PROCEDURE shop.p() LANGUAGE sql AS 'SELECT 1';
CREATE ROLE nobody LOGIN;
`;

for (const installation of await installations()) {
  describe(`the catalog of ${installation.name}`, () => {
    let server: RealPostgres;
    let client: pg.Client;
    let catalog: CatalogSnapshot;
    let version: number;

    before(async () => {
      server = await startPostgres(installation);
      client = await server.connect();
      await client.query(SETUP);
      version = Number((await textQuery(client)('SHOW server_version_num'))[0]?.[0]);
      if (version >= 140000) {
        await client.query(
          'CREATE FUNCTION shop.modern(int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM shop.t WHERE a = $1; END',
        );
      }
      catalog = await readCatalog(textQuery(client), 'shop', () => 42);
    });

    after(async () => {
      await client?.end();
      await server?.stop();
    });

    const relation = (name: string, schema = 'shop'): CatalogRelation => {
      const found = relationNamed(catalog, schema, name);
      assert.ok(found, name);
      return found;
    };

    test('names the database, the server, the moment and the schemas', () => {
      assert.equal(catalog.connection, 'shop');
      assert.equal(catalog.database, 'postgres');
      assert.equal(catalog.serverVersion, version);
      assert.equal(catalog.takenAt, 42);
      for (const schema of ['shop', 'public', 'pg_catalog', 'information_schema'])
        assert.ok(catalog.schemas.has(schema), schema);
    });

    test('columns come with types that can be written in any session', async () => {
      const columns = Object.fromEntries(relation('t').columns.map((column) => [column.name, column]));
      assert.deepEqual(Object.keys(columns), [
        'a',
        'b',
        'c',
        'd',
        'e',
        'f',
        'g',
        'h',
        'i',
        'j',
        'k',
        'l',
        'm',
        'n',
        'o',
      ]);
      const types = Object.fromEntries(
        Object.values(columns).map(({ name, typeName, baseTypeName }) => [name, [typeName, baseTypeName]]),
      );
      assert.deepEqual(types, {
        a: ['integer', 'integer'],
        b: ['shop.shorter', 'character varying(20)'],
        c: ['numeric(10,2)[]', 'numeric(10,2)[]'],
        d: ['public.citext', 'public.citext'],
        e: ['shop.mood', 'shop.mood'],
        f: ['pg_catalog.bpchar', 'pg_catalog.bpchar'],
        g: ['character(3)', 'character(3)'],
        h: ['bit(1)', 'bit(1)'],
        i: ['bit(3)', 'bit(3)'],
        j: ['timestamp(3) with time zone', 'timestamp(3) with time zone'],
        k: ['pg_catalog.text', 'pg_catalog.text'],
        l: ['shop."Pair"', 'shop."Pair"'],
        m: ['pg_catalog."char"', 'pg_catalog."char"'],
        n: ['pg_catalog.text', 'pg_catalog.text'],
        o: ['pg_catalog.name', 'pg_catalog.name'],
      });
      assert.equal(columns['b']?.baseTypeOid, 1043);
      assert.equal(columns['b']?.notNull, true);
      assert.equal(columns['b']?.collation, 'pg_catalog."C"');
      assert.equal(columns['k']?.collation, 'pg_catalog."C"');
      assert.equal(columns['o']?.collation, undefined);
      assert.equal(columns['e']?.firstEnumLabel, 'sad');
      assert.equal(columns['c']?.attnum, 4, 'dropped columns leave their number behind');
      assert.equal(columns['n']?.generated, true);
      assert.deepEqual(columns['n']?.generatedFrom, [2, 12]);
      assert.deepEqual(relation('t').primaryKey, [2, 1]);
      await client.query(
        'BEGIN; CREATE SCHEMA evil; CREATE DOMAIN evil.text AS int; CREATE DOMAIN evil.numeric AS int; SET LOCAL search_path = evil, pg_catalog',
      );
      for (const every of catalog.relations.values()) {
        if (every.schema === 'information_schema') continue;
        for (const { typeOid, typeName, category, baseTypeOid, baseTypeName } of every.columns) {
          if (category === 'P') continue;
          const [row] = await textQuery(client)(`SELECT pg_catalog.pg_typeof(NULL::${baseTypeName})::oid::text`);
          assert.equal(Number(row?.[0]), baseTypeOid, baseTypeName);
          const [own] = await textQuery(client)(`SELECT pg_catalog.pg_typeof(NULL::${typeName})::oid::text`).catch(
            () => [[String(typeOid)]],
          );
          assert.equal(Number(own?.[0]), typeOid, typeName);
        }
        if (every.schema === 'pg_catalog' && every.oid > 2000) break;
      }
      await client.query('ROLLBACK');
    });

    test('families, views, rules, triggers and extensions are known', () => {
      assert.equal(relation('parent').kind, 'partitioned-table');
      assert.deepEqual(relation('child').parents, [relation('parent').oid]);
      assert.deepEqual(relation('both').parents, [relation('grandparent').oid]);
      assert.equal(relation('V iew').kind, 'view');
      assert.match(relation('V iew').definition ?? '', /FROM shop\.t\s+WHERE/);
      assert.match(relation('over').definition ?? '', /shop\."V iew"/);
      assert.deepEqual(
        relation('over').reads,
        [relation('parent').oid, relation('V iew').oid].sort((a, b) => a - b),
      );
      assert.equal(relation('mat').kind, 'materialized-view');
      assert.equal(relation('seq').kind, 'sequence');
      assert.equal(relation('Pair').kind, 'composite-type');
      assert.equal(relation('both').hasRules, true);
      assert.equal(relation('V iew').hasRules, false);
      assert.equal(relation('t').hasTriggers, true);
      assert.equal(relation('child').hasTriggers, false);
      assert.equal(functionsNamed(catalog, 'public', 'citext')[0]?.extension, 'citext');
      assert.equal(relation('pg_class', 'pg_catalog').kind, 'table');
      assert.ok(relation('tables', 'information_schema').definition);
    });

    test('functions come with what they are called with and what they run', () => {
      const [f] = functionsNamed(catalog, 'shop', 'f');
      assert.deepEqual(f?.argTypes, [23, 1007]);
      assert.deepEqual(f?.argNames, ['one', 'three']);
      assert.deepEqual([f?.kind, f?.language, f?.volatility, f?.securityDefiner], ['function', 'sql', 'stable', true]);
      assert.deepEqual(f?.searchPath, ['shop', '$user', 'A b']);
      assert.equal(f?.source, 'SELECT one::text');
      assert.equal(functionsNamed(catalog, 'shop', 'p')[0]?.kind, 'procedure');
      assert.equal(functionsNamed(catalog, 'pg_catalog', 'count')[0]?.kind, 'aggregate');
      assert.equal(functionsNamed(catalog, 'pg_catalog', 'lower')[0]?.source, undefined);
      if (version >= 140000) assert.match(functionsNamed(catalog, 'shop', 'modern')[0]?.source ?? '', /FROM shop\.t/);
    });

    test('functions that run without being named are known: of aggregates, operators and casts', async () => {
      await client.query(`CREATE TYPE shop.coin AS (cents int);
        CREATE FUNCTION shop.step(int, shop.coin) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
        CREATE FUNCTION shop.finish(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
        CREATE FUNCTION shop.as_text(shop.coin) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
        CREATE FUNCTION shop.as_coin(int) RETURNS shop.coin LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1)::shop.coin';
        CREATE FUNCTION shop.richer(shop.coin, shop.coin) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
        CREATE AGGREGATE shop.total(shop.coin) (SFUNC = shop.step, STYPE = int, FINALFUNC = shop.finish,
          COMBINEFUNC = int4pl, MSFUNC = shop.step, MINVFUNC = shop.step, MSTYPE = int, MFINALFUNC = shop.finish);
        CREATE AGGREGATE shop.biggest(int) (SFUNC = int4larger, STYPE = int);
        CREATE OPERATOR shop.>>> (LEFTARG = shop.coin, RIGHTARG = shop.coin, FUNCTION = shop.richer, COMMUTATOR = <<<);
        CREATE CAST (shop.coin AS text) WITH FUNCTION shop.as_text(shop.coin);
        CREATE CAST (int AS shop.coin) WITH FUNCTION shop.as_coin(int) AS ASSIGNMENT`);
      const read = await readCatalog(textQuery(client), 'shop');
      const oid = (name: string, schema = 'shop'): number | undefined => functionsNamed(read, schema, name)[0]?.oid;
      assert.deepEqual(functionsNamed(read, 'shop', 'total')[0]?.support, [
        oid('step'),
        oid('finish'),
        oid('int4pl', 'pg_catalog'),
      ]);
      assert.deepEqual(functionsNamed(read, 'shop', 'biggest')[0]?.support, [oid('int4larger', 'pg_catalog')]);
      assert.equal(functionsNamed(read, 'pg_catalog', 'count')[0]?.support, undefined);
      assert.equal(functionsNamed(read, 'shop', 'step')[0]?.support, undefined);
      assert.deepEqual(
        read.operators?.filter(({ schema }) => schema === 'shop'),
        [{ schema: 'shop', name: '>>>', implementation: oid('richer') }],
        'a shell operator runs nothing',
      );
      assert.ok(read.operators?.some(({ schema, extension }) => schema === 'public' && extension === 'citext'));
      const coin = [...read.types.values()].find(({ name }) => name === 'coin')?.oid;
      assert.deepEqual(
        read.casts?.filter(({ extension }) => extension === undefined),
        [
          { source: coin, target: 25, implementation: oid('as_text'), implicit: false },
          { source: 23, target: coin, implementation: oid('as_coin'), implicit: true },
        ],
      );
      assert.ok(read.casts?.some(({ extension }) => extension === 'citext'));
      const versions = new Set([read.version]);
      for (const change of [
        'DROP CAST (shop.coin AS text)',
        'DROP OPERATOR shop.>>> (shop.coin, shop.coin)',
        'CREATE OR REPLACE AGGREGATE shop.biggest(int) (SFUNC = int4smaller, STYPE = int)',
      ]) {
        await client.query(change);
        const { version: next } = await readCatalog(textQuery(client), 'shop');
        assert.ok(!versions.has(next), change);
        versions.add(next);
      }
      await client.query(`DROP CAST (int AS shop.coin); DROP AGGREGATE shop.total(shop.coin); DROP AGGREGATE shop.biggest(int);
        DROP FUNCTION shop.step, shop.finish, shop.as_text, shop.as_coin, shop.richer;
        DROP TYPE shop.coin CASCADE`);
      catalog = await readCatalog(textQuery(client), 'shop', () => 42);
    });

    test('types lead to their relation, element and base', () => {
      const byName = (name: string) =>
        [...catalog.types.values()].find((type) => type.schema === 'shop' && type.name === name);
      assert.equal(byName('Pair')?.relation, relation('Pair').oid);
      assert.equal(byName('t')?.relation, relation('t').oid);
      assert.equal(byName('shorter')?.base, byName('short')?.oid);
      assert.equal(byName('_t')?.element, byName('t')?.oid);
      assert.equal(byName('mood')?.kind, 'enum');
    });

    test('equal catalogs have equal versions, whoever reads, and every change makes another', async () => {
      const nobody = await server.connect({ options: '-c search_path=shop -c DateStyle=SQL' });
      await nobody.query('SET ROLE nobody');
      await nobody.query('CREATE TEMP TABLE mine (a int)');
      assert.equal((await readCatalog(textQuery(nobody), 'shop')).version, catalog.version);
      await nobody.end();
      const versions = new Set([catalog.version]);
      for (const change of [
        'ALTER TABLE shop.parent RENAME COLUMN y TO yy',
        'ALTER TABLE shop.t ALTER COLUMN g TYPE char(4)',
        'CREATE OR REPLACE VIEW shop."V iew" AS SELECT a, b FROM shop.t',
        `CREATE OR REPLACE PROCEDURE shop.p() LANGUAGE sql AS 'SELECT 2'`,
        `ALTER TYPE shop.mood ADD VALUE 'low' BEFORE 'sad'`,
        'CREATE SCHEMA fresh',
        'CREATE TABLE shop.fresh ()',
        'ALTER TABLE shop.parent DETACH PARTITION shop.child',
      ]) {
        await client.query(change);
        const { version: next } = await readCatalog(textQuery(client), 'shop');
        assert.ok(!versions.has(next), change);
        versions.add(next);
      }
    });

    test('the connection is left outside any transaction, with its settings', async () => {
      await client.query('SET search_path = shop');
      await readCatalog(textQuery(client), 'shop');
      assert.deepEqual(await textQuery(client)('SHOW search_path'), [['shop']]);
      assert.deepEqual(await textQuery(client)('SHOW transaction_read_only'), [['off']]);
      await client.query('RESET search_path');
    });

    test('what is locked is read without its text, the rest with it', async () => {
      const other = await server.connect();
      await other.query('BEGIN; ALTER VIEW shop.over ALTER a SET DEFAULT 1');
      const one = await readCatalog(textQuery(client), 'shop');
      assert.equal(relationNamed(one, 'shop', 'over')?.definition, undefined);
      assert.ok(relationNamed(one, 'shop', 'V iew')?.definition);
      await other.query('ROLLBACK; BEGIN; LOCK TABLE shop.t IN ACCESS EXCLUSIVE MODE');
      const two = await readCatalog(textQuery(client), 'shop');
      await other.query('ROLLBACK');
      await other.end();
      assert.equal(relationNamed(two, 'shop', 'V iew')?.definition, undefined);
      assert.ok(relationNamed(two, 'information_schema', 'tables')?.definition);
      assert.equal(functionsNamed(two, 'shop', 'modern')[0]?.source, undefined);
      assert.equal(functionsNamed(two, 'shop', 'f')[0]?.source, 'SELECT one::text');
      assert.ok(relationNamed(two, 'shop', 't'));
    });

    test('a failing query is passed on, and the transaction is closed', async () => {
      const query = textQuery(client);
      await assert.rejects(
        readCatalog((sql) => (sql.includes('pg_proc') ? Promise.reject(new Error('cut')) : query(sql)), 'shop'),
        /cut/,
      );
      assert.deepEqual(await query('SELECT now() = statement_timestamp()'), [['t']]);
    });

    test('a session tells its path, user and temporary objects, whatever it has put before pg_catalog', async () => {
      const session = await server.connect();
      await session.query(`CREATE SCHEMA trap;
        CREATE FUNCTION trap.no(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = name, FUNCTION = trap.no);
        CREATE FUNCTION trap.no(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR trap.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.no);
        CREATE FUNCTION trap.current_schemas(boolean) RETURNS name[] LANGUAGE sql AS 'SELECT ''{lie}''::name[]';
        CREATE TABLE trap.pg_class (oid oid); GRANT USAGE ON SCHEMA trap TO nobody;`);
      const before = await readSessionContext(textQuery(session));
      assert.deepEqual(before, {
        searchPath: ['pg_catalog', 'public'],
        temporary: [],
        temporaryFunctions: [],
        currentUser: 'postgres',
        standardConformingStrings: true,
        clientEncoding: 'UTF8',
      });
      await session.query(`CREATE TEMP TABLE "My T" (a int PRIMARY KEY, b shop.mood); CREATE TEMP VIEW tv AS SELECT a FROM "My T";
        CREATE FUNCTION pg_temp.tf(x int) RETURNS int LANGUAGE sql AS 'SELECT 1';
        SET search_path = trap, pg_catalog, "odd ""name", public; SET standard_conforming_strings = off; SET ROLE nobody`);
      const context = await readSessionContext(textQuery(session));
      assert.match(context.temporarySchema ?? '', /^pg_temp_\d+$/);
      assert.deepEqual(context.searchPath, [context.temporarySchema, 'trap', 'pg_catalog', 'public']);
      assert.equal(context.currentUser, 'nobody');
      assert.equal(context.standardConformingStrings, false);
      assert.deepEqual(
        context.temporary.map(({ name, kind, temporary }) => [name, kind, temporary]),
        [
          ['My T', 'table', true],
          ['tv', 'view', true],
        ],
      );
      assert.deepEqual(
        context.temporary[0]?.columns.map(({ typeName }) => typeName),
        ['integer', 'shop.mood'],
      );
      assert.deepEqual(
        context.temporaryFunctions.map(({ name, source }) => [name, source]),
        [['tf', 'SELECT 1']],
      );
      const snapshot = await readCatalog(textQuery(client), 'shop');
      assert.ok(
        ![...snapshot.relations.values()].some(({ name }) => name === 'My T'),
        'other sessions’ objects are no part of a snapshot',
      );
      assert.ok(![...snapshot.schemas].some((schema) => schema.startsWith('pg_temp')));
      await session.end();
      await client.query('DROP SCHEMA trap CASCADE');
    });
  });
}

test('a server that answers something else is not believed', async () => {
  const broken = (error: unknown): boolean =>
    error instanceof CatalogError && error.code === 'ERR_DATAPLANE_CATALOG_ANSWER';
  for (const rows of [
    [],
    [[]],
    [['x', null, 'u', 'on', null, null]],
    [['[]', null, null, 'on', null, null]],
    [['[]', null, 'u', 'on', '[1]', null]],
  ]) {
    assert.throws(() => parseSessionContext(rows), broken, JSON.stringify(rows));
  }
  const answers = (version: string | null) => async (sql: string) =>
    sql.includes('server_version_num') ? [[version, 'db', '[]']] : [];
  await assert.rejects(
    readCatalog(answers('120005'), 'shop'),
    (error) => error instanceof CatalogError && error.code === 'ERR_DATAPLANE_CATALOG_VERSION',
  );
  await assert.rejects(
    readCatalog(answers(null), 'shop'),
    (error) => error instanceof CatalogError && error.code === 'ERR_DATAPLANE_CATALOG_VERSION',
  );
});
