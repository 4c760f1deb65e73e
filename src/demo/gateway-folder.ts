import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { initFolder, loadConfig } from '../config/index.ts';
import { initState, ledgerFolder } from '../gateway.ts';
import { DemoError } from './errors.ts';
import { AUDIENCE, CLIENT_ID } from './identity-provider.ts';
import { APP_ROLE, DATABASE } from './sales-database.ts';

export interface DemoPorts {
  readonly postgres: number;
  readonly control: number;
  readonly identity: number;
  readonly database: number;
}

const LABELS = `# Which columns of the demo's database hold what: connection → relation → column → labels.
shop:
  shop.customers:
    full_name: [pii.name]
    email: [pii.contact.email]
    phone: [pii.contact.phone]
    birth_date: [pii.birth]
    card_number: [pci.pan]
  shop.payments: { iban: [pii.financial.iban] }
  hr.salaries: { $table: [confidential] }
`;

/** The password with which the gateway logs in at the demo's database; made once. */
export function appPassword(folder: string): string {
  const file = join(folder, 'database-password');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

/**
 * A configuration folder as `gatehouse init` makes it, with the demo's labels. Policies and labels are written once, so that
 * what somebody changes in them stays; gatehouse.yaml follows the ports of this start.
 */
export async function prepareGateway(folder: string, ports: DemoPorts): Promise<void> {
  const main = join(folder, 'gatehouse.yaml');
  if (!existsSync(main)) {
    await initFolder(folder, { connection: { name: DATABASE, address: '127.0.0.1', database: DATABASE } });
    writeFileSync(join(folder, 'labels', `${DATABASE}.yaml`), LABELS);
  }
  writeFileSync(main, gatehouseYaml(ports));
  const loaded = await loadConfig(folder);
  if ('problems' in loaded) {
    const [first] = loaded.problems.filter((problem) => problem.severity === 'error');
    throw new DemoError(
      'ERR_DEMO_STATE_FOLDER',
      `${folder}/${first?.file}:${first?.line}: ${first?.message}. Mend it, or remove ${folder} to begin anew`,
    );
  }
  const { config } = loaded.ok;
  if (!existsSync(join(ledgerFolder(config), 'checkpoint'))) await initState(config);
}

function gatehouseYaml(ports: DemoPorts): string {
  return `# Written by gatehouse demo at every start. Policies and labels beside it are yours to change: the gateway follows at once.
state: ./state
listeners: { postgres: '127.0.0.1:${ports.postgres}', control: '127.0.0.1:${ports.control}' }
identity:
  issuers:
    - issuer: http://127.0.0.1:${ports.identity}
      audience: ${AUDIENCE}
      client_id: ${CLIENT_ID}
connections:
  ${DATABASE}:
    protocol: postgres
    address: 127.0.0.1:${ports.database}
    database: ${DATABASE}
    tls: disable # the same machine
    credential: { username: ${APP_ROLE}, password: { file: ./database-password } }
policies: ./policies
labels: ./labels
masks:
  default: redact
  pii.contact.email: pseudonym
  pii.contact.phone: { partial: { keep_last: 2 } }
  pii.birth: { generalise: year }
  pci.pan: { partial: { keep_last: 4 } }
approvals: { mode: wait, wait_seconds: 300 }
log: { level: warn }
ledger: { origin: demo.gatehouse.local/ledger/1 }
`;
}
