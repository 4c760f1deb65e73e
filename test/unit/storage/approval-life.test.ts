import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Approvals, createApprovals } from '../../../src/approval/index.ts';
import { openStorage, type Storage } from '../../../src/storage/index.ts';
import { approvalBench, bindingOf, MemorySink, principal } from '../approval/support.ts';

const ann = principal('ann');
const olga = principal('olga', { groups: ['owners'] });
const settings = { expireSeconds: 3600, grantSeconds: 900, reasonMinLength: 5 };

async function stateFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-life-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function approvalsOver(storage: Storage): Approvals {
  return createApprovals({ store: storage.approvals, sink: new MemorySink(), clock: Date.now, settings });
}

function ask(approvals: Approvals) {
  return approvals.open({
    requester: ann,
    binding: bindingOf(ann),
    session: 'ses_1',
    approvers: ['owners'],
    quorum: 1,
    why: 'why',
    purpose: '',
    tables: [],
    labels: [],
  });
}

test('a pending request outlives the process: it is found again, decided, used once, and stays used', async (t) => {
  const folder = await stateFolder(t);
  const first = await openStorage(folder);
  const asked = await ask(approvalsOver(first));
  await first.close();

  const second = await openStorage(folder);
  const approvals = approvalsOver(second);
  assert.equal((await ask(approvals)).id, asked.id, 'asking again after the restart gives the same request');
  const waiting = approvals.wait(asked.id);
  await approvals.decide(asked.id, olga, { verdict: 'approve', reason: 'seen and agreed' });
  assert.equal((await waiting).state, 'approved');
  await second.close();

  const third = await openStorage(folder);
  assert.equal((await approvalsOver(third).consume(bindingOf(ann)))?.state, 'exhausted');
  await third.close();

  const fourth = await openStorage(folder);
  assert.equal(await approvalsOver(fourth).consume(bindingOf(ann)), undefined);
  await fourth.close();
});

test('kill -9 right after a decision and a use loses neither', async (t) => {
  const folder = await stateFolder(t);
  const storage = await openStorage(folder);
  const { id } = await ask(approvalsOver(storage));
  await storage.close();
  const worker = spawn(process.execPath, [join(import.meta.dirname, 'decide-worker.ts'), folder, id]);
  const [said] = (await once(worker.stdout, 'data')) as [Buffer];
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  assert.equal(String(said), 'approved 1\n');
  const after = await openStorage(folder);
  const kept = await approvalsOver(after).get(id);
  assert.deepEqual([kept.state, kept.grant?.used, kept.decisions.length], ['approved', 1, 1]);
  await after.close();
});

test('two nodes on one file: of two verdicts at once one counts, and the other is told so', async (t) => {
  const folder = await stateFolder(t);
  const nodes = [await openStorage(folder), await openStorage(folder)] as const;
  const [one, two] = [approvalsOver(nodes[0]), approvalsOver(nodes[1])];
  const { id } = await ask(one);
  const verdicts = await Promise.allSettled([
    one.decide(id, olga, { verdict: 'approve', reason: 'seen and agreed' }),
    two.decide(id, principal('otto', { groups: ['owners'] }), { verdict: 'deny', reason: 'not this time' }),
  ]);
  assert.equal(verdicts.filter((verdict) => verdict.status === 'fulfilled').length, 1);
  assert.equal((await one.get(id)).decisions.length, 1);
  for (const node of nodes) await node.close();
});

test('the rules hold over SQLite as over memory: a crowd that uses one consent at once gets as many uses as it has', async (t) => {
  const storage = await openStorage(await stateFolder(t));
  const { approvals, open } = approvalBench(storage.approvals);
  const { id } = await open(ann);
  await approvals.decide(id, olga, { verdict: 'approve', reason: 'seen and agreed', uses: 7 });
  const uses = await Promise.all(Array.from({ length: 50 }, () => approvals.consume(bindingOf(ann))));
  assert.equal(uses.filter((one) => one !== undefined).length, 7);
  assert.equal((await approvals.get(id)).state, 'exhausted');
  await storage.close();
});
