import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createApprovals } from '../../../src/approval/index.ts';
import {
  type ControlPlane,
  type ControlPlaneOptions,
  createControlPlane,
  type IndexedSession,
  type IndexedStatement,
  MetricsRegistry,
  type SessionFilter,
  type StandingProposal,
} from '../../../src/controlplane/index.ts';
import { createIdentityVerifier } from '../../../src/identity/index.ts';
import type { ApprovalRequest } from '../../../src/model/approval.ts';
import type { IssuerConfig } from '../../../src/model/config.ts';
import type { ScanProgress } from '../../../src/model/label-proposal.ts';
import type { Principal } from '../../../src/model/principal.ts';
import type { LiveSession } from '../../../src/model/session-directory.ts';
import { loadPolicySet } from '../../../src/policy/index.ts';
import { openStorage } from '../../../src/storage/index.ts';
import { bindingOf, MemorySink, principal } from '../approval/support.ts';

const POLICIES = `
permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
permit (principal in Group::"owners", action == Action::"approve", resource is Request in Connection::"shop");
permit (principal in Group::"auditors", action == Action::"view", resource);
permit (principal in Group::"admins", action in [Action::"view", Action::"kill", Action::"manage"], resource);
// Even a policy that lets everybody approve everything must not let anybody approve his own.
permit (principal in Group::"reckless", action, resource);
`;

export const ISSUER = 'https://idp.example';
const { privateKey, publicKey } = await generateKeyPair('ES256');
const { privateKey: foreignKey } = await generateKeyPair('ES256');
const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
const issuer: IssuerConfig = {
  issuer: ISSUER,
  audience: ['gatehouse'],
  jwksFile: '/jwks.json',
  algorithms: ['ES256'],
  clockSkew: 0,
  subjectPrefix: 'idp|',
  claims: { subject: 'sub', name: 'email', groups: 'groups', kind: 'gh_kind', onBehalfOf: 'act.sub' },
};

export interface TokenWish {
  readonly groups?: readonly string[];
  readonly kind?: Principal['kind'];
  readonly onBehalfOf?: string;
  /** Seconds from now; an hour when absent. */
  readonly seconds?: number;
  readonly foreign?: boolean;
}

