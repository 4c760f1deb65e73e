import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Grammar } from '../../../src/statement/sql/postgres/grammar.ts';
import { createAnalyser, StatementError } from '../../../src/statement/sql/postgres/index.ts';
import { analysed, catalog, noObjects, session, sitesOf, statement } from './world.ts';

const world = { catalog, session, connection: 'shop', objects: noObjects };

const nested: Readonly<Record<string, (depth: number) => string>> = {
  'a chain of additions': (depth) => `SELECT 1${'+1'.repeat(depth)}`,
  parentheses: (depth) => `SELECT ${'('.repeat(depth)}1${')'.repeat(depth)}`,
  negations: (depth) => `SELECT ${'NOT '.repeat(depth)}true`,
  unions: (depth) => `SELECT 1${' UNION SELECT 1'.repeat(depth)}`,
  joins: (depth) => `SELECT 1 FROM a${' JOIN a ON true'.repeat(depth)}`,
  casts: (depth) => `SELECT 1${'::int'.repeat(depth)}`,
  'sub-selects': (depth) => `SELECT ${'(SELECT '.repeat(depth)}1${')'.repeat(depth)}`,
  cases: (depth) => `SELECT ${'CASE WHEN true THEN '.repeat(depth)}1${' END'.repeat(depth)}`,
  functions: (depth) => `SELECT ${'f('.repeat(depth)}1${')'.repeat(depth)}`,
  'derived tables': (depth) => `SELECT ${'1 FROM (SELECT '.repeat(depth)}1${') x'.repeat(depth)}`,
  collations: (depth) => `SELECT 'a'${' COLLATE "C"'.repeat(depth)}`,
  tests: (depth) => `SELECT true${' IS TRUE'.repeat(depth)}`,
  'time zones': (depth) => `SELECT now()${" AT TIME ZONE 'UTC'".repeat(depth)}`,
  minuses: (depth) => `SELECT ${'- '.repeat(depth)}1`,
  arrays: (depth) => `SELECT ${'ARRAY['.repeat(depth)}1${']'.repeat(depth)}`,
  explains: (depth) => `${'EXPLAIN '.repeat(depth)}SELECT 1`,
  nulls: (depth) => `SELECT 1${' ISNULL'.repeat(depth)}`,
  indirections: (depth) => `SELECT a${'[1]'.repeat(depth)}`,
  'window frames': (depth) => `SELECT ${'sum('.repeat(depth)}1${') OVER ()'.repeat(depth)}`,
  'common table expressions': (depth) => `${'WITH a AS ('.repeat(depth)}SELECT 1${') SELECT 1'.repeat(depth)}`,
};

for (const [name, make] of Object.entries(nested)) {
  test(`${name} without end are refused, and parsing goes on`, async () => {
    const analyser = await createAnalyser();
    for (const depth of [900, 1_100, 20_000, 100_000]) {
      const result = analyser.analyse(make(depth), world);
      if (depth > 1_100 && name !== 'indirections')
        assert.ok('kind' in result, `${depth}: ${JSON.stringify(result).slice(0, 200)}`);
      const after = analyser.analyse('SELECT * FROM shop.orders', world);
      assert.ok(!('kind' in after), `broken after ${depth}`);
    }
  });
}

test('an instance that a statement broke is replaced at once', async () => {
  const grammar = await Grammar.load();
  // Past the caps of the analyser on purpose: this is what they protect from.
  const attack = `SELECT ${'(SELECT '.repeat(4_000)}1${')'.repeat(4_000)}`;
  for (let round = 0; round < 60; round++) {
    assert.equal(grammar.parse(attack).ok, false);
    const after = grammar.parse('SELECT 1');
    if (!after.ok) {
      // The spares are used up: it fails closed until a new one is made.
      assert.equal(after.syntax, false);
      while (!grammar.parse('SELECT 1').ok) await turn();
    }
  }
  assert.equal(grammar.parse('SELECT 1').ok, true);
});

