import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type RunningGateway, startGateway } from '../../src/gateway.ts';
import { ISSUER, makeFolder } from '../support/gateway-folder.ts';
import { startOidcProvider, type TestProvider } from '../support/oidc-provider.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-command-line-'));
const folder = join(scratch, 'gateway');
const opened = join(scratch, 'opened');
const POLICY = `
permit (principal in Group::"analysts", action, resource);
permit (principal in Group::"data-owners", action in [Action::"approve", Action::"view"], resource);
@approval("data-owners")
@reason("Pay needs an owner's consent")
forbid (principal, action == Action::"read", resource == Table::"shop/shop.employees") unless { context.approved };
`;
let provider: TestProvider;
let server: PostgresServer;
let gateway: RunningGateway;
let url: string;

before(async () => {
  [provider, server] = await Promise.all([startOidcProvider(), startPostgres()]);
  const { host, port, database, user, password } = server;
  await makeFolder(folder, {
    target: { host, port, database, user, password },
    policies: { 'main.cedar': POLICY },
  });
  issuers(`{ issuer: '${provider.issuer}', audience: gatehouse, client_id: gatehouse-cli, claims: { name: email } }`);
  gateway = await startGateway(folder, { logTo: 'silent', watch: false });
  url = `http://127.0.0.1:${gateway.addresses.control.port}`;
  writeFileSync(join(scratch, 'browser'), `#!/bin/sh\nprintf %s "$1" > '${opened}'\n`, { mode: 0o755 });
});

