import assert from 'node:assert/strict';
import test from 'node:test';
import { ApprovalError, type ApprovalErrorCode, bindingHash } from '../../../src/approval/index.ts';
import { approvalBench, bindingOf, MemoryApprovalStore, principal } from './support.ts';

const ann = principal('ann', { groups: ['analysts', 'owners'] });
const olga = principal('olga', { groups: ['owners'] });
const paul = principal('paul', { groups: ['privacy'] });
const yes = { verdict: 'approve', reason: 'seen and agreed' } as const;
const no = { verdict: 'deny', reason: 'not this quarter' } as const;

const refused = (code: ApprovalErrorCode) => (error: unknown) => error instanceof ApprovalError && error.code === code;

test('consent lets exactly the approved statement run, once', async () => {
  const { approvals, open, sink } = approvalBench();
  const request = await open(ann);
  assert.equal(request.state, 'pending');
  assert.equal(request.bindingHash, bindingHash(request.binding, request.nonce));
  assert.equal(await approvals.consume(bindingOf(ann)), undefined, 'nothing runs before consent');
  const approved = await approvals.decide(request.id, olga, yes);
  assert.equal(approved.state, 'approved');
  for (const other of [
    { stmt: 'SELECT * FROM shop.salaries ' },
    { params: 'aa' },
    { masks: 'sha256:01@1' },
    { policies: [] },
    { role: 'root' },
    { resource: 'crm' },
    { requester: olga.id },
  ]) {
    assert.equal(await approvals.consume(bindingOf(ann, other)), undefined, JSON.stringify(other));
  }
  const used = await approvals.consume(bindingOf(ann));
  assert.equal(used?.state, 'exhausted');
  assert.equal(await approvals.consume(bindingOf(ann)), undefined, 'one-shot');
  assert.deepEqual(
    sink.records.map((record) => record.kind),
    ['approval.requested', 'approval.decided', 'approval.used'],
  );
});

test('records show hash, state and verdict in clear, and hide names, reasons and the statement', async () => {
  const { approvals, open, sink } = approvalBench();
  const request = await open(ann);
  await approvals.decide(request.id, olga, yes);
  const clear = JSON.stringify(sink.records.map((record) => record.clear));
  for (const secret of ['ann', 'olga', 'salaries', 'quarterly', 'agreed', request.nonce])
    assert.ok(!clear.includes(secret), secret);
  assert.deepEqual(
    { ...sink.records[1]?.clear, exp: undefined },
    {
      request: request.id,
      bind: request.bindingHash,
      state: 'approved',
      approved: 1,
      quorum: 1,
      previous: 0,
      verdict: 'approve',
      met: true,
      assurance: 'token',
      mfa: true,
      uses: 1,
      used: 0,
      exp: undefined,
    },
  );
  assert.deepEqual(sink.revealed(0)['bind'], { ...request.binding, nonce: request.nonce });
  assert.equal(sink.revealed(1)['reason'], yes.reason);
  assert.equal((sink.revealed(1)['actor'] as { uid: string }).uid, olga.id);
});

test('an equal pending request is returned again, also when both ask at once; a different one is not', async () => {
  const { open, sink } = approvalBench();
  const [one, two] = await Promise.all([open(ann), open(ann)]);
  assert.equal(one.id, two.id);
  assert.equal(sink.records.length, 1);
  const other = await open(ann, { stmt: 'SELECT 1' });
  assert.notEqual(other.id, one.id);
});

const doors = [
  ['the requester', ann],
  ['an agent acting for the requester', principal('bot', { kind: 'agent', groups: ['owners'], onBehalfOf: ann.id })],
  ['an agent naming the bare subject', principal('bot', { kind: 'agent', groups: ['owners'], onBehalfOf: 'ann' })],
  [
    'a service naming the e-mail',
    principal('ci', { kind: 'service', groups: ['owners'], onBehalfOf: 'ANN@example.org' }),
  ],
] as const;
for (const [who, approver] of doors) {
  for (const verdict of [yes, no]) {
    test(`${who} cannot ${verdict.verdict}`, async () => {
      const { approvals, open, sink } = approvalBench();
      const request = await open(ann);
      await assert.rejects(approvals.decide(request.id, approver, verdict), refused('ERR_APPROVAL_OWN_REQUEST'));
      assert.equal((await approvals.get(request.id)).state, 'pending');
      assert.equal(sink.records.length, 1);
    });
  }
}

