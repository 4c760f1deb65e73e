import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import {
  catalogText,
  functionsNamed,
  parseCatalogText,
  readCatalog,
  relationNamed,
} from '../../../../src/dataplane/catalog/index.ts';
import type { CatalogAttachment, CatalogSnapshot, Oid } from '../../../../src/model/catalog.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from '../../masking/real-postgres.ts';

const SETUP = `
CREATE SCHEMA s;
CREATE FUNCTION s.f(a int, OUT b text, VARIADIC c int[] DEFAULT '{1}') LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN b := a; END';
CREATE FUNCTION s.ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION s.tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE s.t (a int PRIMARY KEY, b int DEFAULT length('x'), c int GENERATED ALWAYS AS (a * 2) STORED,
  CONSTRAINT positive CHECK (s.ok(a)));
CREATE INDEX ON s.t ((a + b)) WHERE s.ok(b);
CREATE TRIGGER plain BEFORE INSERT OR UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION s.tr();
CREATE TRIGGER conditional AFTER DELETE ON s.t FOR EACH ROW WHEN (s.ok(OLD.a)) EXECUTE FUNCTION s.tr();
CREATE TRIGGER off AFTER TRUNCATE ON s.t EXECUTE FUNCTION s.tr();
ALTER TABLE s.t DISABLE TRIGGER off;
CREATE TABLE s.child (a int REFERENCES s.t ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE s.ruled (a int);
CREATE RULE r AS ON DELETE TO s.ruled DO ALSO UPDATE s.t SET b = 1 WHERE a = OLD.a;
CREATE TABLE s.policed (a int);
CREATE POLICY p ON s.policed FOR SELECT USING (s.ok(a));
CREATE TABLE s.unpoliced (LIKE s.policed);
CREATE POLICY p ON s.unpoliced USING (s.ok(a));
ALTER TABLE s.policed ENABLE ROW LEVEL SECURITY;
CREATE TABLE s.parted (a int) PARTITION BY RANGE ((a + length('y')));
CREATE DOMAIN s.small AS int DEFAULT 3 CHECK (s.ok(VALUE));
CREATE OPERATOR s.<~ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt, COMMUTATOR = OPERATOR(s.>~));
CREATE OPERATOR s.>~ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4gt, COMMUTATOR = OPERATOR(s.<~));
CREATE TEMP TABLE gone (a int DEFAULT 1);
`;

for (const installation of await installations()) {
  describe(`what is attached to relations of ${installation.name}`, () => {
    let server: RealPostgres;
    let client: pg.Client;
    let catalog: CatalogSnapshot;

    before(async () => {
      server = await startPostgres(installation);
      client = await server.connect();
      await client.query(SETUP);
      catalog = await readCatalog(textQuery(client), 's');
    });
    after(async () => {
      await client?.end();
      await server?.stop();
    });

    const oid = (name: string): Oid => relationNamed(catalog, 's', name)?.oid ?? 0;
    const on = (on: Oid, kind: CatalogAttachment['kind']): CatalogAttachment[] =>
      (catalog.attachments ?? []).filter((attachment) => attachment.on === on && attachment.kind === kind);
    const texts = (on_: Oid, kind: CatalogAttachment['kind']): (string | undefined)[] =>
      on(on_, kind)
        .map(({ text }) => text)
        .sort();

    test('triggers come with their function, events and condition; one that is off has no events', () => {
      const tr = functionsNamed(catalog, 's', 'tr')[0]?.oid;
      const found = on(oid('t'), 'trigger').map(({ events, text }) => [[...events].sort().join(), text?.slice(0, 27)]);
      assert.deepEqual(found.sort(), [
        ['', ''],
        ['delete', 'CREATE TRIGGER conditional '],
        ['insert,update', ''],
      ]);
      assert.ok(on(oid('t'), 'trigger').every((attachment) => attachment.function === tr));
    });

    test('expressions are written out with every name qualified', () => {
      assert.deepEqual(texts(oid('t'), 'default'), ["length('x'::text)"]);
      assert.deepEqual(texts(oid('t'), 'generated'), ['(a * 2)']);
      assert.deepEqual(texts(oid('t'), 'check'), ['s.ok(a)']);
      assert.deepEqual(texts(oid('t'), 'index'), ['(a + b), s.ok(b)']);
      assert.deepEqual(texts(oid('parted'), 'partition-key'), ["(a + length('y'::text))"]);
      assert.match(texts(oid('ruled'), 'rule')[0] ?? '', /ON DELETE TO s\.ruled DO +UPDATE s\.t/);
      const small = [...catalog.types.values()].find(({ name }) => name === 'small')?.oid ?? 0;
      assert.deepEqual(texts(small, 'domain'), ['3', 's.ok(VALUE)']);
    });

    test('policies count while row-level security is on, and a policy for reading also when rows are changed', () => {
      assert.deepEqual(
        on(oid('policed'), 'policy').map(({ events, text }) => [events, text]),
        [[['select', 'update', 'delete'], 's.ok(a)']],
      );
      assert.deepEqual(on(oid('unpoliced'), 'policy'), []);
    });

    test('foreign keys say what they change', () => {
      const found = on(oid('t'), 'cascade').map(({ events, to, becomes }) => [...events, to, becomes]);
      assert.deepEqual(found.sort(), [
        ['delete', oid('child'), 'update'],
        ['truncate', oid('child'), 'truncate'],
        ['update', oid('child'), 'update'],
      ]);
      assert.deepEqual(on(oid('child'), 'trigger'), [], 'the keys’ own triggers are the server’s');
    });

    test('functions come with all their parameters, defaults and owner; operators with their commutator', () => {
      const [f] = functionsNamed(catalog, 's', 'f');
      assert.deepEqual(
        f?.parameters?.map(({ mode, name }) => [mode, name]),
        [
          ['in', 'a'],
          ['out', 'b'],
          ['variadic', 'c'],
        ],
      );
      assert.deepEqual([f?.defaults, f?.owner], ["'{1}'::integer[]", 'postgres']);
      const lower = catalog.operators?.find(({ name }) => name === '<~');
      const greater = catalog.operators?.find(({ name }) => name === '>~');
      assert.deepEqual(lower?.substitutes, [greater?.implementation]);
    });

    test('what a lock keeps from being written out is there without its text', async () => {
      const locker = await server.connect();
      await locker.query('BEGIN; LOCK TABLE s.t IN ACCESS EXCLUSIVE MODE');
      const locked = await readCatalog(textQuery(client), 's');
      await locker.query('ROLLBACK');
      await locker.end();
      const kinds = (of: CatalogSnapshot): string =>
        (of.attachments ?? [])
          .map(({ kind }) => kind)
          .sort()
          .join();
      assert.equal(kinds(locked), kinds(catalog));
    });

    test('a catalog that went through a file still has all of it', () => {
      const back = parseCatalogText(catalogText(catalog));
      const texts_ = (of: CatalogSnapshot): string[] =>
        (of.attachments ?? []).map((each) => JSON.stringify(each)).sort();
      assert.deepEqual(texts_(back), texts_(catalog));
      assert.deepEqual(functionsNamed(back, 's', 'f'), functionsNamed(catalog, 's', 'f'));
    });

    test('a change of what is attached makes another version', async () => {
      for (const ddl of ['ALTER TABLE s.t ALTER b SET DEFAULT 7', 'ALTER TABLE s.t ENABLE TRIGGER off']) {
        const before_ = (await readCatalog(textQuery(client), 's')).version;
        await client.query(ddl);
        assert.notEqual((await readCatalog(textQuery(client), 's')).version, before_, ddl);
      }
    });
  });
}
