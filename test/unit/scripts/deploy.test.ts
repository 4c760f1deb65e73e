import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import test from 'node:test';

const root = resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json'));

test('the systemd unit keeps its hardening', () => {
  const settings = new Map(
    read('deploy/gatehouse.service')
      .split('\n')
      .filter((line) => /^\w+=/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  );
  const wanted = {
    User: 'gatehouse',
    NoNewPrivileges: 'yes',
    CapabilityBoundingSet: '',
    ProtectSystem: 'strict',
    ProtectHome: 'yes',
    PrivateTmp: 'yes',
    PrivateDevices: 'yes',
    RestrictNamespaces: 'yes',
    StateDirectory: 'gatehouse',
    StateDirectoryMode: '0700',
    UMask: '0077',
    LimitCORE: '0',
    Restart: 'on-failure',
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(settings.get(name), value, name);
  assert.match(settings.get('ExecStart') ?? '', /gatehouse serve \/etc\/gatehouse$/);
  assert.match(settings.get('ExecReload') ?? '', /-HUP \$MAINPID$/);
  assert.ok(Number(settings.get('TimeoutStopSec')) > 30, 'longer than the drain');
  assert.notEqual(settings.get('MemoryDenyWriteExecute'), 'yes', 'the JavaScript engine could not start');
});

test('systemd itself finds nothing wrong with the unit', (t) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) return t.skip('no systemd-analyze');
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-unit-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const unit = join(folder, 'gatehouse.service');
  writeFileSync(unit, read('deploy/gatehouse.service'));
  const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
  const about = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('gatehouse.service'));
  assert.deepEqual(about, []);
});

test('the image has no shell, no rights and no tools of development', () => {
  const stages = read('Dockerfile')
    .split(/^FROM /m)
    .slice(1);
  const final = stages.at(-1) ?? '';
  assert.equal(stages.length, 2);
  assert.match(final, /^gcr\.io\/distroless\/nodejs24-debian12:nonroot\n/);
  assert.match(final, /^USER 65532:65532$/m);
  assert.doesNotMatch(final, /^RUN /m);
  for (const instruction of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK'] as const) {
    const words = new RegExp(`^${instruction} (?:--\\S+ )*(?:\\\\\\n\\s*CMD )?(\\[.*\\])$`, 'm').exec(final)?.[1];
    assert.ok(Array.isArray(JSON.parse(words ?? 'null')), `${instruction} needs no shell`);
  }
  assert.match(stages[0] ?? '', /npm ci .*--ignore-scripts/);
  assert.match(stages[0] ?? '', /npm prune --omit=dev/);
  for (const ignored of ['node_modules', '.git', 'state'])
    assert.match(read('.dockerignore'), new RegExp(`^${ignored.replace('.', '\\.')}$`, 'm'));
});

test('every file that a page links to is there', () => {
  for (const page of [
    'README.md',
    'SECURITY.md',
    'CONTRIBUTING.md',
    'docs/getting-started.md',
    'docs/lifecycle.md',
    'docs/operations.md',
    'docs/policies.md',
  ]) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(target)) continue;
      assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`);
    }
  }
});

test('every npm script that a page names exists', () => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'docs/getting-started.md']) {
    for (const [, name = ''] of read(page).matchAll(/npm run (?:-s )?([a-z0-9]+)/g))
      assert.ok(manifest.scripts[name], `${page}: npm run ${name}`);
  }
});

test('every command that a page shows is one', async () => {
  const { buildProgram } = await import('../../../src/cli/program.ts');
  const program = buildProgram();
  for (const page of [
    'README.md',
    'SECURITY.md',
    'docs/getting-started.md',
    'docs/operations.md',
    'docs/lifecycle.md',
    'docs/policies.md',
  ]) {
    for (const [shown, first = '', second = ''] of read(page).matchAll(
      /(?:^|`|sudo )gatehouse ([a-z]+)(?: ([a-z]+))?/gm,
    )) {
      const command = program.commands.find((each) => each.name() === first);
      assert.ok(command, `${page}: ${shown}`);
      if (command.commands.length === 0) continue;
      assert.ok(
        command.commands.some((each) => each.name() === second),
        `${page}: ${shown}`,
      );
    }
  }
});

test('every metric that operations names is counted somewhere', () => {
  const { stdout } = spawnSync(
    'grep',
    ['-rhoE', "(metrics|tally)\\.(count|gauge|observe)\\('[a-z_]+", join(root, 'src')],
    {
      encoding: 'utf8',
    },
  );
  const counted = new Set(stdout.split('\n').map((line) => `gatehouse_${line.replace(/^.*'(gatehouse_)?/, '')}`));
  for (const [name] of read('docs/operations.md').matchAll(/gatehouse_[a-z_]+/g)) {
    assert.ok(counted.has(name), name);
  }
});
