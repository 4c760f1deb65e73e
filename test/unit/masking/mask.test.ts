import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { readCatalog } from '../../../src/dataplane/catalog/index.ts';
import { maskExpression, pseudonymSettings, quoteIdentifier } from '../../../src/masking/index.ts';
import type { CatalogColumn, CatalogRelation, CatalogSnapshot } from '../../../src/model/catalog.ts';
import type { MaskKind } from '../../../src/model/mask.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from './real-postgres.ts';
import { CASES, SETUP } from './types.ts';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const KINDS: readonly MaskKind[] = [
  { kind: 'null' },
  { kind: 'redact' },
  { kind: 'partial' },
  { kind: 'partial', keepFirst: 3, keepLast: 3 },
  { kind: 'generalise', to: 'month' },
  { kind: 'generalise', to: 'year' },
  { kind: 'generalise', to: 'decade' },
  { kind: 'generalise', to: { band: 1000 } },
  { kind: 'generalise', to: { band: 0.5 } },
  { kind: 'pseudonym' },
];
const LABELS = [['pii.contact.email'], ['pci.pan'], ['pii.name']];

/** Constants that a column may hold by itself: there a mask may look like the value. */
const HARMLESS = /^(?:\*{0,3}\s*|.|\\x|0|0\.0*|\$?0\.00|f|false|\{\}|\(\)|\(,\)|00*|1|-?\d{0,4}|[-+]?infinity|NaN)$/i;

