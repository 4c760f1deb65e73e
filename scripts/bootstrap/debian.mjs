import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLoudly, say, Unready } from './ground.mjs';

/** Real clients and a real server for the tests; each entry is satisfied by any of its packages, the first is installed. */
const wanted = [
  ['postgresql', 'postgresql-15', 'postgresql-16', 'postgresql-17', 'postgresql-18'],
  ['postgresql-contrib'],
  ['pgbouncer'],
  ['python3-psycopg'],
  ['python3-psycopg2'],
  ['python3-pandas'],
  ['python3-sqlalchemy'],
  ['libpostgresql-jdbc-java'],
  ['openssl'],
];

/**
 * Installs what the tests' real clients need, on Debian and its kin, when we may. Where we may not, the tests that need
 * a missing client skip and say so; with CI=true that is a failure, because a run that proves less must not look the same.
 */
export async function ensureClients() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const names = missing.join(' ');
  if (spawnSync('apt-get', ['--version']).status === 0) {
    const asRoot = rootPrefix();
    if (asRoot !== undefined) {
      const failed = await aptInstall(asRoot, missing);
      if (failed.length > 0) shortOf(`apt-get could not install ${failed.join(' ')}; its own message stands above`);
      return;
    }
    shortOf(
      `these packages are missing: ${names}. To have them: sudo apt-get install --no-install-recommends ${names}`,
    );
    return;
  }
  shortOf(`this is no Debian or Ubuntu, so these are yours to install as far as you want them tested: ${names}`);
}

function shortOf(what) {
  if (process.env.CI === 'true') throw new Unready(`${what}. With CI=true no test may skip for want of a client.`);
  say(`${what}. Tests that need them will skip and say so.`);
}

function missingPackages() {
  const missing = wanted.filter((choices) => !choices.some(isInstalled)).map(([first]) => first);
  if (!isRunnable('javac', '-version') || !isRunnable('java', '-version')) missing.push('default-jdk-headless');
  return missing;
}

function isInstalled(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own notation
  const answer = spawnSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], { encoding: 'utf8' });
  return answer.status === 0 && answer.stdout === 'installed';
}

function isRunnable(program, argument) {
  return spawnSync(program, [argument]).status === 0;
}

/** What to put before a command so that it runs as root; undefined when we may not. */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n'] : undefined;
}

/** @returns {Promise<string[]>} names of the packages that could not be installed */
async function aptInstall(asRoot, packages) {
  say(`installing Debian packages for the tests: ${packages.join(' ')} …`);
  return withoutDaemons(asRoot, async () => {
    const apt = (...args) =>
      runLoudly(asRoot[0] ?? 'env', [
        ...asRoot.slice(1),
        ...(asRoot.length > 0 ? ['env'] : []),
        'DEBIAN_FRONTEND=noninteractive',
        'apt-get',
        '-q',
        ...args,
      ]);
    await apt('update'); // a stale index may still know the packages: only the installation decides
    const install = async (names) => (await apt('install', '-y', '--no-install-recommends', ...names)).code === 0;
    if (await install(packages)) return [];
    // One unknown name stops the whole command (older releases lack some of the drivers): then each for itself.
    const failed = [];
    for (const name of packages) if (!(await install([name]))) failed.push(name);
    return failed;
  });
}

/**
 * Runs work while no package may start its daemon (https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt):
 * tests start their own servers, and a machine of somebody else should not suddenly listen on 5432.
 */
async function withoutDaemons(asRoot, work) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return work();
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'));
  const draft = join(folder, 'policy-rc.d');
  writeFileSync(draft, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const asSuper = (...args) =>
    spawnSync(asRoot[0] ?? args[0], asRoot.length > 0 ? [...asRoot.slice(1), ...args] : args.slice(1));
  try {
    asSuper('install', '-m', '0755', draft, policy);
    return await work();
  } finally {
    asSuper('rm', '-f', policy);
    rmSync(folder, { recursive: true, force: true });
  }
}
