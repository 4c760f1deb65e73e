import assert from 'node:assert/strict';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type RunningGateway, startGateway } from '../../src/gateway.ts';
import type { Door } from './clients/door.ts';
import { makeFolder, type TestFolderOptions } from './gateway-folder.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

/** Labels of the shop's personal data. */
export const LABELS = `shop:
  shop.customers: { full_name: [pii.name], email: [pii.contact.email], phone: [pii.contact.phone], card_number: [pci.pan], birth_date: [pii.birth], address: [pii.address], prefs: [pii.quasi] }
  shop.payments: { iban: [fin.iban] }
  shop.visits: { email: [pii.contact.email] }
  shop.employees: { $table: [confidential] }
  'shop."Kunden Straße"': { 'E-Mail Adresse': [pii.contact.email], select: [pii.name] }
`;

/** Engineers may do everything and see everything; analysts read the shop, masked, and nothing confidential. */
export const POLICY = `
permit (principal in Group::"engineers", action, resource);
permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@reason("Confidential tables are closed")
forbid (principal in Group::"analysts", action == Action::"read", resource in Label::"confidential");
permit (principal in Group::"owners", action in [Action::"approve", Action::"view"], resource);
`;

/** Part of every value in the labelled columns. */
export const SECRET = /secret|\+43 660|41111111000|Hidden street|AT61/i;

/** An e-mail address as somebody sees it from whom it is hidden. */
export const PSEUDONYM = /p_\w+@masked\.invalid/;

/** Fails with the place when a text shows a value of a labelled column; long results are not repeated in the message. */
export function assertMasked(text: string): void {
  const at = text.search(SECRET);
  assert.ok(at < 0, `a hidden value is shown: …${text.slice(Math.max(0, at - 100), at + 60)}…`);
}

export interface HouseOptions extends Partial<Omit<TestFolderOptions, 'target' | 'policies' | 'connections'>> {
  /** Further databases, owned by the same role, each a connection of the same name. */
  readonly databases?: readonly string[];
  /** Cedar text added to {@link POLICY}. */
  readonly policy?: string;
  /** React to changed files by itself; off, so that a test says when. */
  readonly watch?: boolean;
  /** The gateway's clock; the real one when absent. */
  readonly clock?: () => number;
  /** Runs before the gateway starts, e.g. to make roles or files. */
  readonly prepare?: (server: PostgresServer, folder: string) => Promise<void>;
}

/** A server with the shop, a gateway in front of it, and people who can go through either door. */
export interface House extends AsyncDisposable {
  readonly server: PostgresServer;
  readonly folder: string;
  readonly gateway: RunningGateway;
  token(
    subject: string,
    groups: readonly string[],
    more?: Record<string, unknown>,
    expires?: string | number,
  ): Promise<string>;
  /** Straight to the server, with the role that the gateway uses too. */
  readonly direct: Door;
  /** Through the gateway with a token as password. */
  through(subject: string, group: string): Promise<Door>;
  /** An open node-postgres connection; the house ends it when it is still open at the end. */
  connect(door: Door, settings?: pg.ClientConfig): Promise<pg.Client>;
  /** One request to the control API with a token of this person. */
  control(subject: string, group: string, method: string, path: string, body?: object): Promise<ControlAnswer>;
  /** Replaces the label or policy file and has the gateway read it; gives what is wrong with it. */
  change(file: { readonly labels?: string; readonly policy?: string }): Promise<readonly string[]>;
  /** Stops the gateway and starts another one on the same folder. */
  restart(): Promise<void>;
}

export interface ControlAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, each looked at by an assertion
  readonly body: any;
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const server = await startPostgres();
  const root = await mkdtemp(join(tmpdir(), 'gatehouse-house-'));
  await chmod(root, 0o700);
  const { policy, prepare, watch, clock, databases, ...folderOptions } = options;
  const { host, port, database, user, password } = server;
  const connections: string[] = [];
  for (const name of databases ?? []) {
    const admin = await server.admin('postgres');
    await admin.query(`CREATE DATABASE ${name} OWNER ${user}`);
    await admin.end();
    const credential = `{ username: ${user}, password: { env: GATEHOUSE_TEST_PASSWORD } }`;
    connections.push(
      `  ${name}: { protocol: postgres, address: '${host}:${port}', tls: disable, credential: ${credential} }`,
    );
  }
  await prepare?.(server, root);
  const made = await makeFolder(root, {
    labels: LABELS,
    ...folderOptions,
    extra: `limits: { drain_seconds: 1 }\n${folderOptions.extra ?? ''}`,
    connections: connections.join('\n'),
    target: { host, port, database, user, password },
    policies: { 'main.cedar': POLICY + (policy ?? '') },
  });
  const start = () => startGateway(root, { logTo: 'silent', watch: watch ?? false, ...(clock ? { clock } : {}) });
  let gateway = await start();
  const clients = new Set<pg.Client>();

  async function close(): Promise<void> {
    for (const client of clients) await client.end().catch(() => undefined);
    await gateway.close();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  }

  return {
    server,
    folder: root,
    get gateway() {
      return gateway;
    },
    token: made.token,
    direct: { host, port, database, user, password },
    async through(subject, group) {
      const { postgres } = gateway.addresses;
      if (!postgres) throw new Error('the gateway has no listener for PostgreSQL');
      return { ...postgres, user: subject, password: await made.token(subject, [group]), database: 'shop' };
    },
    async connect(door, settings = {}) {
      const client = new pg.Client({ ...door, ...settings });
      client.on('error', () => undefined); // sessions may end on purpose
      await client.connect();
      clients.add(client);
      client.once('end', () => clients.delete(client));
      return client;
    },
    async control(subject, group, method, path, body) {
      const address = gateway.addresses.control;
      const answer = await fetch(`http://${address.host}:${address.port}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await made.token(subject, [group])}`,
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      return { status: answer.status, body: await answer.json() };
    },
    async change(file) {
      if (file.labels !== undefined) await replaceFile(join(root, 'labels', 'shop.yaml'), file.labels);
      if (file.policy !== undefined) await replaceFile(join(root, 'policies', 'main.cedar'), POLICY + file.policy);
      return gateway.reload();
    },
    async restart() {
      for (const client of clients) await client.end().catch(() => undefined);
      await gateway.close();
      gateway = await start();
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Puts a whole new version in the place of the old one: a gateway that watches must not read half of it. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}
