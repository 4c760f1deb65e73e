/** `gatehouse policy explain` of a statement: what it says is what the data path would do. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { lineDiff } from '../../src/cli/diff.ts';
import { statementText } from '../../src/cli/explained.ts';
import { statementExplanation } from '../../src/controlplane/contract/index.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;

before(async () => {
  house = await openHouse({
    policy: `
@id("analysts-limit") @approval("owners") @reason("More than 100 rows need consent")
forbid (principal in Group::"analysts", action == Action::"read", resource) when { context.rows > 100 } unless { context.approved };
@id("no-mail-conditions") @reason("Nobody searches by e-mail address")
forbid (principal in Group::"analysts", action == Action::"filter", resource in Label::"pii.contact.email");
@id("guarded") @reason("Writes choose their rows")
forbid (principal, action == Action::"write", resource) when { context.all_rows };
@id("auditors-view") permit (principal in Group::"auditors", action == Action::"view", resource);`,
  });
});
after(() => house[Symbol.asyncDispose]());

async function explained(subject: string, group: string, statement: string, more: object = {}) {
  const path = '/v1/connections/shop/explain';
  const answer = await house.control(subject, group, 'POST', path, { statement, ...more });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return statementExplanation.parse(answer.body);
}

test('parse, substitution as a diff, rules and masks are shown, and agree with what the gateway does', async () => {
  const statement = 'SELECT id, email AS e, city\nFROM shop.customers\nWHERE lower(city) = $$graz$$';
  const found = await explained('ana', 'analysts', statement);
  const [only] = found.statements;
  assert.deepEqual([only?.verb, only?.effect, only?.hasWhere, only?.allRows], ['select', 'read', true, false]);
  assert.deepEqual(only?.reads, [
    { relation: 'shop.customers', columns: ['city', 'email', 'id'], conditions: ['city'] },
  ]);
  assert.deepEqual(only?.functions, ['pg_catalog.lower']);
  assert.equal(only?.decision.effect, 'forward');
  assert.deepEqual([only?.decision.rows?.most, only?.decision.rows?.beyond], [100, 'hold']);
  const email = only?.columns.find(({ column }) => column === 'shop.customers.email');
  assert.deepEqual([email?.masked, email?.mask], [true, 'pseudonym']);
  assert.match(email?.missing.join() ?? '', /no policy permits unmask/);
  const text = statementText(found);
  assert.match(text, /^ {2} SELECT id, email AS e, city$/m);
  assert.match(text, /^ {2}-FROM shop\.customers$/m);
  assert.match(text, /^ {2}\+FROM \(SELECT "id", .*"customers"$/m);
  assert.match(text, /after 100 rows it waits for consent: More than 100 rows need consent \(analysts-limit\)/);
  assert.match(text, /permit main#2 \(main\.cedar:\d+\)/);
  assert.doesNotMatch(found.forwarded, /[0-9a-f]{64}/, 'no key stands in it');
});

test('a condition on a masked column is refused where policy forbids filter: also in joins, groups and sorting', async () => {
  const client = await house.connect(await house.through('ana', 'analysts'));
  for (const [statement, refused] of [
    [`SELECT id FROM shop.customers WHERE email = 'x'`, true],
    ['SELECT id FROM shop.customers ORDER BY email', true],
    ['SELECT id FROM shop.customers c JOIN shop.visits v USING (email)', true],
    ['SELECT c.id FROM shop.customers c JOIN shop.visits v ON c.email = v.email', true],
    ['SELECT email, count(*) FROM shop.customers GROUP BY email', true],
    ['SELECT DISTINCT email FROM shop.customers', true],
    ['SELECT count(*) FILTER (WHERE email IS NULL) FROM shop.customers', true],
    ['SELECT id, row_number() OVER (PARTITION BY email) FROM shop.customers', true],
    ['SELECT city FROM shop.customers GROUP BY city HAVING max(email) > $$x$$', true],
    ['WITH w AS (SELECT email AS e FROM shop.customers) SELECT 1 FROM w WHERE e = $$x$$', true],
    ['SELECT id, email FROM shop.customers LIMIT 5', false],
    ['SELECT id, email AS e FROM shop.customers WHERE id < 5', false],
    ['SELECT id, full_name FROM shop.customers WHERE full_name = $$x$$', false],
  ] as const) {
    const { statements } = await explained('ana', 'analysts', statement);
    assert.equal(statements[0]?.decision.effect, refused ? 'refuse' : 'forward', statement);
    if (refused) assert.deepEqual(statements[0]?.decision.policies, ['no-mail-conditions'], statement);
    const went = await client.query(statement).then(
      () => '',
      (error: Error) => error.message,
    );
    assert.equal(went.includes('Nobody searches by e-mail'), refused, `${statement}: ${went}`);
  }
});

test('parts of a statement are named, and what is refused before policy says why', async () => {
  const deleting = await explained(
    'eve',
    'engineers',
    'WITH d AS (DELETE FROM shop.visits RETURNING 1) SELECT count(*) FROM d',
  );
  assert.equal(deleting.statements[0]?.decision.effect, 'refuse');
  const write = deleting.statements[0]?.questions.find(({ part }) => part === 'delete');
  assert.deepEqual([write?.effect, write?.policies[0]?.id], ['refuse', 'guarded']);
  assert.match(statementText(deleting), /write on table shop\.visits of connection shop \(by delete\): refused/);
  const opaque = await explained('ana', 'analysts', 'SELEC 1');
  assert.equal(opaque.refusal?.code, 'statement-opaque');
  const raw = await explained('ana', 'analysts', `UPDATE shop.customers SET city = email WHERE id = 1`);
  assert.match(raw.refusal?.message ?? '', /masked/);
  assert.deepEqual(raw.statements[0]?.writes, ['shop.customers']);
});

test('for somebody else it needs view on the policies, and the connection is no secret to nobody', async () => {
  const as = { id: 'ana', groups: ['analysts'] };
  const other = await explained('ada', 'auditors', 'SELECT email FROM shop.customers', { as });
  assert.equal(other.statements[0]?.columns[0]?.masked, true);
  const path = '/v1/connections/shop/explain';
  const ask = (group: string, body: object) =>
    house.control('mo', group, 'POST', path, { statement: 'SELECT 1', ...body });
  assert.equal((await ask('analysts', { as })).status, 403);
  assert.equal((await ask('strangers', {})).status, 404);
});

test('a diff keeps what is the same', () => {
  assert.deepEqual(lineDiff('a\nb\nc', 'a\nx\nc\nd'), [' a', '-b', '+x', ' c', '+d']);
  assert.deepEqual(lineDiff('a', 'a'), [' a']);
});
