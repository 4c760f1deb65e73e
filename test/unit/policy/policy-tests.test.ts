import assert from 'node:assert/strict';
import test from 'node:test';
import { requestOf, runPolicyTests, writtenQuestionSchema } from '../../../src/policy/index.ts';
import { setOf } from './fixtures.ts';

const set = setOf(`@id("read") permit (principal in Group::"g", action == Action::"read", resource);
@id("limit") @approval("o") forbid (principal, action, resource) when { context.rows > 10 } unless { context.approved };
@id("unused") forbid (principal, action == Action::"kill", resource);`);

function run(text: string) {
  return runPolicyTests(set, [{ name: 'a.test.yaml', text }]);
}

const CASE = `- name: one
  as: { id: alice, groups: [g] }
  action: read
  on: { connection: shop, table: public.t }
`;

test('a case passes when everything it says is so', () => {
  const result = run(`${CASE}  expect: allow\n  rows: 10\n  beyond: hold\n  policies: [read]\n`);
  assert.deepEqual(result.problems, []);
  assert.deepEqual(result.results, [{ file: 'a.test.yaml', line: 1, name: 'one', passed: true }]);
  assert.deepEqual(result.untested, ['unused']);
});

test('each thing that is not so is said, with what came instead', () => {
  const message = (more: string) => run(`\n\n${CASE}${more}`).results[0]?.message;
  assert.equal(message('  expect: deny\n'), 'expected deny, got allow by read');
  assert.equal(message('  expect: allow\n  rows: 11\n'), 'expected rows: 11, got 10');
  assert.equal(message('  expect: allow\n  rows: unlimited\n'), 'expected rows: unlimited, got 10');
  assert.equal(message('  expect: allow\n  beyond: deny\n'), 'expected beyond: deny, got hold');
  assert.equal(message('  expect: allow\n  policies: [limit]\n'), 'expected policies: [limit], got [read]');
  assert.equal(
    message('  expect: allow\n  context: { rows: 11 }\n'),
    'expected allow, got hold by limit (policy limit forbids it)',
  );
  assert.equal(
    message('  expect: hold\n  context: { approved: true }\n  beyond: deny\n'),
    'expected hold, got allow by read; expected beyond: deny, got no limit',
  );
  assert.equal(
    message('  expect: hold\n  context: { rows: 11 }\n  rows: 5\n'),
    '`rows` has no meaning without expect: allow',
  );
  assert.equal(run(`\n\n${CASE}  expect: deny\n`).results[0]?.line, 3);
});

test('mistakes in a test file are found with their lines, and the other cases still run', () => {
  const { problems, results } = run(`- name: fine
  as: { id: a }
  action: read
  on: { connection: shop }
  expect: deny
- name: wrong
  as: { id: a, grups: [g] }
  action: reed
  on: { connection: shop, table: t }
  context: { row: 5 }
  expect: maybe
- name: more
  as: { id: a }
  action: read
  on: { tabel: t }
  expect: deny
- name: extra
  as: { id: a }
  action: read
  on: { connection: shop, table: public.t, lables: [x] }
  expect: deny
`);
  assert.deepEqual(
    results.map(({ name, passed }) => [name, passed]),
    [['fine', true]],
  );
  assert.deepEqual([...new Set(problems.map(({ line }) => line))], [7, 8, 9, 10, 11, 15, 20]);
  assert.match(problems.find(({ line }) => line === 9)?.message ?? '', /schema\.name/);
  assert.match(problems.find(({ line }) => line === 20)?.message ?? '', /lables/);
});

test('what is no list of cases is a mistake, nothing at all is not', () => {
  assert.deepEqual(run(''), { results: [], problems: [], untested: ['limit', 'read', 'unused'] });
  assert.equal(run('name: x\n').problems.length, 1);
  assert.ok(run('- name: [\n').problems.length > 0);
  assert.ok(run('- name: a\n  name: b\n').problems.length > 0);
});

test('resources are written by their keys, names quoted as in SQL', () => {
  const on = (resource: unknown) =>
    requestOf(writtenQuestionSchema.parse({ as: { id: 'a' }, action: 'read', on: resource })).questions[0]?.resource;
  const shop = { connection: 'shop' };
  assert.deepEqual(on(shop), { type: 'Connection', connection: 'shop' });
  assert.deepEqual(on({ ...shop, schema: 's' }), { type: 'Schema', connection: 'shop', schema: 's' });
  assert.deepEqual(on({ ...shop, table: 's."Kunden.Straße ""x"""', labels: ['pii'] }), {
    ...shop,
    type: 'Table',
    schema: 's',
    table: 'Kunden.Straße "x"',
    labels: ['pii'],
  });
  assert.deepEqual(on({ ...shop, table: 's.t', column: 'a.b', labels: ['pii'], table_labels: ['c'] }), {
    ...shop,
    type: 'Column',
    schema: 's',
    table: 't',
    column: 'a.b',
    labels: ['pii'],
    tableLabels: ['c'],
  });
  assert.deepEqual(on({ ...shop, function: 's.f' }), { ...shop, type: 'Function', schema: 's', name: 'f' });
  assert.deepEqual(on({ label: 'pii.x' }), { type: 'Label', label: 'pii.x' });
  assert.deepEqual(on({ request: 'r', owner: 'bob', connection: 'shop' }), {
    ...shop,
    type: 'Request',
    id: 'r',
    owner: 'bob',
  });
  for (const wrong of [
    {},
    { table: 's.t' },
    { ...shop, table: 'a.b.c' },
    { ...shop, table: 's."t' },
    { ...shop, table: 's."t"x' },
    5,
  ]) {
    assert.throws(() => on(wrong), JSON.stringify(wrong));
  }
});

test('counters of longer spans hold at least what shorter ones do', () => {
  const { context } = requestOf(
    writtenQuestionSchema.parse({
      as: { id: 'a' },
      action: 'read',
      on: { label: 'x' },
      context: { rows: 5, rows_hour: 7 },
    }),
  );
  assert.deepEqual([context.rows, context.rowsSession, context.rowsHour, context.rowsDay], [5, 5, 7, 7]);
});
