/** Labels that results and scans speak for: proposed with counts only, accepted into a reviewed file, dismissed for good. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { type House, openHouse } from '../support/gateway-house.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const LABELS = `# who sees what
shop:
  # looked at by hand
  raw.people: { note: [] } # free text, nothing in it

  shop.customers: # the shop itself
    email: [pii.contact.email]
`;
const DOMAIN = 'hidden-in-values.example';
const CARD = '4111111111111111';

let house: House;

before(async () => {
  house = await openHouse({
    labels: LABELS,
    watch: true,
    extra: 'detectors: { default: report }',
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(`SET ROLE app; CREATE SCHEMA raw;
        CREATE TABLE raw.people (id int, contact text, note text, doc jsonb, "Geburts-Datum" date, email_verified boolean, order_no text);
        INSERT INTO raw.people SELECT n, 'p' || n || '@${DOMAIN}', 'n' || n || '@${DOMAIN}', jsonb_build_object('key', 'ghp_' || repeat(chr(97 + n % 26), 3) || 'bcdefghijklmnopqrstuvwxyz0123456789'),
          '2000-01-01', true, 'A-' || n FROM generate_series(1, 40) n;
        CREATE VIEW raw.mails AS SELECT contact AS m, lower(contact) || note AS made FROM raw.people;
        CREATE TABLE raw.visits (at date, who text) PARTITION BY RANGE (at);
        CREATE TABLE raw.visits_2026 PARTITION OF raw.visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        INSERT INTO raw.visits SELECT '2026-05-01', 'v' || n || '@${DOMAIN}' FROM generate_series(1, 10) n;`);
      await admin.end();
    },
  });
});
after(() => house[Symbol.asyncDispose]());

interface Proposal {
  readonly id: string;
  readonly relation: string;
  readonly column: string;
  readonly label: string;
  readonly state: string;
  readonly confidence: number;
  readonly inForce: boolean;
  readonly evidence: readonly { source: string; detector: string; hits: number; rows: number }[];
}

async function proposals(query = ''): Promise<Proposal[]> {
  const { status, body } = await house.control('eve', 'engineers', 'GET', `/v1/labels/proposals${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.items as Proposal[];
}

/** What is awaited comes a moment later; how long that is, is not judged. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let left = 400; ; left--) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(left > 0, 'waited in vain');
    await sleep(50);
  }
}

/** The real command line, as somebody of a group. */
async function run(group: string, ...args: readonly string[]): Promise<{ code: number; out: string; all: string }> {
  const { control } = house.gateway.addresses;
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: house.folder,
    GATEHOUSE_URL: `http://127.0.0.1:${control.port}`,
    GATEHOUSE_TOKEN: await house.token(group === 'engineers' ? 'eve' : 'ana', [group]),
    GATEHOUSE_TEST_PASSWORD: 'x',
  };
  return new Promise((done) => {
    execFile(process.execPath, [main, ...args], { env, cwd: house.folder }, (error, out, err) => {
      const code = error === null ? 0 : Number((error as { code?: unknown }).code ?? 1);
      done({ code, out, all: out + err });
    });
  });
}

const labelsFile = (): string => readFileSync(join(house.folder, 'labels', 'shop.yaml'), 'utf8');

async function copied(client: pg.Client, text: string): Promise<void> {
  for await (const _ of client.query(copyTo(text)));
}

test('what detectors find in results becomes proposals for the columns it came from, and for no others', async () => {
  const client = await house.connect(await house.through('ana', 'analysts'));
  const named = { name: 'again', text: 'SELECT id, contact, order_no FROM raw.people WHERE id <= $1', values: [30] };
  for (const query of [
    'SELECT contact, note FROM raw.people',
    named,
    named,
    'SELECT m, made FROM raw.mails',
    'SELECT who FROM raw.visits_2026',
    `SELECT 'made.up@${DOMAIN}' AS contact, contact || '' AS expression FROM raw.people`,
    'SELECT id, order_no FROM raw.people',
  ])
    await client.query(query);
  await copied(client, 'COPY raw.people (id, doc) TO STDOUT (FORMAT csv)');
  await copied(client, `COPY raw.people (order_no, contact) TO STDOUT (FORMAT csv, DELIMITER ';')`);
  await copied(client, 'COPY raw.people (order_no, contact) TO STDOUT (FORMAT binary)');
  const found = await until(async () => {
    const all = await proposals();
    return all.some(({ column }) => column === 'doc') ? all : undefined;
  });
  assert.deepEqual(
    found.map((one) => [`${one.relation}.${one.column}`, one.label, one.evidence]),
    [
      [
        'people.contact',
        'pii.contact.email',
        // 40 rows, twice 30, and 40 by way of the view
        [{ source: 'detected', detector: 'email', hits: 140, rows: 140 }],
      ],
      ['people.doc', 'sec.token', [{ source: 'detected', detector: 'secret-github', hits: 40, rows: 40 }]],
      ['visits.who', 'pii.contact.email', [{ source: 'detected', detector: 'email', hits: 10, rows: 10 }]],
    ],
  );
});

