import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Command, Option } from 'commander';
import { type Connection, connectionList, paths } from '../../controlplane/contract/index.ts';
import { type Call, doing } from '../call.ts';
import { environment } from '../environment.ts';
import { CliError } from '../errors.ts';
import { table } from '../terminal.ts';

interface UrlOptions {
  readonly withPassword?: boolean;
}

interface ConnectOptions {
  readonly sslmode?: string;
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
                items.map(({ name, protocol, endpoint, available }) => [
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
    .description('psql with everything set; what follows -- goes to psql')
    .argument('<name>', 'the connection')
    .argument('[psql arguments...]')
    .addOption(
      new Option('--sslmode <mode>', 'how psql checks the gateway’s certificate').choices(SSL_MODES).env('PGSSLMODE'),
    )
    .passThroughOptions()
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

async function connect(call: Call<ConnectOptions>, name: string, given: readonly string[]): Promise<void> {
  // options pass through from the first argument on, and the separator with them
  const args = given[0] === '--' ? given.slice(1) : given;
  const { endpoint } = await find(call, name);
  const { user, password } = call.identity();
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
      PGSSLMODE: call.options.sslmode ?? (endpoint.tls ? 'verify-full' : 'disable'),
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

async function find(call: Call<unknown>, name: string): Promise<Connection> {
  const { items } = await call.api().get(connectionList, paths.connections());
  const found = items.find((item) => item.name === name);
  if (found !== undefined) return found;
  const known = items.map((item) => item.name).join(', ');
  throw new CliError(
    'ERR_CLI_FAILED',
    `there is no connection ${JSON.stringify(name)} for you`,
    known === '' ? 'You may connect to nothing yet.' : `You may connect to: ${known}`,
  );
}
