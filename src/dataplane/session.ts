import { randomBytes } from 'node:crypto';
import type { AccessContext } from '../model/access.ts';
import type { StatementUnmaskGrant, UnmaskGrants } from '../model/approval.ts';
import type { ConnectionConfig } from '../model/config.ts';
import type { DetectorRules } from '../model/detect.ts';
import type { JsonObject } from '../model/json.ts';
import type { Principal } from '../model/principal.ts';
import type { AuditKind, AuditRecord, Disclosure, Recorded } from '../model/record.ts';
import { type Detection, detectionFor } from './detection.ts';
import { LiveContext } from './live-context.ts';
import type { PlannedStatement } from './plan.ts';
import type { PolicyPort, Services } from './services.ts';
import { type View, viewOf } from './view.ts';
import type { World } from './world.ts';

/** What is known of a client when its session begins. */
export interface ClientInfo {
  readonly address: string;
  readonly port: number;
  /** `application_name` or user agent; what the client says of itself. */
  readonly application: string;
  readonly tls: boolean;
}

export type SessionEnd =
  | 'client-closed'
  /** A scan for labels: nothing is left to do, or its bounds are reached. */
  | 'completed'
  | 'limit'
  | 'terminated'
  | 'target-lost'
  | 'ledger-unavailable'
  | 'mask-violation'
  | 'names-changed'
  | 'protocol-violation'
  | 'expired'
  | 'revoked'
  | 'killed'
  | 'shutdown'
  | 'internal-error';

/** One authenticated session on one connection: who, where, and the counters that policies look at. Knows no protocol. */
export class Session {
  readonly id = `ses_${randomBytes(12).toString('base64url')}`;
  readonly principal: Principal;
  readonly connection: ConnectionConfig;
  readonly client: ClientInfo;
  readonly startedAt: number;
  readonly services: Services;
  /** Rows delivered in this session. */
  rows = 0;
  statements = 0;
  application: string;
  /** Why the person asks, in his own words; set by the startup option `gatehouse.purpose`. */
  purpose = '';

  #detection:
    | {
        readonly rules: DetectorRules;
        readonly policy: PolicyPort;
        readonly key: string;
        readonly made: Detection | undefined;
      }
    | undefined;

  constructor(services: Services, principal: Principal, connection: ConnectionConfig, client: ClientInfo) {
    this.services = services;
    this.principal = principal;
    this.connection = connection;
    this.client = client;
    this.application = client.application;
    this.startedAt = services.clock();
  }

  /** What policies may look at now. `rows`: of the statement, that have left. */
  context(planned: PlannedStatement | undefined, rows: number, approved = false): AccessContext {
    return new LiveContext(this, planned, rows, approved);
  }

  /** Counts rows the moment they leave for the client. */
  countRows(rows: number): void {
    if (rows === 0) return;
    this.rows += rows;
    this.services.rows.deliver(this.principal.id, rows, this.services.clock());
  }

  /** Consents to see labels unmasked that hold now. */
  unmasks(): UnmaskGrants {
    return this.services.unmasks(this.principal.id, this.connection.name);
  }

  /** The detectors on what leaves to this principal; asked for every piece of a result, so what depends on nothing new is kept. */
  detection(): Detection | undefined {
    const rules = this.services.config().detectors;
    if (rules === undefined) return undefined;
    const policy = this.services.policy();
    const context = this.context(undefined, 0);
    const key = policy.hiddenColumnsKey(context);
    if (this.#detection?.rules === rules && this.#detection.policy === policy && this.#detection.key === key)
      return this.#detection.made;
    const made = detectionFor(rules, policy, this.principal, this.connection.name, context);
    this.#detection = { rules, policy, key, made };
    return made;
  }

  /** `also`: what consent to one statement shows besides. */
  view(world: World, also?: StatementUnmaskGrant): View {
    const unmasks = this.unmasks();
    return viewOf(
      world,
      this.services.policy(),
      this.principal,
      this.services.config().masks,
      this.context(undefined, 0),
      also === undefined
        ? unmasks
        : { ...unmasks, key: `${unmasks.key} +${also.request}`, grants: [...unmasks.grants, also] },
    );
  }

  record(kind: AuditKind, clear?: JsonObject, hidden?: readonly Disclosure[]): Promise<Recorded> {
    return this.services.sink.append({
      kind,
      time: this.services.clock(),
      session: this.id,
      ...(clear ? { clear } : {}),
      ...(hidden ? { hidden } : {}),
    });
  }

  /** A record of the hot path: its index at once. @throws what the ledger throws when it does not take it. */
  enqueue(record: Omit<AuditRecord, 'time' | 'session'>): number {
    return this.services.sink.enqueue({ ...record, time: this.services.clock(), session: this.id });
  }

  recordStart(): Promise<Recorded> {
    const { sink } = this.services;
    return this.record(
      'session.start',
      {
        connection: this.connection.name,
        policy: this.services.policy().version,
        protocol: this.connection.protocol,
        tls: this.client.tls,
      },
      [
        sink.conceal('actor', describePrincipal(this.principal)),
        sink.conceal('client', this.client.application.toWellFormed().slice(0, 200)),
        sink.conceal('role', this.connection.credential.username),
        sink.conceal('src', { ip: this.client.address, port: this.client.port }),
      ],
    );
  }

  recordEnd(reason: SessionEnd): Promise<Recorded> {
    return this.record('session.end', {
      ms: Math.max(0, Math.round(this.services.clock() - this.startedAt)),
      reason,
      rows: this.rows,
      statements: this.statements,
    });
  }
}

export function describePrincipal(principal: Principal): JsonObject {
  return {
    id: principal.id,
    name: principal.name,
    kind: principal.kind,
    groups: principal.groups,
    issuer: principal.issuer,
    mfa: principal.mfa,
    ...(principal.onBehalfOf === undefined ? {} : { on_behalf_of: principal.onBehalfOf }),
  };
}

let cachedMinute = Number.NaN;
let cachedZone = '';
let cachedTime = { hour: 0, weekday: 1 };

/** Hour 0–23 and ISO weekday in an IANA time zone; worked out once a minute. */
export function localTime(now: number, timeZone: string): { readonly hour: number; readonly weekday: number } {
  const minute = Math.floor(now / 60_000);
  if (minute === cachedMinute && timeZone === cachedZone) return cachedTime;
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hour: '2-digit',
    hourCycle: 'h23',
    weekday: 'short',
  }).formatToParts(now);
  const hour = Number(parts.find((part) => part.type === 'hour')?.value);
  const weekday =
    ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(
      parts.find((part) => part.type === 'weekday')?.value ?? '',
    ) + 1;
  cachedMinute = minute;
  cachedZone = timeZone;
  cachedTime = { hour, weekday };
  return cachedTime;
}