test('proposals survive a restart and hold no value', async () => {
  const before = await proposals();
  await house.restart();
  assert.deepEqual(
    (await proposals()).map(({ id, confidence }) => [id, confidence]),
    before.map(({ id, confidence }) => [id, confidence]),
  );
  const state = join(house.folder, 'state');
  for (const name of readdirSync(state).filter((file) => file.startsWith('control.db'))) {
    const text = readFileSync(join(state, name)).toString('latin1');
    assert.ok(!text.includes(DOMAIN) && !text.includes('ghp_'), name);
  }
});

test('a dismissed proposal stays dismissed, whatever is found afterwards', async () => {
  const who = (await proposals()).find(({ column }) => column === 'who');
  assert.ok(who);
  assert.equal((await run('analysts', 'labels', 'dismiss', who.id, '--reason', 'mine')).code, 1);
  assert.equal((await run('engineers', 'labels', 'dismiss', who.id)).code, 2, 'a reason is needed');
  const { code, all } = await run('engineers', 'labels', 'dismiss', who.id, '--reason', 'synthetic visitors');
  assert.equal(code, 0, all);
  const client = await house.connect(await house.through('ana', 'analysts'));
  await client.query('SELECT who FROM raw.visits');
  const counted = await until(async () => {
    const [one] = await proposals('?state=dismissed');
    return one !== undefined && (one.evidence[0]?.rows ?? 0) > 10 ? one : undefined;
  });
  assert.equal(counted.state, 'dismissed');
  assert.ok(!(await proposals()).some(({ column }) => column === 'who'));
  const listed = await run('engineers', 'labels', 'proposals', '--state', 'dismissed');
  assert.match(listed.out, /raw\.visits\.who .* dismissed by eve@example\.com: synthetic visitors/);
});

test('an accepted proposal is a reviewed line of the label file, and masks from then on', async () => {
  const contact = (await proposals()).find(({ column }) => column === 'contact');
  assert.ok(contact);
  const client = await house.connect(await house.through('ana', 'analysts'));
  const shown = async (): Promise<string> =>
    JSON.stringify((await client.query('SELECT contact FROM raw.people ORDER BY id LIMIT 1')).rows);
  assert.match(await shown(), new RegExp(`p1@${DOMAIN}`));

  const tried = await run('analysts', 'labels', 'accept', contact.id);
  assert.equal(tried.code, 1);
  assert.equal((await run('engineers', 'labels', 'accept', 'lbl_0000')).code, 1);
  const dry = await run('engineers', 'labels', 'accept', contact.id, '--dry-run');
  assert.equal(dry.code, 0, dry.all);
  assert.match(dry.out, /nothing was changed/);
  assert.equal(labelsFile(), LABELS);
  assert.equal((await proposals()).find(({ id }) => id === contact.id)?.state, 'open');

  const done = await run('engineers', 'labels', 'accept', contact.id, '--why', 'seen in the CRM export');
  assert.equal(done.code, 0, done.all);
  assert.match(done.out, /^--- labels\/shop\.yaml\n\+\+\+ labels\/shop\.yaml\n@@ -1,7 \+1,7 @@\n/);
  const text = labelsFile();
  const [, entry = ''] =
    /raw\.people: \{ note: \[\], contact: \[(\{ .* \})\] \} # free text, nothing in it/.exec(text) ?? [];
  assert.match(
    entry,
    /^\{ label: pii\.contact\.email, source: detected, confidence: \d+, by: eve@example\.com, at: [-\dT:]+Z, why: 'seen in the CRM export' \}$/,
  );
  assert.equal(text.replace(`, contact: [${entry}]`, ''), LABELS, 'nothing else has changed');
  assert.deepEqual(readdirSync(join(house.folder, 'labels')), ['shop.yaml'], 'nothing is left behind');

  await until(async () => ((await shown()).includes(DOMAIN) ? undefined : true));
  assert.ok(!(await proposals()).some(({ id }) => id === contact.id));
  const listed = await run('engineers', 'labels', 'list', 'shop');
  assert.match(
    listed.out,
    /raw\.people +contact +pii\.contact\.email +visible +detected, accepted \(shop\.yaml:4\) +9\d % +\S+Z +eve@example\.com +seen in the CRM export/,
  );
  assert.match(listed.out, /raw\.mails +m +pii\.contact\.email +visible +inherited from raw\.people\.contact/);
  assert.match(listed.out, /shop\.customers +email +pii\.contact\.email +visible +file \(shop\.yaml:7\)/);
  const others = await run('analysts', 'labels', 'list', 'shop');
  assert.doesNotMatch(others.out, /eve@|CRM export/, 'who and why are not for everybody');
  assert.doesNotMatch(
    (await run('engineers', 'labels', 'list', 'shop', '--unlabelled')).out,
    /people\.(note|contact)$/m,
  );
});

