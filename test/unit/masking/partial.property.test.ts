import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type pg from 'pg';
import { maskExpression } from '../../../src/masking/index.ts';
import type { CatalogColumn } from '../../../src/model/catalog.ts';
import type { MaskKind } from '../../../src/model/mask.ts';
import { installations, type RealPostgres, startPostgres } from './real-postgres.ts';

const COLUMN: CatalogColumn = {
  attnum: 1,
  name: 'v',
  typeOid: 25,
  typmod: -1,
  typeName: 'pg_catalog.text',
  baseTypeOid: 25,
  baseTypeName: 'pg_catalog.text',
  category: 'S',
  notNull: false,
  generated: false,
};

/** What the server can hold: no NUL, no lone surrogates. */
const text = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('a', '@', '.', '*', ' ', '4', '-'), maxLength: 30 }),
    fc.emailAddress(),
    fc.stringMatching(/^[0-9]{4}([ -]?[0-9]{4}){2,3}[0-9]{0,3}$/),
  )
  .map((value) => value.toWellFormed().replaceAll('\0', ''));

/** True when `shown` is a beginning and an end of `value`, at most `allowed` characters of it together, around the stars. */
function keepsAtMost(value: string, shown: string, allowed: number): boolean {
  const characters = [...value];
  for (let first = 0; first <= allowed; first++) {
    for (let last = 0; first + last <= allowed; last++) {
      const end = last === 0 ? [] : characters.slice(-last);
      if (`${characters.slice(0, first).join('')}***${end.join('')}` === shown) return true;
    }
  }
  return false;
}

describe('partial masks', () => {
  let server: RealPostgres;
  let client: pg.Client;

  before(async () => {
    const [installation] = await installations();
    assert.ok(installation);
    server = await startPostgres(installation);
    client = await server.connect();
  });

  after(async () => {
    await client?.end();
    await server?.stop();
  });

  async function masked(values: readonly string[], kind: MaskKind, labels: readonly string[]): Promise<string[]> {
    const expression = maskExpression(COLUMN, kind, 'postgres', labels);
    const result = await client.query<{ shown: string }>(
      `SELECT ${expression} AS shown FROM unnest($1::text[]) WITH ORDINALITY AS t(v, n) ORDER BY n`,
      [values],
    );
    return result.rows.map(({ shown }) => shown);
  }

  const kept = fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined });
  const kinds = fc.record({ keepFirst: kept, keepLast: kept }).map(
    ({ keepFirst, keepLast }): MaskKind => ({
      kind: 'partial',
      ...(keepFirst === undefined ? {} : { keepFirst }),
      ...(keepLast === undefined ? {} : { keepLast }),
    }),
  );

  test('at most a quarter of a value stays, whatever the rule asks for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 40 }),
        kinds,
        fc.constantFrom([], ['pii.name'], ['pii.contact.phone'], ['fin.iban'], ['pii.email', 'pci.pan']),
        async (values, kind, labels) => {
          const shown = await masked(values, kind, labels);
          for (const [index, value] of values.entries()) {
            const allowed = Math.floor([...value].length / 4);
            assert.ok(
              keepsAtMost(value, shown[index] ?? '', allowed),
              `${JSON.stringify(value)} → ${JSON.stringify(shown[index])}`,
            );
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('of a card number at most its last four digits stay, or a quarter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 40 }), kinds, async (values, kind) => {
        const shown = await masked(values, kind, ['pci.pan']);
        for (const [index, value] of values.entries()) {
          const digits = value.replace(/\D/g, '').length;
          const isCard = /^[\d -]+$/.test(value) && digits >= 13 && digits <= 19;
          const ends = [0, 1, 2, 3, 4].map((last) => `***${last === 0 ? '' : value.slice(-last)}`);
          const allowed = Math.floor([...value].length / 4);
          assert.ok(
            (isCard && ends.includes(shown[index] ?? '')) || keepsAtMost(value, shown[index] ?? '', allowed),
            `${JSON.stringify(value)} → ${JSON.stringify(shown[index])}`,
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  test('of an e-mail address the domain stays and at most a quarter of what is before it; of anything else nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 40 }), kinds, async (values, kind) => {
        const shown = await masked(values, kind, ['pii.contact.email']);
        for (const [index, value] of values.entries()) {
          const parts = value.split('@');
          const [local, domain] = parts;
          if (shown[index] === '***') continue;
          assert.equal(parts.length, 2, value);
          assert.ok(shown[index]?.endsWith(`@${domain}`), value);
          const begin = shown[index]?.slice(0, -`@${domain}`.length) ?? '';
          assert.ok(
            keepsAtMost(local ?? '', begin, Math.floor([...(local ?? '')].length / 4)),
            `${value} → ${shown[index]}`,
          );
        }
      }),
      { numRuns: 100 },
    );
  });
});
