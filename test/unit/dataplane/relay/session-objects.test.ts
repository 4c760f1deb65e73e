import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan } from '../../../../src/dataplane/plan.ts';
import { SessionObjectTable } from '../../../../src/dataplane/relay/postgres/session-objects.ts';

const statement = (text: string) => ({ plan: { text } as Plan, planned: undefined });

test('a name that was closed and given again in one pipeline is the old one when the target read neither', () => {
  const table = new SessionObjectTable();
  const old = statement('COMMIT');
  table.setPrepared('a', old);
  // Both are sent behind a message that the target refuses; the second one it refuses by itself.
  const close = table.removePrepared('a');
  const parse = table.setPrepared('a', statement(''));
  close();
  parse();
  assert.equal(table.prepared('a'), old);
});

test('what is undone in the order opposite to that of the messages leaves what was there before', () => {
  const table = new SessionObjectTable();
  const old = statement('SELECT 1');
  table.setPrepared('a', old);
  const undos = [table.removePrepared('a'), table.setPrepared('a', statement('SELECT 2')), table.removePrepared('a')];
  for (const undo of undos.reverse()) undo();
  assert.equal(table.prepared('a'), old);
  table.removePrepared('a');
  assert.equal(table.prepared('a'), undefined);
});
