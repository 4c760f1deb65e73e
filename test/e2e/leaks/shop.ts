import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { startGateway } from '../../../src/gateway.ts';
import type { Door } from '../../support/clients/door.ts';
import { makeFolder } from '../../support/gateway-folder.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts';
import { Decoder } from './decoder.ts';
import { makeFixture } from './fixture.ts';

/** What must be protected, as the leak cases understand it. */
const LABELS = `shop:
  shop.customers:
    full_name: [pii.name]
    full_name_lc: [pii.name]
    email: [pii.contact.email]
    phone: [pii.contact.phone]
    ssn: [pii.gov-id]
    card_number: [pci.pan]
    birth_date: [pii.birth]
    notes: [pii.free]
    prefs: [pii.quasi]
  shop.payments: { iban: [fin.iban] }
  shop.customer_contacts: { emails: [pii.contact.email], phones: [pii.contact.phone] }
  'shop."Kunden Straße"': { 'E-Mail Adresse': [pii.contact.email], select: [pii.name] }
  shop.event_log: { email: [pii.contact.email] }
  shop.employees: { $table: [confidential] }
`;

const POLICY = `
permit (principal in Group::"analysts", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@reason("Confidential tables are closed")
forbid (principal in Group::"analysts", action == Action::"read", resource in Label::"confidential");
@reason("At most 1000 rows in one session")
forbid (principal in Group::"analysts", action == Action::"read", resource) when { context.rows_session > 1000 };
`;

const TEMPLATE = 'leaks_template';
/** Names of the two databases. */
export const OPEN = 'leaks_open';
export const GUARDED = 'leaks';

/** A shop twice: one copy that everybody gets straight at, one behind the gateway. */
export interface LeakShop extends AsyncDisposable {
  readonly decoder: Decoder;
  /** Straight on the open copy, as the analyst whose login the gateway uses too. */
  readonly open: Door;
  /** Through the gateway with an analyst's token. */
  readonly gateway: Door;
  /** Makes the open copy as new. */
  reset(): Promise<void>;
  /** The first value that a superuser gets for a query, on either copy. */
  look(copy: 'open' | 'guarded', sql: string): Promise<string | null>;
}

/** A session of somebody else whose last statement holds a protected value, and one more in the statistics of statements. */
async function whisper(server: PostgresServer, database: string, secret: string): Promise<pg.Client> {
  const client = await server.admin(database);
  await client.query(`SET my.whisper = '${secret}'`);
  await client.query(`SELECT '${secret}'`);
  return client;
}

/** @param more Load what `extra.sql` adds to the shop too. */
export async function openLeakShop(more: boolean): Promise<LeakShop> {
  const fixture = await makeFixture();
  const server = await startPostgres({
    shared_preload_libraries: 'pg_stat_statements',
    wal_level: 'logical',
    max_prepared_transactions: '5',
    autovacuum: 'off',
    jit: 'off',
  });
  process.env['LEAK_SERVER_PORT'] = `${server.port}`;
  const root = await mkdtemp(join(tmpdir(), 'gatehouse-leaks-'));
  await chmod(root, 0o700);
  try {
    const admin = await server.admin('postgres');
    await admin.query(`CREATE DATABASE ${TEMPLATE}`);
    const template = await server.admin(TEMPLATE);
    await template.query(fixture.sql);
    if (more) await template.query(await readFile(join(import.meta.dirname, 'extra.sql'), 'utf8'));
    await template.end();
    const copy = async (name: string): Promise<void> => {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await admin.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
    };
    await copy(OPEN);
    await copy(GUARDED);
    const secret = fixture.values.find(({ column }) => column === 'customers.notes')?.value ?? '';
    const whispering = [await whisper(server, OPEN, secret), await whisper(server, GUARDED, secret)];
    // The raw client sends its password as it stands; the gateway asks for better.
    const { rows } = await admin.query<{ hba_file: string }>('SHOW hba_file');
    const hba = rows[0]?.hba_file ?? '';
    await writeFile(hba, `host ${OPEN} analyst 127.0.0.1/32 password\n${await readFile(hba, 'utf8')}`);
    await admin.query('SELECT pg_reload_conf()');
    const target = { host: server.host, port: server.port, user: 'analyst', password: 'analyst_pw' };
    const made = await makeFolder(root, {
      labels: LABELS,
      policies: { 'main.cedar': POLICY },
      extra: 'limits: { drain_seconds: 1 }',
      // Neither four digits next to a year, nor anything else that may look like a part of a number.
      masks: '{ default: redact, pii.contact.email: pseudonym, pii.birth: { generalise: year } }',
      target: { ...target, database: GUARDED },
    });
    const gateway = await startGateway(root, { logTo: 'silent', watch: false });
    const { postgres } = gateway.addresses;
    if (!postgres) throw new Error('the gateway has no listener for PostgreSQL');
    return {
      decoder: new Decoder(fixture.values),
      open: { ...target, database: OPEN },
      gateway: { ...postgres, user: 'ana', password: await made.token('ana', ['analysts']), database: 'shop' },
      async reset() {
        await copy(OPEN);
        await admin.query("COPY (SELECT 1) TO PROGRAM 'rm -f /tmp/leaksout_*'");
        await admin.query('ALTER ROLE analyst RESET ALL');
        await admin.query('DROP ROLE IF EXISTS leaks_r1');
      },
      async look(which, sql) {
        const client = await server.admin(which === 'open' ? OPEN : GUARDED);
        const answer = await client.query({ text: sql, rowMode: 'array' });
        await client.end();
        const value: unknown = answer.rows[0]?.[0] ?? null;
        return value === null ? null : value === true ? 't' : value === false ? 'f' : String(value);
      },
      async [Symbol.asyncDispose]() {
        await gateway.close();
        for (const client of [admin, ...whispering]) await client.end();
        await server.stop();
        await rm(root, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
