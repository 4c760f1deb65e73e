import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResourceRef } from '../../../src/model/access.ts';
import { brief, column, context, principal, read, setOf, table } from './fixtures.ts';

const READ = 'permit (principal, action == Action::"read", resource);';

function decide(set: ReturnType<typeof setOf>, resource: ResourceRef, who = principal('alice'), more = {}) {
  return set.decide({ principal: who, questions: [read(resource)], context: context(more) });
}

test('ids and group names that look like Cedar are only names', () => {
  const set = setOf(
    'permit (principal in Group::"admins", action, resource); permit (principal == User::"root", action, resource);',
  );
  for (const name of [
    'x"] , Group::"admins',
    'admins" || true || "',
    '\\"admins',
    'admins\u0000',
    'admins ',
    'Admins',
    'Group::"admins"',
    '*',
    '',
    '\u202eadmins',
    '__entity',
  ]) {
    assert.equal(decide(set, table('t'), principal('eve', [name])).effect, 'refuse', JSON.stringify(name));
    assert.equal(
      decide(set, table('t'), principal(name.replace('admins', 'root'))).effect,
      'refuse',
      JSON.stringify(name),
    );
    assert.equal(decide(set, table(name)).effect, 'refuse', JSON.stringify(name));
  }
  assert.equal(decide(set, table('t'), principal('eve', ['admins'])).effect, 'forward');
  assert.equal(decide(set, table('t'), principal('root')).effect, 'forward');
});

test('a group with quotes, backslashes and umlauts can be named and is found', () => {
  const set = setOf('permit (principal in Group::"Käse \\"A\\" \\\\ B", action, resource);');
  assert.equal(decide(set, table('t'), principal('alice', ['Käse "A" \\ B'])).effect, 'forward');
  assert.equal(decide(set, table('t'), principal('alice', ['Käse "A" \\\\ B'])).effect, 'refuse');
});

test('a service is not the person of the same name', () => {
  const set = setOf('permit (principal == User::"ci", action, resource);');
  assert.equal(decide(set, table('t'), principal('ci', [], { kind: 'service' })).effect, 'refuse');
  assert.equal(decide(set, table('t'), principal('ci', [], { kind: 'agent' })).effect, 'refuse');
  assert.equal(decide(set, table('t'), principal('ci')).effect, 'forward');
});

test('a table whose name has a dot cannot borrow the permissions of another one', () => {
  const set = setOf(
    'permit (principal, action, resource == Table::"shop/a.b"); permit (principal, action, resource == Table::"shop/a.\\"b.c\\"");',
  );
  const named = (connection: string, schema: string, name: string): ResourceRef => ({
    ...{ connection, schema, table: name, labels: [] },
    type: 'Table',
  });
  assert.equal(decide(set, named('shop', 'a', 'b')).effect, 'forward');
  assert.equal(decide(set, named('shop', 'a', 'b.c')).effect, 'forward');
  assert.equal(decide(set, named('shop', 'a.b', 'c')).effect, 'refuse');
  assert.equal(decide(set, named('shop', 'a', '"b.c"')).effect, 'refuse');
  assert.equal(decide(set, named('shop', 'a."b', 'c"')).effect, 'refuse');
  assert.equal(decide(set, named('shop/a', '', 'b')).effect, 'refuse');
});

test('a column with two labels is unmasked only by somebody who may unmask both', () => {
  const set = setOf(
    'permit (principal in Group::"pii", action == Action::"unmask", resource in Label::"pii");',
    'permit (principal in Group::"pci", action == Action::"unmask", resource in Label::"pci");',
  );
  const columns = [
    column(['pii.contact.email']),
    column(['pci.pan']),
    column(['pii.contact.email', 'pci.pan']),
    column(['pci.pan', 'pii.contact.email']),
    column([]),
    column(['piii']),
    column(['pii']),
    column(['pci'], ['pii']), // the label of the table does not open the column
  ];
  const hidden = (...groups: string[]) => [
    ...set.hiddenColumns(principal('alice', groups), 'shop', columns, context()),
  ];
  assert.deepEqual(hidden(), [0, 1, 2, 3, 5, 6, 7]);
  assert.deepEqual(hidden('pii'), [1, 2, 3, 5, 7]);
  assert.deepEqual(hidden('pci'), [0, 2, 3, 5, 6]);
  assert.deepEqual(hidden('pci', 'pii'), [5]);
});

