import type { PolicyFile } from './load.ts';
import { rolePolicies, rolePolicyTests } from './starter-roles.ts';

/** What `gatehouse init` writes into an empty policy folder: a small, working set to be changed. */
export const starterPolicies: readonly PolicyFile[] = [
  {
    name: 'reading.cedar',
    text: `// Who may read. Nothing is allowed that no permit allows, and a forbid always wins.

// Analysts read every connection. They change nothing, and labelled columns reach them masked.
@id("analysts-read")
permit (
  principal in Group::"analysts",
  action in [Action::"connect", Action::"read"],
  resource
);

// Stewards read too, and see personal data as it is.
@id("stewards-read")
permit (
  principal in Group::"stewards",
  action in [Action::"connect", Action::"read"],
  resource
);

@id("stewards-unmask-pii")
permit (
  principal in Group::"stewards",
  action == Action::"unmask",
  resource in Label::"pii"
);
`,
  },
  {
    name: 'consent.cedar',
    text: `// What waits for another person's consent. @approval names the groups that may give it: a refusal becomes a request.

@id("confidential")
@approval("data-owners")
@reason("Confidential tables are read only with an owner's consent")
forbid (
  principal,
  action == Action::"read",
  resource in Label::"confidential"
) unless { context.approved };

// Enforced while rows stream: row 1001 leaves only with consent.
@id("large-exports")
@approval("data-owners")
@reason("Results above 1000 rows need an owner's consent")
forbid (
  principal,
  action == Action::"read",
  resource
) when { context.rows > 1000 } unless { context.approved };
`,
  },
  {
    name: 'control.cedar',
    text: `// Who runs the gateway: requests, recordings, evidence, settings.

@id("owners-approve")
permit (
  principal in Group::"data-owners",
  action == Action::"approve",
  resource
);

@id("owners-see-requests")
permit (
  principal in Group::"data-owners",
  action == Action::"view",
  resource is Request
);

// Nobody judges himself. The gateway refuses that on its own, too.
@id("not-your-own")
@reason("Nobody approves what he asked for himself")
forbid (
  principal,
  action == Action::"approve",
  resource
) when { resource has owner && resource.owner == principal };

// Everybody sees what is his own, and may end his own sessions.
@id("own-things")
permit (
  principal,
  action in [Action::"view", Action::"kill"],
  resource
) when { resource has owner && resource.owner == principal };

@id("auditors-view")
permit (
  principal in Group::"auditors",
  action in [Action::"view", Action::"export"],
  resource
);

@id("admins-manage")
permit (
  principal in Group::"admins",
  action in [Action::"view", Action::"kill", Action::"manage"],
  resource
);
`,
  },
  ...rolePolicies,
];

/** Their tests, run by `gatehouse policy test`. */
export const starterPolicyTests: readonly PolicyFile[] = [
  {
    name: 'starter.test.yaml',
    text: `# Run with: gatehouse policy test
- name: an analyst reads a table, up to 1000 rows
  as: { id: alice, groups: [analysts] }
  action: read
  on: { connection: shop, table: shop.orders }
  expect: allow
  rows: 1000
  beyond: hold
  policies: [analysts-read]

- name: an analyst writes nothing
  as: { id: alice, groups: [analysts] }
  action: write
  on: { connection: shop, table: shop.orders }
  expect: deny

- name: an analyst does not see e-mail addresses
  as: { id: alice, groups: [analysts] }
  action: unmask
  on: { connection: shop, table: shop.customers, column: email, labels: [pii.contact.email] }
  expect: deny

- name: a steward sees e-mail addresses
  as: { id: sam, groups: [stewards] }
  action: unmask
  on: { connection: shop, table: shop.customers, column: email, labels: [pii.contact.email] }
  expect: allow

- name: a steward reads a table
  as: { id: sam, groups: [stewards] }
  action: read
  on: { connection: shop, table: shop.customers }
  expect: allow

- name: a confidential table waits for consent
  as: { id: alice, groups: [analysts] }
  action: read
  on: { connection: shop, table: shop.salaries, labels: [confidential] }
  expect: hold
  policies: [confidential]

- name: with consent there is no limit
  as: { id: alice, groups: [analysts] }
  action: read
  on: { connection: shop, table: shop.salaries, labels: [confidential] }
  context: { approved: true }
  expect: allow
  rows: unlimited

- name: a stranger does not even connect
  as: { id: eve }
  action: connect
  on: { connection: shop }
  expect: deny

- name: an owner approves another person's request
  as: { id: olga, groups: [data-owners] }
  action: approve
  on: { request: r1, owner: alice, connection: shop }
  expect: allow

- name: an owner does not approve his own request
  as: { id: olga, groups: [data-owners] }
  action: approve
  on: { request: r2, owner: olga, connection: shop }
  expect: deny
  policies: [not-your-own]

- name: an owner sees requests
  as: { id: olga, groups: [data-owners] }
  action: view
  on: { request: r1, owner: alice }
  expect: allow
  policies: [owners-see-requests]

- name: everybody sees his own sessions
  as: { id: alice }
  action: view
  on: { session: s1, owner: alice }
  expect: allow

- name: nobody sees another person's sessions just so
  as: { id: alice, groups: [analysts] }
  action: view
  on: { session: s2, owner: bob }
  expect: deny

- name: an auditor exports evidence
  as: { id: ann, groups: [auditors] }
  action: export
  on: { evidence: all }
  expect: allow

- name: an admin manages the gateway
  as: { id: adam, groups: [admins] }
  action: manage
  on: { connection: shop }
  expect: allow
`,
  },
  ...rolePolicyTests,
];
