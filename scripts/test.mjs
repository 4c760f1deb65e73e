/**
 * Everything that has to hold, in one run: format and lint, types, unit and architecture tests, tests with real servers and
 * clients, injected faults and a short fuzz. Ends with `N passed, N failed, N skipped` on a line of its own.
 *
 *   node scripts/test.mjs [--only check|unit|e2e|fault|fuzz]
 */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Minutes are a watchdog's, generous for a slow machine with two cores; together they stay below 25 for what usually runs. */
const steps = [
  {
    name: 'format and lint',
    group: 'check',
    program: bin('biome'),
    arguments: ['ci', '--diagnostic-level=warn', '.'],
    minutes: 2,
  },
  { name: 'types', group: 'check', program: bin('tsc'), arguments: ['--noEmit'], minutes: 3 },
  {
    name: 'unit and architecture tests',
    group: 'unit',
    globs: ['test/unit/**/*.test.ts', 'test/architecture.test.ts'],
    minutes: 8,
  },
  // One file at a time: each starts servers of its own, and two cores are soon full.
  { name: 'end-to-end tests', group: 'e2e', globs: ['test/e2e/**/*.test.ts'], concurrency: 1, minutes: 15 },
  { name: 'fault tests', group: 'fault', globs: ['test/fault/**/*.test.ts'], concurrency: 1, minutes: 8 },
  {
    name: 'fuzz',
    group: 'fuzz',
    globs: ['test/fuzz/*.fuzz.ts'],
    concurrency: 2,
    env: { FUZZ_SECONDS: process.env.FUZZ_SECONDS ?? '5' },
    minutes: 4,
  },
];

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } });
const chosen = values.only ? steps.filter((step) => values.only.includes(step.group)) : steps;
if (chosen.length === 0) {
  console.error(
    `nothing is called ${values.only.join(', ')}; choose from ${[...new Set(steps.map((s) => s.group))].join(', ')}`,
  );
  process.exit(2);
}

/** The pinned Node first; where Debian keeps runuser and pgbouncer last, which ordinary users do not have in theirs. */
const searchPath = [join(root, 'node_modules', '.bin'), process.env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin']
  .filter(Boolean)
  .join(':');

const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const broken = [];
try {
  for (const step of chosen) await runStep(step);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (broken.length > 0) console.log(`\nnot in order: ${broken.join('; ')}`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;

async function runStep(step) {
  console.log(`\n── ${step.name} ──`);
  const began = Date.now();
  const outcome = step.globs ? await runTests(step) : await runTool(step);
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped += outcome.skipped;
  if (outcome.failed > 0) broken.push(`${step.name} (${outcome.why ?? `${outcome.failed} failed`})`);
  console.log(
    `── ${step.name}: ${outcome.failed === 0 ? 'in order' : 'FAILED'} after ${Math.round((Date.now() - began) / 1000)} s`,
  );
}

async function runTool(step) {
  const { code, why } = await run(step.program, step.arguments, step);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, why: why ?? `exit code ${code}` };
}

async function runTests(step) {
  const files = step.globs.flatMap((glob) => globSync(glob, { cwd: root })).sort();
  if (files.length === 0) {
    console.log('no files');
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const countsFile = join(scratch, `${step.group}.json`);
  const { code, why } = await run(
    process.execPath,
    [
      '--test',
      ...(step.concurrency ? [`--test-concurrency=${step.concurrency}`] : []),
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(root, 'scripts', 'count-reporter.mjs')}`,
      `--test-reporter-destination=${countsFile}`,
      ...files,
    ],
    step,
  );
  const counts = readCounts(countsFile);
  // A run that ended badly without a counted failure (killed, out of memory, no summary) is a failure all the same.
  const failed = Math.max((counts?.failed ?? 0) + (counts?.cancelled ?? 0), code === 0 && counts ? 0 : 1);
  return {
    passed: counts?.passed ?? 0,
    failed,
    skipped: (counts?.skipped ?? 0) + (counts?.todo ?? 0),
    why: why ?? (counts ? `${failed} failed` : `exit code ${code}, no summary`),
  };
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8').trim().split('\n').at(-1));
  } catch {
    return undefined;
  }
}

/** Runs a program in a process group of its own, so that a step that hangs is ended with everything it started. */
function run(program, args, step) {
  const child = spawn(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: { ...process.env, ...step.env, PATH: searchPath },
  });
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended already.
    }
  };
  const stop = () => {
    end('SIGTERM');
    process.exit(130);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  return new Promise((done) => {
    let why;
    const watchdog = setTimeout(() => {
      why = `took longer than ${step.minutes} minutes and was ended`;
      console.log(why);
      end('SIGTERM');
      setTimeout(() => end('SIGKILL'), 5000).unref();
    }, step.minutes * 60_000);
    const settle = (code) => {
      clearTimeout(watchdog);
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      done({ code, why });
    };
    child.on('error', (error) => {
      why = String(error);
      settle(127);
    });
    child.on('exit', (code) => settle(code ?? 1));
  });
}
