import assert from 'node:assert/strict';
import test from 'node:test';
import { explanationText } from '../../../src/policy/index.ts';
import { context, principal, read, setOf, table } from './fixtures.ts';

const set = setOf(`@id("read")
permit (principal in Group::"g", action == Action::"read", resource);
@id("limit") @approval("o") @quorum("2") @reason("too much")
forbid (principal, action, resource in Label::"x") unless { context.approved };
@id("rows") forbid (principal, action, resource) when { context.rows > 10 };`);

function explain(groups: string[], labels: string[]) {
  return set.explain({
    principal: principal('alice', groups),
    questions: [read(table('t', labels)), { action: 'kill', resource: { type: 'Session', id: 's' } }],
    context: context(),
  });
}

test('an explanation quotes the policies that spoke', () => {
  const [question] = explain(['g'], ['x']).questions;
  assert.equal(question?.effect, 'hold');
  assert.deepEqual(question?.policies, [
    {
      id: 'limit',
      effect: 'forbid',
      file: 'p0.cedar',
      line: 3,
      text: `@id("limit") @approval("o") @quorum("2") @reason("too much")
forbid (principal, action, resource in Label::"x") unless { context.approved };`,
      reason: 'too much',
      approvers: ['o'],
    },
  ]);
});

test('a refusal by default shows what is missing, and the permits that did not apply', () => {
  const { questions, decision, version } = explain([], []);
  assert.equal(decision.effect, 'refuse');
  assert.equal(version, set.version);
  assert.deepEqual(questions[0]?.missing, [
    'no policy permits read on table public.t of connection shop for person alice',
  ]);
  assert.deepEqual(
    questions[0]?.candidates.map(({ id }) => id),
    ['read'],
  );
  assert.deepEqual(questions[1]?.candidates, []);
});

test('the text says all of it', () => {
  const text = explanationText(
    set.explain({ principal: principal('alice', ['g']), questions: [read(table('t'))], context: context() }),
  );
  assert.equal(
    text,
    `read on table public.t of connection shop: allowed
  permit read (p0.cedar:1)
    @id("read")
    permit (principal in Group::"g", action == Action::"read", resource);

after 10 rows it is refused: policy rows forbids it (rows)

policies ${set.version}
`,
  );
  assert.match(explanationText(explain([], [])), /there is no permit for kill at all/);
  const held = set.explain({
    principal: principal('a', ['g']),
    questions: [read(table('t', ['x']))],
    context: context(),
  });
  assert.match(explanationText(held), /consent: 2 people, from o/);
});
