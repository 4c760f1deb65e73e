import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import type { GatewayConfig, IssuerConfig } from '../model/config.ts';
import { isLoopbackHost } from '../model/loopback.ts';
import { overlap } from './address.ts';
import type { Report } from './build.ts';

const DAY = 24 * 3600 * 1000;

/** What the schema cannot see: files, keys, clashes between entries. `now` in milliseconds since the epoch. */
export async function verifyConfig(
  config: GatewayConfig,
  env: Readonly<Record<string, string | undefined>>,
  now: number,
  report: Report,
): Promise<void> {
  verifyListeners(config, report);
  verifyIssuers(config.issuers, report);
  verifyNames(config, report);
  await Promise.all([
    verifyCertificate(config, now, report),
    ...config.issuers.map((issuer, index) => verifyKeySet(config, issuer, index, report)),
    ...[...config.connections.keys()].map((name) => verifyConnection(config, name, env, report)),
  ]);
}

function verifyListeners(config: GatewayConfig, report: Report): void {
  const { postgres, control } = config.listeners;
  if (postgres === undefined) {
    const help = 'Add listeners: { postgres: 127.0.0.1:6432 }.';
    report(['listeners'], 'error', 'no listener for clients is configured', help);
  } else {
    if (overlap(postgres, control)) {
      const help = 'Give each listener its own port.';
      report(
        ['listeners', 'control'],
        'error',
        'listeners.control would take the same socket as listeners.postgres',
        help,
      );
    }
    if (config.tls === undefined && !isLoopbackHost(postgres.host)) {
      const message = 'clients reach this listener over the network without TLS, so tokens will be refused there';
      report(['listeners', 'postgres'], 'warning', message, 'Add tls: { cert: …, key: … }.');
    }
  }
  if (config.tls === undefined && !isLoopbackHost(control.host)) {
    const message = 'the control API would be reached over the network without TLS, so tokens will be refused there';
    report(['listeners', 'control'], 'warning', message, 'Add tls: { cert: …, key: … }, or listen on 127.0.0.1.');
  }
}

function verifyIssuers(issuers: readonly IssuerConfig[], report: Report): void {
  const seen = new Map<string, number>();
  issuers.forEach((issuer, index) => {
    const at = ['identity', 'issuers', index, 'issuer'];
    const url = URL.parse(issuer.issuer);
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
      const help = 'Write it exactly as in the iss claim of its tokens, e.g. https://idp.example.';
      report(at, 'error', `the issuer ${JSON.stringify(issuer.issuer)} is not an https URL`, help);
    } else if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
      const help = 'Use https; http is accepted only for an issuer on this machine.';
      report(at, 'error', 'keys fetched over http could be anybody’s', help);
    } else if (url.search !== '' || url.hash !== '' || url.username !== '') {
      const help =
        'Remove everything after the path. https://openid.net/specs/openid-connect-discovery-1_0.html#IssuerDiscovery';
      report(at, 'error', 'an issuer has no query, fragment or user name', help);
    }
    const first = seen.get(issuer.issuer);
    if (first === undefined) seen.set(issuer.issuer, index);
    else
      report(
        at,
        'error',
        `this issuer is configured twice (also entry ${first + 1})`,
        'Join the two; audience may be a list.',
      );
  });
  const prefixes = new Map<string, number>();
  issuers.forEach((issuer, index) => {
    const first = prefixes.get(issuer.subjectPrefix);
    if (first === undefined) {
      prefixes.set(issuer.subjectPrefix, index);
      return;
    }
    report(
      ['identity', 'issuers', index, 'subject_prefix'],
      'warning',
      `two issuers share the subject prefix ${JSON.stringify(issuer.subjectPrefix)}: a subject of one could pass for the same subject of the other (entry ${first + 1})`,
      'Give one of them a subject_prefix of its own, e.g. subject_prefix: "ci:".',
    );
  });
}

function verifyNames(config: GatewayConfig, report: Report): void {
  const seen = new Map<string, string>();
  for (const name of config.connections.keys()) {
    const other = seen.get(name.toLowerCase());
    seen.set(name.toLowerCase(), name);
    if (other === undefined) continue;
    const message = `the connections ${other} and ${name} differ only in upper and lower case`;
    report(['connections', name], 'error', message, 'Rename one: some clients fold the case of database names.');
  }
  if (config.connections.size === 0) {
    const help = 'Add one below connections; gatehouse init writes an example.';
    report(['connections'], 'warning', 'no connection is configured, so there is nothing to reach', help);
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone: config.timeZone });
  } catch {
    const help = 'Use an IANA name, e.g. Europe/Vienna or UTC.';
    report(['time_zone'], 'error', `there is no time zone ${JSON.stringify(config.timeZone)}`, help);
  }
}

