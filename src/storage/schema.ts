import type { Generated } from 'kysely';

/** Times are milliseconds since the epoch. JSON bodies hold what is never searched for. */
export interface ControlSchema {
  approvals: {
    id: string;
    state: string;
    requester: string;
    resource: string;
    session: string;
    binding_key: string;
    created_at: number;
    expires_at: number;
    /** The grant, once there is one. */
    not_after: number | null;
    uses: number | null;
    used: number | null;
    row_limit: number | null;
    revision: number;
    leaf: number;
    body: string;
  };
  credentials: {
    id: string;
    principal_id: string;
    principal: string;
    salt: Uint8Array;
    iterations: number;
    stored_key: Uint8Array;
    server_key: Uint8Array;
    issued_at: number;
    expires_at: number;
    revoked_at: number | null;
  };
  sealed_secrets: { name: string; sealed: Uint8Array; changed_at: number };
  row_budgets: { principal_id: string; slot: number; rows: number };
  label_proposals: {
    id: string;
    connection: string;
    schema_name: string;
    relation: string;
    column_name: string;
    label: string;
    state: string;
    evidence: string;
    first_seen: number;
    last_seen: number;
    decided_at: number | null;
    decided_by: string | null;
    reason: string | null;
  };
  sticky_labels: { connection: string; body: string; changed_at: number };
  settings: { name: string; value: Uint8Array; changed_at: Generated<number> };
}
