/** Rules and databases change under live sessions: what is hidden stays hidden, from the next statement on. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, afterEach, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { Door } from '../support/clients/door.ts';
import { describe, RawClient } from '../support/clients/raw-client.ts';
import {
  assertMasked,
  type House,
  LABELS,
  openHouse,
  POLICY,
  PSEUDONYM,
  replaceFile,
} from '../support/gateway-house.ts';

let house: House;
let analyst: Door;
/** Straight to the database, unknown to the gateway. */
let behind: pg.Client;

before(async () => {
  house = await openHouse({ watch: true });
  analyst = await house.through('ana', 'analysts');
  behind = await house.server.admin();
  await behind.query('SET ROLE app');
});
after(async () => {
  await behind.end();
  await house[Symbol.asyncDispose]();
});
afterEach(async () => {
  assert.deepEqual(await house.change({ labels: LABELS, policy: '' }), []);
});

const CITIES = 'SELECT city FROM shop.customers ORDER BY id LIMIT 3';
const withCity = LABELS.replace(
  'email: [pii.contact.email], phone',
  'city: [pii.address], email: [pii.contact.email], phone',
);

/** What a statement shows, in one text; an error of the database or the gateway is told by its code. */
async function shown(client: pg.Client, query: string | pg.QueryConfig): Promise<string> {
  try {
    return JSON.stringify((await client.query(query)).rows);
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    return `error ${error.code}: ${error.message}`;
  }
}

test('a new label masks the next statement of a live session; prepared statements must be prepared anew', async () => {
  const client = await house.connect(analyst);
  const prepared = { name: 'cities', text: CITIES };
  const raw = await RawClient.connect(analyst);
  await raw.ask(frontend.parse('s', CITIES), frontend.bind({ portal: 'p', statement: 's' }), frontend.sync());
  assert.match(await shown(client, CITIES), /Graz/);
  assert.match(await shown(client, prepared), /Graz/);
  assert.deepEqual(await house.change({ labels: withCity }), []);
  assert.match(await shown(client, CITIES), /\*\*\*/);
  assert.match(await shown(client, prepared), /error 0A000: cached plan must not change result type/);
  const again = await raw.ask(frontend.bind({ statement: 's' }), frontend.execute(), frontend.sync());
  assert.deepEqual(again.map(describe), ['error-response 0A000', 'ready-for-query I']);
  await raw.ask(frontend.close('statement', 's'), frontend.parse('s', CITIES), frontend.sync());
  const anew = await raw.ask(frontend.bind({ statement: 's' }), frontend.execute(), frontend.sync());
  assert.ok(anew.every((message) => message.kind !== 'data-row' || message.values[0]?.toString() === '***'));
  raw.close();
});

test('an open portal and a cursor do not outlive a change of what is hidden', async () => {
  const raw = await RawClient.connect(analyst);
  raw.send(
    frontend.query('BEGIN'),
    frontend.parse('', 'SELECT city FROM shop.customers'),
    frontend.bind({ portal: 'p' }),
  );
  raw.send(
    frontend.execute('p', 2),
    frontend.query(`DECLARE c CURSOR FOR SELECT city FROM shop.customers`),
    frontend.sync(),
  );
  await raw.until('portal-suspended');
  for (let ready = 0; ready < 2; ready++) await raw.until('ready-for-query');
  assert.deepEqual(await house.change({ labels: withCity }), []);
  for (const messages of [
    [frontend.query('FETCH 5 FROM c')],
    [frontend.query('ROLLBACK')],
    [frontend.execute('p', 2), frontend.sync()],
  ]) {
    // The answer may be an error, or the end of the session; never a row with the old meaning.
    raw.send(...messages);
    const answer = await raw.until('ready-for-query').catch(() => raw.rest());
    const values = answer.flatMap((message) => (message.kind === 'data-row' ? [`${message.values[0]}`] : []));
    assert.deepEqual(
      values.filter((value) => value !== '***'),
      [],
    );
  }
  raw.close();
});

