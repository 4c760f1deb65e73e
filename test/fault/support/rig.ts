import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type RunningGateway, startGateway } from '../../../src/gateway.ts';
import { makeFolder, type TestFolder, type TestFolderOptions } from '../../support/gateway-folder.ts';
import type { Address } from './gateway-process.ts';
import { RawClient } from './raw-client.ts';

export const LABELS = `shop:
  public.people: { email: [pii.contact.email] }
`;

/** Engineers see and do everything; analysts read, masked. */
export const POLICY = `
permit (principal in Group::"engineers", action, resource);
permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
`;

export const SCHEMA = `
CREATE TABLE people (id int PRIMARY KEY, email text NOT NULL);
INSERT INTO people SELECT n, 'secret' || n || '@example.com' FROM generate_series(1, 100) n;
CREATE TABLE notes (id serial PRIMARY KEY, body text NOT NULL);
`;

export interface RigOptions extends Partial<Omit<TestFolderOptions, 'target'>> {}

/** Where the role of the gateway logs in. */
export interface TargetAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** A configuration folder, without a gateway yet. The caller removes it. */
export async function makeRigFolder(target: TargetAddress, options: RigOptions = {}): Promise<TestFolder> {
  const root = await mkdtemp(join(tmpdir(), 'gatehouse-fault-gw-'));
  await chmod(root, 0o700);
  const { host, port, database, user, password } = target;
  return makeFolder(root, {
    labels: LABELS,
    policies: { 'main.cedar': POLICY },
    ...options,
    target: { host, port, database, user, password },
  });
}

/** A gateway in this process, what it logged, and the way in. */
export class Rig implements AsyncDisposable {
  readonly gateway: RunningGateway;
  readonly address: Address;
  readonly folder: string;
  readonly token: TestFolder['token'];
  readonly #log: string[];
  readonly #clients = new Set<RawClient>();

  private constructor(gateway: RunningGateway, made: TestFolder, log: string[]) {
    const { postgres } = gateway.addresses;
    if (!postgres) throw new Error('the gateway has no listener for PostgreSQL');
    this.gateway = gateway;
    this.address = postgres;
    this.folder = made.folder;
    this.token = made.token;
    this.#log = log;
  }

  static async open(target: TargetAddress, options: RigOptions = {}): Promise<Rig> {
    const made = await makeRigFolder(target, options);
    const log: string[] = [];
    const logTo = new Writable({
      write(chunk, _encoding, done) {
        log.push(String(chunk));
        done();
      },
    });
    return new Rig(await startGateway(made.folder, { logTo, watch: false }), made, log);
  }

  get log(): string {
    return this.#log.join('');
  }

  /** A socket that has said nothing yet. */
  async connect(): Promise<RawClient> {
    const client = await RawClient.connect(this.address);
    this.#clients.add(client);
    return client;
  }

  /** A session of somebody of that group. */
  async login(group = 'engineers', subject = 'eve', more: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    const client = await RawClient.login(this.address, await this.token(subject, [group]), more);
    this.#clients.add(client);
    return client;
  }

  /** Current value of a metric, without its labels. */
  async metric(name: string): Promise<number> {
    const { host, port } = this.gateway.addresses.control;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
    if (line === undefined) throw new Error(`no metric ${name}`);
    return Number(line.split(' ').at(-1));
  }

  /** Ends every connection that a test left open. */
  hangUp(): void {
    for (const client of this.#clients) client.destroy();
    this.#clients.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    await this.gateway.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
