/** The key of pseudonyms: nobody gets to see it, and it changes by epoch. */
import assert from 'node:assert/strict';
import { createHmac, hkdfSync } from 'node:crypto';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { loadMasterKey } from '../../src/identity/index.ts';
import { pseudonymSettings } from '../../src/masking/index.ts';
import { assertMasked, type House, openHouse } from '../support/gateway-house.ts';
import { stateText } from '../support/state-text.ts';

let house: House;
before(async () => {
  house = await openHouse({
    extra: 'pseudonyms: { epoch: 90d }',
    databases: ['second'],
    policy: `permit (principal in Group::"analysts", action in [Action::"connect", Action::"read", Action::"define", Action::"write", Action::"call", Action::"set"], resource);`,
    prepare: async (server) => {
      const admin = await server.admin('second');
      await admin.query('CREATE TABLE public.people (id int, mail text)');
      await admin.query(
        `INSERT INTO public.people VALUES (1, 'Person1@secret1.example'), (2, 'other@secret2.example')`,
      );
      await admin.query('ALTER TABLE public.people OWNER TO app');
      await admin.end();
    },
    labels: `shop:
  shop.customers: { email: [pii.contact.email], full_name: [pii.name] }
  shop.visits: { email: [pii.contact.email] }
second:
  public.people: { mail: [pii.contact.email] }
`,
  });
});
after(() => house[Symbol.asyncDispose]());

const analyst = async (database = 'shop'): Promise<pg.Client> =>
  house.connect({ ...(await house.through('ana', 'analysts')), database });

/** Everything that a client gets to see of a statement: rows, errors with all their fields, notices. */
async function everything(client: pg.Client, text: string | pg.QueryConfig): Promise<string> {
  const seen: unknown[] = [];
  const listen = (notice: unknown): number => seen.push({ ...(notice as object) });
  client.on('notice', listen);
  try {
    const results: pg.QueryResult | pg.QueryResult[] = await client.query(text);
    seen.push([results].flat().map(({ rows, command }) => [command, rows]));
  } catch (error) {
    seen.push({ ...(error as object), message: (error as Error).message });
  }
  client.off('notice', listen);
  return JSON.stringify(seen);
}

/** All forms in which somebody could be shown the key of any epoch so far. */
async function secrets(): Promise<RegExp> {
  const forms: string[] = [];
  for (const id of epochs) {
    const key = await keyOf(id);
    const pads = pseudonymSettings(key).map(([, value]) => value);
    // Part of a pad is enough, in hex, escaped or base64.
    for (const pad of pads)
      forms.push(pad.slice(0, 16), pad.slice(40, 56), Buffer.from(pad, 'hex').toString('base64').slice(0, 16));
    forms.push(key.toString('hex').slice(0, 16), key.toString('base64').slice(0, 16));
  }
  return new RegExp(forms.map((form) => form.replace(/[+/]/g, '\\$&')).join('|'), 'i');
}

const epochs = new Set<string>();

async function keyOf(id: string): Promise<Buffer> {
  const { bytes } = await loadMasterKey(join(house.folder, 'state', 'master.key'), {});
  return Buffer.from(hkdfSync('sha256', bytes, '', `gatehouse/pseudonym/2/${id}`, 32));
}

async function epoch(): Promise<string> {
  const answer = await house.control('eve', 'engineers', 'GET', '/v1/pseudonyms');
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  epochs.add(answer.body.epoch);
  return answer.body.epoch;
}

const MAIL = 'SELECT email FROM shop.customers ORDER BY id LIMIT 1';
async function pseudonym(client: pg.Client, text = MAIL): Promise<string> {
  const { rows } = await client.query({ text, rowMode: 'array' });
  const value = String(rows[0]?.[0]);
  assert.match(value, /^p_[a-p]+@masked\.invalid$/);
  return value;
}

test('the test knows the key: what the gateway shows is what it makes', async () => {
  await epoch();
  const client = await analyst();
  const direct = await house.connect(house.direct);
  const { rows } = await direct.query(MAIL);
  const key = await keyOf(await epoch());
  const digest = createHmac('sha256', key)
    .update(rows[0].email)
    .digest('hex')
    .replace(/[0-9]/g, (digit) => 'ghijklmnop'[Number(digit)] ?? '');
  assert.equal(await pseudonym(client), `p_${digest.slice(0, 22)}@masked.invalid`);
});

