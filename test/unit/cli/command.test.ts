import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test, { after } from 'node:test';

const main = resolve(import.meta.dirname, '../../../src/cli/main.ts');
const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-cli-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function gatehouse(args: readonly string[], options: { input?: string; env?: Record<string, string> } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    cwd: scratch,
    input: options.input ?? '',
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: scratch,
      XDG_STATE_HOME: join(scratch, 'state-home'),
      ...options.env,
    },
  });
  return { code: status, stdout, stderr };
}

function saveLogin(login: object, mode = 0o600): void {
  const folder = join(scratch, 'state-home', 'gatehouse');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'session.json'), JSON.stringify(login));
  chmodSync(join(folder, 'session.json'), mode);
}

test('--version prints the package’s version and nothing else', () => {
  const { version } = JSON.parse(readFileSync(resolve(main, '../../../package.json'), 'utf8'));
  assert.deepEqual(gatehouse(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('help names every command, the exit codes and examples', () => {
  const { code, stdout } = gatehouse(['--help']);
  assert.equal(code, 0);
  const commands = [
    'init',
    'check',
    'serve',
    'demo',
    'login',
    'logout',
    'whoami',
    'url',
    'connect',
    'requests',
    'sessions',
    'ledger',
    'policy',
    'labels',
    'credentials',
    'completion',
  ];
  for (const word of [...commands, 'Examples:', 'Exit codes:']) assert.ok(stdout.includes(word), word);
});

test('a mistyped command or option is wrong usage, with a suggestion', () => {
  const mistyped = gatehouse(['serv']);
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.stderr, /Did you mean serve\?/);
  assert.equal(gatehouse(['sessions', 'list', '--decision', 'maybe']).code, 2);
  assert.equal(gatehouse(['sessions', 'list', '--limit', 'many']).code, 2);
  assert.equal(gatehouse(['requests', 'approve', 'req_1']).code, 2, 'consent needs a reason');
});

test('whoever is not logged in is told how, with exit code 3', () => {
  const { code, stdout, stderr } = gatehouse(['whoami']);
  assert.deepEqual({ code, stdout }, { code: 3, stdout: '' });
  assert.match(stderr, /not logged in\n {2}Run: gatehouse login/);
});

test('an expired, foreign, readable or damaged login is not used', () => {
  const login = {
    server: 'http://127.0.0.1:9',
    name: 'alice',
    id: 'gs_1',
    secret: 'gsk_1',
    expiresAt: '2999-01-01T00:00:00.000Z',
  };
  saveLogin({ ...login, expiresAt: '2020-01-01T00:00:00.000Z' });
  assert.match(gatehouse(['whoami']).stderr, /expired at 2020/);
  saveLogin(login);
  const foreign = gatehouse(['whoami', '--server', 'http://127.0.0.1:10']);
  assert.match(foreign.stderr, /your login is for http:\/\/127\.0\.0\.1:9, not for/);
  assert.equal(foreign.code, 3);
  saveLogin(login, 0o644);
  assert.match(gatehouse(['whoami']).stderr, /others may read/);
  saveLogin({ server: 1 });
  assert.match(gatehouse(['whoami']).stderr, /damaged/);
});

test('an unreachable gateway is exit code 4, as JSON too, without a stack trace', () => {
  const env = { GATEHOUSE_TOKEN: 'gs_a.gsk_b', GATEHOUSE_URL: 'http://127.0.0.1:64999' };
  const { code, stdout, stderr } = gatehouse(['whoami', '--json'], { env });
  assert.equal(code, 4);
  assert.equal(JSON.parse(stdout).error.code, 'ERR_CLI_UNREACHABLE');
  assert.doesNotMatch(stderr, /\n\s+at /);
  assert.match(gatehouse(['whoami'], { env: { ...env, DEBUG: '1' } }).stderr, /\n\s+at /);
});

test('an address that is none is wrong usage', () => {
  const { code, stderr } = gatehouse(['whoami', '--server', 'gw.example:6400']);
  assert.equal(code, 2);
  assert.match(stderr, /is not the address of a gateway/);
});

test('init makes a folder that passes check, policy test and ledger verify, and never overwrites one', () => {
  const made = gatehouse(['init', 'gw', '--json']);
  assert.equal(made.code, 0, made.stderr);
  const { verifierKey } = JSON.parse(made.stdout);
  assert.match(verifierKey, /^[^+]+\+[0-9a-f]{8}\+/);
  assert.equal(statSync(join(scratch, 'gw/state/master.key')).mode & 0o777, 0o600);
  assert.equal(gatehouse(['check', 'gw']).code, 0);
  assert.equal(gatehouse(['policy', 'check', 'gw']).code, 0);
  const tested = gatehouse(['policy', 'test', 'gw']);
  assert.match(tested.stdout, /\d+ passed, 0 failed/);
  const verified = gatehouse(['ledger', 'verify', 'gw', '--vkey', verifierKey]);
  assert.match(verified.stdout, /verified: every entry is in the signed tree\n$/);
  const again = gatehouse(['init', 'gw']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is in use/);
});

test('check shows every mistake at once and fails', () => {
  const broken = join(scratch, 'broken');
  mkdirSync(join(broken, 'policies'), { recursive: true });
  mkdirSync(join(broken, 'labels'), { recursive: true });
  writeFileSync(
    join(broken, 'gatehouse.yaml'),
    'listners: {}\nidentity: { issuers: [] }\nconnections: { shop: { protocol: mysql } }\n',
  );
  writeFileSync(
    join(broken, 'policies', 'a.cedar'),
    'permit (principal, action, resource) when { context.nonsense };\n',
  );
  const { code, stdout } = gatehouse(['check', 'broken', '--json']);
  assert.equal(code, 1);
  const files = JSON.parse(stdout).problems.map((problem: { file: string }) => problem.file);
  assert.ok(files.filter((file: string) => file === 'gatehouse.yaml').length >= 3, stdout);
  assert.ok(files.includes('policies/a.cedar'));
});

test('policy explain answers with the deciding policies, and its exit code says allowed or not', () => {
  const allowed = gatehouse([
    'policy',
    'explain',
    'gw',
    '--as',
    'ann',
    '--group',
    'analysts',
    '--action',
    'read',
    '--connection',
    'shop',
    '--table',
    'shop.orders',
  ]);
  assert.equal(allowed.code, 0);
  assert.match(allowed.stdout, /analysts-read/);
  const denied = gatehouse([
    'policy',
    'explain',
    'gw',
    '--as',
    'ann',
    '--group',
    'analysts',
    '--action',
    'write',
    '--connection',
    'shop',
    '--table',
    'shop.orders',
    '--json',
  ]);
  assert.equal(denied.code, 1);
  assert.equal(JSON.parse(denied.stdout).decision.effect, 'refuse');
});

test('a stored password is read from stdin, listed by name and never shown', () => {
  const secret = 'correct horse battery staple';
  assert.equal(gatehouse(['credentials', 'set', 'shop', 'gw'], { input: `${secret}\n` }).code, 0);
  const listed = gatehouse(['credentials', 'list', 'gw', '--json']);
  assert.deepEqual(
    JSON.parse(listed.stdout).items.map((item: { name: string }) => item.name),
    ['shop'],
  );
  const database = readFileSync(join(scratch, 'gw/state/control.db'));
  assert.equal(database.includes(secret), false);
  const log = join(scratch, 'gw/state/control.db-wal');
  if (existsSync(log)) assert.equal(readFileSync(log).includes(secret), false);
  assert.equal(gatehouse(['credentials', 'remove', 'shop', 'gw']).code, 0);
  assert.equal(gatehouse(['credentials', 'remove', 'shop', 'gw']).code, 1);
  assert.equal(gatehouse(['credentials', 'set', 'shop', 'gw'], { input: '\n' }).code, 2, 'an empty password');
});

test('the ledger command finds a changed entry', () => {
  const copy = join(scratch, 'copy');
  spawnSync('cp', ['-r', join(scratch, 'gw/state/ledger'), copy]);
  assert.equal(gatehouse(['ledger', 'verify', 'copy']).code, 0);
  const checkpoint = readFileSync(join(copy, 'checkpoint'), 'utf8');
  writeFileSync(join(copy, 'checkpoint'), checkpoint.replace('\n0\n', '\n7\n'));
  const { code, stdout } = gatehouse(['ledger', 'verify', 'copy', '--json']);
  assert.equal(code, 1);
  assert.equal(JSON.parse(stdout).ok, false);
});

test('completion knows subcommands and options', () => {
  const { stdout } = gatehouse(['completion', 'bash']);
  writeFileSync(join(scratch, 'completion.sh'), stdout);
  const complete = (line: string) =>
    spawnSync(
      'bash',
      [
        '--norc',
        '-c',
        `source ./completion.sh; COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _gatehouse; echo "\${COMPREPLY[*]}"`,
      ],
      { encoding: 'utf8', cwd: scratch },
    ).stdout.trim();
  assert.equal(complete('gatehouse requ'), 'requests');
  assert.equal(complete('gatehouse requests app'), 'approve');
  assert.equal(complete('gatehouse sessions list --dec'), '--decision');
});
