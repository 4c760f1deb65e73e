import type { DetectorRules } from './detect.ts';
import type { TaxonomyLabel } from './label.ts';
import type { MaskRules } from './mask.ts';

/** host:port, split. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a secret comes from; resolved when it is needed, never kept in a config dump or log. */
export type SecretSource =
  | { readonly env: string }
  | { readonly file: string }
  | { readonly stored: string }
  | { readonly literal: string };

export interface IssuerConfig {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksFile?: string;
  /** Client id that CLI logins use with this issuer. */
  readonly clientId?: string;
  readonly algorithms: readonly string[];
  /** Seconds, at most 120. */
  readonly clockSkew: number;
  readonly subjectPrefix: string;
  readonly claims: {
    readonly subject: string;
    readonly name: string;
    readonly groups: string;
    readonly kind: string;
    readonly onBehalfOf: string;
  };
}

export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

export interface ConnectionConfig {
  readonly name: string;
  readonly protocol: 'postgres';
  readonly address: Address;
  readonly database: string;
  readonly tls: TlsMode;
  readonly ca?: string;
  readonly credential: { readonly username: string; readonly password?: SecretSource };
}

export interface GatewayConfig {
  /** Absolute folder of gatehouse.yaml. */
  readonly folder: string;
  readonly state: string;
  readonly listeners: { readonly postgres?: Address; readonly control: Address };
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly issuers: readonly IssuerConfig[];
  readonly connections: ReadonlyMap<string, ConnectionConfig>;
  /** Absolute folders. */
  readonly policies: string;
  readonly labels: string;
  readonly masks: MaskRules;
  /** Labels that the organisation has beside the shipped ones. */
  readonly taxonomy: readonly TaxonomyLabel[];
  readonly pseudonyms: {
    /** How long one key is used; until somebody rotates when absent. */
    readonly epochSeconds?: number;
  };
  /** Absent: no value is looked at. */
  readonly detectors?: DetectorRules;
  readonly approvals: {
    /** `wait`: the client waits for consent, at most `waitSeconds`. `error`: it gets the error with the request's id at once. */
    readonly mode: 'wait' | 'error';
    readonly waitSeconds: number;
    /** A request nobody answered expires after this. */
    readonly expireSeconds: number;
    /** How long consent holds once given. */
    readonly grantSeconds: number;
    readonly reasonMinLength: number;
  };
  readonly limits: {
    readonly maxConnections: number;
    readonly maxConnectionsPerPrincipal: number;
    readonly authenticationSeconds: number;
    readonly maxStatementBytes: number;
    readonly catalogRefreshSeconds: number;
    readonly drainSeconds: number;
  };
  /** IANA name for context.hour and context.weekday. */
  readonly timeZone: string;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
  /** Who may read `/metrics`: this machine without a login, or nobody without one. */
  readonly metrics: 'loopback' | 'token';
  /** Origin of this node's ledger, e.g. `gatehouse.example/ledger/1`. */
  readonly ledger: { readonly origin: string };
}