test('no statement of somebody who knows SQL shows the key', async () => {
  const client = await analyst();
  await pseudonym(client);
  const other = await analyst();
  const key = await secrets();
  const name = 'gatehouse.pseudonym_inner';
  const attacks: (string | pg.QueryConfig)[] = [
    `SHOW ${name}`,
    'SHOW ALL',
    `SELECT current_setting('${name}')`,
    `SELECT current_setting('${name}', true)`,
    `SELECT pg_catalog.current_setting(chr(103) || 'atehouse.pseudonym_inner')`,
    { text: 'SELECT current_setting($1)', values: [name] },
    `SELECT current_setting(x) FROM (VALUES ('${name}')) v (x)`,
    `SELECT * FROM current_setting('${name}')`,
    `SELECT * FROM ROWS FROM (current_setting('${name}')) r`,
    `SELECT U&"\\0063urrent_setting"('${name}')`,
    `SELECT set_config('${name}', 'aa', false)`,
    `SELECT set_config('${name}', current_setting('${name}'), true)`,
    `SET ${name} = 'aa'`,
    `SET LOCAL ${name} = 'aa'`,
    `RESET ${name}`,
    `SELECT name, setting, reset_val, boot_val FROM pg_settings WHERE name LIKE 'gate%' OR setting ~ '[0-9a-f]{64}'`,
    `SELECT * FROM pg_show_all_settings() s WHERE s.name ~ 'pseudo'`,
    'SELECT * FROM pg_settings',
    `SELECT * FROM pg_stat_activity`,
    `SELECT * FROM pg_stat_get_activity(NULL)`,
    `SELECT * FROM pg_prepared_statements`,
    `SELECT * FROM pg_cursors`,
    `SELECT * FROM pg_db_role_setting`,
    `SELECT * FROM pg_backend_memory_contexts`,
    `SELECT * FROM pg_get_backend_memory_contexts()`,
    `EXPLAIN (VERBOSE) ${MAIL}`,
    `EXPLAIN (ANALYZE, VERBOSE, SETTINGS, BUFFERS, FORMAT JSON) ${MAIL}`,
    `EXPLAIN (ANALYZE, VERBOSE) SELECT email FROM shop.customers WHERE email = 'p_x@masked.invalid'`,
    `EXPLAIN (VERBOSE) SELECT * FROM shop.customers a JOIN shop.visits b ON a.email = b.email`,
    `PREPARE k AS SELECT current_setting('${name}')`,
    'EXECUTE k',
    `DECLARE c CURSOR WITH HOLD FOR SELECT current_setting('${name}')`,
    `COPY (SELECT current_setting('${name}')) TO STDOUT`,
    `CREATE TEMP TABLE t (x text DEFAULT current_setting('${name}'))`,
    'INSERT INTO t DEFAULT VALUES',
    'SELECT * FROM t',
    `CREATE TEMP TABLE u (x int CHECK (current_setting('${name}') IS NULL))`,
    'INSERT INTO u VALUES (1)',
    `CREATE TEMP VIEW v AS SELECT current_setting('${name}') AS k`,
    'SELECT * FROM v',
    `CREATE TABLE shop.w (x int, k text GENERATED ALWAYS AS (current_setting('${name}')) STORED)`,
    `CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $f$ SELECT current_setting('${name}') $f$`,
    'SELECT pg_temp.f()',
    `CREATE FUNCTION pg_temp.g() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN RETURN current_setting('gatehouse' || '.pseudonym_inner'); END $f$`,
    'SELECT pg_temp.g()',
    `CREATE FUNCTION shop.h() RETURNS text LANGUAGE sql SET search_path FROM CURRENT AS $f$ SELECT current_setting('${name}') $f$`,
    'SELECT shop.h()',
    `DO $d$ BEGIN RAISE NOTICE '%', current_setting('${name}'); END $d$`,
    `DO $d$ BEGIN RAISE EXCEPTION '%', current_setting('gatehouse.' || 'pseudonym_outer'); END $d$`,
    `SELECT query_to_xml('SELECT current_setting(''${name}'')', true, false, '')`,
    `SELECT * FROM xmltable('/a' PASSING '<a/>' COLUMNS x text DEFAULT current_setting('${name}'))`,
    `SELECT current_setting('${name}')::int`,
    `SELECT (('x' || current_setting('${name}'))::bit(8))::int / 0`,
    `SELECT format('%s', current_setting('${name}'))`,
    `SELECT count(*) FROM shop.customers HAVING current_setting('${name}') > 'a'`,
    `SELECT CASE WHEN left(current_setting('${name}'), 1) = 'a' THEN 1 ELSE 1/0 END`,
    `ALTER ROLE app SET ${name} = 'aa'`,
    `ALTER DATABASE shop SET ${name} = 'aa'`,
    `ALTER FUNCTION shop.h() SET ${name} FROM CURRENT`,
    `SET debug_print_plan = on; SET client_min_messages = log; ${MAIL}`,
    `SET debug_print_parse = on; SET debug_print_rewritten = on; ${MAIL}`,
    `SET client_min_messages = debug5; ${MAIL}`,
    `LOAD 'auto_explain'`,
    'RESET ALL',
  ];
  for (const attack of attacks) {
    const seen = await everything(client, attack);
    assert.doesNotMatch(seen, key, typeof attack === 'string' ? attack : attack.text);
    assertMasked(seen);
    assert.doesNotMatch(await everything(other, 'SELECT query, application_name FROM pg_stat_activity'), key);
    await everything(client, 'ROLLBACK');
  }
  await pseudonym(client);
});