const opaque: readonly (readonly [name: string, text: string, why: string])[] = [
  ['a NUL byte', 'SELECT 1\0; DROP TABLE shop.orders', 'nul-byte'],
  ['half a character', 'SELECT \ud800', 'encoding'],
  ['a syntax error', 'SELEC 1', 'syntax'],
  ['an unterminated string', "SELECT 'a", 'syntax'],
  ['an unterminated comment', 'SELECT 1 /* a', 'syntax'],
  ['more bytes than allowed', `SELECT '${'ä'.repeat(600_000)}'`, 'too-large'],
];
for (const [name, text, why] of opaque) {
  test(`${name} is told as ${why}`, async () => {
    const result = await analysed(text);
    assert.ok(
      'kind' in result && result.why === why && result.sqlstate.length === 5,
      JSON.stringify(result).slice(0, 200),
    );
  });
}

test('a syntax error has the position that PostgreSQL gives', async () => {
  const result = await analysed("SELECT 'äöü' FROM x y z");
  assert.ok('kind' in result);
  assert.deepEqual([result.message, result.position, result.sqlstate], ['syntax error at or near "z"', 23, '42601']);
});

test('a backslash cannot end a string when the session reads strings the old way', async () => {
  const old = { ...session, standardConformingStrings: false };
  const result = await analysed("SELECT 'it\\'s', email, '--' FROM shop.customers", { session: old });
  assert.ok('kind' in result && result.why === 'syntax');
  assert.ok(!('kind' in (await analysed("SELECT E'a\\'b', 'c' FROM shop.orders", { session: old }))));
});

test('everyday sizes are far from the caps', async () => {
  const columns = Array.from({ length: 500 }, (_, index) => `${index} AS c${index}`).join();
  const ids = Array.from({ length: 20_000 }, (_, index) => index).join();
  const conditions = Array.from({ length: 2_000 }, (_, index) => `id = ${index}`).join(' OR ');
  const rows = Array.from({ length: 3_000 }, (_, index) => `(${index}, 'x' || ${index})`).join();
  const text = Array.from({ length: 300 }, () => "'a'").join(' || ');
  for (const sql of [
    `SELECT ${columns} FROM shop.orders`,
    `SELECT * FROM shop.orders WHERE id IN (${ids})`,
    `SELECT * FROM shop.orders WHERE ${conditions} AND NOT (${conditions})`,
    `INSERT INTO shop.orders (id, total) VALUES ${rows}`,
    `SELECT ${text} FROM shop.orders`,
  ]) {
    assert.deepEqual(sitesOf(await statement(sql)), ['shop.orders']);
  }
});

const heavy: Readonly<Record<string, string>> = {
  'many columns of many relations': `SELECT ${'id,'.repeat(100_000)}id FROM ${'shop.orders,'.repeat(50_000)}shop.orders`,
  'many common table expressions': `WITH ${Array.from({ length: 30_000 }, (_, index) => `c${index} AS (SELECT 1 FROM a)`).join()} SELECT 1`,
  'many unknown relations': `SELECT 1 FROM ${'a,'.repeat(400_000)}a`,
  'many temporary tables': Array.from({ length: 30_000 }, (_, index) => `CREATE TEMP TABLE t${index}()`).join(';'),
  'a long prepared statement run often': `PREPARE p AS SELECT '${'x'.repeat(300_000)}'${'; EXECUTE p'.repeat(50_000)}`,
  'many unknown functions': `SELECT ${'nothing(),'.repeat(80_000)}1`,
  'many groups': `SELECT 1 FROM shop.customers GROUP BY ${'id,'.repeat(50_000)}id`,
};
for (const [name, text] of Object.entries(heavy)) {
  // The timeout is what a hang is known by, also on a busy machine.
  test(`judging ${name} ends`, { timeout: 120_000 }, async () => {
    const result = await analysed(text);
    if (name.startsWith('many columns')) assert.ok('kind' in result && result.why === 'too-large');
  });
}

test('an analyser with senseless limits is not made', async () => {
  await assert.rejects(createAnalyser({ maxBytes: 0 }), StatementError);
  await assert.rejects(createAnalyser({ maxDepth: Number.NaN }), StatementError);
});
