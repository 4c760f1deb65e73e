import type { Approvals } from '../approval/index.ts';
import type { CredentialStore } from '../identity/index.ts';
import type { AccessRequest, Decision } from '../model/access.ts';
import type { ApprovalBinding } from '../model/approval.ts';
import type {
  LabelProposal,
  ProposalDecision,
  ProposalFilter,
  ProposalState,
  ScanProgress,
} from '../model/label-proposal.ts';
import type { Metrics } from '../model/metrics.ts';
import type { Principal } from '../model/principal.ts';
import type { RecordSink } from '../model/record.ts';
import type { SessionDirectory } from '../model/session-directory.ts';
import type { LabelOrigin, StatementExplanation, WrittenLabels } from './contract/index.ts';

/** Who stands behind an OIDC token. MUST reject whatever is not fully verified. */
export interface TokenVerifier {
  verifyToken(token: string, now: number): Promise<Principal>;
}

export interface PolicyPort {
  readonly version: string;
  decide(request: AccessRequest): Decision;
}

/** One session as the index knows it. Times are milliseconds since the epoch. */
export interface IndexedSession {
  readonly id: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly endReason?: string;
  /** Absent when erased. */
  readonly person?: { readonly id: string; readonly name: string; readonly kind: string };
  readonly onBehalfOf?: string;
  readonly connection: string;
  readonly client: string;
  readonly sourceIp: string;
  readonly statements: number;
  readonly rows: number;
  readonly refused: number;
  readonly held: number;
  /** Its youngest approval request, when no statement was recorded after it. */
  readonly waitsFor?: string;
  readonly labels: readonly string[];
}

export interface IndexedStatement {
  /** Index of its record in the ledger. */
  readonly leaf: number;
  readonly at: number;
  /** Absent when erased. */
  readonly text?: string;
  readonly verb: string;
  readonly decision: 'forward' | 'hold' | 'refuse';
  readonly policies: readonly string[];
  readonly code?: string;
  readonly reason?: string;
  readonly tables: readonly string[];
  readonly labels: readonly string[];
  /** Masked columns. */
  readonly masked: number;
  readonly approval?: string;
  readonly rows?: number;
  readonly durationMs?: number;
  readonly outcome?: string;
  readonly sqlstate?: string;
}

