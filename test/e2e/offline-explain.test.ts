/** Statements explained and tested without a gateway, on an exported catalog: the same answers as the running gateway gives. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { loadConfig } from '../../src/config/index.ts';
import { Offline } from '../../src/gateway.ts';
import { loadPolicySet, runPolicyTests, supposedPrincipal } from '../../src/policy/index.ts';
import { assertMasked, type House, openHouse } from '../support/gateway-house.ts';

const POLICY = `
@id("stewards-see") permit (principal in Group::"stewards", action in [Action::"connect", Action::"read", Action::"unmask"], resource);
@id("no-salaries") @reason("Salaries are closed") forbid (principal in Group::"stewards", action == Action::"read", resource in Label::"confidential");
@id("few-rows") @approval("owners") @reason("More than 100 rows need consent")
forbid (principal in Group::"analysts", action == Action::"read", resource) when { context.rows > 100 } unless { context.approved };
`;
const STATEMENTS = [
  'SELECT id, email FROM shop.customers',
  'SELECT * FROM shop.customers c JOIN shop.orders o ON o.customer_id = c.id WHERE c.email LIKE $$%x%$$',
  'SELECT name, salary FROM shop.employees',
  'UPDATE shop.customers SET city = email',
  'WITH d AS (DELETE FROM shop.visits RETURNING *) SELECT count(*) FROM d',
  'SELECT email FROM customers',
  'COPY shop.customers TO STDOUT',
  'CREATE TABLE shop.x AS SELECT full_name FROM shop.customers',
  'SELECT pg_read_file($$/etc/passwd$$)',
  'SELECT relname FROM pg_catalog.pg_class',
  'SELECT most_common_vals FROM pg_catalog.pg_stats',
  'SELEC 1',
];
const context = {
  ...{ approved: false, routine: false, rows: 0, rowsSession: 0, rowsHour: 0, rowsDay: 0 },
  ...{ hour: 12, weekday: 3 },
};

let house: House;
let catalog: string;
before(async () => {
  house = await openHouse({ policy: POLICY });
  const answer = await house.control('eve', 'engineers', 'GET', '/v1/connections/shop/catalog');
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  catalog = answer.body.text;
  await mkdir(join(house.folder, 'catalogs'));
  await writeFile(join(house.folder, 'catalogs', 'shop.json'), catalog);
});
after(() => house[Symbol.asyncDispose]());

async function offline(): Promise<{ worlds: Offline; policy: ReturnType<typeof loadPolicySet> & { ok: unknown } }> {
  const loaded = await loadConfig(house.folder);
  assert.ok('ok' in loaded);
  const policy = loadPolicySet(loaded.ok.policyFiles);
  assert.ok('ok' in policy);
  const { config, labelFiles: labels } = loaded.ok;
  const worlds = await Offline.open({
    config,
    policy: policy.ok,
    labels,
    catalogs: [{ name: 'shop.json', text: catalog }],
  });
  return { worlds, policy };
}

test('offline and online say the same of every statement, for everybody', async () => {
  const { worlds } = await offline();
  for (const group of ['analysts', 'stewards', 'engineers', 'strangers'])
    for (const statement of STATEMENTS) {
      const as = { id: 'max', groups: [group] };
      const answer = await house.control('eve', 'engineers', 'POST', '/v1/connections/shop/explain', { statement, as });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const principal = supposedPrincipal({ ...as, kind: 'person', issuer: '', mfa: false });
      const found = worlds.explain({ connection: 'shop', statement, principal, context, searchPath: ['public'] });
      assert.deepEqual(JSON.parse(JSON.stringify(found)), answer.body, `${group}: ${statement}`);
    }
});

test('a catalog file holds no value of a row, and does not change by itself', async () => {
  assertMasked(catalog);
  assert.doesNotMatch(catalog, /Person 1|Employee 3|app secret/);
  const again = await house.control('eve', 'engineers', 'GET', '/v1/connections/shop/catalog');
  assert.equal(again.body.text, catalog);
  await house.restart();
  assert.equal((await house.control('eve', 'engineers', 'GET', '/v1/connections/shop/catalog')).body.text, catalog);
  assert.equal((await house.control('ana', 'analysts', 'GET', '/v1/connections/shop/catalog')).status, 403);
  const { worlds } = await offline();
  assert.deepEqual(worlds.connections, ['shop']);
  const loaded = await loadConfig(house.folder);
  assert.ok('ok' in loaded);
  const policy = loadPolicySet(loaded.ok.policyFiles);
  assert.ok('ok' in policy);
  for (const text of ['', '[]', '{"gatehouse_catalog": 2}', catalog.replace('"hasRules":false', '"hasRules":"no"')])
    await assert.rejects(
      Offline.open({ config: loaded.ok.config, policy: policy.ok, labels: [], catalogs: [{ name: 'x', text }] }),
      /ERR_DATAPLANE_CATALOG_FILE: .*gatehouse catalog export/,
    );
});

const CASES = `
- name: analysts see masked addresses
  as: { id: ana, groups: [analysts] }
  connection: shop
  statement: SELECT id, email FROM shop.customers
  expect: allow
  rows: 100
  beyond: hold
  masked: [shop.customers.email]
- name: stewards see them as they are
  as: { id: sue, groups: [stewards] }
  connection: shop
  search_path: [shop]
  statement: SELECT id, email FROM customers
  expect: allow
  masked: []
- name: nobody but engineers writes
  as: { id: ana, groups: [analysts] }
  connection: shop
  statement: DELETE FROM shop.visits
  expect: deny
- name: salaries are closed
  as: { id: sue, groups: [stewards] }
  connection: shop
  statement: SELECT salary FROM shop.employees
  expect: deny
  policies: [no-salaries]
`;

test('whole statements stand in policy tests: decision, rows and masked columns; what is not so is said', async () => {
  const { worlds, policy } = await offline();
  assert.ok('ok' in policy);
  const run = (text: string, answer = worlds.answer) =>
    runPolicyTests(policy.ok as never, [{ name: 'a.test.yaml', text }], answer);
  const good = run(CASES);
  assert.deepEqual(good.problems, []);
  assert.deepEqual(
    good.results.filter(({ passed }) => !passed),
    [],
  );
  assert.equal(good.results.length, 4);
  assert.ok(!good.untested.includes('stewards-see'));
  const bad = run(CASES.replace('[shop.customers.email]', '[]').replace('expect: deny', 'expect: hold'));
  assert.match(bad.results[0]?.message ?? '', /^expected masked: \[\], got \[shop\.customers\.email\]$/);
  assert.match(bad.results[2]?.message ?? '', /^expected hold, got deny/);
  assert.match(
    run(CASES.replace('connection: shop', 'connection: other')).results[0]?.message ?? '',
    /catalog export other/,
  );
  assert.match(
    run('- name: x\n  as: { id: a }\n  statement: SELECT 1\n  expect: allow\n').problems[0]?.message ?? '',
    /connection/,
  );
});

test('of what forbids refuse, the permits that they overruled are shown', async () => {
  const { worlds } = await offline();
  const principal = supposedPrincipal({ id: 'sue', groups: ['stewards'], kind: 'person', issuer: '', mfa: false });
  const statement = 'SELECT salary FROM shop.employees';
  const found = worlds.explain({ connection: 'shop', statement, principal, context, searchPath: ['public'] });
  const refused = found?.statements[0]?.questions.find(({ effect }) => effect === 'refuse');
  assert.deepEqual(
    refused?.policies.map(({ id }) => id),
    ['no-salaries'],
  );
  assert.deepEqual(
    refused?.overruled.map(({ id }) => id),
    ['stewards-see'],
  );
  const closed = worlds.explain({
    ...{ connection: 'shop', statement: 'SELECT 1 FROM shop.customers', context, searchPath: [] },
    principal: supposedPrincipal({ id: 'x', groups: ['strangers'], kind: 'person', issuer: '', mfa: false }),
  });
  assert.deepEqual(closed?.statements[0]?.questions[0]?.overruled, [], 'nothing permitted it');
});

test('the command line does both from the folder alone', async () => {
  await writeFile(join(house.folder, 'policies', 'statements.test.yaml'), CASES);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string }>((done) => {
      const child = execFile(
        process.execPath,
        [main, ...args],
        { env: { ...process.env, GATEHOUSE_URL: '' } },
        (_, out, err) => done({ code: child.exitCode ?? -1, out: out + err }),
      );
    });
  const file = join(house.folder, 'catalogs', 'shop.json');
  const tested = await run('policy', 'test', house.folder);
  assert.equal(tested.code, 0, tested.out);
  assert.match(tested.out, /^4 passed, 0 failed$/m);
  const explained = await run(
    ...['policy', 'explain', 'SELECT salary FROM shop.employees', '--as', 'sue', '--group', 'stewards'],
    ...['--catalog', file, '--folder', house.folder],
  );
  assert.equal(explained.code, 1);
  assert.match(explained.out, /overruled: permit stewards-see/);
  const unsaid = await run('policy', 'explain', 'SELECT 1', '--catalog', file, '--folder', house.folder);
  assert.match(unsaid.out, /explains a statement for somebody/);
});
