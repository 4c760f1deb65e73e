import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { ApprovalError, type ApprovalErrorCode, createApprovals, quorumMet } from '../../../src/approval/index.ts';
import type { ApprovalDecision } from '../../../src/model/approval.ts';
import type { Principal } from '../../../src/model/principal.ts';
import { openStorage } from '../../../src/storage/index.ts';
import { approvalBench, bindingOf, MemorySink, principal } from './support.ts';

const groups = ['owners'];
const ann = principal('ann', { groups });
const olga = principal('olga', { groups });
const otto = principal('otto', { groups });
const yes = { verdict: 'approve', reason: 'seen and agreed' } as const;
const refused = (code: ApprovalErrorCode) => (error: unknown) => error instanceof ApprovalError && error.code === code;
const doorOf = (sponsor: string, over: Partial<Principal> = {}): Principal =>
  principal('door', { kind: 'service', groups, onBehalfOf: sponsor, ...over });

/** Ways for one human to come in twice. */
const twice: readonly (readonly [string, Principal, Principal])[] = [
  ['himself and a service that acts for his id', olga, doorOf(olga.id)],
  ['himself and a service that acts for his bare subject', olga, doorOf('olga')],
  ['himself and an agent that acts for his e-mail in capitals', olga, doorOf('OLGA@example.org', { kind: 'agent' })],
  ['a service that acts for him, and himself', doorOf('olga'), olga],
  [
    'two services that act for him',
    doorOf('olga'),
    principal('other', { kind: 'service', groups, onBehalfOf: 'Olga' }),
  ],
  ['a person logged in for him, and himself', principal('deputy', { groups, onBehalfOf: olga.id }), olga],
  [
    'the same e-mail at two issuers',
    olga,
    principal('8812', { id: 'partner|8812', issuer: 'https://partner.example', name: 'Olga@Example.org', groups }),
  ],
];

for (const [how, first, second] of twice) {
  test(`a quorum of two is not reached by ${how}`, async () => {
    const { approvals, open } = approvalBench();
    const request = await open(ann, { quorum: 2 });
    assert.equal((await approvals.decide(request.id, first, yes)).state, 'pending');
    await assert.rejects(approvals.decide(request.id, second, yes), refused('ERR_APPROVAL_ALREADY_SPOKEN'));
    assert.equal((await approvals.get(request.id)).state, 'pending');
    assert.equal(await approvals.consume(bindingOf(ann)), undefined);
    assert.equal((await approvals.decide(request.id, otto, yes)).state, 'approved', 'a second person completes it');
  });

  test(`nobody judges himself: ${how}`, async () => {
    for (const [asking, deciding] of [
      [first, second],
      [second, first],
    ] as const) {
      const { approvals, open } = approvalBench();
      const request = await open(asking);
      for (const verdict of [yes, { ...yes, verdict: 'deny' } as const]) {
        await assert.rejects(approvals.decide(request.id, deciding, verdict), refused('ERR_APPROVAL_OWN_REQUEST'));
      }
    }
  });
}

test('somebody who links two earlier voices into one human does not add to them', () => {
  const decision = (approver: Principal): ApprovalDecision => ({
    approver: approver.id,
    approverName: approver.name,
    person: {
      subject: approver.subject,
      kind: approver.kind,
      ...(approver.onBehalfOf && { onBehalfOf: approver.onBehalfOf }),
    },
    verdict: 'approve',
    reason: 'because',
    at: 0,
    groups,
  });
  const request = { approvers: groups, quorum: 2 } as unknown as Parameters<typeof quorumMet>[0];
  const link = principal('link', { groups, name: otto.name, onBehalfOf: 'olga' });
  assert.equal(quorumMet({ ...request, decisions: [decision(olga), decision(otto)] }), true);
  assert.equal(quorumMet({ ...request, decisions: [decision(olga), decision(otto), decision(link)] }), false);
});

test('a program that acts for nobody cannot consent, and can refuse', async () => {
  for (const kind of ['service', 'agent'] as const) {
    const { approvals, open } = approvalBench();
    const request = await open(ann);
    const bot = principal('bot', { kind, groups });
    await assert.rejects(approvals.decide(request.id, bot, yes), refused('ERR_APPROVAL_NOT_A_PERSON'));
    assert.equal((await approvals.decide(request.id, bot, { ...yes, verdict: 'deny' })).state, 'denied');
  }
});

test('consents kept by a version that did not ask who stands behind them count as one human', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-people-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const settings = { expireSeconds: 3600, grantSeconds: 900, reasonMinLength: 5 };
  const first = await openStorage(folder);
  const before = createApprovals({ store: first.approvals, sink: new MemorySink(), clock: Date.now, settings });
  const { id } = await before.open({
    requester: ann,
    binding: bindingOf(ann),
    session: 'ses_1',
    approvers: groups,
    quorum: 2,
    why: 'why',
    purpose: '',
    tables: [],
    labels: [],
  });
  await before.decide(id, olga, yes);
  await before.decide(id, otto, yes);
  await first.close();

  // As the older version wrote it: approved by two, and nothing about who they are.
  const database = new DatabaseSync(join(folder, 'control.db'));
  const { body } = database.prepare('SELECT body FROM approvals WHERE id = ?').get(id) as { body: string };
  const old = JSON.parse(body) as { decisions: { person?: unknown }[] };
  for (const decision of old.decisions) delete decision.person;
  database.prepare('UPDATE approvals SET body = ? WHERE id = ?').run(JSON.stringify(old), id);
  database.close();

  const second = await openStorage(folder);
  t.after(() => second.close());
  const after = createApprovals({ store: second.approvals, sink: new MemorySink(), clock: Date.now, settings });
  assert.equal((await after.get(id)).state, 'approved');
  assert.equal(await after.consume(bindingOf(ann)), undefined, 'the two could be one');
});