test('whoever an agent acts for cannot approve what the agent asks, nor can his other agents', async () => {
  const { approvals, open } = approvalBench();
  const agent = principal('bot', { kind: 'agent', onBehalfOf: 'ann' });
  const request = await open(agent);
  await assert.rejects(approvals.decide(request.id, ann, yes), refused('ERR_APPROVAL_OWN_REQUEST'));
  const sibling = principal('bot2', { kind: 'agent', groups: ['owners'], onBehalfOf: 'ann' });
  await assert.rejects(approvals.decide(request.id, sibling, yes), refused('ERR_APPROVAL_OWN_REQUEST'));
  assert.equal((await approvals.decide(request.id, olga, yes)).state, 'approved');
});

test('a quorum needs different people and one of each group', async () => {
  const { approvals, open } = approvalBench();
  const request = await open(ann, { approvers: ['owners', 'privacy'], quorum: 2 });
  assert.equal((await approvals.decide(request.id, olga, yes)).state, 'pending');
  await assert.rejects(approvals.decide(request.id, olga, yes), refused('ERR_APPROVAL_ALREADY_SPOKEN'));
  const otto = principal('otto', { groups: ['owners'] });
  assert.equal((await approvals.decide(request.id, otto, yes)).state, 'pending', 'two people, but only one group');
  await assert.rejects(approvals.decide(request.id, principal('eve'), yes), refused('ERR_APPROVAL_NOT_AN_APPROVER'));
  assert.equal((await approvals.decide(request.id, paul, yes)).state, 'approved');
});

test('denial is final', async () => {
  const { approvals, open } = approvalBench();
  const request = await open(ann, { quorum: 2 });
  await approvals.decide(request.id, olga, yes);
  const otto = principal('otto', { groups: ['owners'] });
  assert.equal((await approvals.decide(request.id, otto, no)).state, 'denied');
  const third = principal('tina', { groups: ['owners'] });
  await assert.rejects(approvals.decide(request.id, third, yes), refused('ERR_APPROVAL_NOT_PENDING'));
  await assert.rejects(approvals.cancel(request.id, ann), refused('ERR_APPROVAL_NOT_PENDING'));
  assert.equal(await approvals.consume(bindingOf(ann)), undefined);
});

test('reasons are required on both sides', async () => {
  const { approvals, open } = approvalBench();
  const request = await open(ann);
  await assert.rejects(
    approvals.decide(request.id, olga, { verdict: 'approve', reason: '  ok   ' }),
    refused('ERR_APPROVAL_REASON_TOO_SHORT'),
  );
  await assert.rejects(
    approvals.open({
      requester: ann,
      binding: bindingOf(ann, { stmt: 'SELECT 2' }),
      session: '',
      approvers: [],
      quorum: 1,
      why: '',
      purpose: 'x',
      tables: [],
      labels: [],
    }),
    refused('ERR_APPROVAL_REASON_TOO_SHORT'),
  );
});

test('the strictest conditions of all approvers hold, and the window counts from the last consent', async () => {
  const { approvals, open, time } = approvalBench();
  const request = await open(ann, { approvers: ['owners', 'privacy'], quorum: 2 });
  await approvals.decide(request.id, olga, { ...yes, uses: 5, windowSeconds: 3600, rowLimit: 100 });
  time.now += 600_000;
  const approved = await approvals.decide(request.id, paul, { ...yes, uses: 3, windowSeconds: 60 });
  assert.deepEqual(approved.grant, { notAfter: time.now + 60_000, uses: 3, used: 0, rowLimit: 100 });
  time.now += 60_000;
  assert.ok(await approvals.consume(bindingOf(ann)), 'the last millisecond still counts');
  time.now += 1;
  assert.equal(await approvals.consume(bindingOf(ann)), undefined);
  assert.equal((await approvals.get(request.id)).state, 'expired');
});

for (const bad of [
  { uses: 0 },
  { uses: 1.5 },
  { uses: 1001 },
  { windowSeconds: 0 },
  { windowSeconds: 86_401 },
  { rowLimit: -1 },
]) {
  test(`conditions out of bounds are refused: ${JSON.stringify(bad)}`, async () => {
    const { approvals, open } = approvalBench();
    const request = await open(ann);
    await assert.rejects(
      approvals.decide(request.id, olga, { ...yes, ...bad }),
      refused('ERR_APPROVAL_BAD_CONDITIONS'),
    );
  });
}

test('a request nobody answered expires: it can no longer be decided, and asking again opens a new one', async () => {
  const { approvals, open, time, sink } = approvalBench();
  const request = await open(ann);
  time.now = request.expiresAt;
  await assert.rejects(approvals.decide(request.id, olga, yes), refused('ERR_APPROVAL_EXPIRED'));
  assert.equal(sink.records.at(-1)?.kind, 'approval.expired');
  const again = await open(ann);
  assert.notEqual(again.id, request.id);
  time.now = again.expiresAt;
  assert.equal(await approvals.expire(), 1);
  assert.equal(await approvals.expire(), 0);
});

