import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../test/support/gateway-folder.ts';
import { freePort, stop } from './process.ts';
import { DATABASE, listening, type Route, type Running } from './servers.ts';

/** What an installation for analysts has: closed tables, masks by label, and a bound on rows, here one that no run reaches. */
const POLICIES = `
@reason("Analysts read the shop")
permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
permit (principal in Group::"engineers", action, resource);
@reason("Confidential tables are closed")
forbid (principal in Group::"analysts", action == Action::"read", resource in Label::"confidential");
@reason("At most a billion rows per session")
forbid (principal in Group::"analysts", action == Action::"read", resource in Connection::"shop") when { context.rows_session > 1000000000 };
`;

const LABELS = `${DATABASE}:
  public.people: { full_name: [pii.name], email: [pii.contact.email], phone: [pii.contact.phone], card: [pci.pan], born: [pii.birth] }
  public.payroll: { $table: [confidential] }
`;

export interface Gateway extends Running {
  /** The same gateway for somebody whom no policy bounds in rows. */
  readonly unbounded: Route;
}

/** The gateway as `gatehouse serve` runs it, in a process of its own; its log goes to `gateway.log` beside the state. */
export async function startGateway(folder: string, target: Route, nodeFlags: readonly string[]): Promise<Gateway> {
  const port = await freePort();
  const control = await freePort();
  const home = join(folder, 'gateway');
  const made = await makeFolder(home, {
    target: {
      host: '127.0.0.1',
      port: target.port,
      database: DATABASE,
      user: target.user,
      password: target.password,
    },
    postgres: `127.0.0.1:${port}`,
    control: `127.0.0.1:${control}`,
    labels: LABELS,
    policies: { 'main.cedar': POLICIES },
    extra: 'limits: { max_connections_per_principal: 400 }',
  });
  const main = join(import.meta.dirname, '../src/cli/main.ts');
  const child = spawn(process.execPath, [...nodeFlags, main, 'serve', home], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr?.pipe(createWriteStream(join(folder, 'gateway.log')));
  await listening(port, child);
  const route = async (name: string, subject: string, group: string): Promise<Route> => {
    return { name, port, user: subject, password: await made.token(subject, [group], {}, '6h'), pid: child.pid };
  };
  return {
    route: await route('gateway', 'ana', 'analysts'),
    unbounded: await route('gateway-unbounded', 'eve', 'engineers'),
    stop: () => stop(child, 'SIGTERM'),
  };
}
