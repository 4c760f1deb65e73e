import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type Connection, connectionList, paths } from '../../controlplane/contract/index.ts';
import type { TlsMode } from '../../model/config.ts';
import { type Call, doing, wholeNumber } from '../call.ts';
import { environment } from '../environment.ts';
import { CliError } from '../errors.ts';
import { facts, table } from '../terminal.ts';

interface UrlOptions {
  readonly withPassword?: boolean;
}

interface ConnectOptions {
  readonly sslmode?: TlsMode;
  readonly listen?: number;
}

const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'];

export function registerConnect(program: Command): void {
  program
    .command('connections')
    .description('what you can connect to')
    .action(
      doing(async (call) => {
        const { items } = await call.api().get(connectionList, paths.connections());
        call.terminal.result({ items }, () =>
          items.length === 0
            ? 'there is no connection that you may see'
            : table(
                ['NAME', 'PROTOCOL', 'ADDRESS', 'TARGET'],
                items
                  .map((item) => reachable(item, call.identity().server))
                  .map(({ name, protocol, endpoint, available }) => [
                    name,
                    protocol,
                    `${endpoint.host}:${endpoint.port}`,
                    available === undefined ? 'not tried yet' : available ? 'up' : 'down',
                  ]),
              ),
        );
      }),
    );
  program
    .command('url')
    .description('the connection string for any client; the password is in $(gatehouse url NAME --with-password) only')
    .argument('<name>', 'the connection')
    .option('--with-password', 'put the session credential into it; mind where you paste it')
    .action(doing(url));
  program
    .command('connect')
    .description('psql with everything set; what follows -- goes to psql. With --listen, a door for other tools')
    .argument('<name>', 'the connection')
    .argument('[psql arguments...]')
    .addOption(
      new Option('--sslmode <mode>', 'how the gateway’s certificate is checked').choices(SSL_MODES).env('PGSSLMODE'),
    )
    .addOption(
      new Option(
        '--listen <port>',
        'run no psql, but let tools of this machine through at 127.0.0.1:PORT (0: any free one) with a password of this run',
      ).argParser(wholeNumber('--listen')),
    )
    .showHelpAfterError("What is meant for psql comes after --: gatehouse connect shop -- -c 'select 1'")
    .action(doing(connect));
}

async function url(call: Call<UrlOptions>, name: string): Promise<void> {
  const { endpoint } = await find(call, name);
  const { user, password } = call.identity();
  const address = new URL(
    `postgresql://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`,
  );
  address.username = encodeURIComponent(user);
  if (call.options.withPassword) address.password = encodeURIComponent(password);
  address.pathname = `/${encodeURIComponent(endpoint.database)}`;
  if (endpoint.tls) address.searchParams.set('sslmode', 'verify-full');
  call.terminal.result({ url: address.href }, (each) => each.url);
}

async function connect(call: Call<ConnectOptions>, name: string, args: readonly string[]): Promise<void> {
  if (call.options.listen !== undefined) return listen(call, name, call.options.listen, args);
  const { endpoint } = await find(call, name);
  const { user, password } = call.identity();
  const sslmode = call.options.sslmode ?? (endpoint.tls ? 'verify-full' : 'disable');
  const child = spawn('psql', args, {
    stdio: 'inherit',
    // In the environment, not on the command line, which every user of the machine can read.
    env: {
      ...process.env,
      PGHOST: endpoint.host,
      PGPORT: String(endpoint.port),
      PGDATABASE: endpoint.database,
      PGUSER: user,
      PGPASSWORD: password,
      PGSSLMODE: sslmode,
      ...(sslmode === 'verify-full' && !ownAuthority() ? { PGSSLROOTCERT: 'system' } : {}),
      PGAPPNAME: environment.PGAPPNAME ?? 'psql',
    },
  });
  // Ctrl-C cancels the statement in psql; it must not take the terminal away from it.
  process.on('SIGINT', () => undefined);
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new CliError(
              'ERR_CLI_FAILED',
              'psql is not installed',
              'Debian: apt-get install postgresql-client. Or use any client with: gatehouse url NAME',
            )
          : error,
      );
    });
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 1 : constants.signals[signal])));
  });
}

/** Runs until it is told to stop. */
async function listen(call: Call<ConnectOptions>, name: string, port: number, args: readonly string[]): Promise<void> {
  if (port > 65_535) throw new CliError('ERR_CLI_USAGE', `${port} is no port`);
  if (args.length > 0) {
    throw new CliError('ERR_CLI_USAGE', 'with --listen no psql is run, so nothing can be passed to it', 'Leave out --');
  }
  const { endpoint } = await find(call, name);
  const { startLocalRelay } = await import('../local-relay.ts');
  const { host, database } = endpoint;
  const relay = await startLocalRelay({
    port,
    gateway: { host, port: endpoint.port, database },
    tls: call.options.sslmode ?? (endpoint.tls ? 'verify-full' : 'disable'),
    ...(environment.PGSSLROOTCERT && environment.PGSSLROOTCERT !== 'system' ? { ca: environment.PGSSLROOTCERT } : {}),
    identity: () => call.identity(),
    note: (line) => call.terminal.note(`gatehouse: ${line}`),
  });
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  const settings = { host: relay.host, port: relay.port, database, user: 'gatehouse', password: relay.password };
  call.terminal.result(settings, (each) =>
    facts([
      ['host', each.host],
      ['port', String(each.port)],
      ['database', each.database],
      ['user', `any, e.g. ${each.user}`],
      ['password', each.password],
      ['TLS', 'off: it does not leave this machine; from here to the gateway the relay sees to it'],
    ]),
  );
  call.terminal.note('The password holds until Ctrl-C. Whoever has it on this machine is you, at the gateway.');
  await stopped;
  await relay.close();
}

async function find(call: Call<unknown>, name: string): Promise<Connection> {
  const { items } = await call.api().get(connectionList, paths.connections());
  const found = items.find((item) => item.name === name);
  if (found !== undefined) return reachable(found, call.identity().server);
  const known = items.map((item) => item.name).join(', ');
  throw new CliError(
    'ERR_CLI_FAILED',
    `there is no connection ${JSON.stringify(name)} for you`,
    known === '' ? 'You may connect to nothing yet.' : `You may connect to: ${known}`,
  );
}

/** A gateway that listens on every address does not know under which one it is reached: under the same as its control API. */
function reachable(connection: Connection, server: string): Connection {
  const { endpoint } = connection;
  if (endpoint.host !== '0.0.0.0' && endpoint.host !== '::') return connection;
  const host = new URL(server).hostname.replace(/^\[(.*)\]$/, '$1');
  return { ...connection, endpoint: { ...endpoint, host } };
}

/** Without either, psql trusts nobody at all; `system` means the public authorities (psql 16 and newer). */
function ownAuthority(): boolean {
  return Boolean(environment.PGSSLROOTCERT) || existsSync(join(homedir(), '.postgresql', 'root.crt'));
}
