import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'node:test';

const scripts = resolve(import.meta.dirname, '../../../scripts');

/** A checkout with only the runner and these test files; gives what the runner said and its exit code. */
function runTests(t: test.TestContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'gatehouse-runner-'));
  t.after(() => rmSync(root, { recursive: true }));
  cpSync(scripts, join(root, 'scripts'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(process.execPath, ['scripts/test.mjs', '--only', 'unit', '--only', 'fault'], {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  return { status, last: stdout.trimEnd().split('\n').at(-1), stdout };
}

const passing =
  "import test from 'node:test'; test('a', () => {}); test('b', () => {}); test('c', { skip: true }, () => {});";
const failing = "import test from 'node:test'; test('d', () => { throw new Error('no'); });";

test('the closing line adds up all runs', (t) => {
  const { status, last } = runTests(t, { 'test/unit/a.test.ts': passing, 'test/fault/b.test.ts': passing });
  assert.deepEqual({ status, last }, { status: 0, last: '4 passed, 0 failed, 2 skipped' });
});

test('one failure anywhere fails the whole, and is named', (t) => {
  const { status, last, stdout } = runTests(t, { 'test/unit/a.test.ts': passing, 'test/fault/b.test.ts': failing });
  assert.deepEqual({ status, last }, { status: 1, last: '2 passed, 1 failed, 1 skipped' });
  assert.match(stdout, /not in order: fault tests \(1 failed\)/);
});

test('a test file that kills its process is a failure', (t) => {
  const { status } = runTests(t, { 'test/unit/a.test.ts': passing, 'test/fault/b.test.ts': 'process.exit(3);' });
  assert.equal(status, 1);
});
