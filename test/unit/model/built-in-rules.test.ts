import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { describe } from 'node:test';
import { FUNCTION_RULES, functionRule, RELATION_RULES, relationRule } from '../../../src/model/built-in-rules.ts';
import { builtInRule, queriesOf } from '../../../src/statement/sql/postgres/built-ins.ts';
import { builtInRulesPage } from '../../support/built-in-rules-page.ts';
import { installations, startPostgres, textQuery } from '../masking/real-postgres.ts';

test('the page says what the table says', () => {
  const page = readFileSync(new URL('../../../docs/built-in-rules.md', import.meta.url), 'utf8');
  assert.equal(page, builtInRulesPage(), 'node test/support/built-in-rules-page.ts > docs/built-in-rules.md');
});

test('nothing is in the table twice, and everything in it has a reason', () => {
  const functions = FUNCTION_RULES.flatMap(({ names, extension }) => names.map((name) => `${extension ?? ''}:${name}`));
  const relations = RELATION_RULES.map(({ name }) => name);
  for (const names of [functions, relations]) assert.deepEqual(names, [...new Set(names)]);
  for (const { why } of [...FUNCTION_RULES, ...RELATION_RULES]) assert.ok(why.length > 5);
  for (const { echoes, labelled } of RELATION_RULES) {
    if (echoes !== 'all') assert.ok(labelled.every((column) => echoes.includes(column)));
  }
});

test('the queries of everything that is judged can be told', () => {
  for (const { treatment, names } of FUNCTION_RULES) {
    for (const name of treatment === 'judged' ? names : []) {
      assert.ok(queriesOf(name, ['a', 'b', 'c', 'd', 'e']), name);
      assert.equal(queriesOf(name, [null, null, null, null, null]), undefined, `${name} with computed text`);
    }
  }
});

test('words that others use too count for one extension only', () => {
  assert.equal(functionRule('schedule'), undefined);
  assert.equal(functionRule('schedule', 'pg_cron')?.treatment, 'refused-and-call');
  assert.equal(functionRule('schedule', 'other'), undefined);
  assert.equal(functionRule('add_job', 'timescaledb')?.treatment, 'refused-and-call');
  assert.equal(functionRule('time_bucket', 'timescaledb'), undefined);
  assert.equal(builtInRule('pg_get_viewdef'), undefined);
  assert.equal(relationRule('customers'), undefined);
});

for (const installation of await installations()) {
  describe(`the functions and relations of ${installation.name}`, () => {
    test('each that reads files, large objects, logs or runs SQL has a rule; each echoing column is there', async () => {
      const server = await startPostgres(installation);
      const client = await server.connect();
      try {
        const query = textQuery(client);
        const named = await query(`SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
          AND (proname ~ '^(lo_|pg_ls_|pg_read_(binary_)?file|pg_logical_(slot|emit)|pg_replication_origin_(create|drop|advance)|pg_stat_reset)'
            OR proname ~ '_to_xml' OR proname ~ '^pg_(show_all_file|hba_file|ident_file)' OR proname IN ('loread', 'lowrite', 'ts_stat', 'ts_rewrite'))
          ORDER BY 1`);
        assert.ok(named.length > 50);
        for (const [name] of named) assert.ok(functionRule(name ?? ''), `${name} has no rule`);
        for (const { schema, extension, name, echoes, labelled } of RELATION_RULES) {
          if (extension !== undefined) continue;
          const columns = (
            await query(
              `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('${schema}.${name}') AND attnum > 0`,
            )
          ).map(([column]) => column);
          // Some came later than the oldest server.
          if (columns.length === 0) continue;
          const known = [...(echoes === 'all' ? [] : echoes), ...labelled];
          const missing = known.filter((column) => !columns.includes(column));
          assert.ok(missing.length < Math.max(known.length, 1), `${schema}.${name} has none of ${known.join(', ')}`);
        }
      } finally {
        await client.end();
        await server.stop();
      }
    });
  });
}