test('nor when the server logs everything and tells clients so', async () => {
  const key = await secrets();
  const admin = await house.server.admin();
  await admin.query(`ALTER DATABASE shop SET log_statement = 'all'`);
  await admin.query(`ALTER DATABASE shop SET log_min_duration_statement = 0`);
  await admin.query(`ALTER DATABASE shop SET client_min_messages = 'log'`);
  const client = new pg.Client({ ...(await house.through('ana', 'analysts')), database: 'shop' });
  const notices: string[] = [];
  client.on('notice', (notice) => notices.push(JSON.stringify({ ...notice, message: notice.message })));
  await client.connect();
  await pseudonym(client);
  await client.query('DISCARD ALL');
  await pseudonym(client);
  await client.end();
  assert.ok(notices.length > 0, 'the server does say what it logs');
  assert.doesNotMatch(notices.join('\n'), key);
  assert.doesNotMatch(notices.join('\n'), /set_config/);
  for (const setting of ['log_statement', 'log_min_duration_statement', 'client_min_messages'])
    await admin.query(`ALTER DATABASE shop RESET ${setting}`);
  await admin.end();
});

test('he from whom nothing is hidden has no key in his session, and loses it when that changes', async () => {
  const key = await secrets();
  const any = `SELECT current_setting('gatehouse' || '.pseudonym_' || 'inner', true) AS k`;
  const engineer = await house.connect(await house.through('eve', 'engineers'));
  assert.equal((await engineer.query(any)).rows[0].k, null);
  const client = await analyst();
  const before = await pseudonym(client);
  await client.query('BEGIN');
  const open = 'permit (principal in Group::"analysts", action, resource);';
  assert.deepEqual(await house.change({ policy: open }), []);
  assert.doesNotMatch(await everything(client, any), key, 'in the transaction that began with masks');
  await client.query('ROLLBACK');
  const seen = await everything(client, any);
  assert.match(seen, /"k":(""|null)/, seen);
  await client.query('RESET ALL');
  assert.match(await everything(client, any), /"k":(""|null)/);
  assert.deepEqual(await house.change({ policy: POLICY_OF_HOUSE }), []);
  await client.query('SELECT 1');
  assert.equal(await pseudonym(client), before, 'and has it again');
});
const POLICY_OF_HOUSE = `permit (principal in Group::"analysts", action in [Action::"connect", Action::"read", Action::"define", Action::"write", Action::"call", Action::"set"], resource);`;

test('within an epoch they are the same in all tables, connections and sessions, and survive a restart, RESET ALL and a rollback', async () => {
  const client = await analyst();
  const known = await pseudonym(client);
  assert.equal(await pseudonym(await analyst()), known);
  assert.equal(await pseudonym(await analyst('second'), 'SELECT mail FROM public.people WHERE id = 1'), known);
  for (const text of ['RESET ALL', 'DISCARD ALL', 'BEGIN; RESET ALL; ROLLBACK']) {
    await client.query(text);
    assert.equal(await pseudonym(client), known, text);
  }
  await client.query('BEGIN');
  await client.query('RESET ALL');
  await client.query('ROLLBACK');
  assert.equal(await pseudonym(client), known);
  const id = await epoch();
  await house.restart();
  assert.equal(await epoch(), id);
  assert.equal(await pseudonym(await analyst()), known);
});

test('a new epoch makes others: in open sessions from the next statement outside a transaction on', async () => {
  const [client, busy] = await Promise.all([analyst(), analyst()]);
  const first = await pseudonym(client);
  await busy.query('BEGIN');
  assert.equal(await pseudonym(busy), first);
  const rotate = (subject: string, group: string) =>
    house.control(subject, group, 'POST', '/v1/pseudonyms/rotate', { reason: 'the quarterly change' });
  assert.equal((await rotate('ana', 'analysts')).status, 403);
  const id = await epoch();
  const rotated = await rotate('eve', 'engineers');
  assert.equal(rotated.status, 200, JSON.stringify(rotated.body));
  assert.deepEqual([rotated.body.before, rotated.body.after], [id, await epoch()]);
  const second = await pseudonym(client);
  assert.notEqual(second, first);
  assert.equal(await pseudonym(busy), first, 'a transaction sees one epoch');
  await busy.query('COMMIT');
  assert.equal(await pseudonym(busy), second);
  assert.equal(await pseudonym(await analyst('second'), 'SELECT mail FROM public.people WHERE id = 1'), second);
  await sleep(1_200);
  const kept = await stateText(house.folder, (name) => !/master/.test(name));
  assert.match(kept, /"k":"mask\.rotated"/);
  assert.ok(kept.includes(rotated.body.after), 'the record names the epoch');
  assert.doesNotMatch(kept, await secrets(), 'and never the key');
});
