import { resolve } from 'node:path';
import { Taxonomy } from '../masking/index.ts';
import type { Address, ConnectionConfig, GatewayConfig, IssuerConfig, SecretSource } from '../model/config.ts';
import type { TaxonomyLabel } from '../model/label.ts';
import type { MaskKind, MaskRules } from '../model/mask.ts';
import { parseAddress } from './address.ts';
import { buildDetectors } from './detectors.ts';
import type { YamlPath } from './document.ts';
import type {
  ConfigDocument,
  ConnectionDocument,
  IssuerDocument,
  MaskDocument,
  SecretDocument,
  TaxonomyDocument,
} from './schema.ts';

/** Takes a mistake found while building; the path leads to the value in gatehouse.yaml. */
export type Report = (path: YamlPath, severity: 'error' | 'warning', message: string, help: string) => void;

/** RS256 and ES256 are what providers sign with; the others are their modern and larger siblings. */
export const DEFAULT_ALGORITHMS: readonly string[] = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

export const DEFAULT_LEDGER_ORIGIN = 'gatehouse.local/ledger/1';

/** Puts defaults in and makes every path absolute. What cannot be read is reported, with a stand-in that is never used. */
export function buildConfig(folder: string, document: ConfigDocument, report: Report): GatewayConfig {
  const inFolder = (path: string): string => resolve(folder, path);
  const approvals = document.approvals ?? {};
  const limits = document.limits ?? {};
  const postgres = document.listeners?.postgres;
  return {
    folder,
    state: inFolder(document.state ?? './state'),
    listeners: {
      ...(postgres === undefined ? {} : { postgres: address(postgres, ['listeners', 'postgres'], report) }),
      control: address(document.listeners?.control ?? '127.0.0.1:6400', ['listeners', 'control'], report),
    },
    ...(document.tls === undefined
      ? {}
      : { tls: { cert: inFolder(document.tls.cert), key: inFolder(document.tls.key) } }),
    issuers: document.identity?.issuers.map((issuer) => buildIssuer(issuer, inFolder)) ?? [],
    connections: new Map(
      Object.entries(document.connections).map(([name, entry]) => [
        name,
        buildConnection(name, entry, inFolder, report),
      ]),
    ),
    policies: inFolder(document.policies ?? './policies'),
    labels: inFolder(document.labels ?? './labels'),
    masks: { ...buildMasks(document.masks ?? {}), copies: document.masked_copies ?? 'refuse' },
    taxonomy: buildTaxonomy(document.taxonomy ?? {}, document.detectors?.patterns ?? {}),
    pseudonyms: {
      ...(document.pseudonyms === undefined ? {} : { epochSeconds: spanSeconds(document.pseudonyms.epoch) }),
    },
    ...(document.detectors === undefined ? {} : { detectors: buildDetectors(document.detectors, report) }),
    approvals: {
      mode: approvals.mode ?? 'wait',
      waitSeconds: approvals.wait_seconds ?? 300,
      expireSeconds: approvals.expire_seconds ?? 86_400,
      grantSeconds: approvals.grant_seconds ?? 3600,
      reasonMinLength: approvals.reason_min_length ?? 10,
    },
    limits: {
      maxConnections: limits.max_connections ?? 500,
      maxConnectionsPerPrincipal: limits.max_connections_per_principal ?? 50,
      authenticationSeconds: limits.authentication_seconds ?? 15,
      maxStatementBytes: limits.max_statement_bytes ?? 16_777_216,
      catalogRefreshSeconds: limits.catalog_refresh_seconds ?? 60,
      drainSeconds: limits.drain_seconds ?? 30,
    },
    timeZone: document.time_zone ?? 'UTC',
    log: { level: document.log?.level ?? 'info' },
    metrics: document.metrics ?? 'loopback',
    ledger: { origin: document.ledger?.origin ?? DEFAULT_LEDGER_ORIGIN },
  };
}

function address(text: string, path: YamlPath, report: Report, defaultPort?: number): Address {
  const parsed = parseAddress(text, defaultPort);
  if (parsed !== undefined) return parsed;
  report(
    path,
    'error',
    `${path.join('.')}: ${JSON.stringify(text)} has no port between 0 and 65535`,
    'Write host:port, e.g. 127.0.0.1:6432.',
  );
  return { host: text.replace(/:\d+$/, ''), port: 0 };
}

