/** The gateway and the target must read the same bytes, and the same names, at the moment a statement runs. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { assertMasked, type House, openHouse } from '../support/gateway-house.ts';

let house: House;
before(async () => {
  house = await openHouse({
    policy: `
permit (principal in Group::"limited", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@reason("At most 20 rows")
forbid (principal in Group::"limited", action == Action::"read", resource) when { context.rows > 20 };
`,
  });
});
after(() => house[Symbol.asyncDispose]());

const analyst = async (parameters: Record<string, string> = {}): Promise<RawClient> =>
  RawClient.connect(await house.through('ana', 'analysts'), parameters);

/** The unnamed statement and portal, executed. */
const run = (sql: string): Buffer[] => [
  frontend.parse('', sql),
  frontend.bind({ portal: '', statement: '' }),
  frontend.execute(''),
];
const shown = (answer: readonly Message[]): string =>
  JSON.stringify(
    answer.map((message) =>
      message.kind === 'data-row' ? message.values.map((value) => value?.toString('latin1')) : describe(message),
    ),
  );
const rowsOf = (answer: readonly Message[]): number => answer.filter(({ kind }) => kind === 'data-row').length;

/** In UTF-8 one string; in GBK the second half of the character takes the backslash, and the string ends after it. */
const TWO_MEANINGS = "SELECT E'\u2603\\' , (SELECT string_agg(email, ',') FROM shop.customers) --'";

for (const [what, parameters, before, change] of [
  ['SET', {}, [], "SET client_encoding TO 'GBK'"],
  ['SET NAMES', {}, [], "SET NAMES 'GBK'"],
  ['set_config', {}, [], "SELECT set_config('client_encoding', 'GBK', false)"],
  ['RESET', { client_encoding: 'GBK' }, ["SET client_encoding = 'UTF8'"], 'RESET client_encoding'],
  ['DISCARD', { client_encoding: 'GBK' }, ["SET client_encoding = 'UTF8'"], 'DISCARD ALL'],
  ['ROLLBACK', { client_encoding: 'GBK' }, ['BEGIN', "SET client_encoding = 'UTF8'"], 'ROLLBACK'],
  [
    'ROLLBACK after an error',
    { client_encoding: 'GBK' },
    ['BEGIN', "SET client_encoding = 'UTF8'", 'SELECT 1/0'],
    'ROLLBACK',
  ],
] as const) {
  test(`bytes sent right behind ${what} are read in the encoding that it leaves`, async () => {
    for (const messages of [
      [frontend.query(change), frontend.query(TWO_MEANINGS)],
      [...run(change), frontend.sync(), ...run(TWO_MEANINGS), frontend.sync()],
      [...run(change), ...run(TWO_MEANINGS), frontend.sync()],
    ]) {
      const client = await analyst(parameters);
      for (const sql of before) await client.ask(frontend.query(sql));
      client.send(...messages);
      const answers = await client.until('ready-for-query');
      if (messages.length !== 7) answers.push(...(await client.until('ready-for-query')));
      assertMasked(shown(answers));
      assert.match(shown(answers), /error-response (0A000|25001)/);
      client.close();
    }
  });
}

test('text that is not ASCII still passes behind statements that may have changed the encoding', async () => {
  const client = await analyst();
  const answer = await client.ask(...run('BEGIN'), ...run("SELECT 'Straße'"), frontend.sync());
  assert.equal(rowsOf(answer), 1);
  assert.match(shown(await client.ask(frontend.query("COMMIT; SELECT 'Straße'"))), /StraÃ/);
  client.close();
});

test('the end of a failed transaction brings the old search path back within the same pipeline', async () => {
  const client = await analyst();
  for (const sql of [
    'SET search_path = shop, pg_temp',
    'CREATE TEMP TABLE customers (email text)',
    'BEGIN',
    'SET search_path = pg_temp, shop',
    'SELECT count(*) FROM customers',
    'SELECT 1/0',
  ])
    await client.ask(frontend.query(sql));
  const answer = await client.ask(...run('ROLLBACK'), ...run("SELECT email || '' FROM customers"), frontend.sync());
  assert.ok(rowsOf(answer) > 0, 'the statement itself is answered');
  assertMasked(shown(answer));
  client.close();
});

