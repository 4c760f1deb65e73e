import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ColumnRef } from '../../../src/policy/index.ts';
import { context, principal, read, setOf, table } from './fixtures.ts';

test('a group is found wherever a policy can name it', () => {
  for (const policy of [
    'permit (principal in Group::"g", action, resource);',
    'permit (principal is User in Group::"g", action, resource);',
    'permit (principal, action, resource) when { principal in Group::"g" };',
    'permit (principal, action, resource) when { principal in [Group::"f", Group::"g"] };',
    'permit (principal, action, resource) when { principal is User in Group::"g" };',
    'permit (principal, action, resource) unless { !(principal in Group::"g") };',
    'permit (principal, action, resource) when { if principal in Group::"g" then true else false };',
    'permit (principal, action, resource) when { principal in {a: Group::"g"}.a };',
    'permit (principal, action, resource) when { principal in (if context.mfa then Group::"f" else Group::"g") };',
    'permit (principal, action, resource) when { [principal in Group::"g"].contains(true) };',
    'permit (principal, action, resource) when { context.hour == 12 && (context.mfa || principal in Group::"g") };',
  ]) {
    const set = setOf(policy);
    const decide = (groups: string[]) =>
      set.decide({ principal: principal('alice', groups), questions: [read(table('t'))], context: context() }).effect;
    assert.equal(decide(['g', 'h']), 'forward', policy);
    assert.equal(decide(['h']), 'refuse', policy);
  }
});

test('what a set looks at is known', () => {
  const set = setOf(
    'forbid (principal, action, resource) when { context has purpose && context.purpose == "x" && context["verb"] == "y" };',
    'forbid (principal, action == Action::"read", resource) when { context.rows_today > 5 && context has source_ip && context.source_ip.isIpv4() };',
  );
  assert.deepEqual(set.contextAttributes, ['purpose', 'rows_day', 'source_ip', 'verb']);
  assert.equal(set.mentionsRows, true);
  assert.equal(set.rowsDecideUnmask, false);
  assert.equal(setOf('permit (principal, action, resource);').mentionsRows, false);
});

const scope = fc.constantFrom(
  'resource',
  'resource in Label::"x"',
  'resource in Label::"x.y"',
  'resource in Label::"z"',
  'resource in Schema::"shop/s1"',
  'resource in Table::"shop/s1.t1"',
  'resource == Column::"shop/s2.t1.c1"',
  'resource in Connection::"shop"',
);
const within = fc.constantFrom(
  'true',
  'resource in Label::"z"',
  '!(resource in Label::"x")',
  'resource == Column::"shop/s1.t1.c2"',
  'resource is Column in Table::"shop/s2.t1"',
  'context.rows > 3',
);
const policy = fc
  .tuple(fc.constantFrom('permit', 'permit', 'forbid'), scope, within)
  .map(([effect, what, when]) => `${effect} (principal, action == Action::"unmask", ${what}) when { ${when} };`);
const columns: fc.Arbitrary<ColumnRef[]> = fc.array(
  fc.record({
    schema: fc.constantFrom('s1', 's2'),
    table: fc.constantFrom('t1', 't2'),
    column: fc.constantFrom('c1', 'c2'),
    labels: fc.subarray(['x', 'x.y', 'z']),
    tableLabels: fc.subarray(['x', 'z']),
  }),
  { minLength: 1, maxLength: 8 },
);

test('columns answered in classes get the answers they would get one by one', () => {
  fc.assert(
    fc.property(
      fc.array(policy, { minLength: 1, maxLength: 5 }),
      columns,
      fc.nat({ max: 5 }),
      (policies, list, rows) => {
        const together = setOf(policies.join('\n'));
        const alone = setOf(policies.join('\n'));
        const who = principal('alice');
        const at = context({ rows });
        const hidden = together.hiddenColumns(who, 'shop', list, at);
        for (const [index, column] of list.entries()) {
          const resource = { ...column, type: 'Column', connection: 'shop' } as const;
          const decision = alone.decide(
            { principal: who, questions: [{ action: 'unmask', resource }], context: at },
            { streamsRows: false },
          );
          assert.equal(hidden.has(index), decision.effect !== 'forward', JSON.stringify(column));
        }
        assert.equal(together.hiddenColumns(who, 'shop', list, at), hidden, 'remembered for the same list');
      },
    ),
    { numRuns: 60 },
  );
});

test('a refusal names the very column although its class was judged for another one', () => {
  const set = setOf('forbid (principal, action == Action::"read", resource in Label::"x");');
  const asked = (name: string) => {
    const resource = {
      type: 'Column',
      connection: 'shop',
      schema: 's',
      table: 't',
      column: name,
      labels: ['x'],
      tableLabels: [],
    } as const;
    const decision = set.decide({
      principal: principal('alice'),
      questions: [{ action: 'read', resource, unlessForbidden: true }],
      context: context(),
    });
    assert.ok(decision.effect === 'refuse' && decision.question?.resource.type === 'Column');
    return decision.question.resource.column;
  };
  assert.equal(asked('a'), 'a');
  assert.equal(asked('b'), 'b');
});
