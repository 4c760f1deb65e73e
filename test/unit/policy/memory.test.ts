import assert from 'node:assert/strict';
import test from 'node:test';
import type { AccessContext } from '../../../src/model/access.ts';
import type { Principal } from '../../../src/model/principal.ts';
import { Recent } from '../../../src/policy/recent.ts';
import { brief, column, context, principal, read, setOf, table } from './fixtures.ts';

const PERMIT = 'permit (principal, action, resource);';

test('every attribute of the context that a policy mentions tells remembered decisions apart', () => {
  const cases: readonly [string, Partial<AccessContext>, Partial<AccessContext>][] = [
    ['context.approved', { approved: true }, { approved: false }],
    ['context.routine', { routine: true }, { routine: false }],
    ['context.verb == "delete"', { verb: 'delete' }, { verb: 'select' }],
    ['!context.has_where', { hasWhere: false }, {}],
    ['context.all_rows', { allRows: true }, {}],
    ['context.object == "index"', { object: 'index' }, { object: 'table' }],
    ['context.privileges', { privileges: true }, {}],
    ['context.setting == "role"', { setting: 'role' }, {}],
    ['context.hour == 7', { hour: 7 }, { hour: 8 }],
    ['context.weekday == 7', { weekday: 7 }, { weekday: 6 }],
    ['context has source_ip && context.source_ip.isLoopback()', { sourceIp: '127.0.0.1' }, { sourceIp: '10.0.0.1' }],
    ['context has source_ip', { sourceIp: '127.0.0.1' }, {}],
    ['context has client && context.client == "psql"', { client: 'psql' }, { client: 'psq' }],
    ['context has purpose', { purpose: '' }, {}],
    ['context has purpose && context.purpose == "undefined"', { purpose: 'undefined' }, {}],
    ['context.rows > 5', { rows: 6 }, { rows: 5 }],
    ['context.rows_session > 5', { rowsSession: 6 }, { rowsSession: 5 }],
    ['context.rows_hour > 5', { rowsHour: 6 }, { rowsHour: 5 }],
    ['context.rows_day > 5', { rowsDay: 6 }, { rowsDay: 5 }],
    ['context.rows_today > 5', { rowsDay: 6 }, { rowsDay: 5 }],
  ];
  for (const [condition, forbidden, fine] of cases) {
    const set = setOf(PERMIT, `forbid (principal, action, resource) when { ${condition} };`);
    const asker = set.prepare(principal('alice'), [read(table('t'))]);
    for (const round of ['first', 'remembered']) {
      assert.equal(asker.decide(context(forbidden)).effect, 'refuse', `${condition}, ${round}`);
      assert.equal(asker.decide(context(fine)).effect, 'forward', `${condition}, ${round}`);
      const hidden = (more: Partial<AccessContext>) =>
        set.hiddenColumns(principal('alice'), 'shop', COLUMNS, context(more)).size;
      assert.notEqual(set.hiddenColumnsKey(context(forbidden)), set.hiddenColumnsKey(context(fine)), condition);
      assert.equal(hidden(forbidden), 1, `${condition}, ${round}, columns`);
      assert.equal(hidden(fine), 0, `${condition}, ${round}, columns`);
    }
  }
});

const COLUMNS = [column(['pii'])];

test('everything a policy can see of the principal tells remembered decisions apart', () => {
  const alice = principal('alice', ['g']);
  const cases: readonly [string, Principal, Principal][] = [
    ['principal == User::"alice"', alice, principal('bob')],
    ['principal in Group::"g"', alice, principal('alice', ['h'])],
    ['principal.mfa', principal('alice', [], { mfa: true }), alice],
    ['context.mfa', principal('alice', [], { mfa: true }), alice],
    ['principal is Service', principal('alice', [], { kind: 'service' }), alice],
    ['context.kind == "agent"', principal('alice', [], { kind: 'agent' }), alice],
    ['principal.issuer == "x"', principal('alice', [], { issuer: 'x' }), alice],
    ['principal has on_behalf_of', principal('alice', [], { onBehalfOf: 'bob' }), alice],
    [
      'context has on_behalf_of && context.on_behalf_of == "b"',
      principal('a', [], { onBehalfOf: 'b' }),
      principal('a'),
    ],
  ];
  for (const [condition, forbidden, fine] of cases) {
    const set = setOf(PERMIT, `forbid (principal, action, resource) when { ${condition} };`);
    const decide = (who: Principal) =>
      set.decide({ principal: who, questions: [read(table('t'))], context: context() }).effect;
    for (const round of ['first', 'remembered']) {
      assert.equal(decide(forbidden), 'refuse', `${condition}, ${round}`);
      assert.equal(decide(fine), 'forward', `${condition}, ${round}`);
    }
  }
});

