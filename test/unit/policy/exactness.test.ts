import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { AccessContext } from '../../../src/model/access.ts';
import { context, principal, read, setOf, table } from './fixtures.ts';
import { later, oracle } from './oracle.ts';

const GROUPS = ['a', 'b', 'c'];
const LABELS = ['x', 'y'];

const counter = fc.constantFrom('rows', 'rows_session', 'rows_hour', 'rows_day', 'rows_today');
const comparison = fc.record({
  counter,
  operator: fc.constantFrom('>', '>=', '<', '<=', '==', '!='),
  literal: fc.integer({ min: -2, max: 12 }),
  swapped: fc.boolean(),
});
const atom = fc.oneof(
  comparison.map(({ counter: name, operator, literal, swapped }) =>
    swapped ? `${literal} ${operator} context.${name}` : `context.${name} ${operator} ${literal}`,
  ),
  fc.constantFrom(
    'context.approved',
    'context.routine',
    'context.hour < 8',
    'context.verb == "select"',
    '(context has client && context.client == "psql")',
    '(context has purpose && context.purpose like "*|*")',
    'principal.mfa',
    'context.kind == "service"',
  ),
);
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    atom,
    tie('condition').map((inner) => `!(${inner})`),
    fc.tuple(tie('condition'), tie('condition')).map(([left, right]) => `(${left} && ${right})`),
    fc.tuple(tie('condition'), tie('condition')).map(([left, right]) => `(${left} || ${right})`),
    fc
      .tuple(tie('condition'), tie('condition'), tie('condition'))
      .map(([when, yes, no]) => `(if ${when} then ${yes} else ${no})`),
  ),
}));
const policy = fc
  .record({
    effect: fc.constantFrom('permit', 'permit', 'forbid', '@approval("owners") forbid'),
    who: fc.constantFrom(
      'principal',
      ...GROUPS.map((group) => `principal in Group::"${group}"`),
      'principal is Service',
    ),
    action: fc.constantFrom('action', 'action == Action::"read"', 'action in [Action::"write"]'),
    what: fc.constantFrom(
      'resource',
      'resource in Connection::"shop"',
      ...LABELS.map((label) => `resource in Label::"${label}"`),
      'resource == Table::"shop/public.t1"',
    ),
    when: fc.option(condition, { nil: undefined }),
    unless: fc.option(condition, { nil: undefined }),
  })
  .map(
    ({ effect, who, action, what, when, unless }) =>
      `${effect} (${who}, ${action}, ${what})${when ? ` when { ${when} }` : ''}${unless ? ` unless { ${unless} }` : ''};`,
  );

const small = fc.nat({ max: 14 });
const circumstances: fc.Arbitrary<AccessContext> = fc
  .record({
    approved: fc.boolean(),
    routine: fc.boolean(),
    rows: small,
    rowsSession: small,
    rowsHour: small,
    rowsDay: small,
    hour: fc.constantFrom(7, 8, 12),
    verb: fc.constantFrom('select', 'delete', undefined),
    client: fc.constantFrom('psql', 'psql|x', '', undefined),
    purpose: fc.constantFrom('a|b', 'ab', '', undefined),
  })
  .map(({ verb, client, purpose, ...rest }) =>
    context({
      ...rest,
      ...(verb !== undefined && { verb }),
      ...(client !== undefined && { client }),
      ...(purpose !== undefined && { purpose }),
    }),
  );
const asked = fc.record({
  who: fc.record({
    id: fc.constantFrom('alice', 'bob'),
    groups: fc.subarray(GROUPS),
    mfa: fc.boolean(),
    kind: fc.constantFrom('person' as const, 'service' as const),
  }),
  tables: fc.array(fc.record({ name: fc.constantFrom('t1', 't2'), labels: fc.subarray(LABELS) }), {
    minLength: 1,
    maxLength: 2,
  }),
  at: circumstances,
});

/** The literals of the policies lie below this; beyond it nothing changes any more. */
const FAR = 16;

test('remembered decisions and row allowances are what Cedar says, row for row', () => {
  fc.assert(
    fc.property(
      fc.array(policy, { minLength: 1, maxLength: 5 }),
      fc.array(asked, { minLength: 1, maxLength: 6 }),
      (policies, requests) => {
        const set = setOf(policies.join('\n'));
        // twice, so that the second round is answered from memory
        for (const { who, tables, at } of [...requests, ...requests]) {
          const caller = principal(who.id, who.groups, { mfa: who.mfa, kind: who.kind });
          const questions = tables.map(({ name, labels }) => read(table(name, labels)));
          const decision = set.decide({ principal: caller, questions, context: at });
          const truth = (rows: number) => {
            const answers = tables.map(({ name, labels }) => oracle(set, caller, name, labels, later(at, rows)));
            return ['refuse', 'hold'].find((effect) => answers.includes(effect)) ?? 'forward';
          };
          assert.equal(decision.effect, truth(0));
          if (decision.effect !== 'forward') continue;
          let rows = 0;
          while (rows < FAR && truth(rows + 1) === 'forward') rows++;
          if (rows === FAR) {
            assert.equal(decision.allowance, undefined);
          } else {
            assert.equal(decision.allowance?.rows, at.rows + rows);
            assert.equal(decision.allowance?.then.effect, truth(rows + 1));
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