test('every decision is in the ledger with who and why', async () => {
  const all = readdirSync(join(house.folder, 'state', 'ledger'), { recursive: true, encoding: 'utf8' })
    .map((name) => join(house.folder, 'state', 'ledger', name))
    .flatMap((path) => {
      try {
        return [readFileSync(path).toString('latin1')];
      } catch {
        return []; // a folder
      }
    })
    .join('\n');
  for (const change of ['dismissed', 'accepted', 'in-force']) assert.ok(all.includes(`"change":"${change}"`), change);
});

test('a scan reads samples as a session of its own and proposes what it finds', async () => {
  const admin = await house.server.admin();
  await admin.query(`
    CREATE TABLE raw.closed (secret text);
    SET ROLE app;
    CREATE SCHEMA scan;
    CREATE TABLE scan.cards (n numeric, "E-Mail" text, free text, born date, email_verified boolean, passport_no text);
    INSERT INTO scan.cards SELECT ${CARD}, 's' || i || '@${DOMAIN}', repeat('x', 5000) || ' +49 170 1234567', '1990-01-01', true, 'x' FROM generate_series(1, 300) i;
    CREATE TABLE scan.big (id bigint, mail text);
    INSERT INTO scan.big SELECT i, CASE WHEN i % 2 = 0 THEN 'b' || i || '@${DOMAIN}' END FROM generate_series(1, 60000) i;
    ANALYZE scan.big;
    CREATE TABLE scan.written (by text);
    CREATE TABLE scan.evil (contact text);
    INSERT INTO scan.evil VALUES ('e@${DOMAIN}');
    CREATE FUNCTION scan.write_it() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO scan.written VALUES ('scan'); RETURN true; END $$;
    CREATE POLICY p ON scan.evil USING (scan.write_it());
    ALTER TABLE scan.evil ENABLE ROW LEVEL SECURITY;
    ALTER TABLE scan.evil FORCE ROW LEVEL SECURITY;
    RESET ROLE;
    CREATE TABLE scan.closed (contact text)`);
  assert.equal((await run('engineers', 'labels', 'refresh', 'shop')).code, 0);
  assert.equal((await run('analysts', 'labels', 'scan', 'shop')).code, 1);
  const { code, out, all } = await run(
    'engineers',
    'labels',
    'scan',
    'shop',
    '--schema',
    'scan',
    '--json',
    '--sample',
    '200',
  );
  assert.equal(code, 0, all);
  const scan = JSON.parse(out) as {
    session: string;
    state: string;
    tables: number;
    scanned: number;
    values: number;
    problems: string[];
  };
  assert.deepEqual([scan.state, scan.tables, scan.scanned], ['done', 5, 5], out);
  assert.deepEqual(scan.problems, [
    'scan.closed: the gateway’s role may not read it',
    'scan.evil: the target refused to show it (25006)',
  ]);
  assert.equal(
    (await admin.query('SELECT count(*)::int AS n FROM scan.written')).rows[0]?.n,
    0,
    'nothing can be written',
  );

  const found = (await proposals('?connection=shop')).filter(({ relation }) =>
    ['cards', 'big', 'evil', 'closed'].includes(relation),
  );
  const of = (column: string) =>
    found.filter((one) => one.column === column).map(({ label, evidence }) => [label, evidence]);
  assert.deepEqual(of('n'), [['pci.pan', [{ source: 'scanned', detector: 'pan', hits: 200, rows: 200 }]]]);
  assert.deepEqual(of('E-Mail'), [
    [
      'pii.contact.email',
      [
        { source: 'name', detector: 'email', hits: 1, rows: 0 },
        { source: 'scanned', detector: 'email', hits: 200, rows: 200 },
      ],
    ],
  ]);
  assert.deepEqual(of('born'), [['pii.birth', [{ source: 'name', detector: 'born', hits: 1, rows: 0 }]]]);
  assert.deepEqual(of('passport_no'), [
    [
      'pii.gov-id',
      [
        { source: 'name', detector: 'passport', hits: 1, rows: 0 },
        { source: 'scanned', detector: 'national-id', hits: 0, rows: 200 },
      ],
    ],
  ]);
  assert.equal(of('email_verified').length, 0);
  assert.equal(of('free').length, 0, 'what stands far behind in a long value is not read');
  const mail = found.find(({ column }) => column === 'mail');
  const [sampled] = mail?.evidence.filter(({ source }) => source === 'scanned') ?? [];
  assert.ok(
    sampled && sampled.hits === sampled.rows && sampled.rows > 20 && sampled.rows <= 200,
    JSON.stringify(sampled),
  );

  const session = await until(async () => {
    const shown = await house.control('eve', 'engineers', 'GET', `/v1/sessions/${scan.session}`);
    return shown.status === 200 && shown.body.endReason !== undefined ? shown.body : undefined;
  });
  assert.deepEqual(
    [session.client, session.principal.name, session.endReason, session.rows],
    ['gatehouse labels scan', 'eve@example.com', 'completed', 0],
  );
  assert.ok(session.statements >= 6);
  const statements = await house.control('eve', 'engineers', 'GET', `/v1/sessions/${scan.session}/statements`);
  const texts = JSON.stringify(statements.body);
  assert.match(texts, /FROM \\"scan\\"\.\\"big\\" TABLESAMPLE SYSTEM \([\d.]+\) LIMIT 200/);
  assert.ok(!texts.includes(DOMAIN));
  await admin.end();
});