const LATE = "query_to_xml('SELECT email FROM customers', true, true, '')";
for (const [what, statements] of [
  ['a cursor', ['BEGIN', `DECLARE k CURSOR FOR SELECT ${LATE}`, 'SET search_path = shop, pg_temp', 'FETCH ALL FROM k']],
  ['a view', [`CREATE TEMP VIEW v AS SELECT ${LATE}`, 'SET search_path = shop, pg_temp', 'SELECT * FROM v']],
  [
    'a default',
    [
      `CREATE TEMP TABLE d (x xml DEFAULT ${LATE})`,
      'SET search_path = shop, pg_temp',
      'INSERT INTO d DEFAULT VALUES',
      'TABLE d',
    ],
  ],
  ['a later row', [`SELECT ${LATE}, set_config('search_path', 'shop, pg_temp', false) FROM generate_series(1, 2)`]],
  [
    'a view that changes the path',
    [
      "CREATE TEMP VIEW v AS SELECT set_config('search_path', 'shop, pg_temp', false)",
      'TABLE v',
      "SELECT email || '' FROM customers",
    ],
  ],
] as const) {
  test(`names that ${what} looks up late do not mean another relation than the judged one`, async () => {
    const client = await analyst();
    const answers: Message[] = [];
    for (const sql of ['SET search_path = pg_temp, shop', 'CREATE TEMP TABLE customers (email text)', ...statements])
      answers.push(...(await client.ask(frontend.query(sql))));
    assertMasked(shown(answers));
    assert.match(shown(answers), /error-response/);
    client.close();
  });
}

const RAW = "SELECT email || '' FROM customers";
for (const [what, before, script] of [
  [
    'DROP CASCADE',
    ['CREATE TEMP TABLE base (email text)', 'CREATE TEMP VIEW customers AS SELECT * FROM base'],
    'DROP TABLE base CASCADE',
  ],
  [
    'DROP COLUMN CASCADE',
    ['CREATE TEMP TABLE base (email text)', 'CREATE TEMP VIEW customers AS SELECT * FROM base'],
    'ALTER TABLE base DROP COLUMN email CASCADE',
  ],
  ['RENAME COLUMN', ['CREATE TEMP TABLE t (a int)'], 'ALTER TABLE t RENAME COLUMN a TO customers'],
  ['EXPLAIN', [], "EXPLAIN CREATE TEMP TABLE customers AS SELECT '' AS email"],
  ['a BEGIN within a transaction', [], 'BEGIN; CREATE TEMP TABLE customers (email text); BEGIN; ROLLBACK'],
  ['a BEGIN in a later script', ['BEGIN', 'CREATE TEMP TABLE customers (email text)'], 'BEGIN; ROLLBACK'],
  ['a BEGIN behind other statements', [], 'CREATE TEMP TABLE customers (email text); BEGIN; ROLLBACK'],
] as const) {
  test(`${what} leaves no name that means a temporary relation only to the gateway`, async () => {
    const client = await analyst();
    const answers: Message[] = [];
    for (const sql of ['SET search_path = pg_temp, shop', ...before, `${script}; ${RAW}`])
      answers.push(...(await client.ask(frontend.query(sql))));
    assertMasked(shown(answers));
    client.close();
  });
}

test('a portal is not judged by names that changed after Bind', async () => {
  const client = await analyst();
  for (const sql of ['SET search_path = pg_temp, shop', 'CREATE TEMP TABLE customers (email text)'])
    await client.ask(frontend.query(sql));
  const answer = await client.ask(
    frontend.parse('s', `SELECT ${LATE}`),
    frontend.bind({ portal: 'p', statement: 's' }),
    ...run('SET search_path = shop, pg_temp'),
    frontend.execute('p'),
    frontend.sync(),
  );
  assertMasked(shown(answer));
  assert.match(shown(answer), /error-response/);
  client.close();
});

test('rows of temporary views and of cursors that Execute reads are counted', async () => {
  for (const [sql, ...messages] of [
    ['CREATE TEMP VIEW v AS SELECT id FROM shop.orders', frontend.query('SELECT * FROM v')],
    ['BEGIN; DECLARE k CURSOR FOR SELECT id FROM shop.orders', frontend.execute('k'), frontend.sync()],
    ['CREATE TEMP TABLE t AS SELECT id FROM shop.orders', frontend.query('COPY t TO STDOUT')],
  ] as const) {
    const client = await RawClient.connect(await house.through('limo', 'limited'));
    await client.ask(frontend.query(sql));
    const answer = await client.ask(...messages);
    const copied = answer.filter(({ kind }) => kind === 'copy-data').length;
    assert.equal(rowsOf(answer) + copied, 20, sql);
    client.close();
  }
});

test('the keys of pseudonyms cannot be read through a name beside pg_settings', async () => {
  const client = await analyst();
  await client.ask(frontend.query("SELECT set_config('application_name', 'gatehouse.pseudonym_inner', false)"));
  for (const sql of [
    "SELECT current_setting(s.name, true) FROM pg_settings s(x, name) WHERE x = 'application_name'",
    "SELECT (SELECT current_setting(s.name, true) FROM (VALUES ('gatehouse.pseudonym_outer')) s(name)) FROM pg_settings s LIMIT 1",
  ]) {
    const answer = await client.ask(frontend.query(sql));
    assert.equal(rowsOf(answer), 0, sql);
  }
  client.close();
});