test('a changed policy is in force for the next statement, both ways', async () => {
  const client = await house.connect(analyst);
  assert.match(await shown(client, 'SELECT name FROM shop.employees'), /error 42501/);
  assert.match(await shown(client, 'SELECT email FROM shop.customers LIMIT 1'), PSEUDONYM);
  const unmask =
    'permit (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii.contact");';
  assert.deepEqual(await house.change({ policy: unmask }), []);
  assert.match(
    await shown(client, 'SELECT email, full_name FROM shop.customers ORDER BY id LIMIT 1'),
    /Person1@secret1.*\*\*\*/,
  );
  const closed =
    '@reason("Closed") forbid (principal in Group::"analysts", action == Action::"read", resource in Connection::"shop");';
  assert.deepEqual(await house.change({ policy: closed }), []);
  assert.match(await shown(client, 'SELECT id FROM shop.products'), /error 42501: gatehouse: Closed/);
  assert.deepEqual(await house.change({ policy: '' }), []);
  assertMasked(await shown(client, 'SELECT email FROM shop.customers'));
});

test('a broken new version is refused and the old one stays', async () => {
  const client = await house.connect(analyst);
  for (const broken of [
    { policy: 'permit (principal' },
    { policy: 'permit (principal, action == Action::"reed", resource);' },
    { labels: 'shop: [' },
    { labels: '' },
  ]) {
    const problems = await house.change({ labels: LABELS, policy: '', ...broken });
    if (broken.labels !== '') assert.ok(problems.length > 0, JSON.stringify(broken));
    if (problems.length === 0) continue;
    assertMasked(await shown(client, 'SELECT * FROM shop.customers LIMIT 3'));
    assert.match(await shown(client, 'SELECT name FROM shop.employees'), /error 42501/);
  }
});

test('a changed file is noticed by itself', async () => {
  const client = await house.connect(analyst);
  await replaceFile(
    join(house.folder, 'policies', 'main.cedar'),
    `${POLICY}\n@reason("Noticed") forbid (principal in Group::"analysts", action == Action::"read", resource);\n`,
  );
  let said = '';
  for (let turn = 0; turn < 400 && !said.includes('Noticed'); turn++) {
    said = await shown(client, CITIES);
    await sleep(25);
  }
  assert.match(said, /Noticed/);
});

test('a label file cut in the middle of being written unmasks nobody, and a real removal counts a little later', async () => {
  const client = await house.connect(analyst);
  const file = join(house.folder, 'labels', 'shop.yaml');
  const lines = LABELS.split('\n');
  // In place and with a pause, as a slow copy writes: every beginning of it up to a line's end is a valid label file.
  for (const until of [0, 1, 2, lines.length]) {
    await writeFile(file, lines.slice(0, until).join('\n'));
    for (let turn = 0; turn < 8; turn++) {
      assertMasked(await shown(client, 'SELECT * FROM shop.customers LIMIT 3'));
      assert.match(await shown(client, 'SELECT name FROM shop.employees'), /error 42501/);
      await sleep(100);
    }
  }
  await sleep(3_000);
  assertMasked(await shown(client, 'SELECT * FROM shop.customers LIMIT 3'));

  await replaceFile(file, LABELS.replace(', phone: [pii.contact.phone]', ''));
  let phone = '';
  const started = Date.now();
  while (Date.now() - started < 10_000 && !/[0-9]/.test(phone)) {
    phone = await shown(client, 'SELECT phone FROM shop.customers ORDER BY id LIMIT 1');
    await sleep(50);
  }
  assert.match(phone, /[0-9]/);
  assert.ok(Date.now() - started >= 2_000);
});

test('a hidden column renamed a moment before the query stays hidden', async () => {
  const client = await house.connect(analyst);
  assertMasked(await shown(client, 'SELECT phone FROM shop.customers'));
  await behind.query('ALTER TABLE shop.customers RENAME phone TO telephone');
  for (const text of [
    'SELECT telephone FROM shop.customers',
    'SELECT * FROM shop.customers',
    'SELECT max(telephone) FROM shop.customers',
  ]) {
    assertMasked(await shown(await alive(client), text));
  }
  await behind.query('ALTER TABLE shop.customers RENAME telephone TO phone');
  assertMasked(await shown(await alive(client), 'SELECT phone FROM shop.customers'));
});

test('a column added a moment before the query is shown, and hides nothing less', async () => {
  const client = await house.connect(analyst);
  await behind.query(`ALTER TABLE shop.customers ADD nickname text DEFAULT 'open'`);
  const whole = await shown(await alive(client), 'SELECT * FROM shop.customers LIMIT 2');
  assertMasked(whole);
  const fresh = await alive(client);
  for (let turn = 0; turn < 3; turn++)
    assertMasked(await shown(fresh, 'SELECT nickname, email FROM shop.customers LIMIT 2'));
  await behind.query('ALTER TABLE shop.customers DROP nickname');
  assertMasked(await shown(await alive(client), 'SELECT * FROM shop.customers LIMIT 2'));
});

