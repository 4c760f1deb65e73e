import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { readBasis, readPart } from '../../../../src/dataplane/catalog/fingerprint.ts';
import { CatalogParts, CatalogWatch } from '../../../../src/dataplane/catalog/index.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from '../../masking/real-postgres.ts';

for (const installation of await installations()) {
  describe(`what is looked at in ${installation.name}`, () => {
    let server: RealPostgres;
    let admin: pg.Client;
    let asker: pg.Client;
    let watch: CatalogWatch;

    before(async () => {
      server = await startPostgres(installation);
      admin = await server.connect();
      asker = await server.connect();
      await admin.query(
        'CREATE TABLE one (a int PRIMARY KEY, b text); CREATE TABLE other (LIKE one); CREATE VIEW seen AS SELECT a FROM one',
      );
      watch = new CatalogWatch(async () => ({ query: textQuery(asker), close: () => undefined }));
    });

    after(async () => {
      watch?.close();
      await admin?.end();
      await asker?.end();
      await server?.stop();
    });

    for (const ddl of [
      'ALTER TABLE one RENAME COLUMN b TO c',
      'ALTER TABLE one ADD COLUMN d int',
      'ALTER TABLE one DROP COLUMN d',
      'BEGIN; ALTER TABLE one RENAME TO away; ALTER TABLE other RENAME TO one; ALTER TABLE away RENAME TO other; COMMIT',
      'CREATE OR REPLACE VIEW seen AS SELECT a + 0 AS a FROM one',
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
      'CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 2$$',
      'CREATE TABLE child () INHERITS (one)',
      'ALTER TABLE child NO INHERIT one',
      'CREATE SCHEMA elsewhere',
      'ALTER TABLE one SET SCHEMA elsewhere',
      'CREATE DOMAIN short AS text',
      'ALTER DOMAIN short ADD CONSTRAINT c CHECK (length(VALUE) < 9)',
      'CREATE RULE r AS ON INSERT TO other DO ALSO NOTHING',
      'ALTER TABLE other ALTER COLUMN a SET DEFAULT 1',
      'ALTER TABLE other ALTER COLUMN a SET DEFAULT 2',
      'ALTER TABLE other ADD CONSTRAINT c CHECK (a > 0)',
      'ALTER TABLE other ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY p ON other USING (true)',
      'ALTER POLICY p ON other USING (f() = 1)',
      'CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$',
      'CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION tr()',
      'ALTER TABLE other DISABLE TRIGGER t',
      'CREATE OR REPLACE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$',
      'CREATE INDEX ON other ((a + 1))',
      'ALTER FUNCTION f() SET search_path = public',
      'ALTER FUNCTION f() SECURITY DEFINER',
      'DROP SCHEMA elsewhere CASCADE',
      'CREATE OR REPLACE VIEW information_schema.enabled_roles AS SELECT NULL::information_schema.sql_identifier AS role_name',
      'CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE afar (a int) SERVER away',
      "ALTER FOREIGN TABLE afar OPTIONS (ADD what 'else')",
      "ALTER SERVER away OPTIONS (ADD what 'else')",
      'ALTER EXTENSION plpgsql ADD FUNCTION f()',
      'ALTER EXTENSION plpgsql DROP FUNCTION f()',
    ]) {
      test(`a change is seen: ${ddl}`, async () => {
        const was = await watch.look();
        await admin.query(ddl);
        assert.notEqual(await watch.look(), was);
      });
    }

    test('what is no change of the catalog is none: rows, statistics, temporary tables, what is rolled back', async () => {
      await admin.query('CREATE TABLE busy (a int, b text)');
      const was = await watch.look();
      await admin.query("INSERT INTO busy SELECT n, 'x' FROM generate_series(1, 5000) n");
      await admin.query('CREATE TEMP TABLE mine (a int, b text); CREATE TEMP VIEW peek AS SELECT * FROM busy');
      await admin.query('BEGIN; ALTER TABLE busy ADD COLUMN c int; ROLLBACK');
      await admin.query('ANALYZE busy');
      await admin.query('VACUUM busy');
      await admin.query('CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM busy');
      const made = await watch.look();
      await admin.query(
        'REFRESH MATERIALIZED VIEW counted; CREATE INDEX ON busy (a); TRUNCATE busy; GRANT SELECT ON busy TO public',
      );
      assert.equal(await watch.look(), made);
      await admin.query('DROP MATERIALIZED VIEW counted; DROP INDEX busy_a_idx');
      assert.equal(await watch.look(), was);
    });

    test('a part of the catalog says of each relation what the whole says, and of nothing else', async () => {
      await admin.query(
        'CREATE TABLE whole (a int) PARTITION BY LIST (a); CREATE TABLE piece PARTITION OF whole DEFAULT',
      );
      const { rows } = await admin.query<{ oid: number; name: string }>(
        "SELECT oid::int4, relname AS name FROM pg_class WHERE relkind = ANY ('{r,v,p,f}') AND relpersistence = 'p'",
      );
      const query = textQuery(asker);
      const basis = await readBasis(query);
      const { part: all } = await readPart(
        query,
        rows.map(({ oid }) => oid),
        ['whole', 'no "such" \\ name', 'piece'],
      );
      for (const [mark, of] of all.marks) assert.equal(of, basis.marks.get(mark), mark);
      const lasting = [...basis.marks.keys()].filter((mark) => rows.some(({ oid }) => `${oid}` === mark));
      assert.deepEqual(
        lasting.filter((mark) => !all.marks.has(mark)),
        [],
      );
      const oid = (name: string) => rows.find((row) => row.name === name)?.oid ?? 0;
      assert.deepEqual(all.named.map(({ name }) => name).sort(), ['piece', 'whole']);
      assert.deepEqual(
        all.children.filter(({ parent }) => parent === oid('whole')),
        [{ oid: oid('piece'), parent: oid('whole') }],
      );

      await admin.query('ALTER TABLE piece RENAME TO bit');
      const { part } = await readPart(query, [oid('whole'), oid('piece')], ['piece']);
      assert.equal(part.marks.get(`${oid('whole')}`), basis.marks.get(`${oid('whole')}`));
      assert.notEqual(part.marks.get(`${oid('piece')}`), basis.marks.get(`${oid('piece')}`));
      assert.equal(part.marks.get('code'), basis.marks.get('code'));
      assert.deepEqual(part.named, []);
      await admin.query('DROP TABLE whole');
    });

    test('a target in the same snapshot is not looked through again, and a new connection is not taken for the same target', async () => {
      const asked: string[] = [];
      let broken = false;
      const counted = new CatalogWatch(async () => ({
        query: (sql) => {
          asked.push(sql.includes('pg_proc') ? 'catalog' : 'snapshot');
          if (!broken) return textQuery(asker)(sql);
          broken = false;
          return Promise.reject(new Error('closed'));
        },
        close: () => undefined,
      }));
      const first = await counted.look();
      assert.equal(await counted.look(), first);
      await admin.query('CREATE TABLE written (a int)');
      assert.notEqual(await counted.look(), first);
      assert.deepEqual(asked.splice(0), ['catalog', 'snapshot', 'snapshot', 'catalog']);
      broken = true;
      await counted.look();
      assert.deepEqual(asked, ['snapshot', 'catalog']);
      counted.close();
    });

    test('parts that were found in the same snapshot are not looked at again, until something was written', async () => {
      await admin.query('CREATE TABLE looked (a int); CREATE TABLE beside (a int)');
      const asked: string[] = [];
      const parts = new CatalogParts(async () => ({
        query: (sql) => {
          asked.push(sql.includes('pg_proc') ? 'parts' : 'snapshot');
          return textQuery(asker)(sql);
        },
        close: () => undefined,
      }));
      const names = async (...wanted: string[]) => (await parts.look([], wanted)).named.map(({ name }) => name).sort();
      assert.deepEqual(await names('looked'), ['looked']);
      assert.deepEqual(await names('looked'), ['looked']);
      assert.deepEqual(asked.splice(0), ['parts', 'snapshot']);
      assert.deepEqual(await names('beside'), ['beside', 'looked'], 'together with what others look at');
      assert.deepEqual(await names('looked'), ['beside', 'looked']);
      assert.deepEqual(asked.splice(0), ['parts', 'snapshot']);
      await admin.query('ALTER TABLE looked RENAME TO gone');
      assert.deepEqual(await names('looked', 'beside'), ['beside']);
      await admin.query('ALTER TABLE gone RENAME TO looked');
      assert.deepEqual(
        await names('looked', 'beside'),
        ['beside', 'looked'],
        'while there is writing, nobody asks whether there is',
      );
      assert.deepEqual(await names('looked'), ['beside', 'looked']);
      assert.deepEqual(await names('looked'), ['beside', 'looked']);
      assert.deepEqual(asked, ['snapshot', 'parts', 'parts', 'parts', 'snapshot']);
      parts.close();
      await admin.query('DROP TABLE looked, beside');
    });
  });
}