test('only the requester cancels', async () => {
  const { approvals, open } = approvalBench();
  const request = await open(ann);
  await assert.rejects(approvals.cancel(request.id, olga), refused('ERR_APPROVAL_NOT_REQUESTER'));
  assert.equal((await approvals.cancel(request.id, ann)).state, 'cancelled');
  await assert.rejects(approvals.decide(request.id, olga, yes), refused('ERR_APPROVAL_NOT_PENDING'));
});

test('a decision that cannot be recorded is not taken, and a use that cannot be recorded lets nothing run', async () => {
  const { approvals, open, sink } = approvalBench();
  const request = await open(ann);
  sink.failing = true;
  await assert.rejects(approvals.decide(request.id, olga, yes), refused('ERR_APPROVAL_NOT_RECORDED'));
  assert.equal((await approvals.get(request.id)).state, 'pending');
  await assert.rejects(open(ann, { stmt: 'SELECT 3' }), refused('ERR_APPROVAL_NOT_RECORDED'));
  sink.failing = false;
  await approvals.decide(request.id, olga, { ...yes, uses: 2 });
  sink.failing = true;
  await assert.rejects(approvals.consume(bindingOf(ann)), refused('ERR_APPROVAL_NOT_RECORDED'));
  sink.failing = false;
  assert.equal((await approvals.consume(bindingOf(ann)))?.grant?.used, 2, 'the unrecorded use stays spent');
});

test('who waits is told of every end, and not kept waiting by one that came first', async () => {
  const { approvals, open, time } = approvalBench();
  const one = await open(ann, { stmt: 'SELECT 1' });
  const waiting = approvals.wait(one.id);
  await approvals.decide(one.id, olga, yes);
  assert.equal((await waiting).state, 'approved');
  assert.equal((await approvals.wait(one.id)).state, 'approved');
  const two = await open(ann, { stmt: 'SELECT 2' });
  const stop = new AbortController();
  const aborted = approvals.wait(two.id, stop.signal);
  stop.abort(new Error('client gone'));
  await assert.rejects(aborted, /client gone/);
  const three = await open(ann, { stmt: 'SELECT 3' });
  time.now = three.expiresAt - 5;
  const expiring = approvals.wait(three.id);
  time.now = three.expiresAt;
  const keepAlive = setTimeout(() => undefined, 1_000);
  assert.equal((await expiring).state, 'expired');
  clearTimeout(keepAlive);
});

test('a decision that lost a race is recorded as void', async () => {
  const store = new MemoryApprovalStore();
  const { approvals, open, sink } = approvalBench(store);
  const request = await open(ann);
  const replace = store.replace.bind(store);
  let raced = false;
  store.replace = async (revision, next, leaf) => {
    if (!raced) {
      raced = true;
      const kept = store.entries.get(request.id);
      if (kept !== undefined)
        kept.entry = { ...kept.entry, revision: 9, request: { ...kept.entry.request, state: 'cancelled' } };
    }
    return replace(revision, next, leaf);
  };
  await assert.rejects(approvals.decide(request.id, olga, yes), refused('ERR_APPROVAL_NOT_PENDING'));
  assert.equal(sink.records.at(-1)?.clear?.['outcome'], 'void');
  assert.equal(sink.records.at(-1)?.clear?.['void'], 1);
});

test('a decision that was recorded but could not be stored is an error, and the ledger says that it may not count', async () => {
  const store = new MemoryApprovalStore();
  const { approvals, open, sink } = approvalBench(store);
  const request = await open(ann);
  store.replace = async () => {
    throw new Error('disk full');
  };
  await assert.rejects(approvals.decide(request.id, olga, yes), /disk full/);
  assert.deepEqual([sink.records.at(-1)?.clear?.['outcome'], sink.records.at(-1)?.clear?.['void']], ['unknown', 1]);
  assert.equal((await approvals.get(request.id)).state, 'pending');
});

test('a loop cannot bury the approvers under requests', async () => {
  const { approvals, open, sink } = approvalBench();
  for (let n = 0; n < 100; n++) await open(ann, { stmt: `SELECT ${n}` });
  await assert.rejects(open(ann, { stmt: 'SELECT 100' }), refused('ERR_APPROVAL_TOO_MANY'));
  assert.equal(sink.records.length, 100);
  const again = await open(ann, { stmt: 'SELECT 7' });
  await open(olga, { stmt: 'SELECT 100' });
  await approvals.cancel(again.id, ann);
  assert.equal((await open(ann, { stmt: 'SELECT 100' })).state, 'pending');
});