test('tables that swap their names a moment before the query show nothing hidden', async () => {
  const client = await house.connect(analyst);
  await behind.query(
    `CREATE TABLE shop.stand_in (LIKE shop.customers INCLUDING GENERATED INCLUDING DEFAULTS); INSERT INTO shop.stand_in (id, full_name, email, city, created_at) VALUES (1, 'open', 'open@x.example', 'Graz', now())`,
  );
  assertMasked(await shown(client, 'SELECT email FROM shop.stand_in'));
  await behind.query(
    'BEGIN; ALTER TABLE shop.customers RENAME TO away; ALTER TABLE shop.stand_in RENAME TO customers; ALTER TABLE shop.away RENAME TO stand_in; COMMIT',
  );
  for (const text of [
    'SELECT email FROM shop.stand_in',
    'SELECT full_name, phone FROM shop.stand_in',
    'SELECT * FROM shop.customers',
    'SELECT * FROM shop.stand_in',
  ]) {
    assertMasked(await shown(await alive(client), text));
  }
  await behind.query(
    'BEGIN; ALTER TABLE shop.customers RENAME TO away; ALTER TABLE shop.stand_in RENAME TO customers; ALTER TABLE shop.away RENAME TO stand_in; COMMIT; DROP TABLE shop.stand_in',
  );
  assertMasked(await shown(await alive(client), 'SELECT * FROM shop.customers LIMIT 3'));
});

test('a swapped table is noticed even when no result column says where it comes from', async (t) => {
  const swap = async (one: string, other: string) => {
    await behind.query(
      `BEGIN; ALTER TABLE shop.${one} RENAME TO away; ALTER TABLE shop.${other} RENAME TO ${one}; ALTER TABLE shop.away RENAME TO ${other}; COMMIT`,
    );
  };
  const client = await house.connect(analyst);
  await behind.query('CREATE TABLE shop.stand_in (LIKE shop.customers INCLUDING GENERATED INCLUDING DEFAULTS)');
  assert.equal(await shown(client, 'SELECT upper(email) FROM shop.stand_in'), '[]');
  await swap('customers', 'stand_in');
  t.after(async () => {
    await swap('customers', 'stand_in');
    await behind.query('DROP TABLE shop.stand_in');
  });
  for (const text of [
    'SELECT upper(email) FROM shop.stand_in',
    'SELECT to_jsonb(s) FROM shop.stand_in s',
    'SELECT string_agg(phone, $$,$$) FROM shop.stand_in',
  ]) {
    assertMasked(await shown(await alive(client), text));
  }
});

test('a closed table that takes an open table’s name stays closed', async (t) => {
  const client = await house.connect(analyst);
  assert.match(await shown(client, 'SELECT max(name) FROM shop.products'), /Thing/);
  await behind.query(
    'BEGIN; ALTER TABLE shop.products RENAME TO away; ALTER TABLE shop.employees RENAME TO products; COMMIT',
  );
  t.after(() =>
    behind.query(
      'BEGIN; ALTER TABLE shop.products RENAME TO employees; ALTER TABLE shop.away RENAME TO products; COMMIT',
    ),
  );
  for (const text of ['SELECT name FROM shop.products', 'SELECT max(name) FROM shop.products']) {
    assert.doesNotMatch(await shown(await alive(client), text), /Employee/);
  }
});

test('a view replaced a moment before the query shows nothing hidden', async () => {
  const client = await house.connect(analyst);
  await behind.query('CREATE VIEW shop.harmless AS SELECT id, city AS word FROM shop.customers');
  assert.match(await shown(client, 'SELECT word FROM shop.harmless LIMIT 1'), /Graz|Linz|Vienna|Salzburg/);
  await behind.query('CREATE OR REPLACE VIEW shop.harmless AS SELECT id, email::text AS word FROM shop.customers');
  assert.deepEqual(
    (await house.control('eng', 'engineers', 'POST', '/v1/connections/shop/labels/refresh')).status,
    200,
  );
  assertMasked(await shown(await alive(client), 'SELECT word FROM shop.harmless LIMIT 1'));
  await behind.query('DROP VIEW shop.harmless');
});

/** The witness may end a session to keep a column hidden; then the person connects again. */
async function alive(client: pg.Client): Promise<pg.Client> {
  try {
    await client.query('SELECT 1');
    return client;
  } catch {
    return house.connect(analyst);
  }
}
