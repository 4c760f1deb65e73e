import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, SignJWT } from 'jose';

/** A configuration folder for tests, with an issuer of its own whose key the test holds. */
export interface TestFolder {
  readonly folder: string;
  /** A signed token; claims are added to `sub` and `groups`. */
  token(
    subject: string,
    groups: readonly string[],
    more?: Record<string, unknown>,
    expires?: string | number,
  ): Promise<string>;
}

export interface TestFolderOptions {
  readonly target: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
    readonly password: string;
  };
  readonly labels?: string;
  readonly policies?: Readonly<Record<string, string>>;
  /** Further YAML lines of gatehouse.yaml. */
  readonly extra?: string;
  readonly masks?: string;
  /** YAML lines of further connections, indented by two. */
  readonly connections?: string;
  readonly postgres?: string;
  readonly control?: string;
}

export const ISSUER = 'https://idp.test';
export const AUDIENCE = 'gatehouse';

export async function makeFolder(folder: string, options: TestFolderOptions): Promise<TestFolder> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  await mkdir(join(folder, 'policies'), { recursive: true });
  await mkdir(join(folder, 'labels'), { recursive: true });
  await writeFile(
    join(folder, 'jwks.json'),
    JSON.stringify({ keys: [{ ...jwk, kid: 'k1', alg: 'ES256', use: 'sig' }] }),
  );
  const { target } = options;
  await writeFile(
    join(folder, 'gatehouse.yaml'),
    `state: ./state
listeners: { postgres: ${options.postgres ?? '127.0.0.1:0'}, control: ${options.control ?? '127.0.0.1:0'} }
identity:
  issuers:
    - issuer: ${ISSUER}
      audience: ${AUDIENCE}
      jwks_file: ./jwks.json
      claims: { subject: sub, name: email, groups: groups, kind: gh_kind, on_behalf_of: act.sub }
connections:
  shop:
    protocol: postgres
    address: ${target.host}:${target.port}
    database: ${target.database}
    tls: disable
    credential: { username: ${target.user}, password: { env: GATEHOUSE_TEST_PASSWORD } }
${options.connections ?? ''}
policies: ./policies
labels: ./labels
masks: ${options.masks ?? '{ default: redact, pii.contact.email: pseudonym, pci.pan: { partial: { keep_last: 4 } }, pii.birth: { generalise: year } }'}
${options.extra ?? ''}
`,
  );
  process.env['GATEHOUSE_TEST_PASSWORD'] = target.password;
  await writeFile(join(folder, 'labels', 'shop.yaml'), options.labels ?? 'shop: {}\n');
  for (const [name, text] of Object.entries(options.policies ?? {}))
    await writeFile(join(folder, 'policies', name), text);
  return {
    folder,
    token: (subject, groups, more = {}, expires = '1h') =>
      new SignJWT({ groups, email: `${subject}@example.com`, gh_kind: 'person', ...more })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setSubject(subject)
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(expires)
        .sign(privateKey),
  };
}