test('one scan of a connection runs at a time, and it can be ended like any session', async () => {
  const admin = await house.server.admin();
  const tables = Array.from({ length: 30 }, (_, n) => `locked.t${n}`);
  await admin.query(
    `SET ROLE app; CREATE SCHEMA locked; ${tables.map((name) => `CREATE TABLE ${name} (a text)`).join(';')}; RESET ROLE`,
  );
  assert.equal((await run('engineers', 'labels', 'refresh', 'shop')).code, 0);
  await admin.query(`BEGIN; LOCK TABLE ${tables.join(', ')} IN ACCESS EXCLUSIVE MODE`);
  const path = '/v1/connections/shop/labels/scan';
  const started = await house.control('eve', 'engineers', 'POST', path, { schema: 'locked' });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  assert.equal((await house.control('eve', 'engineers', 'POST', path, {})).status, 409);
  const live = await house.control('eve', 'engineers', 'GET', '/v1/sessions');
  assert.match(JSON.stringify(live.body), new RegExp(started.body.session));
  const killed = await house.control(
    'eve',
    'engineers',
    'DELETE',
    `/v1/sessions/${started.body.session}?reason=enough`,
  );
  assert.equal(killed.status, 200, JSON.stringify(killed.body));
  const ended = await house.control('eve', 'engineers', 'GET', path);
  assert.deepEqual([ended.body.state, ended.body.scanned < 30], ['ended', true]);
  await admin.query('ROLLBACK');
  await admin.end();
});
