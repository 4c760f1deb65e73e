import { SCHEMA_FILE } from './json-schema.ts';
import { LABEL_SCHEMA_FILE } from './label-schema.ts';

export interface StarterOptions {
  /** Issuer of tokens; an example address when absent. */
  readonly issuer?: string;
  readonly audience?: string;
  readonly clientId?: string;
  /** `host:port` for PostgreSQL clients. */
  readonly listen?: string;
  /** The first connection. */
  readonly connection?: { readonly name: string; readonly address: string; readonly database: string };
  /** Origin of this node's ledger. */
  readonly origin: string;
}

/** gatehouse.yaml as a stranger finds it: every line says what it is for and what else could stand there. */
export function starterConfig(options: StarterOptions): string {
  const { name, address, database } = options.connection ?? {
    name: 'shop',
    address: '127.0.0.1:5432',
    database: 'shop',
  };
  const variable = `${name.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
  return `# yaml-language-server: $schema=./${SCHEMA_FILE}
#
# Gatehouse: who may reach which database, and what leaves it.
# After every change: gatehouse check. A running gateway takes a good change over by itself and refuses a bad one.
# Paths are relative to this folder.

# SQLite file, ledger, recordings and the key that seals stored passwords. Back it up; keep it out of Git.
state: ./state

listeners:
  postgres: ${quoted(options.listen ?? '127.0.0.1:6432')}   # where psql, drivers and dashboards connect
  control: 127.0.0.1:6400    # API for the command line, metrics and health

# Needed as soon as clients come over the network: tokens are refused in clear text, this machine excepted.
# tls: { cert: ./tls/cert.pem, key: ./tls/key.pem }

identity:
  issuers:
    # Your OpenID Connect provider, exactly as in the iss claim of its tokens. Several may be listed.
    - issuer: ${quoted(options.issuer ?? 'https://idp.example')}
      audience: ${quoted(options.audience ?? 'gatehouse')}          # what the token's aud claim must contain
      client_id: ${quoted(options.clientId ?? 'gatehouse-cli')}     # public client for: gatehouse login
      # jwks_file: ./jwks.json     # the provider's public keys as a file, instead of OIDC discovery
      # subject_prefix: "ci:"      # with several issuers: keeps the same subject of two of them apart
      # Which claim means what (these are the defaults; dots lead into objects).
      claims: { subject: sub, name: email, groups: groups, kind: gh_kind, on_behalf_of: act.sub }

connections:
  # Clients choose a connection as their database name: psql "host=127.0.0.1 port=6432 dbname=${name}"
  ${name}:
    protocol: postgres
    address: ${quoted(address)}
    database: ${quoted(database)}
    tls: ${/^(127\.|localhost|\[::1])/.test(address) ? 'disable                   # on this machine; elsewhere:' : 'verify-full               #'} disable | require | verify-ca | verify-full
    # ca: ./tls/database-ca.pem    # with verify-*, when the database's authority is your own
    # The account the gateway uses there. Or { file: ./path }, or { stored: ${name} } after: gatehouse credentials set ${name}
    credential: { username: app, password: { env: ${variable} } }

policies: ./policies         # *.cedar, with tests next to them: gatehouse policy test
labels: ./labels             # *.yaml: which columns hold what

# How a labelled column looks to those who may not see it. The longest label that fits wins.
# null | redact | partial | generalise | pseudonym
masks:
  default: redact
  pii.contact.email: pseudonym             # same value, same pseudonym: joins and counts still work
  pci.pan: { partial: { keep_last: 4 } }
  pii.birth: { generalise: year }          # or month, decade, { band: 1000 } for numbers

# Statements that need another person's consent.
approvals:
  mode: wait                 # the client waits for consent; error: it fails at once and names the request
  wait_seconds: 300

# time_zone: Europe/Vienna   # for hour and weekday in policies; UTC when absent
# limits: { max_connections: 500, max_connections_per_principal: 50 }

# The name of this node's ledger. It stands in every piece of evidence: never change it.
ledger: { origin: ${quoted(options.origin)} }
`;
}

/** The label file of the first connection: all examples are comments, because a label for a missing table is a mistake. */
export function starterLabels(connection: string): string {
  return `# yaml-language-server: $schema=../${LABEL_SCHEMA_FILE}
#
# Which columns hold what: connection → relation (quoted as in SQL) → column → labels; known labels: gatehouse labels taxonomy
# $table labels the relation itself. Dots make a hierarchy: pii.contact.email is in pii.contact, which is in pii.
# Views, partitions and child tables inherit from what they read.
${connection}: {}
# ${connection}:
#   shop.customers: { email: [pii.contact.email], card_number: [pci.pan], birth_date: [pii.birth] }
#   shop.employees: { $table: [confidential] }
#   'shop."Kunden Straße"': { 'E-Mail Adresse': [pii.contact.email] }
`;
}

export const STARTER_GITIGNORE = `# The gateway's own state and everything secret stay out of the repository.
/state/
*.key
*.pem
.env
`;

/** A text as YAML reads it back: in quotes unless it is plain to everybody. */
function quoted(text: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._/-]*(?::[0-9]+)?$/.test(text) ||
    /^https?:\/\/[A-Za-z0-9._/-]+(?::\d+)?[A-Za-z0-9._/-]*$/.test(text)
    ? text
    : JSON.stringify(text);
}
