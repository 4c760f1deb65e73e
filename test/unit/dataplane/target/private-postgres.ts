import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BIN =
  ['/usr/lib/postgresql/15/bin', '/usr/lib/postgresql/16/bin', '/usr/lib/postgresql/17/bin'].find(existsSync) ?? '';
const asRoot = process.getuid?.() === 0;

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
export async function startPostgres(): Promise<PrivatePostgres> {
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
  await asServer(join(BIN, 'initdb'), [
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
  await asServer(join(BIN, 'pg_ctl'), ['-D', data, '-w', '-l', join(folder, 'log'), 'start']);
  const sql = `CREATE USER trusty; CREATE USER clear PASSWORD 's3cret pass'; CREATE USER scram PASSWORD 's3cret pass'; CREATE USER tlsonly PASSWORD 's3cret pass';
    SET password_encryption = 'md5'; CREATE USER md5user PASSWORD 's3cret pass';`;
  await run(join(BIN, 'psql'), [
    '-X',
    '-q',
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-U',
    'postgres',
    '-d',
    'postgres',
    '-c',
    sql,
  ]);
  const { stdout: certificate } = await run('cat', [cert]);
  return {
    port,
    folder,
    certificate,
    async [Symbol.asyncDispose]() {
      await asServer(join(BIN, 'pg_ctl'), ['-D', data, '-m', 'immediate', '-w', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
