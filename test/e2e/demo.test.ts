import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import test, { after, before, type TestContext } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const main = join(root, 'src/cli/main.ts');
const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-demo-'));
// The database runs as another user when the tests run as root.
chmodSync(scratch, 0o755);
const state = join(scratch, 'state');
let port = 0;

before(async () => {
  port = await freePorts(4);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

test('the story plays by itself and every promise in it holds', { timeout: 180_000 }, () => {
  const { status, stdout, stderr } = demo('--script');
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /Every promise held\.\n$/);
  assert.equal(stdout.match(/^✓ /gm)?.length, 5);
  assert.match(stdout, /p_[a-p]+@masked\.invalid/, 'masked e-mail addresses are shown');
  assert.match(stdout, /ERROR: {2}gatehouse: no policy permits write/);
  assert.match(stdout, /is approved/);
  assert.match(stdout, /verified: every entry is in the signed tree/);
  assert.doesNotMatch(stdout, /\w+\.\w+\d+@example\.(com|org|net)/, 'no customer’s address');
});

test('a second start finds its data, and everything the guide says can be pasted', { timeout: 180_000 }, async (t) => {
  const running = spawn(process.execPath, [main, 'demo', '--state', state, '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => running.once('exit', resolve));
  t.after(async () => {
    running.kill('SIGTERM');
    await ended;
  });
  const guide = await textUntil(running.stdout, /Ctrl-C stops all of it/);
  const exports = guide.match(/^export \w+_TOKEN=.*$/gm) ?? [];
  assert.equal(exports.length, 3);
  // sh, not bash: bash takes a socket for its input, as child processes get it, for a remote login and reads ~/.bashrc
  const shell = (line: string) =>
    spawnSync('sh', ['-c', `${exports.join('\n')}\n${line}`], { encoding: 'utf8', cwd: scratch });

  await t.test('psql for both people', (t) => {
    if (!hasPsql()) return missing(t, 'psql');
    const logins = guide.match(/^ {2}PGPASSWORD=.*$/gm) ?? [];
    assert.equal(logins.length, 2);
    for (const login of logins) {
      const { stdout, stderr } = shell(`${login} -XAtc 'SELECT count(*) FROM shop.customers'`);
      assert.equal(stdout, '50000\n', stderr);
    }
  });

  await t.test('the service’s pandas script', (t) => {
    const python = ['python3', '/usr/bin/python3'].find(
      (each) => spawnSync(each, ['-c', 'import pandas, sqlalchemy, psycopg2']).status === 0,
    );
    if (python === undefined) return missing(t, 'python3 with pandas, SQLAlchemy and psycopg2');
    const script = /^ {2}(python3 - <<'EOF'[\s\S]*?^ {2}EOF)$/m.exec(guide)?.[1] ?? '';
    const exported = shell(script.replace(/^ {2}/gm, '').replace('python3', python));
    assert.equal(exported.status, 0, exported.stderr);
    const lines = readFileSync(join(scratch, 'revenue.csv'), 'utf8').trim().split('\n');
    assert.equal(lines[0], 'city,orders,revenue');
    assert.equal(lines.length, 13);
  });

  await t.test('the command line logs in with the browser, connects, and logs out', () => commandLine(guide));

  running.kill('SIGINT');
  assert.equal(await ended, 0);
  await assert.rejects(fetch(`http://127.0.0.1:${port + 1}/healthz`));
});

test('what a killed demo left behind is stopped by the next one', { timeout: 120_000 }, async () => {
  const running = spawn(process.execPath, [main, 'demo', '--state', state, '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await textUntil(running.stdout, /Ctrl-C stops all of it/);
  const beside = demo('--script');
  assert.equal(beside.status, 1);
  assert.match(beside.stderr, /another demo \(process \d+\) uses/);
  running.kill('SIGKILL');
  await new Promise((resolve) => running.once('exit', resolve));
  assert.equal(demo('--script').status, 0);
});

test('a port that is taken is said plainly', async (t) => {
  const squatter = createServer().listen(port, '127.0.0.1');
  t.after(() => squatter.close());
  await new Promise((listening) => squatter.once('listening', listening));
  const { status, stderr } = await new Promise<{ status: number | null; stderr: string }>((ended) => {
    const child = spawn(process.execPath, [main, 'demo', '--state', state, '--port', String(port)]);
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += chunk;
    });
    child.on('close', (status) => ended({ status, stderr: text }));
  });
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`port ${port} is taken`));
});

async function commandLine(guide: string): Promise<void> {
  const login = /gatehouse -- (login .*?)\s{3}/.exec(guide)?.[1]?.split(' ') ?? [];
  const browser = join(scratch, 'browser.sh');
  const play = join(root, 'test/support/login-browser.ts');
  writeFileSync(
    browser,
    `#!/bin/sh\nexec '${process.execPath}' '${play}' "$1" alice >'${scratch}/browser.log' 2>&1\n`,
    { mode: 0o755 },
  );
  const home = join(scratch, 'home');
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, XDG_STATE_HOME: join(home, 'state'), BROWSER: browser };
  const gatehouse = (...args: string[]) =>
    spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env, timeout: 60_000 });

  const loggedIn = gatehouse(...login);
  assert.equal(loggedIn.status, 0, `${loggedIn.stderr}\n${loggedIn.status}`);
  assert.match(loggedIn.stdout, /as alice@example\.com/);
  assert.equal(statSync(join(home, 'state/gatehouse/session.json')).mode & 0o777, 0o600);

  const me = JSON.parse(gatehouse('whoami', '--json').stdout);
  assert.deepEqual([me.id, me.groups, me.credential], ['alice', ['analysts'], 'session']);
  const url = gatehouse('url', 'shop').stdout.trim();
  assert.match(url, new RegExp(`^postgresql://gs_[0-9a-z]+@127\\.0\\.0\\.1:${port}/shop$`));
  if (hasPsql()) {
    const connected = gatehouse('connect', 'shop', '--', '-XAtc', 'SELECT count(*) FROM shop.products');
    assert.equal(connected.stdout, '200\n', connected.stderr);
    assert.equal(
      gatehouse('connect', 'shop', '--', '-Xc', 'SELECT nonsense').status,
      1,
      'psql’s exit code is passed on',
    );
    const withPassword = gatehouse('url', 'shop', '--with-password').stdout.trim();
    assert.equal(execFileSync('psql', [withPassword, '-XAtc', 'SELECT 1'], { encoding: 'utf8' }), '1\n');
  }
  const unknown = gatehouse('connect', 'warehouse');
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /You may connect to: shop/);
  const mine = JSON.parse(gatehouse('sessions', 'list', '--json').stdout);
  assert.ok(mine.items.every((session: { principal: { id: string } }) => session.principal.id === 'alice'));
  assert.equal(gatehouse('ledger', 'status').status, 1, 'an analyst may not look at the ledger');

  const loggedOut = gatehouse('logout');
  assert.equal(loggedOut.status, 0, loggedOut.stderr);
  assert.equal(gatehouse('whoami').status, 3);

  const device = spawn(process.execPath, [main, ...login, '--device'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const address = await textUntil(device.stderr, /http:\S+\n/);
  const ended = new Promise((resolve) => device.once('exit', resolve));
  spawnSync(process.execPath, [play, /http:\S+/.exec(address)?.[0] ?? '', 'bob']);
  assert.equal(await ended, 0);
  assert.equal(JSON.parse(gatehouse('whoami', '--json').stdout).id, 'bob');
}

function demo(...args: string[]) {
  return spawnSync(process.execPath, [main, 'demo', '--state', state, '--port', String(port), ...args], {
    encoding: 'utf8',
  });
}

/** A run that proves less must not look the same: in CI, nothing is skipped for want of a client. */
function missing(t: TestContext, what: string): void {
  if (process.env['CI'] === 'true') assert.fail(`${what} is missing`);
  t.skip(`${what} is missing`);
}

function hasPsql(): boolean {
  return spawnSync('psql', ['--version']).status === 0;
}

async function textUntil(stream: Readable, end: RegExp): Promise<string> {
  let text = '';
  return await new Promise((resolve, reject) => {
    stream.on('data', (chunk) => {
      text += chunk;
      if (end.test(text)) resolve(text);
    });
    stream.on('end', () => reject(new Error(`it ended with: ${text}`)));
  });
}

/** The first of so many neighbouring ports that nobody listens on. */
async function freePorts(count: number): Promise<number> {
  for (let first = 20_000 + (process.pid % 20_000); ; first += count) {
    const all = Array.from({ length: count }, (_, index) => first + index);
    const free = await Promise.all(
      all.map(
        (candidate) =>
          new Promise<boolean>((done) => {
            const probe = createServer();
            probe.once('error', () => done(false));
            probe.listen(candidate, '127.0.0.1', () => probe.close(() => done(true)));
          }),
      ),
    );
    if (free.every(Boolean)) return first;
  }
}
