import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ApprovalError, quorumMet } from '../../../src/approval/index.ts';
import type { ApprovalState } from '../../../src/model/approval.ts';
import { approvalBench, bindingOf, principal } from './support.ts';

const people = [
  principal('ann', { groups: ['owners', 'privacy'] }),
  principal('bob', { groups: ['owners'] }),
  principal('cid', { groups: ['privacy'] }),
  principal('bot', { kind: 'agent', groups: ['owners', 'privacy'], onBehalfOf: 'ann' }),
];
const ann = people[0] ?? principal('ann');

const act = fc.oneof(
  fc.record({
    act: fc.constant('decide' as const),
    who: fc.nat({ max: people.length - 1 }),
    verdict: fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const),
    uses: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ act: fc.constant('consume' as const), at: fc.constant(0) }),
  fc.record({ act: fc.constant('cancel' as const), who: fc.nat({ max: people.length - 1 }) }),
  fc.record({ act: fc.constant('revoke' as const), who: fc.nat({ max: people.length - 1 }) }),
  fc.record({ act: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 2_000 }) }),
);

const after: Record<ApprovalState, readonly ApprovalState[]> = {
  pending: ['pending', 'approved', 'denied', 'expired', 'cancelled', 'exhausted', 'revoked'],
  approved: ['approved', 'exhausted', 'expired', 'revoked'],
  denied: ['denied'],
  expired: ['expired'],
  cancelled: ['cancelled'],
  exhausted: ['exhausted', 'revoked'],
  revoked: ['revoked'],
};

test('no sequence or race of acts approves one’s own request, uses consent too often, or leaves a final state', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(act, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 3 }),
      async (rounds, quorum) => {
        const { approvals, time, open, sink } = approvalBench();
        const { id } = await open(ann, { approvers: ['owners', 'privacy'], quorum });
        let state: ApprovalState = 'pending';
        let ran = 0;
        for (const round of rounds) {
          // The acts of one round run at once.
          await Promise.all(
            round.map(async (one) => {
              try {
                if (one.act === 'pass') time.now += one.seconds * 1_000;
                if (one.act === 'cancel') await approvals.cancel(id, people[one.who] ?? ann);
                if (one.act === 'revoke') await approvals.revoke(id, people[one.who] ?? ann, 'not needed');
                if (one.act === 'consume' && (await approvals.consume(bindingOf(ann))) !== undefined) ran++;
                if (one.act === 'decide') {
                  const { verdict, uses } = one;
                  await approvals.decide(id, people[one.who] ?? ann, { verdict, uses, reason: 'because' });
                }
              } catch (error) {
                assert.ok(error instanceof ApprovalError, String(error));
              }
            }),
          );
          const request = await approvals.get(id);
          assert.ok(after[state].includes(request.state), `${state} → ${request.state}`);
          state = request.state;
          for (const decision of request.decisions) assert.ok(['idp|bob', 'idp|cid'].includes(decision.approver));
          assert.equal(new Set(request.decisions.map((one) => one.approver)).size, request.decisions.length);
          if (request.grant !== undefined) {
            assert.ok(quorumMet(request) && quorum <= 2);
            assert.equal(request.grant.used, ran);
            assert.ok(ran <= request.grant.uses);
          } else assert.equal(ran, 0);
        }
        assert.equal(sink.records.filter((record) => record.kind === 'approval.used').length, ran);
      },
    ),
    { numRuns: 150 },
  );
});
