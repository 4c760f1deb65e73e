import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { checkConfig, formatProblem } from '../../../src/config/index.ts';

/** The configuration that the documentation shows, to the letter. */
export const DOCUMENTED = `# gatehouse.yaml
state: ./state                                   # embedded default: SQLite file, ledger and recordings below this folder
listeners: { postgres: 127.0.0.1:6432, control: 127.0.0.1:6400 }
tls: { cert: ./tls/cert.pem, key: ./tls/key.pem } # clear-text tokens are refused without it, loopback excepted
identity:
  issuers:
    - issuer: https://idp.example
      audience: gatehouse
      jwks_file: ./jwks.json                     # or OIDC discovery when absent
      claims: { subject: sub, name: email, groups: groups, kind: gh_kind, on_behalf_of: act.sub }
connections:
  shop:
    protocol: postgres
    address: 127.0.0.1:5432
    database: shop
    tls: verify-full                             # disable | require | verify-ca | verify-full
    credential: { username: app, password: { env: SHOP_PASSWORD } }   # or file:, or stored encrypted: gatehouse credentials set
policies: ./policies                             # *.cedar
labels: ./labels                                 # *.yaml, see below
masks: { default: redact, pii.contact.email: pseudonym, pci.pan: { partial: { keep_last: 4 } }, pii.birth: { generalise: year } }
`;

export const DOCUMENTED_LABELS = `# labels/shop.yaml: connection → relation (quoted as in SQL) → column → labels; $table labels the relation itself
shop:
  shop.customers: { email: [pii.contact.email], card_number: [pci.pan], birth_date: [pii.birth] }
  shop.employees: { $table: [confidential] }
  'shop."Kunden Straße"': { 'E-Mail Adresse': [pii.contact.email] }
`;

export const POLICY =
  'permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource);\n';

/** The least that loads without a warning. */
export const SMALL = `listeners: { postgres: 127.0.0.1:6432 }
identity: { issuers: [{ issuer: https://idp.example, audience: gatehouse }] }
connections:
  shop: { protocol: postgres, address: 127.0.0.1, tls: disable, credential: { username: app } }
`;

export const ENV = { SHOP_PASSWORD: 'x' };

/** A configuration folder that goes with its test. Policies and labels that load are there unless `files` says otherwise. */
export async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const all = { 'policies/reading.cedar': POLICY, 'labels/shop.yaml': 'shop: {}\n', ...files };
  for (const [name, text] of Object.entries(all)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text, { mode: 0o640 });
  }
  return folder;
}

/** `file:line:column severity message` of every problem: what a test compares. */
export async function problemsOf(folder: string): Promise<string[]> {
  return (await checkConfig(folder, { env: ENV })).map((problem) => {
    // Every problem must be printable and say what to do.
    if (problem.help === '' || !formatProblem(problem).includes(problem.help))
      throw new Error(`no help: ${problem.message}`);
    return `${problem.file}:${problem.line}:${problem.column} ${problem.severity} ${problem.message}`;
  });
}

export async function jwks(): Promise<string> {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  return JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', use: 'sig' }] });
}

export function certificate(folder: string, days: number): void {
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=localhost',
  ];
  const out = ['-days', String(days), '-keyout', join(folder, 'tls/key.pem'), '-out', join(folder, 'tls/cert.pem')];
  execFileSync('openssl', [...args, ...out], { stdio: 'ignore' });
}