/** A signed OIDC token for somebody. */
export function token(name: string, wish: TokenWish = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({
    email: `${name}@example.org`,
    groups: [...(wish.groups ?? [])],
    ...(wish.kind === undefined ? {} : { gh_kind: wish.kind }),
    ...(wish.onBehalfOf === undefined ? {} : { act: { sub: wish.onBehalfOf } }),
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(ISSUER)
    .setAudience('gatehouse')
    .setSubject(name)
    .setIssuedAt(now - 3_700)
    .setExpirationTime(now + (wish.seconds ?? 3_600))
    .sign(wish.foreign === true ? foreignKey : privateKey);
}

export function indexed(id: string, person: string, over: Partial<IndexedSession> = {}): IndexedSession {
  return {
    id,
    startedAt: Date.UTC(2026, 6, 1),
    endedAt: Date.UTC(2026, 6, 2),
    endReason: 'client closed',
    person: { id: `idp|${person}`, name: `${person}@example.org`, kind: 'person' },
    connection: 'shop',
    client: 'psql',
    sourceIp: '10.0.0.1',
    statements: 1,
    rows: 10,
    refused: 0,
    held: 0,
    labels: ['pii'],
    ...over,
  };
}

const statement: IndexedStatement = {
  leaf: 3,
  at: Date.UTC(2026, 6, 1),
  text: 'SELECT secret FROM shop.t',
  verb: 'select',
  decision: 'forward',
  policies: ['main#0'],
  tables: ['shop.t'],
  labels: ['pii'],
  masked: 1,
  rows: 10,
};

const known: StandingProposal = {
  proposal: {
    id: 'lbl_known',
    connection: 'shop',
    schema: 'shop',
    relation: 't',
    column: 'c',
    label: 'pii.name',
    state: 'open',
    evidence: [{ source: 'name', detector: 'surname', hits: 1, rows: 0 }],
    firstSeen: 0,
    lastSeen: 0,
  },
  exists: true,
  inForce: false,
};

const scan: ScanProgress = {
  session: 'ses_scan',
  state: 'running',
  startedAt: 0,
  tables: 2,
  scanned: 1,
  columns: 3,
  values: 4,
  proposed: 0,
  problems: [],
};

export interface Bench {
  readonly plane: ControlPlane;
  readonly sink: MemorySink;
  readonly filters: SessionFilter[];
  readonly killed: { id: string; reason: string }[];
  readonly live: LiveSession[];
  readonly logged: string[];
  readonly options: ControlPlaneOptions;
  /** Asks without a socket, as from 127.0.0.1. */
  call(
    method: 'GET' | 'POST' | 'DELETE' | 'HEAD',
    url: string,
    options?: { token?: string; body?: unknown; from?: string; headers?: Record<string, string> },
  ): Promise<{ status: number; body: Record<string, unknown>; text: string; headers: Record<string, unknown> }>;
  openRequest(requester?: Principal, stmt?: string): Promise<ApprovalRequest>;
}

/** A control plane over real parts: signed tokens, Cedar, SQLite. Only target, index and ledger are stand-ins. */
export async function controlBench(t: TestContext, over: Partial<ControlPlaneOptions> = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-control-'));
  const storage = await openStorage(folder);
  const loaded = loadPolicySet([{ name: 'main.cedar', text: POLICIES }]);
  if (!('ok' in loaded)) throw new Error(JSON.stringify(loaded.problems));
  const policy = loaded.ok;
  const sink = new MemorySink();
  const settings = { expireSeconds: 3600, grantSeconds: 900, reasonMinLength: 5 };
  const approvals = createApprovals({ store: storage.approvals, sink, clock: Date.now, settings });
  const verifier = createIdentityVerifier([issuer], { readFile: async () => JSON.stringify({ keys: [jwk] }) });
  const sessions = [indexed('ses_bob', 'bob'), indexed('ses_ann', 'ann'), indexed('ses_old', 'ann')];
  const filters: SessionFilter[] = [];
  const killed: { id: string; reason: string }[] = [];
  const logged: string[] = [];
  const log = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const live: LiveSession[] = [
    {
      id: 'ses_ann',
      principal: principal('ann'),
      connection: 'shop',
      client: 'psql',
      sourceIp: '10.0.0.1',
      startedAt: Date.now(),
      state: 'idle',
      statements: 2,
      rows: 20,
    },
  ];
  const options: ControlPlaneOptions = {
    identity: () => verifier,
    policy: () => policy,
    approvals,
    sessionIndex: {
      listSessions: async (filter) => {
        filters.push(filter);
        const found = sessions.filter(
          ({ person }) => filter.person === undefined || [person?.id, person?.name].includes(filter.person),
        );
        const from = Number(filter.cursor ?? 0);
        const to = from + (filter.limit ?? 50);
        return { sessions: found.slice(from, to), ...(to < found.length ? { next: String(to) } : {}) };
      },
      showSession: async (id) => {
        const session = sessions.find((one) => one.id === id);
        return session === undefined ? undefined : { session, statements: [statement] };
      },
    },
    sessions: {
      list: () => live,
      terminate: async (id, reason) => {
        killed.push({ id, reason });
        return live.some((one) => one.id === id);
      },
    },
    credentials: storage.credentials,
    connections: () =>
      ['shop', 'crm'].map((name) => ({
        name,
        protocol: 'postgres' as const,
        endpoint: { host: 'gw.example', port: 6432, database: name, tls: true },
      })),
    ledger: {
      status: async () => ({
        origin: 'gw.example/ledger/1',
        size: 5,
        publishedSize: 5,
        rootHash: 'AAAA',
        verifierKey: 'gw.example/ledger/1+00000000+AAAA',
      }),
      read: async (path) => (path === 'tile/entries/000.p/5' || path === 'checkpoint' ? Buffer.from(path) : undefined),
    },
    pseudonyms: {
      epoch: () => '0',
      rotate: async () => {
        await sink.append({ kind: 'mask.rotated', time: Date.now() });
        return { before: '0', after: '1' };
      },
    },
    explain: async () => {
      throw new Error('no catalog here');
    },
    proposals: {
      list: async ({ connection }) => (connection === 'shop' ? [known] : []),
      get: async (id) => (id === known.proposal.id ? known : undefined),
      decide: async () => known,
    },
    scans: {
      start: async () => {
        await sink.append({ kind: 'session.start', time: Date.now() });
        return scan;
      },
      progress: () => scan,
    },
    unmask: async () => ({
      answer: { effect: 'refuse', reason: 'not here' },
      bind: () => assert.fail('nothing to bind'),
    }),
    labels: {
      written: async () => ({ found: [], problems: [] }),
      catalog: async () => ({ version: 'v1', text: '{}' }),
      refresh: async () => ({ before: 'v1', after: 'v2', relations: 3, problems: [] }),
      effective: async () => ({
        catalogVersion: 'v1',
        takenAt: 0,
        unlabelled: [],
        reviewed: [],
        relations: [
          {
            relation: 'shop.t',
            kind: 'table',
            labels: [],
            origins: [],
            columns: [
              {
                name: 'email',
                labels: ['pii'],
                origins: [{ label: 'pii', source: 'scanned', by: 'ann', why: 'looked', confidence: 90 }],
                hidden: true,
              },
            ],
          },
        ],
        problems: [],
      }),
    },
    sink,
    metrics: new MetricsRegistry(),
    health: { ledger: () => true },
    log: { debug: log, info: log, warn: log, error: log },
    ...over,
  };
  const plane = createControlPlane(options);
  t.after(async () => {
    await plane.close();
    await storage.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    plane,
    sink,
    filters,
    killed,
    live,
    logged,
    options,
    async call(method, url, { token: bearer, body, from, headers } = {}) {
      const response = await plane.server.inject({
        method,
        url,
        headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...headers },
        ...(body === undefined ? {} : { payload: body as object }),
        ...(from === undefined ? {} : { remoteAddress: from }),
      });
      const type = String(response.headers['content-type']);
      return {
        status: response.statusCode,
        body: type.includes('json') && response.body !== '' ? (response.json() as Record<string, unknown>) : {},
        text: response.body,
        headers: response.headers,
      };
    },
    openRequest: (requester = principal('ann', { groups: ['analysts'] }), stmt = 'SELECT * FROM shop.salaries') =>
      approvals.open({
        requester,
        binding: bindingOf(requester, { stmt }),
        session: 'ses_ann',
        approvers: ['owners'],
        quorum: 1,
        why: 'Confidential tables need consent',
        purpose: 'quarterly report',
        tables: ['shop.salaries'],
        labels: ['confidential'],
      }),
  };
}
