import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { readCatalog } from '../../../src/dataplane/catalog/index.ts';
import { maskExpression, pseudonymSettings, quoteIdentifier, recogniserOf } from '../../../src/masking/index.ts';
import { textOfBinary } from '../../../src/masking/write-back/binary.ts';
import type { CatalogRelation } from '../../../src/model/catalog.ts';
import type { MaskKind } from '../../../src/model/mask.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from './real-postgres.ts';
import { CASES, SETUP } from './types.ts';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const KINDS: readonly MaskKind[] = [
  { kind: 'redact' },
  { kind: 'partial' },
  { kind: 'partial', keepFirst: 3, keepLast: 3 },
  { kind: 'partial', keepLast: 64 },
  { kind: 'partial', keepFirst: 64 },
  { kind: 'generalise', to: 'year' },
  { kind: 'generalise', to: { band: 1000 } },
  { kind: 'pseudonym' },
];
const LABELS = [['pii.contact.email'], ['pci.pan'], ['pii.contact.phone'], ['pii.name']];
/** What a mask shows of these types cannot be told from honest data: the beginning of a span or a band. */
const TIMES = /^(?:date|timestamp)/;
const NUMBERS = /^(?:smallint|integer|bigint|numeric|real|double|domain int)/;
const TEXTS = /^(?:text|varchar|bpchar|char|name|citext|domain$)/;

for (const installation of await installations()) {
  describe(`what masks show is recognised, on ${installation.name}`, () => {
    let server: RealPostgres;
    let client: pg.Client;
    let table: CatalogRelation;

    before(async () => {
      server = await startPostgres(installation);
      const settings = pseudonymSettings(KEY).map(([name, value]) => `-c ${name}=${value}`);
      client = await server.connect({ options: settings.join(' ') });
      await client.query(SETUP);
      const version = Number((await textQuery(client)('SHOW server_version_num'))[0]?.[0]);
      const cases = CASES.filter(({ since }) => since === undefined || version >= since);
      const columns = cases.map(
        ({ column, type, collation }) =>
          `${quoteIdentifier(column)} ${type}${collation ? ` COLLATE ${collation}` : ''}`,
      );
      await client.query(`CREATE TABLE odd."Everything" (${columns.join(', ')})`);
      const needed = cases.filter(({ type }) => type === 'odd.address');
      for (const { column, values } of cases) {
        for (const value of values) {
          const filled = new Map(needed.map((other) => [other.column, other.values[0] ?? 'NULL']));
          filled.set(column, value);
          await client.query(
            `INSERT INTO odd."Everything" (${[...filled.keys()].map(quoteIdentifier).join(', ')}) VALUES (${[...filled.values()].join(', ')})`,
          );
        }
      }
      const catalog = await readCatalog(textQuery(client), 'test');
      const found = [...catalog.relations.values()].find(({ name }) => name === 'Everything');
      assert.ok(found);
      table = found;
    });
    after(async () => {
      await client.end();
      await server.stop();
    });

    for (const kind of KINDS) {
      test(`${JSON.stringify(kind)}, in text and in binary`, async () => {
        for (const labels of LABELS) {
          for (const column of table.columns) {
            const honest =
              kind.kind === 'generalise' && (typeof kind.to === 'object' ? NUMBERS : TIMES).test(column.name);
            if (honest) continue;
            const mask = maskExpression(column, kind, 'postgres', labels);
            // record_send writes a value as the wire has it, behind the number of columns, its type and its length.
            const { rows } = await client.query(
              `SELECT m::text AS text, encode(record_send(ROW(m)), 'hex') AS sent FROM (SELECT ${mask} AS m FROM odd."Everything" WHERE ${quoteIdentifier(column.name)} IS NOT NULL) x`,
            );
            const recognise = recogniserOf(column, kind, labels);
            for (const { text, sent } of rows) {
              if (text === null) continue; // no constant, or an address as an element that is NULL
              const about = `${column.name} (${labels}): ${text}`;
              const empty = column.category === 'A' && text === '{}' && kind.kind !== 'redact';
              if (empty || (kind.kind === 'generalise' && /^\d{3,4}-01-01$/.test(text))) continue;
              assert.ok(recognise(text), `${about} is not recognised as text`);
              const bytes = Buffer.from(sent, 'hex').subarray(12);
              const decoded = textOfBinary(column.baseTypeOid, bytes, column.category);
              assert.ok(
                decoded !== undefined && recognise(decoded),
                `${about} is not recognised in binary: ${bytes.toString('hex')}`,
              );
            }
          }
        }
      });
    }

    test('with no key, what stands for a pseudonym is recognised', async () => {
      const keyless = await server.connect();
      for (const column of table.columns) {
        const recognise = recogniserOf(column, { kind: 'pseudonym' }, []);
        const mask = maskExpression(column, { kind: 'pseudonym' }, 'postgres', []);
        const { rows } = await keyless.query(`SELECT DISTINCT (${mask})::text AS text FROM odd."Everything"`);
        for (const { text } of rows) {
          if (text !== null && !(column.category === 'A' && text === '{}')) assert.ok(recognise(text), column.name);
        }
      }
      await keyless.end();
    });

    test('honest text is recognised in no column, however it is masked', () => {
      const honest = [
        'jane.doe@example.org',
        '4111 1111 1111 1111',
        '+43 660 1234567',
        'Grüße',
        'a',
        '',
        '*',
        '2 * 3',
        '1984-05-06',
      ];
      for (const kind of KINDS) {
        for (const column of table.columns.filter(({ name }) => TEXTS.test(name))) {
          const recognise = recogniserOf(column, kind, ['pii.contact.email']);
          for (const value of honest) {
            const found = recognise(value);
            // A single star, or a letter from a to p, is all that a column of one character can show.
            assert.ok(found === undefined || (found === 'constant' && value.length === 1), `${column.name}: ${value}`);
          }
        }
      }
    });
  });
}
