import { lstatSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { startDatabase, takeOver } from './database-server.ts';
import { DemoError } from './errors.ts';
import { appPassword, type DemoPorts, prepareGateway } from './gateway-folder.ts';
import { type DemoIdentityProvider, startIdentityProvider } from './identity-provider.ts';
import { asSuperuser, DATABASE, isLoaded, loadSales } from './sales-database.ts';

/** A whole installation on loopback. */
export interface DemoHouse extends AsyncDisposable {
  readonly folder: string;
  /** The gateway's configuration folder. */
  readonly gatewayFolder: string;
  readonly ports: DemoPorts;
  readonly identity: DemoIdentityProvider;
  /** Asks the database itself, past the gateway: what must not be seen through it. */
  askDirectly(sql: string): Promise<readonly (readonly unknown[])[]>;
}

export interface HouseOptions {
  readonly state?: string | undefined;
  readonly port?: number | undefined;
  readonly progress: (line: string) => void;
}

/** 6432 is PgBouncer's too, so a machine may well have something there. */
const USUAL_PORTS = [6432, 16_432, 26_432, 36_432];
const environment = process.env as { readonly XDG_STATE_HOME?: string };

/** Starts the identity provider, the database and the gateway, in the order in which they need each other. */
export async function openHouse(options: HouseOptions): Promise<DemoHouse> {
  const folder = stateFolder(options.state);
  await takeOver(join(folder, 'database'));
  const ports = await freePorts(options.port);
  const gatewayFolder = join(folder, 'gateway');
  await using started = new AsyncDisposableStack();

  options.progress('identity provider (oidc-provider) …');
  const identity = started.use(await startIdentityProvider(ports.identity));
  options.progress('PostgreSQL …');
  const database = started.use(await startDatabase(join(folder, 'database'), ports.database));
  if (!(await isLoaded(database))) {
    options.progress('sales database: 50,000 customers, 200,000 orders and payments, once …');
    await loadSales(database, appPassword(gatewayFolder));
  }
  options.progress('gateway …');
  await prepareGateway(gatewayFolder, ports);
  const { startGateway } = await import('../gateway.ts');
  const gateway = await startGateway(gatewayFolder);
  started.defer(() => gateway.close());

  const running = started.move();
  return {
    folder,
    gatewayFolder,
    ports,
    identity,
    askDirectly: (sql) =>
      asSuperuser(database, DATABASE, async (client) => (await client.query({ text: sql, rowMode: 'array' })).rows),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function stateFolder(wished: string | undefined): string {
  const root = process.getuid?.() === 0;
  // PostgreSQL cannot run as root, and whoever it runs as cannot look into root's home.
  const usual = root
    ? '/var/tmp/gatehouse-demo'
    : join(environment.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'gatehouse', 'demo');
  const folder = resolve(wished ?? usual);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw new DemoError(
      'ERR_DEMO_STATE_FOLDER',
      `${folder} is not a folder of yours; choose another with: --state DIR`,
    );
  }
  return folder;
}

/** Four neighbours: those that were wished, or the first that are free. */
async function freePorts(wished: number | undefined): Promise<DemoPorts> {
  const taken: number[] = [];
  for (const first of wished === undefined ? USUAL_PORTS : [wished]) {
    const ports = { postgres: first, control: first + 1, identity: first + 2, database: first + 3 };
    const busy = await firstTaken(Object.values(ports));
    if (busy === undefined) return ports;
    taken.push(busy);
  }
  throw new DemoError('ERR_DEMO_PORT_TAKEN', `port ${taken.join(', ')} is taken; choose others with: --port N`);
}

async function firstTaken(ports: readonly number[]): Promise<number | undefined> {
  for (const port of ports) {
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) return port;
    await new Promise((closed) => probe.close(closed));
  }
  return undefined;
}
