import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test, { after } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-checkout-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** As somebody in another folder of his own types it. */
function npmRun(...args: string[]) {
  return spawnSync('npm', ['--prefix', root, 'run', '-s', 'gatehouse', '--', ...args], {
    encoding: 'utf8',
    cwd: scratch,
  });
}

test('from a checkout, npm run -s gatehouse prints nothing of its own', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { status, stdout } = npmRun('--version');
  assert.deepEqual({ status, stdout }, { status: 0, stdout: `${version}\n` });
});

test('from a checkout, paths are those of the folder somebody stands in, and exit codes come through', () => {
  assert.equal(npmRun('init', 'here').status, 0);
  assert.ok(existsSync(join(scratch, 'here/gatehouse.yaml')));
  assert.equal(npmRun('check', 'here').status, 0);
  assert.equal(npmRun('check', 'nowhere').status, 1);
  assert.equal(npmRun('nonsense').status, 2);
});

test('the runtime is the pinned one, whatever Node started npm', () => {
  const older = ['/usr/bin', '/usr/local/bin'].find((folder) => {
    const { stdout } = spawnSync(join(folder, 'node'), ['--version'], { encoding: 'utf8' });
    return stdout && Number(/^v(\d+)/.exec(stdout)?.[1]) < 24;
  });
  const path = older ?? process.env['PATH'] ?? '';
  const { status, stderr } = spawnSync(
    join(path.split(':')[0] ?? '', 'node'),
    [join(root, 'scripts/bootstrap.mjs'), 'gatehouse', 'check', 'here'],
    {
      encoding: 'utf8',
      cwd: scratch,
      env: { HOME: scratch, PATH: `${path}:/usr/bin:/bin` },
    },
  );
  assert.equal(status, 0, stderr);
});
