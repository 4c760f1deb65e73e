import type { Unmasks } from '../approval/index.ts';
import { labelsInCatalog, WRITTEN_LABELS_SQL } from '../config/index.ts';
import type { ControlPlaneOptions } from '../controlplane/index.ts';
import {
  catalogText,
  type DataPlane,
  type LabelScanner,
  localTime,
  type QueryChannel,
  textParameterDigest,
  type UnmaskTerms,
  unmaskBinding,
  viewOf,
  type Worlds,
} from '../dataplane/index.ts';
import type { Ledger } from '../ledger/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { Address, ConnectionConfig } from '../model/config.ts';
import type { SessionDirectory } from '../model/session-directory.ts';
import type { StatementAnalyser } from '../statement/sql/postgres/index.ts';
import { createLedgerFiles, type SessionIndex, type Storage } from '../storage/index.ts';
import type { Current } from './current.ts';
import { explainStatement } from './explain-statement.ts';
import { labelInventory } from './label-inventory.ts';
import { proposalsPort } from './label-proposals.ts';
import { sessionOf } from './plan-once.ts';
import type { PseudonymEpochs } from './pseudonym-epochs.ts';
import type { StatePaths } from './state.ts';
import { statementUnmaskAnswer, unmaskAnswer } from './unmask-request.ts';

export interface PortParts {
  readonly current: () => Current;
  readonly dataPlane: DataPlane;
  readonly scanner: LabelScanner;
  readonly storage: Storage;
  readonly ledger: Ledger;
  readonly index: SessionIndex;
  readonly worlds: Worlds;
  readonly postgres: Address | undefined;
  readonly paths: StatePaths;
  readonly unmasks: Unmasks;
  readonly epochs: PseudonymEpochs;
  readonly clock: () => number;
  readonly analyser: StatementAnalyser;
  readonly openTarget: (connection: ConnectionConfig) => Promise<QueryChannel>;
}

type Ports = Pick<
  ControlPlaneOptions,
  | 'identity'
  | 'login'
  | 'policy'
  | 'sessionIndex'
  | 'sessions'
  | 'credentials'
  | 'connections'
  | 'ledger'
  | 'labels'
  | 'proposals'
  | 'scans'
  | 'health'
  | 'policyStatus'
  | 'openMetrics'
  | 'unmask'
  | 'pseudonyms'
  | 'explain'
>;