after(async () => {
  await gateway?.close();
  await server?.stop();
  await provider?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** Replaces the issuers of the configuration, each written on one line. */
function issuers(...lines: readonly string[]): void {
  const file = join(folder, 'gatehouse.yaml');
  const text = readFileSync(file, 'utf8');
  const list = lines.map((line) => `    - ${line}\n`).join('');
  writeFileSync(file, text.replace(/( {2}issuers:\n)[\s\S]*?(?=connections:)/, `$1${list}`));
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess & { said: () => string } {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: scratch,
      XDG_STATE_HOME: join(scratch, 'home'),
      BROWSER: join(scratch, 'browser'),
      ...env,
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
  return Object.assign(child, { said: () => said });
}

async function run(args: readonly string[], env?: Record<string, string>): Promise<{ code: number; said: string }> {
  const child = start(args, env);
  const [code] = (await once(child, 'close')) as [number];
  return { code, said: child.said() };
}

/** Runs `gatehouse login`, and is Alice in the browser that it opens. */
async function logIn(args: readonly string[], env?: Record<string, string>): Promise<{ code: number; said: string }> {
  rmSync(opened, { force: true });
  const child = start(['login', ...args], env);
  const closed = once(child, 'close');
  let address = '';
  while (address === '' && child.exitCode === null) {
    await sleep(50);
    try {
      address = readFileSync(opened, 'utf8');
    } catch {
      // not opened yet
    }
  }
  if (address !== '') await fetch(await provider.logIn(address, 'alice'));
  const [code] = (await closed) as [number];
  return { code, said: child.said() };
}

test('login needs the address of the gateway and nothing else', async () => {
  const named = await logIn(['--server', url]);
  assert.equal(named.code, 0, named.said);
  assert.match(named.said, /logged in at http:\S+ as alice@corp\.example/);
  const known = await logIn([], { GATEHOUSE_URL: url });
  assert.equal(known.code, 0, known.said);
  assert.match((await run(['whoami'])).said, /alice@corp\.example/);
});

test('with several identity providers, login asks which one', async (t: TestContext) => {
  const first = `{ issuer: '${provider.issuer}', audience: gatehouse, client_id: gatehouse-cli, claims: { name: email } }`;
  issuers(first, `{ issuer: '${ISSUER}', audience: gatehouse, jwks_file: ./jwks.json, subject_prefix: 'other|' }`);
  assert.deepEqual(await gateway.reload(), []);
  t.after(async () => {
    issuers(first);
    await gateway.reload();
  });
  const asked = await run(['login', '--server', url]);
  assert.equal(asked.code, 2);
  assert.ok(asked.said.includes(provider.issuer) && asked.said.includes(ISSUER), asked.said);
  assert.match(asked.said, /--issuer/);
  const foreign = await run(['login', '--server', url, '--issuer', 'https://elsewhere.example']);
  assert.equal(foreign.code, 2);
  assert.match(foreign.said, /accepts no tokens of https:\/\/elsewhere\.example/);
  const chosen = await logIn(['--server', url, '--issuer', `${provider.issuer}/`]);
  assert.equal(chosen.code, 0, chosen.said);
});

test('a credential is never sent in clear text to another machine', async () => {
  const { code, said } = await run(['whoami', '--server', 'http://gateway.example:6400'], { GATEHOUSE_TOKEN: 'a.b.c' });
  assert.equal(code, 2);
  assert.match(said, /Use https:\/\/gateway\.example:6400/);
});

interface Relay {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

async function relay(t: TestContext): Promise<{ settings: Relay; child: ReturnType<typeof start> }> {
  assert.equal((await logIn(['--server', url])).code, 0);
  const child = start(['connect', 'shop', '--listen', '0', '--json']);
  t.after(() => child.kill('SIGKILL'));
  return { settings: await settingsOf(child), child };
}

async function settingsOf(child: ReturnType<typeof start>): Promise<Relay> {
  while (!/\n}\n/.test(child.said())) {
    assert.equal(child.exitCode, null, child.said());
    await sleep(50);
  }
  return JSON.parse(/^{[\s\S]*?\n}\n/m.exec(child.said())?.[0] ?? '');
}

async function client(settings: Relay & pg.ClientConfig): Promise<pg.Client> {
  const made = new pg.Client(settings);
  made.on('error', () => undefined);
  await made.connect();
  return made;
}

test('connect --listen lets a tool through as the person who is logged in', { timeout: 120_000 }, async (t) => {
  const { settings, child } = await relay(t);
  assert.equal(settings.host, '127.0.0.1');
  const tool = await client({ ...settings, application_name: 'grid tool' });
  assert.deepEqual((await tool.query("SELECT 1 AS one, current_setting('application_name') AS name")).rows, [
    { one: 1, name: 'grid tool' },
  ]);
  const rows = await tool.query("SELECT repeat('x', 100) AS x FROM generate_series(1, 20000)");
  assert.equal(rows.rows.length, 20_000);
  const listed = JSON.parse((await run(['sessions', 'list', '--json'])).said);
  assert.equal(listed.items[0].principal.name, 'alice@corp.example');
  assert.equal(listed.items[0].client, 'grid tool');
  assert.equal((await run(['sessions', 'list', '--live', '--json'])).said.includes('grid tool'), true);

  const sleeping = tool.query('SELECT pg_sleep(60)');
  const refused = assert.rejects(sleeping, { code: '57014' });
  await sleep(300);
  const { processID, secretKey } = tool as unknown as { processID: number; secretKey: number };
  const socket = connect(settings.port, settings.host);
  const packet = Buffer.alloc(16);
  for (const [index, value] of [16, 80877102, processID, secretKey].entries()) packet.writeInt32BE(value, index * 4);
  socket.write(packet);
  await once(socket.resume(), 'close');
  await refused;
  assert.equal((await tool.query('SELECT 2 AS two')).rows[0].two, 2);
  const ended = new Promise((resolve) => tool.once('end', resolve));
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0, child.said());
  await ended;
  await assert.rejects(client(settings), /ECONNREFUSED/);
});

test('a tool without the password of this run gets nowhere, and one that wants another database is told', async (t) => {
  const { settings } = await relay(t);
  for (const password of ['guess', '', `${settings.password}x`]) {
    await assert.rejects(client({ ...settings, password }), { code: '28P01' });
  }
  await assert.rejects(client({ ...settings, database: 'postgres' }), { code: '3D000', message: /only "shop"/ });
  const garbage = connect(settings.port, settings.host);
  garbage.write('GET / HTTP/1.1\r\n\r\n');
  await once(garbage.resume(), 'close');
  const fine = await client({ ...settings, user: 'anybody' });
  assert.equal((await fine.query('SELECT 3 AS three')).rows[0].three, 3);
  await fine.end();
});

test('a tool hears from the gateway why it may not in, and psql works through it', async (t) => {
  const { settings } = await relay(t);
  const { host, port, database, user, password } = settings;
  const psql = spawn('psql', ['-XAtc', 'SELECT 4'], {
    env: { ...process.env, PGHOST: host, PGPORT: `${port}`, PGDATABASE: database, PGUSER: user, PGPASSWORD: password },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const missing = new Promise((resolve) => psql.once('error', resolve));
  let said = '';
  psql.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  if ((await Promise.race([once(psql, 'close'), missing])) instanceof Error) t.diagnostic('psql is not installed');
  else assert.equal(said, '4\n');
  assert.match((await run(['logout'])).said, /logged out/);
  await assert.rejects(client(settings), { message: /not logged in/ });
});

test('what cannot be meant is wrong usage', async () => {
  assert.equal((await run(['connect', 'shop', '--listen', '70000'])).code, 2);
  assert.equal((await run(['connect', 'shop', '--listen', 'x'])).code, 2);
  assert.equal((await run(['connect', 'shop', '--listen', '0', '--', '-c', 'SELECT 1'])).code, 2);
  const meant = await run(['connect', 'shop', '-c', 'SELECT 1']);
  assert.equal(meant.code, 2);
  assert.match(meant.said, /comes after --/);
});

test('a statement that waits for consent is held, and stays so once it ran', { timeout: 60_000 }, async (t) => {
  const { postgres } = gateway.addresses;
  const [alice, bob] = await Promise.all([provider.tokenFor('alice'), provider.tokenFor('bob')]);
  const tool = new pg.Client({ ...postgres, database: 'shop', user: 'report', password: alice });
  await tool.connect();
  t.after(() => tool.end());
  const as = (token: string) => ({ GATEHOUSE_URL: url, GATEHOUSE_TOKEN: token });
  const running = tool.query('SELECT count(*) FROM shop.employees');
  let held: { id: string; held: number; live: boolean } | undefined;
  while (held === undefined) {
    await sleep(200);
    const { said } = await run(['sessions', 'list', '--decision', 'hold', '--json'], as(alice));
    held = JSON.parse(said).items[0];
  }
  assert.equal(held.held, 1);
  const waiting = await run(['sessions', 'show', held.id], as(alice));
  const request = /waits for +request (\S+)/.exec(waiting.said)?.[1] ?? '';
  assert.match(request, /^req_/, waiting.said);
  const own = await run(['requests', 'approve', request, '--reason', 'I need it myself'], as(alice));
  assert.equal(own.code, 1);
  const approved = await run(['requests', 'approve', request, '--reason', 'agreed with payroll'], as(bob));
  assert.equal(approved.code, 0, approved.said);
  assert.equal((await running).rows.length, 1);
  let shown = '';
  while (!shown.includes('forward')) {
    await sleep(200);
    shown = (await run(['sessions', 'show', held.id], as(alice))).said;
  }
  assert.match(shown, new RegExp(`forward[\\s\\S]*request +${request}`));
  assert.doesNotMatch(shown, /waits for/);
  const listed = await run(['sessions', 'list', '--decision', 'hold', '--json'], as(alice));
  assert.deepEqual(
    JSON.parse(listed.said).items.map((one: { id: string; held: number }) => [one.id, one.held]),
    [[held.id, 1]],
  );
});

test('policy explain of a statement asks the gateway, and labels import reads comments there', async () => {
  assert.equal((await logIn(['--server', url])).code, 0);
  const explain = (...args: string[]) => run(['policy', 'explain', ...args]);
  const fine = await explain('--connection', 'shop', 'SELECT id FROM shop.orders');
  assert.equal(fine.code, 0, fine.said);
  assert.match(fine.said, /^statement: select, read, touches all rows\n {2}reads shop\.orders: id\n/);
  assert.match(fine.said, /decision: allowed \(main#1\)[\s\S]*the target gets the statement as it is/);
  const held = await explain('--connection', 'shop', 'SELECT * FROM shop.employees');
  assert.equal(held.code, 1);
  assert.match(held.said, /decision: waits for consent of one person from data-owners: Pay needs an owner's consent/);
  const nobody = await explain('SELECT id FROM shop.orders', '--connection', 'shop', '--as', 'mo', '--group', 'none');
  assert.equal(nobody.code, 1);
  assert.match(nobody.said, /no policy permits read on table shop\.orders of connection shop for person mo/);
  assert.equal((await explain('SELECT 1')).code, 2, 'without a connection');
  assert.equal((await explain('SELECT 1', '--connection', 'shop', '--group', 'none')).code, 2, 'groups of nobody');
  const data = await explain('--json', '--connection', 'shop', 'DELETE FROM shop.orders');
  const parsed = JSON.parse(data.said) as { statements: { verb: string; allRows: boolean; writes: string[] }[] };
  assert.deepEqual(
    parsed.statements.map(({ verb, allRows, writes }) => [verb, allRows, writes.join()]),
    [['delete', true, 'shop.orders']],
  );
  const imported = await run(['labels', 'import', 'shop']);
  assert.equal(imported.code, 0, imported.said);
  assert.match(imported.said, /# no label found/);
  assert.match((await run(['labels', 'list', 'shop', '--unlabelled'])).said, /^shop\.customers\.city$/m);
});

test('ledger verify compares with what was seen before', async () => {
  const copy = join(scratch, 'ledger');
  await sleep(1_500); // a checkpoint is written within a second
  cpSync(join(folder, 'state/ledger'), copy, { recursive: true });
  const first = await run(['ledger', 'verify', copy, '--json']);
  assert.equal(first.code, 0, first.said);
  const seen = join(scratch, 'seen.json');
  const verifyAgainst = async (text: string) => {
    writeFileSync(seen, text);
    return run(['ledger', 'verify', copy, '--known', seen]);
  };
  const same = await verifyAgainst(first.said);
  assert.equal(same.code, 0, same.said);
  assert.match(same.said, /the \d+ entries seen before/);
  const { checkpoint } = JSON.parse(first.said);
  assert.ok(checkpoint.size > 5);
  const cut = await verifyAgainst(JSON.stringify({ checkpoint: { ...checkpoint, size: checkpoint.size + 1 } }));
  assert.equal(cut.code, 1);
  assert.match(cut.said, /its end was cut off/);
  const rewritten = await verifyAgainst(JSON.stringify({ checkpoint: { ...checkpoint, size: checkpoint.size - 1 } }));
  assert.equal(rewritten.code, 1, rewritten.said);
  assert.equal((await verifyAgainst('{}')).code, 2);
});

test('over TLS, login, psql and the relay all check the gateway’s certificate', { timeout: 120_000 }, async (t) => {
  const secured = join(scratch, 'secured');
  cpSync(folder, secured, { recursive: true, filter: (path) => !path.includes('/state') });
  const [cert, key] = [join(secured, 'cert.pem'), join(secured, 'key.pem')];
  const subject = ['-subj', '/CN=gateway', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject], { stdio: 'ignore' });
  writeFileSync(join(secured, 'gatehouse.yaml'), 'tls: { cert: ./cert.pem, key: ./key.pem }\n', { flag: 'a' });
  const other = await startGateway(secured, { logTo: 'silent', watch: false });
  t.after(() => other.close());
  const address = `https://127.0.0.1:${other.addresses.control.port}`;
  const trusting = { NODE_EXTRA_CA_CERTS: cert };
  assert.equal((await run(['login', '--server', address])).code, 4, 'nobody vouches for that certificate');
  const loggedIn = await logIn(['--server', address], trusting);
  assert.equal(loggedIn.code, 0, loggedIn.said);
  const psql = ['connect', 'shop', '--', '-XAtc', 'SELECT ssl_is_used FROM (SELECT 5 AS ssl_is_used) AS s'];
  const trusted = await run(psql, { ...trusting, PGSSLROOTCERT: cert });
  if (!trusted.said.includes('psql is not installed')) {
    assert.equal(trusted.said, '5\n');
    assert.notEqual((await run(psql, trusting)).code, 0, 'psql trusts the public authorities alone');
  }

  for (const [env, works] of [
    [{ ...trusting, PGSSLROOTCERT: cert }, true],
    [trusting, true],
    [{ ...trusting, PGSSLROOTCERT: join(folder, 'missing.pem') }, false],
  ] as const) {
    const child = start(['connect', 'shop', '--listen', '0', '--json'], env);
    t.after(() => child.kill('SIGKILL'));
    const settings = await settingsOf(child);
    if (works) {
      const tool = await client(settings);
      assert.equal((await tool.query('SELECT 6 AS six')).rows[0].six, 6);
      await tool.end();
    } else await assert.rejects(client(settings), { message: /cannot be read/ });
    child.kill('SIGTERM');
  }
});
