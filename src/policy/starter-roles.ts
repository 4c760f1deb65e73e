import type { PolicyFile } from './load.ts';

/** Roles beyond reading: each file stands for itself and may be deleted. */
export const rolePolicies: readonly PolicyFile[] = [
  {
    name: 'engineers.cedar',
    text: `// People who change data, with guards. Delete this file when nobody does.

@id("engineers-read-and-write")
permit (
  principal in Group::"engineers",
  action in [Action::"connect", Action::"read", Action::"write", Action::"define"],
  resource
);

// For everybody, whatever else is permitted. Holds inside WITH, behind EXPLAIN and EXECUTE, and in functions.
@id("writes-choose-their-rows")
@reason("UPDATE, DELETE and MERGE need a condition that leaves rows out, and TRUNCATE has none")
forbid (
  principal,
  action == Action::"write",
  resource
) when { context.all_rows };

@id("definitions-need-consent")
@approval("data-owners")
@reason("A change of the schema needs an owner's consent")
forbid (
  principal,
  action == Action::"define",
  resource
) unless { context.approved };

@id("no-privileges")
@reason("Who may do what inside the database is not changed through the gateway")
forbid (
  principal,
  action == Action::"define",
  resource
) when { context.privileges };
`,
  },
  {
    name: 'services.cedar',
    text: `// A service account for one report: one table, a few functions, nothing else. Change the names to your own.

@id("report-connects")
permit (
  principal is Service in Group::"report-services",
  action == Action::"connect",
  resource
);

@id("report-reads-its-table")
permit (
  principal is Service in Group::"report-services",
  action == Action::"read",
  resource == Table::"shop/reporting.monthly_sales"
);

// Asked for every function that a statement names, built-in ones included.
@id("report-functions")
@reason("The report counts and adds up, and needs no other function")
forbid (
  principal in Group::"report-services",
  action == Action::"call",
  resource is Function
) unless {
  [
    Function::"shop/pg_catalog.count",
    Function::"shop/pg_catalog.sum",
    Function::"shop/pg_catalog.avg",
    Function::"shop/pg_catalog.date_trunc"
  ].contains(resource)
};
`,
  },
  {
    name: 'agents.cedar',
    text: `// AI agents: they read little, for somebody, and see every labelled column masked.

@id("agents-read")
permit (
  principal is Agent in Group::"agents",
  action in [Action::"connect", Action::"read"],
  resource
);

@id("agents-act-for-somebody")
@reason("An agent has to say for whom it acts")
forbid (
  principal is Agent,
  action,
  resource
) unless { principal has on_behalf_of };

@id("agents-only-read")
@reason("Agents change nothing and see no labelled value as it is")
forbid (
  principal is Agent,
  action in [Action::"write", Action::"define", Action::"exec", Action::"unmask", Action::"approve"],
  resource
);

@id("agents-small-results")
@approval("data-owners")
@reason("An agent takes more than 200 rows only with an owner's consent")
forbid (
  principal is Agent,
  action == Action::"read",
  resource
) when { context.rows > 200 } unless { context.approved };

@id("agents-daily-budget")
@reason("An agent takes at most 5000 rows a day")
forbid (
  principal is Agent,
  action == Action::"read",
  resource
) when { context.rows_day > 5000 };
`,
  },
];

export const rolePolicyTests: readonly PolicyFile[] = [
  {
    name: 'roles.test.yaml',
    text: `# Run with: gatehouse policy test
- name: an engineer changes rows he names
  as: { id: eve, groups: [engineers] }
  action: write
  on: { connection: shop, table: shop.orders }
  context: { verb: update, has_where: true }
  expect: allow
  policies: [engineers-read-and-write]

- name: an engineer does not empty a table
  as: { id: eve, groups: [engineers] }
  action: write
  on: { connection: shop, table: shop.orders }
  context: { verb: delete, has_where: false, all_rows: true }
  expect: deny
  policies: [writes-choose-their-rows]

- name: a condition that is always true is none
  as: { id: eve, groups: [engineers] }
  action: write
  on: { connection: shop, table: shop.orders }
  context: { verb: delete, has_where: true, all_rows: true }
  expect: deny

- name: a new index waits for an owner
  as: { id: eve, groups: [engineers] }
  action: define
  on: { connection: shop, table: shop.orders }
  context: { verb: create, object: index }
  expect: hold
  policies: [definitions-need-consent]

- name: with consent it is made
  as: { id: eve, groups: [engineers] }
  action: define
  on: { connection: shop, table: shop.orders }
  context: { verb: create, object: index, approved: true }
  expect: allow

- name: nobody consents to a GRANT
  as: { id: eve, groups: [engineers] }
  action: define
  on: { connection: shop }
  context: { verb: grant, object: table, privileges: true, approved: true }
  expect: deny
  policies: [no-privileges]

- name: an engineer sees e-mail addresses masked
  as: { id: eve, groups: [engineers] }
  action: unmask
  on: { connection: shop, table: shop.customers, column: email, labels: [pii.contact.email] }
  expect: deny

- name: the report connects
  as: { id: nightly, kind: service, groups: [report-services] }
  action: connect
  on: { connection: shop }
  expect: allow
  policies: [report-connects]

- name: the report reads its table
  as: { id: nightly, kind: service, groups: [report-services] }
  action: read
  on: { connection: shop, table: reporting.monthly_sales }
  expect: allow
  policies: [report-reads-its-table]

- name: the report reads no other table
  as: { id: nightly, kind: service, groups: [report-services] }
  action: read
  on: { connection: shop, table: shop.customers }
  expect: deny

- name: a person in the report's group reads nothing by it
  as: { id: mallory, groups: [report-services] }
  action: read
  on: { connection: shop, table: reporting.monthly_sales }
  expect: deny

- name: the report calls no other function
  as: { id: nightly, kind: service, groups: [report-services] }
  action: call
  on: { connection: shop, function: pg_catalog.pg_sleep }
  expect: deny
  policies: [report-functions]

- name: an agent reads a little for somebody
  as: { id: helper, kind: agent, groups: [agents], on_behalf_of: alice }
  action: read
  on: { connection: shop, table: shop.orders }
  expect: allow
  rows: 200
  beyond: hold
  policies: [agents-read]

- name: an agent's day ends at 5000 rows, with consent too
  as: { id: helper, kind: agent, groups: [agents], on_behalf_of: alice }
  action: read
  on: { connection: shop, table: shop.orders }
  context: { approved: true, rows_day: 4990 }
  expect: allow
  rows: 10
  beyond: deny

- name: an agent that acts for nobody does nothing
  as: { id: helper, kind: agent, groups: [agents] }
  action: connect
  on: { connection: shop }
  expect: deny
  policies: [agents-act-for-somebody]

- name: an agent among the stewards still sees no e-mail address
  as: { id: helper, kind: agent, groups: [agents, stewards], on_behalf_of: alice }
  action: unmask
  on: { connection: shop, table: shop.customers, column: email, labels: [pii.contact.email] }
  expect: deny
  policies: [agents-only-read]
`,
  },
];