async function verifyCertificate(config: GatewayConfig, now: number, report: Report): Promise<void> {
  if (config.tls === undefined) return;
  const read = (file: string, key: 'cert' | 'key'): Promise<Buffer | undefined> =>
    readOrReport(config, file, ['tls', key], report);
  const [certText, keyText] = await Promise.all([read(config.tls.cert, 'cert'), read(config.tls.key, 'key')]);
  let certificate: X509Certificate | undefined;
  if (certText !== undefined) {
    try {
      certificate = new X509Certificate(certText);
    } catch {
      report(
        ['tls', 'cert'],
        'error',
        'tls.cert holds no readable certificate',
        'It must be PEM: -----BEGIN CERTIFICATE-----.',
      );
    }
  }
  if (certificate !== undefined) {
    const notAfter = Date.parse(certificate.validTo);
    if (notAfter <= now) {
      report(
        ['tls', 'cert'],
        'error',
        `tls.cert expired on ${certificate.validTo}`,
        'Put a renewed certificate there.',
      );
    } else if (notAfter - now < 14 * DAY) {
      report(
        ['tls', 'cert'],
        'warning',
        `tls.cert expires on ${certificate.validTo}`,
        'Renew it; the file is read again on SIGHUP.',
      );
    }
  }
  if (keyText === undefined) return;
  try {
    const key = createPrivateKey(keyText);
    if (certificate !== undefined && !certificate.checkPrivateKey(key)) {
      report(
        ['tls', 'key'],
        'error',
        'tls.key does not belong to tls.cert',
        'Put the key there that the certificate was made for.',
      );
    }
  } catch {
    const help = 'It must be PEM: -----BEGIN PRIVATE KEY-----, without a passphrase.';
    report(['tls', 'key'], 'error', 'tls.key holds no readable private key', help);
  }
  await warnIfOthersRead(config, config.tls.key, ['tls', 'key'], report);
}

async function verifyKeySet(config: GatewayConfig, issuer: IssuerConfig, index: number, report: Report): Promise<void> {
  if (issuer.jwksFile === undefined) return;
  const at = ['identity', 'issuers', index, 'jwks_file'];
  const text = await readOrReport(config, issuer.jwksFile, at, report);
  if (text === undefined) return;
  const help = 'It must be a JWK Set as the issuer publishes it at its jwks_uri: {"keys": [ … ]}.';
  let keys: unknown;
  try {
    keys = (JSON.parse(text.toString('utf8')) as { keys?: unknown } | null)?.keys;
  } catch {
    report(at, 'error', 'jwks_file is not JSON', help);
    return;
  }
  if (!Array.isArray(keys) || keys.length === 0) {
    report(at, 'error', 'jwks_file holds no keys', help);
    return;
  }
  for (const key of keys as readonly { readonly kty?: unknown }[]) {
    if (typeof key !== 'object' || key === null || typeof key.kty !== 'string') {
      report(at, 'error', 'jwks_file has an entry that is no key', help);
    } else if (key.kty === 'oct' || Object.hasOwn(key, 'd')) {
      const message = 'jwks_file holds a private or shared key: whoever reads it can mint tokens';
      report(at, 'error', message, 'Put only the issuer’s public keys there, and replace that key.');
    }
  }
}

async function verifyConnection(
  config: GatewayConfig,
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  report: Report,
): Promise<void> {
  const connection = config.connections.get(name);
  if (connection === undefined) return;
  const at = ['connections', name];
  const { tls, ca, address } = connection;
  if ((tls === 'disable' || tls === 'require') && !isLoopbackHost(address.host)) {
    const what = tls === 'disable' ? 'in the clear' : 'without checking who answers';
    const message = `${name} is reached over the network ${what}`;
    report([...at, 'tls'], 'warning', message, 'Use tls: verify-full, with ca: when the authority is your own.');
  }
  if (ca !== undefined) {
    const text = await readOrReport(config, ca, [...at, 'ca'], report);
    if (text !== undefined && !text.includes('-----BEGIN CERTIFICATE-----')) {
      report([...at, 'ca'], 'error', 'ca holds no PEM certificate', 'It must be PEM: -----BEGIN CERTIFICATE-----.');
    }
  }
  const own = config.listeners.postgres;
  if (own !== undefined && isLoopbackHost(address.host) && overlap(own, address)) {
    const message = `${name} leads back to this gateway’s own listener`;
    report([...at, 'address'], 'error', message, 'Write the address of the database itself.');
  }
  const password = connection.credential.password;
  const passwordAt = [...at, 'credential', 'password'];
  if (password === undefined) return;
  if ('literal' in password) {
    const message = 'the password stands in the configuration file, where everybody who reads it can use it';
    report(
      passwordAt,
      'warning',
      message,
      `Use { env: NAME }, { file: ./path }, or: gatehouse credentials set ${name}`,
    );
  } else if ('env' in password) {
    if (env[password.env] === undefined) {
      const message = `the environment variable ${password.env} is not set here`;
      report([...passwordAt, 'env'], 'warning', message, 'Set it where the gateway runs.');
    }
  } else if ('file' in password) {
    const text = await readOrReport(config, password.file, [...passwordAt, 'file'], report);
    if (text !== undefined) await warnIfOthersRead(config, password.file, [...passwordAt, 'file'], report);
  }
}

async function readOrReport(
  config: GatewayConfig,
  file: string,
  at: readonly (string | number)[],
  report: Report,
): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const shown = shownPath(config, file);
    const message =
      code === 'ENOENT' ? `the file ${shown} does not exist` : `the file ${shown} cannot be read (${code})`;
    report(at, 'error', message, 'Paths are relative to the folder of gatehouse.yaml.');
    return undefined;
  }
}

async function warnIfOthersRead(
  config: GatewayConfig,
  file: string,
  at: readonly (string | number)[],
  report: Report,
): Promise<void> {
  const { mode } = await stat(file);
  // Group-readable is how a service account is usually given a key; the world is too many.
  if ((mode & 0o007) === 0) return;
  const shown = shownPath(config, file);
  report(at, 'warning', `every user of this machine may read ${shown}`, `Run: chmod 640 ${shown}`);
}

function shownPath(config: GatewayConfig, file: string): string {
  const inside = relative(config.folder, file).split(sep).join('/');
  return inside.startsWith('..') ? file : inside;
}
