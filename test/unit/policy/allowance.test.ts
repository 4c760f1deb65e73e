import assert from 'node:assert/strict';
import test from 'node:test';
import { brief, context, principal, read, setOf, table } from './fixtures.ts';

const PERMIT = 'permit (principal, action == Action::"read", resource);';
const alice = principal('alice');

function decide(policies: string, more: Parameters<typeof context>[0] = {}, tables = [table('t')]): string {
  return brief(
    setOf(PERMIT, policies).decide({ principal: alice, questions: tables.map(read), context: context(more) }),
  );
}

const limit = (condition: string, head = '') => `${head} forbid (principal, action, resource) when { ${condition} };`;

test('exactly as many rows may leave as the policy says, whatever the way it is written', () => {
  assert.equal(decide(limit('context.rows > 1000')), 'forward 1000 then refuse');
  assert.equal(decide(limit('1000 < context.rows')), 'forward 1000 then refuse');
  assert.equal(decide(limit('context.rows >= 1000')), 'forward 999 then refuse');
  assert.equal(decide(limit('!(context.rows <= 1000)')), 'forward 1000 then refuse');
  assert.equal(decide(limit('context.rows == 5')), 'forward 4 then refuse');
  assert.equal(decide(limit('context.rows != 0')), 'forward 0 then refuse');
  assert.equal(decide(limit('context.rows >= 0')), 'refuse');
  assert.equal(decide(limit('context.rows < 0')), 'forward');
});

test('an allowance counts from the start of the statement, spans that began earlier bring what they have', () => {
  assert.equal(decide(limit('context.rows_session > 1000'), { rowsSession: 200 }), 'forward 800 then refuse');
  assert.equal(decide(limit('context.rows > 1000'), { rows: 300, rowsSession: 300 }), 'forward 1000 then refuse');
  assert.equal(decide(limit('context.rows_today > 1000'), { rows: 10, rowsDay: 900 }), 'forward 110 then refuse');
  assert.equal(decide(limit('context.rows_day > 1000'), { rowsDay: 1000 }), 'forward 0 then refuse');
  assert.equal(decide(limit('context.rows_day > 1000'), { rowsDay: 1001 }), 'refuse');
});

test('the first of several limits counts, and it says whether consent helps', () => {
  const both = `${limit('context.rows > 10 && !context.approved', '@approval("owners")')}
    ${limit('context.rows_hour > 100')}`;
  assert.equal(decide(both), 'forward 10 then hold');
  assert.equal(decide(both, { approved: true }), 'forward 100 then refuse');
  assert.equal(decide(both, { rowsHour: 95 }), 'forward 5 then refuse');
});

test('a limit that a permit sets ends in a refusal', () => {
  const set = setOf('permit (principal, action == Action::"read", resource) when { context.rows < 7 };');
  const decision = set.decide({ principal: alice, questions: [read(table('t'))], context: context() });
  assert.equal(brief(decision), 'forward 6 then refuse');
  assert.ok(decision.effect === 'forward');
  assert.match(decision.allowance?.then.reason ?? '', /no policy permits read on table public\.t of connection shop/);
});

test('a limit on one of two tables limits the statement', () => {
  const labelled = 'forbid (principal, action, resource in Label::"x") when { context.rows > 3 };';
  assert.equal(decide(labelled, {}, [table('t'), table('u', ['x'])]), 'forward 3 then refuse');
  assert.equal(decide(labelled, {}, [table('t'), table('u')]), 'forward');
});

test('a gap between two limits is found: rows may be forbidden, allowed again, and forbidden', () => {
  assert.equal(decide(limit('context.rows == 3 || context.rows > 9'), { rows: 4 }), 'forward 9 then refuse');
  assert.equal(decide(limit('context.rows == 3 || context.rows > 9')), 'forward 2 then refuse');
});

test('nothing is looked for when no rows will come', () => {
  const set = setOf(PERMIT, limit('context.rows > 5'));
  const request = { principal: alice, questions: [read(table('t'))], context: context() };
  assert.equal(brief(set.decide(request, { streamsRows: false })), 'forward');
  assert.equal(brief(set.decide({ ...request, context: context({ rows: 6 }) }, { streamsRows: false })), 'refuse');
  assert.equal(brief(set.decide(request)), 'forward 5 then refuse');
});

test('limits on other actions do not matter', () => {
  assert.equal(decide('forbid (principal, action == Action::"write", resource) when { context.rows > 5 };'), 'forward');
});

test('a limit on unmasking shows, and an unmask question brings it into the statement', () => {
  const set = setOf(
    PERMIT,
    'permit (principal, action == Action::"unmask", resource) when { context.rows_day <= 50 };',
  );
  assert.equal(set.rowsDecideUnmask, true);
  const resource = {
    type: 'Column',
    connection: 'shop',
    schema: 'public',
    table: 't',
    column: 'c',
    labels: ['pii'],
    tableLabels: [],
  } as const;
  const decision = set.decide({
    principal: alice,
    questions: [read(table('t')), { action: 'unmask', resource }],
    context: context({ rowsDay: 20 }),
  });
  assert.equal(brief(decision), 'forward 30 then refuse');
  assert.equal(
    setOf(PERMIT, 'forbid (principal, action == Action::"read", resource) when { context.rows > 1 };').rowsDecideUnmask,
    false,
  );
});
