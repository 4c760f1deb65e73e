#!/usr/bin/env node
/**
 * The way into a bare clone: `node scripts/bootstrap.mjs <task> [arguments]`. Needs Node 20 or newer and git, nothing else.
 *
 * It installs the locked dependencies when they are missing or out of date, for `test` also the Debian packages with the
 * real clients, and then runs the task on the Node that the lockfile pins, whichever Node started it.
 * Everything it says goes to stderr: stdout belongs to the task.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ensureClients } from './bootstrap/debian.mjs';
import { ensureDependencies } from './bootstrap/dependencies.mjs';
import { root, say, Unready } from './bootstrap/ground.mjs';
import { pinnedRuntime } from './bootstrap/runtime.mjs';

/** What each task runs, and whether a person's own folder or the checkout is its working directory. */
const tasks = {
  gatehouse: { script: 'src/cli/main.ts', arguments: [], where: 'caller' },
  demo: { script: 'src/cli/main.ts', arguments: ['demo'], where: 'caller' },
  test: { script: 'scripts/test.mjs', arguments: [], where: 'checkout', clients: true },
  e2e: { script: 'scripts/test.mjs', arguments: ['--only', 'e2e'], where: 'checkout', clients: true },
  fault: { script: 'scripts/test.mjs', arguments: ['--only', 'fault'], where: 'checkout', clients: true },
  fuzz: { script: 'scripts/test.mjs', arguments: ['--only', 'fuzz'], where: 'checkout' },
  differential: { script: 'test/differential/main.ts', arguments: [], where: 'checkout' },
  versions: { script: 'scripts/versions.mjs', arguments: [], where: 'checkout', clients: true },
  bench: { script: 'bench/main.ts', arguments: [], where: 'checkout', clients: true },
  soak: { script: 'test/soak/main.ts', arguments: [], where: 'checkout', clients: true },
};

async function main() {
  const [name, ...rest] = process.argv.slice(2);
  const task = Object.hasOwn(tasks, name ?? '') ? tasks[name] : undefined;
  if (task === undefined) {
    throw new Unready(`usage: node scripts/bootstrap.mjs ${Object.keys(tasks).join('|')} [arguments]`, 2);
  }
  await ensureDependencies();
  const runtime = pinnedRuntime();
  if (task.clients) await ensureClients();
  process.exitCode = await run(runtime, task, rest);
}

/** Hands terminal, signals and exit code through: the task behaves as if it had been started by hand. */
function run(runtime, task, rest) {
  const child = spawn(runtime, [join(root, task.script), ...task.arguments, ...rest], {
    stdio: 'inherit',
    // npm changes into the package's folder; a path somebody typed means the folder he typed it in.
    cwd: task.where === 'caller' ? (process.env.INIT_CWD ?? process.cwd()) : root,
    env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}` },
  });
  // A terminal sends Ctrl-C to the whole group: the child ends in its own time, and we wait for it.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code, signal) => done(code ?? 128 + (constants.signals[signal] ?? 1)));
  });
}

main().catch((error) => {
  if (!(error instanceof Unready)) throw error;
  say(error.message);
  process.exitCode = error.exitCode;
});