test('texts a client chooses cannot pass for other attributes', () => {
  const set = setOf(
    PERMIT,
    'forbid (principal, action, resource) when { context has client && context.client == "a" && context has purpose && context.purpose == "b|c" };',
  );
  const asker = set.prepare(principal('alice'), [read(table('t'))]);
  for (const [client, purpose] of [
    ['a|b', 'c'],
    ['a|3:b', 'c'],
    ['1:a|3:b|c', ''],
    ['a', 'b|c|'],
  ] as const) {
    assert.equal(asker.decide(context({ client, purpose })).effect, 'forward');
  }
  assert.equal(asker.decide(context({ client: 'a', purpose: 'b|c' })).effect, 'refuse');
  const long = 'x'.repeat(100_000);
  assert.equal(asker.decide(context({ client: long })).effect, 'forward');
});

test('the order of labels, groups and questions changes no decision', () => {
  const set = setOf(
    PERMIT,
    'forbid (principal in Group::"a", action == Action::"read", resource in Label::"x") when { resource in Label::"y" };',
  );
  for (const groups of [
    ['a', 'b'],
    ['b', 'a'],
    ['b', 'a', 'a'],
  ]) {
    for (const labels of [
      ['x', 'y'],
      ['y', 'x'],
      ['y', 'x', 'y'],
    ]) {
      const questions = [read(table('t', labels)), read(table('u'))];
      const decide = (asked: typeof questions) =>
        set.decide({ principal: principal('p', groups), questions: asked, context: context() }).effect;
      assert.equal(decide(questions), 'refuse');
      assert.equal(decide(questions.toReversed()), 'refuse');
    }
  }
});

test('a prepared asker and the convenience give the same decisions', () => {
  const set = setOf(PERMIT, 'forbid (principal, action == Action::"read", resource) when { context.rows > 9 };');
  const asker = set.prepare(principal('alice'), [read(table('t'))]);
  for (const rows of [0, 9, 10]) {
    const at = context({ rows });
    const request = { principal: principal('alice'), questions: [read(table('t'))], context: at };
    assert.deepEqual(asker.decide(at), set.decide(request));
  }
});

test('the key of hidden columns leaves out what no policy about unmask mentions', () => {
  const set = setOf(
    PERMIT,
    'forbid (principal, action == Action::"read", resource) when { context.rows > 5 && context.hour > 3 };',
  );
  assert.equal(set.hiddenColumnsKey(context()), set.hiddenColumnsKey(context({ rows: 99, hour: 5, client: 'x' })));
  assert.equal(set.hiddenColumnsKey(context({ rows: Number.NaN })), 'unanswerable');
});

test('two sets loaded side by side do not mix', () => {
  const open = setOf(PERMIT);
  const closed = setOf('forbid (principal, action, resource);');
  const request = { principal: principal('alice'), questions: [read(table('t'))], context: context() };
  assert.equal(brief(open.decide(request)), 'forward');
  assert.equal(brief(closed.decide(request)), 'refuse');
  assert.equal(brief(open.decide(request)), 'forward');
});

test('the memory is bounded and forgets what was not used', () => {
  const recent = new Recent<number>(100);
  recent.set('kept', 1);
  for (let i = 0; i < 10_000; i++) {
    recent.set(i, i);
    assert.equal(recent.get('kept'), 1);
    assert.ok(recent.size <= 100);
  }
  assert.equal(recent.get(0), undefined);
  assert.equal(recent.get(9_999), 9_999);
});

test('a question of a part of the statement is answered with what that part does, and remembered apart', () => {
  const set = setOf(
    PERMIT,
    'forbid (principal, action, resource) when { context.verb == "delete" && context.all_rows };',
  );
  const question = read(table('t'));
  const part = { verb: 'delete', hasWhere: false, allRows: true } as const;
  const select = context({ verb: 'select', hasWhere: true, allRows: false });
  const whole = set.prepare(principal('alice'), [question]);
  const inside = set.prepare(principal('alice'), [{ ...question, part }]);
  for (let round = 0; round < 2; round++) {
    assert.equal(whole.decide(select).effect, 'forward');
    assert.equal(inside.decide(select).effect, 'refuse');
    assert.equal(whole.decide(context(part)).effect, 'refuse');
  }
});

test('what needs no permit is not asked while no policy forbids it, and is asked as soon as one does', () => {
  const call = {
    action: 'call',
    resource: { type: 'Function', connection: 'shop', schema: 'pg_catalog', name: 'upper' },
    unlessForbidden: true,
  } as const;
  const alice = principal('alice');
  assert.equal(setOf().prepare(alice, [call]).decide(context()).effect, 'forward');
  const all = setOf('forbid (principal, action, resource);');
  assert.equal(all.prepare(alice, [call]).decide(context()).effect, 'refuse');
  const other = setOf('forbid (principal, action == Action::"read", resource);');
  assert.equal(other.prepare(alice, [call]).decide(context()).effect, 'forward');
});
