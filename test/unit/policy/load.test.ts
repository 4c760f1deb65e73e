import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPolicySet } from '../../../src/policy/index.ts';
import { brief, context, principal, problemsOf, read, setOf, table } from './fixtures.ts';

const DESIGN = `permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource in Connection::"warehouse");

permit (principal in Group::"stewards", action == Action::"unmask", resource in Label::"pii");

@approval("data-owners")
@reason("Confidential tables are read only with an owner's consent")
forbid (principal, action == Action::"read", resource in Label::"confidential") unless { context.approved };

@approval("data-owners")
@reason("Exports above 1000 rows need an owner's consent")
forbid (principal in Group::"analysts", action == Action::"read", resource) when { context.rows > 1000 } unless { context.approved };
`;

test('the example policies of the design load unchanged, without a warning', () => {
  const loaded = loadPolicySet([{ name: 'warehouse.cedar', text: DESIGN }], {
    labels: ['pii.contact', 'confidential'],
  });
  assert.ok('ok' in loaded, JSON.stringify(loaded));
  assert.deepEqual(loaded.warnings, []);
  assert.deepEqual([...loaded.ok.policies.keys()], ['warehouse#1', 'warehouse#2', 'warehouse#3', 'warehouse#4']);
  assert.deepEqual(loaded.ok.contextAttributes, ['approved', 'rows']);
  assert.equal(loaded.ok.mentionsRows, true);
});

test('an empty set is valid and permits nothing', () => {
  for (const files of [[], [{ name: 'a.cedar', text: '' }], [{ name: 'a.cedar', text: '// nothing; "here\n' }]]) {
    const loaded = loadPolicySet(files);
    assert.ok('ok' in loaded);
    assert.equal(loaded.ok.mentionsRows, false);
    const request = { principal: principal('alice'), questions: [read(table('t'))], context: context() };
    assert.equal(loaded.ok.decide(request).effect, 'refuse');
  }
});

