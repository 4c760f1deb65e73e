import type { Principal } from './principal.ts';
import type { AccessQuestion } from './statement.ts';

export type DataAction = 'connect' | 'read' | 'write' | 'define' | 'call' | 'set' | 'exec' | 'unmask' | 'filter';
export type ControlAction = 'approve' | 'view' | 'kill' | 'export' | 'manage';
export type Action = DataAction | ControlAction;

/** What is asked for. Cedar ids: `Connection::"shop"`, `Schema::"shop/public"`, `Table::"shop/public.t"`, `Column::"shop/public.t.c"`, `Function::"shop/public.f"`. A name with `.`, `/` or `"` in it is quoted as in SQL. */
export type ResourceRef =
  | { readonly type: 'Connection'; readonly connection: string }
  | { readonly type: 'Schema'; readonly connection: string; readonly schema: string }
  | {
      readonly type: 'Table';
      readonly connection: string;
      readonly schema: string;
      readonly table: string;
      readonly labels: readonly string[];
    }
  | {
      readonly type: 'Column';
      readonly connection: string;
      readonly schema: string;
      readonly table: string;
      readonly column: string;
      /** Labels of the column. */
      readonly labels: readonly string[];
      /** Labels of its table: `Column in Table in Label`. */
      readonly tableLabels: readonly string[];
    }
  | { readonly type: 'Function'; readonly connection: string; readonly schema: string; readonly name: string }
  | { readonly type: 'Label'; readonly label: string }
  | {
      readonly type: 'Session' | 'Recording' | 'Request' | 'Policy' | 'Evidence' | 'Ledger' | 'Credential';
      readonly id: string;
      /** Principal id of the person the object belongs to, when it has one: Cedar attribute `owner`. */
      readonly owner?: string;
      /** Connection it is about, when it has one: Cedar parent. */
      readonly connection?: string;
    };

/**
 * Cedar's `context`; absent attributes are absent for Cedar too, but for what is said of statements: `verb`, `object`, `setting` are
 * then "", `hasWhere` true, `allRows` and `privileges` false. Attributes may be getters, which a spread leaves out.
 */
export interface AccessContext {
  readonly approved: boolean;
  readonly routine: boolean;
  /** Rows of the running statement that have left so far, and the same over longer spans. */
  readonly rows: number;
  readonly rowsSession: number;
  readonly rowsHour: number;
  readonly rowsDay: number;
  readonly verb?: string;
  readonly hasWhere?: boolean;
  /** See StatementPart. */
  readonly allRows?: boolean;
  readonly object?: string;
  readonly privileges?: boolean;
  /** The setting that a `set` question is about. */
  readonly setting?: string;
  /** 0–23 and 1 (Monday)–7, in the gateway's configured time zone. */
  readonly hour: number;
  readonly weekday: number;
  readonly sourceIp?: string;
  /** `application_name` or user agent. */
  readonly client?: string;
  readonly purpose?: string;
}

export interface AccessRequest {
  readonly principal: Principal;
  readonly questions: readonly AccessQuestion[];
  readonly context: AccessContext;
}

/** Cedar policy id: `<file name without .cedar>#<index>` or the policy's `@id`. */
export type PolicyId = string;

export type Denial =
  | {
      readonly effect: 'hold';
      readonly policies: readonly PolicyId[];
      /** Groups named by `@approval` on the forbids that spoke; consent of one member of each is needed. */
      readonly approvers: readonly string[];
      /** `@quorum("2")`: how many different people, at least 1. */
      readonly quorum: number;
      readonly reason: string;
    }
  | {
      readonly effect: 'refuse';
      readonly policies: readonly PolicyId[];
      readonly reason: string;
      /** The first question that was denied. */
      readonly question?: AccessQuestion;
    };

/** Rows of this statement that may leave in total before `then` applies; enforced while they stream. */
export interface RowAllowance {
  readonly rows: number;
  readonly then: Denial;
}

export type Decision =
  | { readonly effect: 'forward'; readonly policies: readonly PolicyId[]; readonly allowance?: RowAllowance }
  | Denial;
