import type { Action } from '../model/access.ts';

export const DATA_ACTIONS = ['connect', 'read', 'write', 'define', 'call', 'set', 'exec', 'unmask', 'filter'] as const;
export const CONTROL_ACTIONS = ['approve', 'view', 'kill', 'export', 'manage'] as const;
export const ACTIONS: readonly Action[] = [...DATA_ACTIONS, ...CONTROL_ACTIONS];

export const PRINCIPAL_TYPES = ['User', 'Service', 'Agent'] as const;

const RESOURCE_TYPES = [
  'Connection',
  'Schema',
  'Table',
  'Column',
  'Function',
  'Route',
  'KubeResource',
  'Host',
  'Label',
  'Session',
  'Recording',
  'Request',
  'Policy',
  'Evidence',
  'Ledger',
  'Credential',
] as const;

/**
 * The vocabulary of policies in Cedar's schema language (https://docs.cedarpolicy.com/schema/human-readable-schema.html),
 * shipped for editors and Cedar's own tools as `schema/gatehouse.cedarschema`.
 *
 * Every action applies to every resource, and the context is the same everywhere: strict validation then finds misspelt names
 * and wrong types, but does not turn down a broad rule such as `forbid (principal, action, resource) when { context.rows > 10 }`.
 * A principal's display name is missing on purpose: two issuers can give the same one.
 */
export const SCHEMA_TEXT = `// Gatehouse: what policies can speak about. Made from src/policy/schema.ts.

// Who asks. The id is the issuer's subject prefix and the subject.
entity Group in Group;
entity ${PRINCIPAL_TYPES.join(', ')} in Group = {
  "issuer": String,
  "kind": String,          // "person", "service" or "agent"
  "mfa": Bool,
  "on_behalf_of"?: String  // id of the person for whom a service or agent acts
};

// What is asked for, on the data side.
entity Label in Label;
entity Connection in Label;
entity Schema in [Connection, Label];
entity Table in [Schema, Label];
entity Column in [Table, Label];
entity Function in [Schema, Connection, Label];
entity Route in [Connection, Label];
entity KubeResource in [Connection, Label];
entity Host in [Connection, Label];

// What is asked for, on the control side.
entity Session, Recording, Request, Policy, Evidence, Ledger, Credential in Connection = {
  "owner"?: User
};

type Circumstances = {
  "approved": Bool,          // another person has consented to exactly this
  "routine": Bool,           // a service's statement is in its pinned baseline
  "rows": Long,              // rows of this statement that have left so far
  "rows_session": Long,
  "rows_hour": Long,         // of this principal, over all sessions and nodes
  "rows_day": Long,
  "rows_today": Long,        // the same as rows_day
  "verb": String,            // "select", "delete", … ; "" where there is none
  "has_where": Bool,         // true where the question makes no sense
  "all_rows": Bool,          // nothing in it can leave rows out: no WHERE, WHERE true, TRUNCATE
  "object": String,          // what it defines: "table", "index", "role", … ; "" where nothing
  "privileges": Bool,        // it changes who may do what: grants, roles, owners, row security
  "setting": String,         // the setting it changes; "" where none
  "hour": Long,              // 0 to 23, in the gateway's time zone
  "weekday": Long,           // 1 (Monday) to 7
  "source_ip"?: ipaddr,
  "client"?: String,         // application name or user agent
  "mfa": Bool,
  "kind": String,
  "on_behalf_of"?: String,
  "purpose"?: String
};

action ${ACTIONS.map((action) => `"${action}"`).join(', ')} appliesTo {
  principal: [${PRINCIPAL_TYPES.join(', ')}],
  resource: [${RESOURCE_TYPES.join(', ')}],
  context: Circumstances
};
`;