test('an unmask question says the same as the list of hidden columns', () => {
  const set = setOf(
    'permit (principal, action == Action::"unmask", resource in Label::"pii");',
    'forbid (principal, action == Action::"unmask", resource in Table::"shop/public.t") when { resource in Label::"secret" };',
  );
  for (const labels of [[], ['pii'], ['pci'], ['pii', 'pci'], ['pii', 'secret'], ['secret']]) {
    for (const tableLabels of [[], ['pii'], ['secret']]) {
      const who = principal('alice');
      const columns = [column(labels, tableLabels)];
      const hidden = set.hiddenColumns(who, 'shop', columns, context()).has(0);
      const resource = { ...column(labels, tableLabels), type: 'Column', connection: 'shop' } as const;
      const decision = set.decide({ principal: who, questions: [{ action: 'unmask', resource }], context: context() });
      assert.equal(decision.effect === 'forward', !hidden, JSON.stringify({ labels, tableLabels }));
    }
  }
});

test('a forbid hides columns by table, by name and by the label of the table, labelled or not', () => {
  const all = 'permit (principal, action == Action::"unmask", resource);';
  const columns = [
    { ...column([]), column: 'plain' },
    { ...column(['pii']), column: 'email' },
    { ...column(['pii']), column: 'phone', table: 'u' },
    { ...column(['pii'], ['confidential']), column: 'salary', table: 'v' },
  ];
  const hidden = (policy: string) => [
    ...setOf(all, policy).hiddenColumns(principal('alice'), 'shop', columns, context()),
  ];
  const forbid = (resource: string) => hidden(`forbid (principal, action == Action::"unmask", ${resource});`);
  assert.deepEqual(forbid('resource in Table::"shop/public.t"'), [0, 1]);
  assert.deepEqual(forbid('resource == Column::"shop/public.u.phone"'), [2]);
  assert.deepEqual(forbid('resource in Label::"confidential"'), [3]);
  assert.deepEqual(forbid('resource in Schema::"shop/public"'), [0, 1, 2, 3]);
  assert.deepEqual(forbid('resource in Connection::"other"'), []);
});

test('consent helps only when every forbid that spoke asks for it', () => {
  const soft = (name: string, annotations = '') =>
    `@id("${name}") @approval("${name}-owners") ${annotations} forbid (principal, action == Action::"read", resource in Label::"${name}") unless { context.approved };`;
  const hard = '@id("hard") @reason("never") forbid (principal, action == Action::"read", resource in Label::"hard");';
  const set = setOf(READ, soft('a', '@reason("a asks") @quorum("2")'), soft('b'), hard);
  const held = decide(set, table('t', ['a', 'b']));
  assert.deepEqual(held, {
    effect: 'hold',
    policies: ['a', 'b'],
    approvers: ['a-owners', 'b-owners'],
    quorum: 2,
    reason: 'a asks; policy b forbids it',
  });
  const refused = decide(set, table('t', ['a', 'hard']));
  assert.equal(refused.effect, 'refuse');
  assert.deepEqual(refused.policies, ['a', 'hard']);
  assert.equal(refused.effect === 'refuse' && refused.reason, 'never');
  assert.equal(brief(decide(set, table('t', ['a', 'b']), principal('alice'), { approved: true })), 'forward');
  assert.equal(brief(decide(set, table('t', ['hard']), principal('alice'), { approved: true })), 'refuse');
});

test('consent is not asked for when it would not help', () => {
  const forbid = '@approval("o") forbid (principal, action, resource) unless { context.approved };';
  assert.equal(decide(setOf(forbid), table('t')).effect, 'refuse', 'nothing permits it in the first place');
  const never = '@approval("o") forbid (principal, action, resource) unless { context.approved && context.mfa };';
  assert.equal(decide(setOf(READ, never), table('t')).effect, 'refuse');
  assert.equal(decide(setOf(READ, never), table('t'), principal('alice', [], { mfa: true })).effect, 'hold');
  const perverse = `${forbid} @reason("no") forbid (principal, action, resource) when { context.approved };`;
  const decision = decide(setOf(READ, perverse), table('t'));
  assert.equal(decision.effect === 'refuse' && decision.reason, 'no');
});

test('one refused question refuses the statement although another one waits for consent', () => {
  const set = setOf(
    'permit (principal, action == Action::"read", resource in Label::"open");',
    '@approval("o") forbid (principal, action, resource in Label::"soft") unless { context.approved };',
  );
  const decision = set.decide({
    principal: principal('alice'),
    questions: [read(table('t', ['open', 'soft'])), read(table('u'))],
    context: context(),
  });
  assert.equal(decision.effect, 'refuse');
  assert.deepEqual(decision.effect === 'refuse' && decision.question, read(table('u')));
  assert.match(
    decision.effect === 'refuse' ? decision.reason : '',
    /^no policy permits read on table public\.u of connection shop for person alice \(see: gatehouse policy explain\)$/,
  );
});