test('parts are looked at together, and by a look that began after each of those who asked', async () => {
  const asked: { readonly sql: string; readonly answer: () => void }[] = [];
  const query = (sql: string) =>
    new Promise<string[][]>((resolve) =>
      asked.push({ sql, answer: () => resolve([['code', `${asked.length}`, '0']]) }),
    );
  const parts = new CatalogParts(async () => ({ query, close: () => undefined }));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const first = parts.look([1], ['one']);
  await turn();
  const later = [parts.look([2], ['two']), parts.look([3], ['three'])];
  await turn();
  assert.equal(asked.length, 1);
  asked[0]?.answer();
  assert.equal((await first).marks.get('code'), '1');
  await turn();
  assert.match(asked[1]?.sql ?? '', /\{2,3\}/);
  asked[1]?.answer();
  assert.deepEqual(
    (await Promise.all(later)).map(({ marks }) => marks.get('code')),
    ['2', '2'],
  );
  parts.close();
});

test('who asks while somebody looks gets a look that began after he asked, shared with others', async () => {
  const answers: ((answer: string) => void)[] = [];
  const query = () => new Promise<string[][]>((resolve) => answers.push((answer) => resolve([[answer]])));
  const watch = new CatalogWatch(async () => ({ query, close: () => undefined }));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const first = watch.look();
  await turn();
  const later = [watch.look(), watch.look()];
  await turn();
  assert.equal(answers.length, 1);
  answers[0]?.('before');
  assert.equal(await first, 'before');
  await turn();
  assert.equal(answers.length, 2);
  answers[1]?.('after');
  assert.deepEqual(await Promise.all(later), ['after', 'after']);
  watch.close();
});

test('a connection that the target closed is opened again, and a target that does not answer is an error', async () => {
  let opened = 0;
  let broken = false;
  const watch = new CatalogWatch(async () => {
    opened += 1;
    const number = opened;
    return {
      query: async () => {
        if (broken || (number === 1 && opened === 1 && looks++ > 0)) throw new Error('closed');
        return [['same']];
      },
      close: () => undefined,
    };
  });
  let looks = 0;
  assert.equal(await watch.look(), 'same');
  assert.equal(await watch.look(), 'same');
  assert.equal(opened, 2);
  broken = true;
  await assert.rejects(watch.look(), /closed/);
  watch.close();
});
