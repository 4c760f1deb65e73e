import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, run, stop, unprivileged } from './process.ts';

/** One way to the database, as a client sees it. */
export interface Route {
  readonly name: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The proxy whose CPU and memory are measured; undefined on the direct way. */
  readonly pid: number | undefined;
}

export const DATABASE = 'shop';
const USER = 'bench';
const PASSWORD = 'bench-password';

export interface Running {
  readonly route: Route;
  stop(): Promise<void>;
}

/** Newest server that the system has. */
export function serverBinaries(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (!found) throw new Error(`no PostgreSQL server under ${root}; install the package postgresql`);
  return found;
}

export function environmentOf(route: Route): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(route.port),
    PGUSER: route.user,
    PGPASSWORD: route.password,
    PGDATABASE: DATABASE,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  };
}

/** A private PostgreSQL without fsync: its disk is not what is measured. */
export async function startPostgres(folder: string): Promise<Running> {
  const bin = serverBinaries();
  const who = unprivileged();
  const data = join(folder, 'postgres');
  await ownFolder(data, who);
  const secret = join(data, 'password');
  await writeFile(secret, PASSWORD);
  if (who.uid !== undefined && who.gid !== undefined) await chown(secret, who.uid, who.gid);
  const cluster = join(data, 'data');
  const options = ['-D', cluster, '-U', USER, `--pwfile=${secret}`, '--auth=scram-sha-256', '-E', 'UTF8', '--locale=C'];
  await run(join(bin, 'initdb'), [...options, '--no-sync'], { ...who, cwd: data });
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: data,
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    autovacuum: 'off',
    max_connections: 300,
    shared_buffers: '1GB',
    max_wal_size: '4GB',
    jit: 'off',
    log_min_messages: 'fatal',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(bin, 'postgres'), ['-D', cluster, ...flags], { ...who, cwd: data, stdio: 'ignore' });
  await listening(port, child);
  const route = { name: 'direct', port, user: USER, password: PASSWORD, pid: undefined };
  const admin = { env: { ...environmentOf(route), PGDATABASE: 'postgres' } };
  for (let left = 50; ; left -= 1) {
    try {
      await run('psql', ['-Xqc', `CREATE DATABASE ${DATABASE}`], admin);
      break;
    } catch (error) {
      if (left === 0) throw error;
      await sleep(100); // it listens before it is ready
    }
  }
  return { route, stop: () => stop(child, 'SIGINT') };
}

export type PoolMode = 'session' | 'transaction';

/** PgBouncer as most people run it in front of such a server, with passwords on both sides. */
export async function startPgbouncer(folder: string, target: Route, mode: PoolMode): Promise<Running> {
  const who = unprivileged();
  const home = join(folder, `pgbouncer-${mode}`);
  await ownFolder(home, who);
  const port = await freePort();
  const users = join(home, 'users.txt');
  await writeFile(users, `"${target.user}" "${target.password}"\n`);
  const file = join(home, 'pgbouncer.ini');
  await writeFile(
    file,
    `[databases]
${DATABASE} = host=127.0.0.1 port=${target.port} dbname=${DATABASE}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = ${mode}
max_client_conn = 400
default_pool_size = 80
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
logfile = ${join(home, 'log')}
`,
  );
  const child = spawn('pgbouncer', ['-q', file], { ...who, cwd: home, stdio: 'ignore' });
  await listening(port, child);
  return {
    route: { ...target, name: mode === 'session' ? 'pgbouncer' : 'pgbouncer-transaction', port, pid: child.pid },
    stop: () => stop(child, 'SIGTERM'),
  };
}

/** Passes bytes on, and with a folder waits for its disk: see forwarder.ts. */
export async function startForwarder(target: Route, folder?: string): Promise<Running> {
  const port = await freePort();
  const args = [String(port), String(target.port), ...(folder === undefined ? [] : [folder])];
  const child = spawn(process.execPath, [join(import.meta.dirname, 'forwarder.ts'), ...args], { stdio: 'ignore' });
  await listening(port, child);
  const name = folder === undefined ? 'forwarder' : 'forwarder-durable';
  return { route: { ...target, name, port, pid: child.pid }, stop: () => stop(child, 'SIGTERM') };
}

async function ownFolder(folder: string, who: { readonly uid?: number; readonly gid?: number }): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  if (who.uid !== undefined && who.gid !== undefined) await chown(folder, who.uid, who.gid);
}

/** Resolves when somebody accepts connections on the port. Rejects when the child has ended, or after 20 seconds. */
export async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode} before it listened`);
    if (await accepts(port)) return;
    await sleep(50);
  }
  throw new Error(`${child.spawnfile} does not listen on port ${port}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