/** What the control plane asks for, made of what this node has. */
export function controlPorts(parts: PortParts): Ports {
  const { current, dataPlane, storage, worlds } = parts;
  return {
    identity: () => current().identity,
    login: () =>
      current().loaded.config.issuers.map(({ issuer, clientId, audience }) => ({
        issuer,
        ...(clientId === undefined ? {} : { clientId }),
        audience,
        scopes: ['openid', 'email', 'profile'],
      })),
    policy: () => current().policy,
    sessionIndex: parts.index,
    sessions: bothSessions(dataPlane, parts.scanner),
    credentials: {
      put: (credential) => storage.credentials.put(credential),
      get: (id) => storage.credentials.get(id),
      listFor: (principalId) => storage.credentials.listFor(principalId),
      prune: (before) => storage.credentials.prune(before),
      revoke: async (id, at) => {
        const revoked = await storage.credentials.revoke(id, at);
        if (revoked) dataPlane.revoke(id);
        return revoked;
      },
    },
    connections: () => {
      const { postgres } = parts;
      if (!postgres) return [];
      return [...current().loaded.config.connections.values()].map(({ name, protocol }) => ({
        name,
        protocol,
        endpoint: { host: postgres.host, port: postgres.port, database: name, tls: current().tls !== undefined },
      }));
    },
    ledger: ledgerPort(parts),
    labels: {
      written: async (connection) => {
        const config = current().loaded.config.connections.get(connection);
        if (!config) throw new Error(`there is no connection ${connection}`);
        const channel = await parts.openTarget(config);
        try {
          const { found, problems } = labelsInCatalog(await channel.query(WRITTEN_LABELS_SQL));
          return { found: found.map((each) => ({ ...each, labels: [...each.labels] })), problems };
        } finally {
          await channel.close();
        }
      },
      refresh: async (connection) => {
        const before = worlds.peek(connection)?.version;
        const world = await worlds.refresh(connection, 'demand');
        return {
          ...(before === undefined ? {} : { before }),
          after: world.version,
          relations: world.labels.relations.size,
          problems: world.labels.problems.map(({ message }) => message),
        };
      },
      catalog: async (connection) => {
        const config = current().loaded.config.connections.get(connection);
        if (!config) throw new Error(`there is no connection ${connection}`);
        const { catalog } = await worlds.ready(config);
        return { version: catalog.version, text: catalogText(catalog) };
      },
      effective: async (connection, principal) => {
        const config = current().loaded.config.connections.get(connection);
        if (!config) throw new Error(`there is no connection ${connection}`);
        const world = await worlds.ready(config);
        const { policy, loaded } = current();
        const consents = parts.unmasks.current(principal.id, connection);
        const view = viewOf(world, policy, principal, loaded.config.masks, plainContext(parts), consents);
        return labelInventory(view, worlds.inventory(world));
      },
    },
    proposals: proposalsPort(storage.proposals, worlds),
    scans: {
      start: async (name, principal, client, bounds) => {
        const connection = current().loaded.config.connections.get(name);
        if (!connection) throw new Error(`there is no connection ${name}`);
        const asked = { ...client, application: 'gatehouse labels scan' };
        return parts.scanner.start({ connection, principal, client: asked, ...bounds });
      },
      progress: (name) => parts.scanner.progress(name),
    },
    explain: async (connection, principal, { statement, searchPath, approved }) => {
      const config = current().loaded.config.connections.get(connection);
      if (!config) throw new Error(`there is no connection ${connection}`);
      return explainStatement(parts.analyser, {
        text: statement,
        world: await worlds.ready(config),
        policy: current().policy,
        principal,
        masks: current().loaded.config.masks,
        context: { ...plainContext(parts), approved },
        unmasks: parts.unmasks.current(principal.id, connection),
        searchPath,
        role: config.credential.username,
      });
    },
    unmask: async (connection, principal, labels, statement) => {
      const config = current().loaded.config.connections.get(connection);
      if (!config) throw new Error(`there is no connection ${connection}`);
      const world = await worlds.ready(config);
      const { policy, loaded } = current();
      const role = config.credential.username;
      const question = { world, policy, principal, labels, context: plainContext(parts) };
      if (statement === undefined) {
        return {
          answer: unmaskAnswer(question),
          bind: ({ policies, seconds }) => ({
            ...{ v: 1, requester: principal.id, resource: connection, role, stmt: '', params: '' },
            ...{ policies, masks: policy.version, unmask: labels },
            ...(seconds === undefined ? {} : { seconds }),
          }),
        };
      }
      const { text } = statement;
      const searchPath = statement.searchPath
        ? statement.searchPath.filter((schema) => world.catalog.schemas.has(schema))
        : await searchPathOfTarget(parts, config);
      const session = sessionOf({ searchPath, role });
      return {
        answer: statementUnmaskAnswer({
          ...question,
          ...{ analyser: parts.analyser, masks: loaded.config.masks, text, role },
          searchPath: session.searchPath,
        }),
        bind: (terms: UnmaskTerms) =>
          unmaskBinding(
            {
              ...{ requester: principal.id, connection, role, text },
              parameters: textParameterDigest(statement.parameters),
              policyVersion: policy.version,
              worldVersion: world.version,
              searchPath: session.searchPath,
            },
            terms,
          ),
      };
    },
    pseudonyms: {
      epoch: () => parts.epochs.current.id,
      rotate: (actor, reason) => parts.epochs.rotate(actor, reason),
    },
    health: { ledger: () => parts.ledger.status.failed === undefined },
    openMetrics: () => current().loaded.config.metrics === 'loopback',
    policyStatus: () => ({ loadedAt: current().loadedAt }),
  };
}

/** Sessions of clients, and scans, which are sessions too. */
function bothSessions(clients: SessionDirectory, scans: SessionDirectory): SessionDirectory {
  return {
    list: () => [...clients.list(), ...scans.list()],
    terminate: async (id, reason) => (await clients.terminate(id, reason)) || scans.terminate(id, reason),
  };
}

/** Where a new session of the connection's role looks names up. */
async function searchPathOfTarget({ openTarget }: PortParts, connection: ConnectionConfig): Promise<readonly string[]> {
  const channel = await openTarget(connection);
  try {
    const rows = await channel.query('SELECT unnest(pg_catalog.current_schemas(true))::pg_catalog.text');
    return rows.flatMap(([schema]) => schema ?? []);
  } finally {
    await channel.close();
  }
}

/** The circumstances of a question that no statement raises. */
function plainContext({ clock, current }: PortParts): AccessContext {
  const { hour, weekday } = localTime(clock(), current().loaded.config.timeZone);
  return { approved: false, routine: false, rows: 0, rowsSession: 0, rowsHour: 0, rowsDay: 0, hour, weekday };
}

function ledgerPort({ ledger, paths }: PortParts): ControlPlaneOptions['ledger'] {
  const files = createLedgerFiles(paths.ledger);
  return {
    status: async () => {
      const { size, checkpoint, checkpointAt, failed } = ledger.status;
      return {
        origin: ledger.origin,
        size,
        publishedSize: checkpoint.size,
        rootHash: Buffer.from(checkpoint.root).toString('base64'),
        checkpointAt,
        verifierKey: ledger.vkey,
        ...(failed === undefined ? {} : { failing: failed.message }),
      };
    },
    read: async (path) => {
      const bytes = await files.read(path);
      return bytes && Buffer.from(bytes);
    },
  };
}
