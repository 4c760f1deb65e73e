import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';

const root = resolve(import.meta.dirname, '../../..');

/** A small checkout whose npm is a shell script, and nothing of Debian in the PATH. */
function checkout(t: TestContext, npm: string) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bootstrap-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  mkdirSync(join(folder, 'src/cli'), { recursive: true });
  writeFileSync(
    join(folder, 'src/cli/main.ts'),
    'console.log("cli", process.argv.slice(2).join(" ")); process.exitCode = 7;',
  );
  writeFileSync(join(folder, 'package.json'), '{"type":"module","engines":{"node":">=20"}}');
  const lock = {
    packages: {
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '1.0.0', optional: true },
    },
  };
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\necho called >>'${folder}/npm.log'\n${npm}\n`, { mode: 0o755 });
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const tool of ['mkdir', 'cat', 'grep', 'wc']) {
    const found = ['/bin', '/usr/bin'].map((place) => join(place, tool)).find((file) => existsSync(file));
    if (found) symlinkSync(found, join(bin, tool));
  }
  const run = (args: readonly string[], env: Record<string, string> = {}) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'scripts/bootstrap.mjs'), ...args], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: bin, HOME: folder, ...env },
    });
    return { status, stdout, stderr };
  };
  const calls = () =>
    existsSync(join(folder, 'npm.log')) ? readFileSync(join(folder, 'npm.log'), 'utf8').split('\n').length - 1 : 0;
  return { folder, run, calls };
}

const installing = (folder: string): string =>
  `mkdir -p ${folder}/node_modules/a && echo '{"packages":{"node_modules/a":{"version":"1.0.0"}}}' >${folder}/node_modules/.package-lock.json`;

test('a bare clone is installed once; arguments, stdout and exit code are the task’s', (t) => {
  const { run, calls } = checkout(t, installing('.'));
  const first = run(['gatehouse', 'check', './x']);
  assert.deepEqual([first.status, first.stdout], [7, 'cli check ./x\n'], first.stderr);
  assert.equal(run(['demo', '--script']).stdout, 'cli demo --script\n');
  assert.equal(calls(), 1);
});

test('a new lockfile is installed again', (t) => {
  const { folder, run, calls } = checkout(t, installing('.'));
  run(['gatehouse']);
  const text = readFileSync(join(folder, 'package-lock.json'), 'utf8').replace(
    '"node_modules/a":{"version":"1.0.0"}',
    '"node_modules/a":{"version":"1.0.1"}',
  );
  writeFileSync(join(folder, 'package-lock.json'), text);
  run(['gatehouse']);
  assert.equal(calls(), 2);
});

test('what somebody installed with npm himself is taken as it is', (t) => {
  const { folder, run, calls } = checkout(t, 'exit 1');
  mkdirSync(join(folder, 'node_modules/a'), { recursive: true });
  writeFileSync(join(folder, 'node_modules/.package-lock.json'), '{"packages":{"node_modules/a":{"version":"1.0.0"}}}');
  assert.equal(run(['gatehouse']).status, 7);
  assert.equal(calls(), 0);
});

test('a registry that resets the connection is asked again, a real mistake is not', { timeout: 60_000 }, (t) => {
  const flaky = checkout(
    t,
    `test "$(wc -l <npm.log)" -ge 2 || { echo 'npm error code ECONNRESET' >&2; exit 1; }\n${installing('.')}`,
  );
  assert.equal(flaky.run(['gatehouse']).status, 7);
  assert.equal(flaky.calls(), 2);
  const wrong = checkout(t, "echo 'npm error code EUSAGE' >&2; exit 1");
  const { status, stdout, stderr } = wrong.run(['gatehouse']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /npm ci failed \(exit code 1\), so nothing was run/);
  assert.equal(wrong.calls(), 1);
});

test('missing clients are named: in CI they are a failure, elsewhere their tests skip', (t) => {
  const { folder, run } = checkout(t, installing('.'));
  writeFileSync(join(folder, 'scripts/test.mjs'), 'console.log("0 passed, 0 failed, 0 skipped");');
  const here = run(['test']);
  assert.equal(here.status, 0);
  assert.match(here.stderr, /pgbouncer.*\. Tests that need them will skip and say so\./);
  const ci = run(['test'], { CI: 'true' });
  assert.equal(ci.status, 1);
  assert.match(ci.stderr, /With CI=true no test may skip for want of a client/);
});

test('an unknown task is wrong usage', (t) => {
  const { run } = checkout(t, 'exit 1');
  assert.equal(run(['dmeo']).status, 2);
  assert.equal(run(['constructor']).status, 2);
});
