import type { AccessContext, AccessRequest, Decision } from '../model/access.ts';
import type { ApprovalBinding, ApprovalRequest, UnmaskGrants } from '../model/approval.ts';
import type { ConnectionConfig, GatewayConfig } from '../model/config.ts';
import type { Principal } from '../model/principal.ts';
import type { RecordQueue } from '../model/record.ts';
import type { AccessQuestion } from '../model/statement.ts';
import type { ProposalCollector } from './proposals/collector.ts';
import type { RowMeter } from './row-meter.ts';
import type { Tally } from './tally.ts';
import type { Worlds } from './world.ts';

/** One principal's questions, asked again and again with changing context. */
export interface Asker {
  decide(context: AccessContext, options?: { readonly streamsRows?: boolean }): Decision;
}

export interface ColumnRef {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly labels: readonly string[];
  readonly tableLabels: readonly string[];
}

/** What the data plane asks of the policy room. */
export interface PolicyPort {
  readonly version: string;
  /** Something of the context decides about `unmask`. */
  readonly hiddenColumnsVary: boolean;
  /** Whatever of the context decides about `unmask`, as a key. */
  hiddenColumnsKey(context: AccessContext): string;
  /** Some policy lets `unmask` depend on a row counter. */
  readonly rowsDecideUnmask: boolean;
  prepare(principal: Principal, questions: readonly AccessQuestion[]): Asker;
  decide(request: AccessRequest, options?: { readonly streamsRows?: boolean }): Decision;
  hiddenColumns(
    principal: Principal,
    connection: string,
    columns: readonly ColumnRef[],
    context: AccessContext,
  ): ReadonlySet<number>;
}

/** What the data plane asks of the approval room. */
export interface ApprovalPort {
  open(input: {
    readonly requester: Principal;
    readonly binding: ApprovalBinding;
    readonly session: string;
    readonly approvers: readonly string[];
    readonly quorum: number;
    readonly why: string;
    readonly purpose: string;
    readonly tables: readonly string[];
    readonly labels: readonly string[];
  }): Promise<ApprovalRequest>;
  /** Uses a standing consent for exactly this binding once, atomically; undefined when there is none. */
  consume(binding: ApprovalBinding): Promise<ApprovalRequest | undefined>;
  /** Resolves when the request is no longer pending; rejects when `signal` aborts. */
  wait(id: string, signal: AbortSignal): Promise<ApprovalRequest>;
}

/** Rows that left per principal over long spans, across sessions. */
export interface BudgetPort {
  add(principal: string, rows: number, now: number): void;
  current(principal: string, now: number): { readonly hour: number; readonly day: number };
}

export interface LogPort {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface MetricsPort {
  count(name: string, labels?: Readonly<Record<string, string>>, n?: number): void;
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
  observe(name: string, seconds: number, labels?: Readonly<Record<string, string>>): void;
}

/** Everything a session needs, handed in by the composition root. Functions where a hot reload may change the answer. */
export interface Services {
  readonly config: () => GatewayConfig;
  readonly policy: () => PolicyPort;
  readonly worlds: Worlds;
  readonly approvals: ApprovalPort;
  /** Consents to see labels unmasked; the same object as long as nothing changes. */
  readonly unmasks: (principal: string, connection: string) => UnmaskGrants;
  /** Consent to this request was taken back. */
  readonly withdrawn: (request: string) => boolean;
  readonly rows: RowMeter;
  /** Takes note of what detectors count. */
  readonly proposals: ProposalCollector;
  readonly sink: RecordQueue;
  readonly metrics: MetricsPort;
  /** For counts on the hot path. */
  readonly tally: Tally;
  readonly log: LogPort;
  readonly clock: () => number;
  /** The target's password, read when it is needed. */
  readonly targetPassword: (connection: ConnectionConfig) => Promise<string | undefined>;
  /** The epoch of pseudonyms in force, and the settings that carry its key into a target session. */
  readonly pseudonyms: () => { readonly id: string; readonly settings: readonly (readonly [string, string])[] };
  /** Link shown to people who wait, when the console has an address. */
  readonly requestLink: (id: string) => string;
}