test('a forbid that cannot be evaluated has spoken', () => {
  const overflow = 'context.hour + 9223372036854775807 > 0';
  const forbidden = setOf(READ, `@id("big") forbid (principal, action, resource) when { ${overflow} };`);
  assert.deepEqual(decide(forbidden, table('t')).policies, ['big']);
  assert.equal(decide(forbidden, table('t')).effect, 'refuse');
  const permitted = setOf(`permit (principal, action, resource) when { ${overflow} };`);
  assert.equal(decide(permitted, table('t')).effect, 'refuse');
  assert.deepEqual(
    [...forbidden.hiddenColumns(principal('alice'), 'shop', [column([])], context())],
    [0],
    'and hides the column',
  );
});

test('circumstances that make no sense are refused, and hide every column', () => {
  const set = setOf('permit (principal, action, resource);');
  const warm = setOf(
    'permit (principal, action, resource);',
    'forbid (principal, action, resource) when { context.rows > 5 || context.rows_day > 5 || context.hour < 6 };',
    'forbid (principal, action, resource) when { context.rows_hour > 5 || (context has source_ip && context.source_ip.isLoopback()) };',
  );
  assert.equal(brief(decide(warm, table('t'))), 'forward 5 then refuse');
  for (const more of [
    { rows: Number.NaN },
    { rows: -1 },
    { rowsDay: 0.5 },
    { rowsHour: Number.POSITIVE_INFINITY },
    { hour: 12.5 },
    { sourceIp: '10.0.0.0/8' },
    { sourceIp: 'localhost' },
    { sourceIp: '' },
    { sourceIp: '1.2.3.4", "fn": "x' },
  ]) {
    const decision = decide(set, table('t'), principal('alice'), more);
    assert.equal(decision.effect, 'refuse', JSON.stringify(more));
    assert.equal(decide(warm, table('t'), principal('alice'), more).effect, 'refuse', JSON.stringify(more));
    assert.match(decision.effect === 'refuse' ? decision.reason : '', /could not be evaluated/);
    assert.equal(set.hiddenColumns(principal('alice'), 'shop', [column([])], context(more)).size, 1);
  }
});

test('a range of IPv4 addresses means peers on a dual-stack socket, too', () => {
  const set = setOf(
    'permit (principal, action, resource) when { context has source_ip && context.source_ip.isInRange(ip("10.0.0.0/8")) };',
  );
  const from = (sourceIp: string) => decide(set, table('t'), principal('alice'), { sourceIp }).effect;
  assert.equal(from('10.1.2.3'), 'forward');
  assert.equal(from('::ffff:10.1.2.3'), 'forward');
  assert.equal(from('::FFFF:10.1.2.3'), 'forward');
  assert.equal(from('::ffff:11.1.2.3'), 'refuse');
  assert.equal(from('fe80::1%eth0'), 'refuse');
  assert.equal(from('2001:db8::1'), 'refuse');
});

test('filter and questions marked so need no permit, but obey a forbid', () => {
  const call = { type: 'Function', connection: 'shop', schema: 'public', name: 'f' } as const;
  const ask = (set: ReturnType<typeof setOf>, question: Parameters<typeof set.prepare>[1][number]) =>
    set.decide({ principal: principal('alice'), questions: [question], context: context() }).effect;
  const empty = setOf('');
  const forbidding = setOf(
    'forbid (principal, action in [Action::"call", Action::"filter"], resource in Schema::"shop/public");',
  );
  assert.equal(ask(empty, { action: 'call', resource: call, unlessForbidden: true }), 'forward');
  assert.equal(ask(empty, { action: 'call', resource: call }), 'refuse');
  assert.equal(ask(forbidding, { action: 'call', resource: call, unlessForbidden: true }), 'refuse');
  assert.equal(ask(empty, { action: 'filter', resource: table('t') }), 'forward');
  assert.equal(ask(forbidding, { action: 'filter', resource: table('t') }), 'refuse');
});

test('an owner is the asking principal or nobody he could pass for', () => {
  const set = setOf(
    'permit (principal, action == Action::"view", resource) when { resource has owner && resource.owner == principal };',
  );
  const view = (owner: string | undefined, who: ReturnType<typeof principal>) =>
    set.decide({
      principal: who,
      questions: [{ action: 'view', resource: { type: 'Session', id: 's', ...(owner !== undefined && { owner }) } }],
      context: context(),
    }).effect;
  assert.equal(view('alice', principal('alice')), 'forward');
  assert.equal(view('ci', principal('ci', [], { kind: 'service' })), 'forward');
  assert.equal(view('bob', principal('alice')), 'refuse');
  assert.equal(view(undefined, principal('alice')), 'refuse');
});