export interface SessionFilter {
  /** Principal id or name, exactly. */
  readonly person?: string;
  readonly kind?: 'person' | 'service' | 'agent';
  readonly onBehalfOf?: string;
  readonly connection?: string;
  readonly since?: number;
  readonly until?: number;
  /** This label or one below it. */
  readonly label?: string;
  readonly decision?: 'forward' | 'hold' | 'refuse';
  /** Part of a statement's text. */
  readonly text?: string;
  readonly table?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

/** Sessions and statements, found again. Newest sessions first; statements in their order. Implemented in `storage`. */
export interface SessionIndex {
  listSessions(
    filter: SessionFilter,
  ): Promise<{ readonly sessions: readonly IndexedSession[]; readonly next?: string }>;
  /** Undefined when no record names such a session. */
  showSession(
    id: string,
  ): Promise<{ readonly session: IndexedSession; readonly statements: readonly IndexedStatement[] } | undefined>;
}

export interface ConnectionInfo {
  readonly name: string;
  readonly protocol: 'postgres';
  /** Where native clients reach it through the gateway. */
  readonly endpoint: { readonly host: string; readonly port: number; readonly database: string; readonly tls: boolean };
  readonly available?: boolean;
}

export interface LabelRelation {
  readonly relation: string;
  readonly kind: string;
  readonly labels: readonly string[];
  readonly origins: readonly LabelOrigin[];
  readonly columns: readonly {
    readonly name: string;
    readonly labels: readonly string[];
    readonly origins: readonly LabelOrigin[];
    readonly hidden: boolean;
  }[];
}

export interface LabelsPort {
  /** Labels that somebody wrote into the target: in comments and security labels. MUST reject when it did not answer. */
  written(connection: string): Promise<{
    readonly found: WrittenLabels['found'];
    readonly problems: readonly string[];
  }>;
  /** Reads the target's catalog anew and labels it. MUST reject when the target did not answer; the old view then stays. */
  refresh(connection: string): Promise<{
    readonly before?: string;
    readonly after: string;
    readonly relations: number;
    readonly problems: readonly string[];
  }>;
  /** The catalog as a file. MUST reject when it cannot be read. */
  catalog(connection: string): Promise<{ readonly version: string; readonly text: string }>;
  /** The view this principal has of a connection. */
  effective(
    connection: string,
    principal: Principal,
  ): Promise<{
    readonly catalogVersion: string;
    readonly takenAt: number;
    readonly relations: readonly LabelRelation[];
    /** `schema.relation.column` of columns that nobody labelled, system schemas left out. */
    readonly unlabelled: readonly string[];
    /** Of those of which a label file says that they need none. */
    readonly reviewed: readonly string[];
    readonly problems: readonly string[];
  }>;
}

/** A proposal beside what is the case now. */
export interface StandingProposal {
  readonly proposal: LabelProposal;
  /** The column is there. */
  readonly exists: boolean;
  /** It carries the label. */
  readonly inForce: boolean;
}

export interface ProposalsPort {
  list(filter: ProposalFilter): Promise<readonly StandingProposal[]>;
  get(id: string): Promise<StandingProposal | undefined>;
  decide(
    id: string,
    state: Exclude<ProposalState, 'open'>,
    decision: ProposalDecision,
  ): Promise<StandingProposal | undefined>;
}

export interface ScansPort {
  /**
   * Begins to look at samples of columns that nobody labelled, recorded as a session of the principal's; `busy` while a scan of the connection
   * runs. MUST reject when the target or the ledger does not answer.
   */
  start(
    connection: string,
    principal: Principal,
    client: { readonly address: string; readonly port: number; readonly tls: boolean },
    bounds: { readonly schema?: string; readonly table?: string; readonly sample: number },
  ): Promise<ScanProgress | 'busy'>;
  /** The last scan of the connection since this node started. */
  progress(connection: string): ScanProgress | undefined;
}

/** What would become of a statement. MUST reject when the target's catalog cannot be read. */
export type ExplainPort = (
  connection: string,
  principal: Principal,
  asked: { readonly statement: string; readonly searchPath: readonly string[]; readonly approved: boolean },
) => Promise<StatementExplanation>;

/** What policy says to somebody who wants to see labels unmasked. */
export type UnmaskAnswer =
  | {
      readonly effect: 'hold';
      readonly policies: readonly string[];
      readonly approvers: readonly string[];
      readonly quorum: number;
      readonly reason: string;
      /** `schema.table` of the columns that consent would show. */
      readonly tables: readonly string[];
    }
  | { readonly effect: 'visible' }
  | { readonly effect: 'refuse'; readonly reason: string };

/**
 * What policy says to somebody who wants to see labels unmasked, for a while or in one statement, and what consent to it is bound to.
 * MUST reject when the target's catalog cannot be read.
 */
export type UnmaskPort = (
  connection: string,
  principal: Principal,
  labels: readonly string[],
  statement?: {
    readonly text: string;
    /** Values as text. */
    readonly parameters: readonly (string | null)[];
    /** Schemas for bare names; those of a new session when absent. */
    readonly searchPath?: readonly string[];
  },
) => Promise<{
  readonly answer: UnmaskAnswer;
  bind(terms: {
    readonly labels: readonly string[];
    readonly policies: readonly string[];
    readonly seconds: number | undefined;
    readonly uses: number | undefined;
  }): ApprovalBinding;
}>;

/** The key of pseudonyms. Nobody is told what it is. */
export interface PseudonymPort {
  /** Id of the epoch in force. */
  epoch(): string;
  /** Begins a new epoch; recorded before it counts. MUST reject when it cannot be recorded, and change nothing then. */
  rotate(actor: Principal, reason: string): Promise<{ readonly before: string; readonly after: string }>;
}

export interface LedgerPort {
  status(): Promise<{
    readonly origin: string;
    readonly size: number;
    readonly publishedSize: number;
    readonly rootHash: string;
    readonly checkpointAt?: number;
    readonly verifierKey: string;
    readonly failing?: string;
  }>;
  /** A published file by its tlog-tiles path, already checked against the grammar. */
  read(path: string): Promise<Buffer | undefined>;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What an exposition of metrics needs; `MetricsRegistry` is one. */
export interface MetricsExposition extends Metrics {
  readonly contentType: string;
  expose(): Promise<string>;
}

/** An identity provider as somebody who wants to log in has to know it. */
export interface LoginIssuer {
  readonly issuer: string;
  /** Public client for command lines. */
  readonly clientId?: string;
  /** One of these has to be in a token's `aud`; the first is what to ask for. */
  readonly audience: readonly string[];
  readonly scopes: readonly string[];
}

/** Everything the control plane needs, handed in by the composition root. Functions where a hot reload may change the answer. */
export interface ControlPlaneOptions {
  readonly identity: () => TokenVerifier;
  /** How to log in: told to everybody. Nobody is told anything when absent. */
  readonly login?: () => readonly LoginIssuer[];
  readonly policy: () => PolicyPort;
  readonly approvals: Approvals;
  readonly sessionIndex: SessionIndex;
  readonly sessions: SessionDirectory;
  readonly credentials: CredentialStore;
  readonly connections: () => readonly ConnectionInfo[];
  readonly ledger: LedgerPort;
  readonly labels: LabelsPort;
  readonly proposals: ProposalsPort;
  readonly scans: ScansPort;
  readonly unmask: UnmaskPort;
  readonly explain: ExplainPort;
  readonly pseudonyms: PseudonymPort;
  readonly sink: RecordSink;
  readonly metrics: MetricsExposition;
  /** Named checks; ready when every one answers true within two seconds. */
  readonly health: Readonly<Record<string, () => boolean | Promise<boolean>>>;
  readonly policyStatus?: () => { readonly loadedAt?: number; readonly refused?: string };
  readonly log: Log;
  /** Milliseconds since the epoch; the system's clock when absent. */
  readonly clock?: () => number;
  /** IANA name for `context.hour` and `context.weekday`; UTC when absent. */
  readonly timeZone?: string;
  /** Most seconds a session credential may live; half a day when absent, and never more. */
  readonly maxCredentialSeconds?: number;
  /** Session credentials may live on when the token they were made of has expired. Off when absent. */
  readonly credentialsOutliveTokens?: boolean;
  /** Whether this machine may read metrics without a login; yes when absent. */
  readonly openMetrics?: () => boolean;
  /** PEM. Without it, tokens are accepted from loopback only. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
}