function buildIssuer(issuer: IssuerDocument, inFolder: (path: string) => string): IssuerConfig {
  const claims = issuer.claims ?? {};
  return {
    issuer: issuer.issuer,
    audience: typeof issuer.audience === 'string' ? [issuer.audience] : issuer.audience,
    ...(issuer.jwks_file === undefined ? {} : { jwksFile: inFolder(issuer.jwks_file) }),
    ...(issuer.client_id === undefined ? {} : { clientId: issuer.client_id }),
    algorithms: issuer.algorithms ?? DEFAULT_ALGORITHMS,
    clockSkew: issuer.clock_skew_seconds ?? 30,
    subjectPrefix: issuer.subject_prefix ?? '',
    claims: {
      subject: claims.subject ?? 'sub',
      name: claims.name ?? 'email',
      groups: claims.groups ?? 'groups',
      kind: claims.kind ?? 'gh_kind',
      onBehalfOf: claims.on_behalf_of ?? 'act.sub',
    },
  };
}

function buildConnection(
  name: string,
  entry: ConnectionDocument,
  inFolder: (path: string) => string,
  report: Report,
): ConnectionConfig {
  const { username, password } = entry.credential;
  return {
    name,
    protocol: entry.protocol,
    address: address(entry.address, ['connections', name, 'address'], report, 5432),
    database: entry.database ?? name,
    tls: entry.tls ?? 'verify-full',
    ...(entry.ca === undefined ? {} : { ca: inFolder(entry.ca) }),
    credential: { username, ...(password === undefined ? {} : { password: secretSource(name, password, inFolder) }) },
  };
}

function secretSource(connection: string, secret: SecretDocument, inFolder: (path: string) => string): SecretSource {
  if (typeof secret === 'string') return { literal: secret };
  if ('env' in secret) return { env: secret.env };
  if ('file' in secret) return { file: inFolder(secret.file) };
  return { stored: secret.stored === true ? connection : secret.stored };
}

/** A pattern of one's own declares its label by naming it. */
function buildTaxonomy(
  document: TaxonomyDocument,
  patterns: Readonly<Record<string, { readonly label?: string | undefined }>>,
): readonly TaxonomyLabel[] {
  const labels = new Map<string, TaxonomyLabel>();
  const shipped = new Taxonomy();
  for (const [name, { label = `custom.${name}` }] of Object.entries(patterns)) {
    if (shipped.knows(label)) continue;
    const validators = [...(labels.get(label)?.validators ?? []), `pattern-${name}`];
    labels.set(label, {
      label,
      description: `Values of the pattern ${name}`,
      level: 'confidential',
      validators,
      own: true,
    });
  }
  for (const [label, written] of Object.entries(document)) {
    const { description, level, retention } = typeof written === 'string' ? { description: written } : written;
    labels.set(label, {
      ...labels.get(label),
      label,
      description: description ?? labels.get(label)?.description ?? label,
      level: level ?? 'confidential',
      ...(retention === undefined ? {} : { retention }),
      own: true,
    });
  }
  return [...labels.values()];
}

/** `90d`, `12h`, as the schema lets it be written. */
function spanSeconds(span: string): number {
  return Number(span.slice(0, -1)) * (span.endsWith('d') ? 86_400 : 3_600);
}

function buildMasks(masks: Readonly<Record<string, MaskDocument>>): MaskRules {
  const byLabel = new Map<string, MaskKind>();
  let fallback: MaskKind = { kind: 'redact' };
  for (const [label, written] of Object.entries(masks)) {
    if (label === 'default') fallback = maskKind(written);
    else byLabel.set(label, maskKind(written));
  }
  return { default: fallback, byLabel };
}

function maskKind(written: MaskDocument): MaskKind {
  // Unquoted, YAML reads the word null as no value; both spellings mean the mask.
  if (written === null) return { kind: 'null' };
  if (typeof written === 'string') {
    return written === 'generalise' ? { kind: 'generalise', to: 'year' } : { kind: written };
  }
  if ('partial' in written) {
    const { keep_first, keep_last } = written.partial;
    return {
      kind: 'partial',
      ...(keep_first === undefined ? {} : { keepFirst: keep_first }),
      ...(keep_last === undefined ? {} : { keepLast: keep_last }),
    };
  }
  const to = written.generalise;
  return { kind: 'generalise', to: typeof to === 'string' ? to : { band: to.band } };
}
