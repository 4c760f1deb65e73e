/** Emits the publishable package into dist/: one .js per source file, the command executable. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

const command = join(dist, 'cli', 'main.js');
const code = readFileSync(command, 'utf8');
if (!code.startsWith('#!/usr/bin/env node')) writeFileSync(command, `#!/usr/bin/env node\n${code}`);
chmodSync(command, 0o755);
