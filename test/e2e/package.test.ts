import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test, { after } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-package-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function run(program: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd, timeout: 300_000 });
  return { code: status, stdout, stderr };
}

test('the published package works in an empty folder', { timeout: 600_000 }, async (t) => {
  const packed = run('npm', ['pack', '--silent', '--pack-destination', scratch], root);
  assert.equal(packed.code, 0, packed.stderr);
  const [tarball = ''] = readdirSync(scratch).filter((name) => name.endsWith('.tgz'));
  const home = join(scratch, 'home');
  mkdirSync(home);
  // The pinned runtime is for checkouts; whoever installs the package brings his own Node.
  const install = ['install', '--omit=optional', '--no-audit', '--no-fund', '--prefer-offline', join(scratch, tarball)];
  let installed = run('npm', install, home);
  if (installed.code !== 0 && /ECONNRESET|ETIMEDOUT|EAI_AGAIN/.test(installed.stderr))
    installed = run('npm', install, home);
  assert.equal(installed.code, 0, installed.stderr);
  const command = join(home, 'node_modules/.bin/gatehouse');
  const gatehouse = (...args: string[]) => run(command, args, home);

  await t.test('--version, init, check', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.deepEqual(gatehouse('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
    const made = gatehouse('init', 'gw');
    assert.equal(made.code, 0, made.stderr);
    const checked = gatehouse('check', 'gw');
    assert.equal(checked.code, 0, checked.stdout);
    assert.equal(gatehouse('policy', 'test', 'gw').code, 0);
    assert.equal(gatehouse('ledger', 'verify', 'gw').code, 0);
  });

  await t.test('the command is executable and starts with a shebang', () => {
    const file = join(home, 'node_modules/gatehouse/dist/cli/main.js');
    assert.match(readFileSync(file, 'utf8'), /^#!\/usr\/bin\/env node\n/);
    assert.notEqual(statSync(file).mode & 0o111, 0);
  });

  await t.test('no source, test or key is in it', () => {
    const files = readdirSync(join(home, 'node_modules/gatehouse'), { recursive: true, encoding: 'utf8' });
    const inside = files.filter((file) => !file.startsWith('node_modules'));
    assert.ok(inside.includes('schema/gatehouse.schema.json'));
    assert.deepEqual(
      inside.filter((file) => /\.ts$|\.test\.|\.pem$|^src|^test/.test(file)),
      [],
    );
  });

  await t.test('the demo says which package it lacks', () => {
    const { code, stderr } = gatehouse('demo', '--state', join(scratch, 'demo'), '--port', '28432');
    assert.equal(code, 1);
    assert.match(stderr, /the demo needs the package oidc-provider, which is not installed/);
  });

  await t.test('an older Node is told which one is needed', (t) => {
    const old = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => {
      const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
      return stdout && Number(/^v(\d+)/.exec(stdout)?.[1]) < 24;
    });
    if (old === undefined) return t.skip('no older Node on this machine');
    const { code, stderr } = run(old, [join(home, 'node_modules/gatehouse/dist/cli/main.js'), '--version'], home);
    assert.equal(code, 1);
    assert.match(stderr, /^gatehouse: Node 24 or newer is needed, this is Node /);
  });
});
