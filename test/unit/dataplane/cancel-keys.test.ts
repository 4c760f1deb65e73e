import assert from 'node:assert/strict';
import test from 'node:test';
import { CancelKeys } from '../../../src/dataplane/cancel-keys.ts';

test('sessions of one process id are told apart by their secrets', async () => {
  const keys = new CancelKeys();
  const cancelled: string[] = [];
  const session = (name: string) => ({
    cancel: async () => {
      cancelled.push(name);
    },
  });
  const [one, two, own] = [
    keys.issue(session('one'), 4, 4711),
    keys.issue(session('two'), 32, 4711),
    keys.issue(session('own'), 4),
  ];
  assert.deepEqual([one.processId, two.processId], [4711, 4711]);
  assert.ok(own.processId > 0);
  await keys.cancel(4711, Buffer.alloc(4));
  await keys.cancel(own.processId, one.secret);
  await keys.cancel(4711, two.secret.subarray(0, 4));
  assert.deepEqual(cancelled, []);
  await keys.cancel(4711, two.secret);
  keys.revoke(two);
  await keys.cancel(4711, two.secret);
  await keys.cancel(4711, one.secret);
  await keys.cancel(own.processId, own.secret);
  assert.deepEqual(cancelled, ['two', 'one', 'own']);
});
