import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { CatalogWatch } from '../../../../src/dataplane/catalog/index.ts';
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
      assert.equal(await watch.look(), was);
    });
  });
}

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