for (const installation of await installations()) {
  describe(`masks on ${installation.name}`, () => {
    let server: RealPostgres;
    let client: pg.Client;
    let keyless: pg.Client;
    let catalog: CatalogSnapshot;
    let table: CatalogRelation;

    before(async () => {
      server = await startPostgres(installation);
      client = await server.connect({
        options: pseudonymSettings(KEY)
          .map(([name, value]) => `-c ${name}=${value}`)
          .join(' '),
      });
      keyless = await server.connect();
      await client.query(SETUP);
      const version = Number((await textQuery(client)('SHOW server_version_num'))[0]?.[0]);
      const cases = CASES.filter(({ since }) => since === undefined || version >= since);
      const columns = cases.map(
        ({ column, type, collation }) =>
          `${quoteIdentifier(column)} ${type}${collation ? ` COLLATE ${collation}` : ''}`,
      );
      await client.query(`CREATE TABLE odd."Everything" (row serial, ${columns.join(', ')})`);
      // Domains that refuse NULL are filled in every row.
      const needed = cases.filter(({ type }) => type === 'odd.address');
      for (const { column, values } of cases) {
        for (const value of [...values, 'NULL']) {
          const filled = new Map(needed.map((other) => [other.column, other.values[0] ?? 'NULL']));
          if (value !== 'NULL' || !filled.has(column)) filled.set(column, value);
          await client.query(
            `INSERT INTO odd."Everything" (${[...filled.keys()].map(quoteIdentifier).join(', ')}) VALUES (${[...filled.values()].join(', ')})`,
          );
        }
      }
      catalog = await readCatalog(textQuery(client), 'test');
      const found = [...catalog.relations.values()].find(({ name }) => name === 'Everything');
      assert.ok(found);
      table = found;
    });

    after(async () => {
      await client?.end();
      await keyless?.end();
      await server?.stop();
    });

    const column = (name: string): CatalogColumn => {
      const found = table.columns.find((candidate) => candidate.name === name);
      assert.ok(found, name);
      return found;
    };

    const select = async (expression: string, as: string, on = client) => {
      const result = await on.query<(string | null)[]>({
        text: `SELECT x.* FROM (SELECT ${expression} AS ${quoteIdentifier(as)} FROM odd."Everything" ORDER BY row) x`,
        rowMode: 'array',
        types: { getTypeParser: () => (value: string) => value },
      });
      return { values: result.rows.map(([value]) => value ?? null), field: result.fields[0] };
    };

    for (const kind of KINDS) {
      test(`${JSON.stringify(kind)} keeps type, modifier, collation and NULL of every type, raises no error and shows no value`, async () => {
        for (const { name } of table.columns.slice(1)) {
          const target = column(name);
          const raw = await select(quoteIdentifier(name), name);
          for (const labels of LABELS) {
            const expression = maskExpression(target, kind, 'postgres', labels);
            const what = `${name} ${labels} ${expression}`;
            const masked = await select(expression, name);
            assert.equal(masked.field?.dataTypeID, raw.field?.dataTypeID, what);
            assert.equal(masked.field?.dataTypeModifier, raw.field?.dataTypeModifier, what);
            assert.equal(masked.field?.dataTypeSize, raw.field?.dataTypeSize, what);
            assert.equal(masked.values.length, raw.values.length);
            for (const [index, value] of raw.values.entries()) {
              const shown = masked.values[index];
              if (value === null || shown === null) {
                if (value === null) assert.equal(shown, null, what);
                continue;
              }
              if (HARMLESS.test(value)) continue;
              // A number may be a multiple of its band.
              if (kind.kind === 'generalise' && typeof kind.to === 'object' && target.category === 'N') continue;
              assert.notEqual(shown, value, what);
            }
            const collations = await textQuery(client)(
              `SELECT DISTINCT pg_collation_for(x.c), pg_typeof(x.c)::text FROM (SELECT ${expression} AS c FROM odd."Everything") x`,
            ).catch((error: unknown) => {
              assert.match(String(error), /collations are not supported by type/, what);
              return undefined;
            });
            if (!collations) continue;
            const [expected] = await textQuery(client)(
              `SELECT DISTINCT pg_collation_for(${quoteIdentifier(name)}) FROM odd."Everything"`,
            );
            assert.equal(collations[0]?.[0], expected?.[0], what);
          }
        }
      });
    }

    test('a pseudonym is HMAC-SHA-256 of the text, the same in every column, and an address for e-mail', async () => {
      const [row] = await textQuery(client)(
        `SELECT ${maskExpression(column('text'), { kind: 'pseudonym' }, 'postgres', ['pii.name'])}, ${maskExpression(column('text'), { kind: 'pseudonym' }, 'postgres', ['pii.contact.email'])}
           FROM odd."Everything" WHERE text = 'jane.doe@example.org'`,
      );
      const hex = createHmac('sha256', KEY).update('jane.doe@example.org').digest('hex').slice(0, 22);
      const digest = hex.replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)] ?? '');
      assert.deepEqual(row, [`p_${digest}`, `p_${digest}@masked.invalid`]);
      const joined = await textQuery(client)(
        `WITH a AS (SELECT ${maskExpression(column('text'), { kind: 'pseudonym' }, 'postgres')} AS k, text AS v FROM odd."Everything"),
              b AS (SELECT ${maskExpression(column('text C'), { kind: 'pseudonym' }, 'postgres')} AS k, "text C" AS v FROM odd."Everything")
         SELECT a.v, b.v FROM a JOIN b ON a.k = b.k COLLATE "C"`,
      );
      assert.ok(joined.length >= 8);
      for (const [left, right] of joined) assert.equal(left, right);
    });

    test('a pseudonym of citext does not tell apart what citext holds for equal', async () => {
      const expression = maskExpression(column('citext'), { kind: 'pseudonym' }, 'postgres');
      const rows = await textQuery(client)(
        `SELECT DISTINCT x.citext FROM (SELECT ${expression} AS citext FROM (VALUES ('AbC'::citext), ('aBc')) v(citext)) x`,
      );
      assert.equal(rows.length, 1);
    });

    test('without the key, or with something that is no key, a pseudonym is the constant', async () => {
      for (const setup of ['RESET ALL', `SET gatehouse.pseudonym_inner = ''`, `SET gatehouse.pseudonym_inner = 'zz'`]) {
        await keyless.query(setup);
        for (const [name, constant] of [
          ['text', '***'],
          ['integer', '0'],
          ['uuid', '00000000-0000-0000-0000-000000000000'],
        ] as const) {
          const { values } = await select(
            maskExpression(column(name), { kind: 'pseudonym' }, 'postgres'),
            name,
            keyless,
          );
          assert.deepEqual([...new Set(values.filter((value) => value !== null))], [constant], setup);
        }
      }
    });

    test('the key is in no EXPLAIN, no list of settings and no activity view, and survives RESET ALL and DISCARD ALL', async () => {
      const secrets = pseudonymSettings(KEY).map(([, value]) => value);
      const expression = maskExpression(column('text'), { kind: 'pseudonym' }, 'postgres', ['pii.contact.email']);
      const query = `SELECT x.text, count(*) FROM (SELECT ${expression} AS text FROM odd."Everything") x WHERE x.text > 'a' GROUP BY 1 ORDER BY 1`;
      await client.query('RESET ALL');
      await client.query('DISCARD ALL');
      for (const readBack of [
        `EXPLAIN (VERBOSE, ANALYZE, SETTINGS) ${query}`,
        `EXPLAIN (VERBOSE, FORMAT JSON) ${query}`,
        'SHOW ALL',
        'SELECT * FROM pg_settings',
        'SELECT * FROM pg_stat_activity',
        query,
      ]) {
        const text = JSON.stringify(await textQuery(client)(readBack));
        for (const secret of secrets) assert.ok(!text.includes(secret.slice(0, 16)), readBack);
      }
      const shown = await textQuery(client)(query);
      assert.ok(
        shown.some(([value]) => value?.startsWith('p_')),
        'the key is still there',
      );
    });

    test('nothing in a session can redirect what a mask calls', async () => {
      await client.query('BEGIN');
      await client.query(`
        CREATE SCHEMA evil;
        CREATE FUNCTION evil.left(text, int) RETURNS text LANGUAGE sql AS 'SELECT $1';
        CREATE FUNCTION evil.length(text) RETURNS int LANGUAGE sql AS 'SELECT 1000000';
        CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
        CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.cat);
        CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR evil.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
        CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
        CREATE DOMAIN evil.text AS pg_catalog.text CHECK (VALUE = 'never');
        CREATE DOMAIN evil.uuid AS pg_catalog.text;
        CREATE COLLATION evil."C" FROM pg_catalog."POSIX"`);
      const before = new Map<string, unknown>();
      const run = async (): Promise<unknown[]> => {
        const results: unknown[] = [];
        for (const name of ['text', 'citext', 'uuid', 'integer', 'date', 'text[]']) {
          for (const kind of KINDS)
            results.push((await select(maskExpression(column(name), kind, 'postgres', ['pii.email']), name)).values);
        }
        return results;
      };
      before.set('plain', await run());
      await client.query('SET LOCAL search_path = evil, pg_catalog, public');
      await client.query('SET LOCAL standard_conforming_strings = off');
      await client.query(`SET LOCAL TimeZone = 'Pacific/Kiritimati'`);
      assert.deepEqual(await run(), before.get('plain'));
      await client.query('ROLLBACK');
    });

    test('moving the time zone does not move the boundary of a generalised instant', async () => {
      const expression = maskExpression(column('timestamptz'), { kind: 'generalise', to: 'year' }, 'postgres');
      const at = async (zone: string) => {
        await client.query(`SET TimeZone = '${zone}'`);
        return (
          await textQuery(client)(`SELECT extract(epoch FROM ${expression})::text FROM odd."Everything" ORDER BY row`)
        ).flat();
      };
      const utc = await at('UTC');
      assert.deepEqual(await at('Etc/GMT+12'), utc);
      assert.deepEqual(await at('Etc/GMT-14'), utc);
      await client.query('RESET TimeZone');
    });

    test('masks show what their kind promises', async () => {
      const one = async (name: string, kind: MaskKind, value: string, labels: string[] = []) => {
        const target = column(name);
        const [row] = await textQuery(client)(
          `SELECT x.c FROM (SELECT ${maskExpression(target, kind, 'postgres', labels)} AS c FROM (SELECT ${value}::${target.typeName} AS ${quoteIdentifier(name)}) v) x`,
        );
        return row?.[0];
      };
      const partial: MaskKind = { kind: 'partial' };
      assert.equal(await one('text', partial, "'jane.doe@example.org'", ['pii.contact.email']), 'j***@example.org');
      assert.equal(await one('text', partial, "'jd@example.org'", ['pii.contact.email']), '***@example.org');
      assert.equal(await one('text', partial, "'no address at all'", ['pii.contact.email']), '***');
      assert.equal(await one('text', partial, "'x@y z@example.org'", ['pii.contact.email']), '***');
      assert.equal(await one('text', partial, "'4111111111111111'", ['pci.pan']), '***1111');
      assert.equal(await one('text', partial, "'3782 822463 10005'", ['pci.pan']), '***0005');
      assert.equal(
        await one('text', { kind: 'partial', keepLast: 4 }, "'4111-1111-1111-1234'", ['pci.pan']),
        '***1234',
      );
      assert.equal(await one('text', { kind: 'partial', keepLast: 4 }, "'12345678'", ['pci.pan']), '***78');
      assert.equal(await one('text', partial, "'+49 170 1234567'", ['pii.contact.phone']), '***67');
      assert.equal(await one('text', partial, "'DE89370400440532013000'", ['fin.iban']), '***3000');
      assert.equal(await one('text', partial, "'Ada'", ['pii.name']), '***');
      assert.equal(await one('text', partial, "'Ada Lovelace'", ['pii.name']), 'A***');
      assert.equal(
        await one('text[]', partial, "'{jane.doe@example.org,NULL}'", ['pii.email']),
        '{j***@example.org,NULL}',
      );
      assert.equal(await one('date', { kind: 'generalise', to: 'year' }, "'1984-05-06'"), '1984-01-01');
      assert.equal(await one('date', { kind: 'generalise', to: 'decade' }, "'1984-05-06'"), '1980-01-01');
      assert.equal(await one('text', { kind: 'generalise', to: 'month' }, "'1984-05-06'"), '1984-05-01');
      assert.equal(await one('text', { kind: 'generalise', to: 'decade' }, "'1984-05-06T10:00:00Z'"), '1980-01-01');
      assert.equal(await one('text', { kind: 'generalise', to: 'year' }, "'6 May 1984'"), '***');
      assert.equal(await one('integer', { kind: 'generalise', to: { band: 1000 } }, "'-54321'"), '-54000');
      assert.equal(await one('integer', { kind: 'generalise', to: { band: 1 } }, "'54321'"), '0');
      assert.equal(await one('numeric(10,2)', { kind: 'generalise', to: { band: 5000 } }, "'54321.99'"), '50000.00');
      assert.equal(await one('double', { kind: 'generalise', to: { band: 0.5 } }, "'3.75'"), '3.5');
      assert.equal(await one('enum', { kind: 'redact' }, "'sad'"), 'it\'s \\ "fine"');
      assert.match(
        (await one('uuid', { kind: 'pseudonym' }, "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'")) ?? '',
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      assert.ok(Number(await one('smallint', { kind: 'pseudonym' }, "'-5'")) >= 0);
    });
  });
}