test('every mistake of every file is found in one run, with its place', () => {
  const problems = problemsOf(
    `// Käse; "quoted
permit (principal action, resource);
@id("x") permit (principal in Groop::"ä", action, resource) when { context.nope };
`,
    `@id("x") forbid (principal, action == Action::"reed", resource);
@id("x") permit (principal, action, resource) when { context.rows + 1 > 5 };
permit (principal, action, resource) when { context.purpose == "x" };
permit (principal, action, resource)`,
  );
  const places = problems.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message}`);
  assert.deepEqual(places, [
    'p0.cedar:2:19 unexpected token `action`',
    'p0.cedar:3:31 unrecognized entity type `Groop`',
    'p0.cedar:3:68 attribute `nope` in context not found',
    'p1.cedar:1:1 the id "x" is taken by p0.cedar:3',
    'p1.cedar:1:39 unrecognized action `Action::"reed"`',
    'p1.cedar:2:1 the id "x" is taken by p0.cedar:3',
    'p1.cedar:2:1 `context.rows` may only be compared with a whole number, as in `context.rows > 1000`',
    'p1.cedar:3:45 unable to guarantee safety of access to optional attribute `purpose` in context',
    'p1.cedar:4:37 unexpected end of input',
  ]);
  assert.ok(problems.every(({ help }) => help.length > 0));
});

test('columns are counted in characters although Cedar counts bytes', () => {
  const [problem] = problemsOf('permit (principal in Group::"äöü€😀", action == Action::"reed", resource);');
  assert.equal(problem?.column, 'permit (principal in Group::"äöü€😀", action == '.length + 1);
});

test('row counters are accepted only where their limits can be read', () => {
  const body = (condition: string) => problemsOf(`forbid (principal, action, resource) when { ${condition} };`);
  for (const fine of [
    'context.rows > 10',
    '10 < context.rows',
    '!(context["rows_session"] <= 10) || context.rows_hour == 7 && context.rows_today != 8',
    'if context.rows_day >= 5 then context.approved else 3 > context.rows',
    'context.rows > -5',
    'context has rows && context.rows > 1',
    '(if context.rows > 5 then 1 else 2) == context.hour',
    '[context.hour, 3].contains(4) && {a: context.mfa}.a',
  ]) {
    assert.deepEqual(body(fine), [], fine);
  }
  for (const refused of [
    'context.rows + 1 > 10',
    'context.rows > 10 + 1',
    'context.rows > context.hour',
    'context.rows > context.rows_day',
    '[1, 2].contains(context.rows)',
    '{a: context.rows}.a > 5',
    '(if context.approved then context.rows else 5) > 10',
    'context.rows > 9007199254740993',
    'context.rows * 2 > 10',
    '-context.rows < 5',
  ]) {
    const problems = body(refused);
    assert.ok(problems.length > 0 && problems.every(({ message }) => message.includes('context.rows')), refused);
  }
});

test('the context as a whole cannot be used, for then nobody could say what a policy looks at', () => {
  for (const condition of [
    'context == context',
    '(if context.mfa then context else context).approved',
    '{c: context}.c.mfa',
  ]) {
    const problems = problemsOf(`forbid (principal, action, resource) when { ${condition} };`);
    assert.ok(
      problems.some(({ message }) => message.includes('`context` as a whole')),
      condition,
    );
  }
});

test('broad rules on any circumstance validate for every action and resource', () => {
  setOf(
    'forbid (principal, action, resource) when { context.rows > 10 };',
    'forbid (principal, action, resource) when { context.verb == "delete" && !context.has_where };',
    'forbid (principal, action, resource) unless { context has source_ip && context.source_ip.isInRange(ip("10.0.0.0/8")) };',
    'forbid (principal is Agent, action, resource) when { !(principal has on_behalf_of) };',
    'forbid (principal, action, resource) when { context.hour < 8 || context.weekday > 5 };',
    'permit (principal, action, resource) when { resource has owner && resource.owner == principal };',
    'permit (principal, action == Action::"read", resource is Column in Table::"shop/public.t");',
    'permit (principal, action in [Action::"view", Action::"manage"], resource in Connection::"shop");',
    'forbid (principal, action, resource) when { context has purpose && context.purpose like "*test*" };',
  );
});

test('annotations that would promise what cannot be kept are mistakes', () => {
  const messages = (text: string) => problemsOf(text).map(({ message }) => message);
  const all = '(principal, action, resource)';
  assert.match(messages(`@approval("a") permit ${all};`).join(), /@approval stands on a permit/);
  assert.match(messages(`@approval(" , ") forbid ${all} unless { context.approved };`).join(), /names no group/);
  assert.match(messages(`@approval forbid ${all} unless { context.approved };`).join(), /names no group/);
  assert.match(messages(`@quorum("2") forbid ${all};`).join(), /@quorum without @approval/);
  for (const quorum of ['0', '-1', 'two', '1.5', '', '21']) {
    assert.match(
      messages(`@approval("a") @quorum("${quorum}") forbid ${all};`).join(),
      /@quorum is not a number/,
      quorum,
    );
  }
  assert.match(messages(`@id("") permit ${all};`).join(), /@id is empty/);
  assert.match(messages('permit (principal == ?principal, action, resource);').join(), /template/);
});

test('doubtful annotations and labels are warnings', () => {
  const text = `@resaon("typo") permit (principal, action, resource in Label::"pii.contct");
@approval("a") forbid (principal, action, resource);
permit (principal, action, resource in Label::"pii");`;
  const loaded = loadPolicySet([{ name: 'a.cedar', text }], { labels: ['pii.contact.email'] });
  assert.ok('ok' in loaded);
  assert.deepEqual(
    loaded.warnings.map(({ line, message }) => `${line} ${message}`),
    [
      '1 policy a#1: @resaon has no meaning here',
      '1 policy a#1: nothing carries the label "pii.contct"',
      '2 policy a#2: @approval, but the policy does not look at context.approved',
    ],
  );
});

test('the version depends on names and contents, not on the order of the files', () => {
  const version = (...files: [string, string][]) => {
    const loaded = loadPolicySet(files.map(([name, text]) => ({ name, text })));
    assert.ok('ok' in loaded);
    return loaded.ok.version;
  };
  const one = version(['a.cedar', '//x'], ['b.cedar', '//y']);
  assert.match(one, /^sha256:[0-9a-f]{64}$/);
  assert.equal(version(['b.cedar', '//y'], ['a.cedar', '//x']), one);
  assert.notEqual(version(['a.cedar', '//x'], ['c.cedar', '//y']), one);
  assert.notEqual(version(['a.cedar', '//x '], ['b.cedar', '//y']), one);
  assert.notEqual(version(['a.cedar', '//xb.cedar//y']), one);
});

test('strings and comments cannot hide where a policy ends', () => {
  const set = setOf(`// permit (principal, action, resource);
@reason("a ; \\" // b")
forbid (principal, action, resource) when { context.verb == "x;//" }; permit (principal, action, resource); // ;
//`);
  assert.equal(set.policies.size, 2);
  const decision = set.decide({
    principal: principal('alice'),
    questions: [read(table('t'))],
    context: context({ verb: 'x;//' }),
  });
  assert.equal(brief(decision), 'refuse');
  assert.equal(decision.effect === 'refuse' && decision.reason, 'a ; " // b');
});

test('two files of one name are a mistake', () => {
  const loaded = loadPolicySet([
    { name: 'a.cedar', text: '' },
    { name: 'a.cedar', text: 'permit (principal, action, resource);' },
  ]);
  assert.ok('problems' in loaded);
});
