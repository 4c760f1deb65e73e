/** Seeing a label unmasked for a while, by another person's consent. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { assertMasked, type House, LABELS, openHouse } from '../support/gateway-house.ts';

const CONSENT = `
permit (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii");
@id("pii-by-consent") @approval("owners") @reason("Personal data need an owner's consent")
forbid (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii") unless { context.approved };
@id("never-phones") @reason("Nobody sees phone numbers")
forbid (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii.contact.phone");
`;
const labels = LABELS.replace('birth_date: [pii.birth]', 'birth_date: [pii.birth, biz.secret]');

let house: House;

before(async () => {
  house = await openHouse({ policy: CONSENT, labels });
});
after(() => house[Symbol.asyncDispose]());

const EMAIL = 'SELECT email FROM shop.customers ORDER BY id LIMIT 1';
const RAW = /Person1@secret1/;
const reason = 'a complaint that names an address';

async function said(client: pg.Client, text: string): Promise<string> {
  try {
    return JSON.stringify((await client.query(text)).rows);
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    return `${error.code} ${error.message}`;
  }
}

const ask = (subject: string, unmask: readonly string[], seconds = 3600, group = 'analysts') =>
  house.control(subject, group, 'POST', '/v1/requests', { connection: 'shop', unmask, seconds, reason });
const approve = (subject: string, id: string, more: object = {}) =>
  house.control(subject, 'owners', 'POST', `/v1/requests/${id}/approve`, { reason: 'seen and agreed upon', ...more });

test('consent shows exactly the labels that were asked for, to him who asked, and stands in the records', async () => {
  const client = await house.connect(await house.through('ana', 'analysts'));
  const other = await house.connect(await house.through('bea', 'analysts'));
  assertMasked(await said(client, EMAIL));
  const asked = await ask('ana', ['pii.contact.email']);
  assert.equal(asked.status, 200, JSON.stringify(asked.body));
  assert.deepEqual(asked.body.policies, ['pii-by-consent']);
  assert.deepEqual(asked.body.unmask, { labels: ['pii.contact.email'], seconds: 3600 });
  assert.ok(asked.body.tables.includes('shop.customers'));
  assert.equal((await ask('ana', ['pii.contact.email'])).body.id, asked.body.id, 'asked once');
  assertMasked(await said(client, EMAIL));

  const own = await house.control('ana', 'owners', 'POST', `/v1/requests/${asked.body.id}/approve`, { reason });
  assert.equal(own.status, 403, 'not by himself');
  assertMasked(await said(client, EMAIL));

  const approved = await approve('olga', asked.body.id);
  assert.equal(approved.body.state, 'approved', JSON.stringify(approved.body));
  assert.match(await said(client, EMAIL), RAW);
  assert.match(
    await said(client, 'SELECT lower(email) AS e FROM shop.customers ORDER BY id LIMIT 1'),
    /person1@secret1/,
  );
  assert.doesNotMatch(
    await said(client, 'SELECT full_name, phone, birth_date FROM shop.customers LIMIT 1'),
    /Person 1|secret/,
  );
  assertMasked(await said(other, EMAIL));

  const state = join(house.folder, 'state');
  const entries = (await readdir(state, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  const texts = await Promise.all(entries.map((one) => readFile(join(one.parentPath, one.name), 'latin1')));
  assert.ok(
    texts.some((text) => text.includes(`"unmasked_by":["${asked.body.id}"]`)),
    'the ledger names the request beside the statement',
  );
});

test('labels above are wider, and what consent cannot lift stays hidden', async () => {
  const client = await house.connect(await house.through('cleo', 'analysts'));
  const wide = await ask('cleo', ['pii']);
  assert.equal((await approve('olga', wide.body.id)).body.state, 'approved');
  assert.match(await said(client, EMAIL), RAW);
  const row = (await client.query('SELECT phone, birth_date::text AS birth FROM shop.customers ORDER BY id LIMIT 1'))
    .rows[0];
  assert.doesNotMatch(String(row.phone), /[0-9]{4}/, 'a forbid without @approval');
  assert.match(String(row.birth), /-01-01$/, 'a second label that nobody permits');
  const never = await ask('cleo', ['pii.contact.phone']);
  assert.equal(never.status, 403);
  assert.match(never.body.detail, /Nobody sees phone numbers/);
});

test('it ends by the clock, at the shorter of what was asked and what was given, in live sessions too', async () => {
  const client = await house.connect(await house.through('dora', 'analysts'));
  const short = await ask('dora', ['pii.contact'], 2);
  assert.equal((await approve('olga', short.body.id, { windowSeconds: 3600 })).body.state, 'approved');
  await client.query({ name: 'mail', text: EMAIL });
  assert.match(await said(client, EMAIL), RAW);
  await sleep(2_300);
  assertMasked(await said(client, EMAIL));
  await assert.rejects(client.query({ name: 'mail', text: EMAIL }), /./, 'prepared while it was visible');
  assertMasked(await said(client, EMAIL));
  const ended = await house.control('dora', 'analysts', 'GET', `/v1/requests/${short.body.id}`);
  assert.equal(ended.body.state, 'expired');
});

test('it survives a restart, and no change of the policies', async () => {
  const asked = await ask('edda', ['pii.contact.email']);
  await approve('olga', asked.body.id);
  await house.restart();
  let client = await house.connect(await house.through('edda', 'analysts'));
  assert.match(await said(client, EMAIL), RAW);
  assert.deepEqual(
    await house.change({ policy: `${CONSENT}\n@id("more") permit (principal in Group::"none", action, resource);` }),
    [],
  );
  client = await house.connect(await house.through('edda', 'analysts'));
  assertMasked(await said(client, EMAIL));
  assert.deepEqual(await house.change({ policy: CONSENT }), []);
});

test('requests that make no sense are refused in words', async () => {
  assert.equal((await ask('ana', ['pii.nothing'])).status, 403);
  assert.equal((await ask('ana', ['pii'], 999_999_999)).status, 400);
  assert.equal((await ask('ana', ['pii'], 86_401)).status, 400);
  const visible = await ask('eve', ['fin.iban'], 60, 'engineers');
  assert.equal(visible.status, 409, JSON.stringify(visible.body));
  assert.equal((await ask('mallory', ['pii'], 60, 'strangers')).status, 404);
  const crossed = await house.control('ana', 'analysts', 'POST', '/v1/requests', {
    connection: 'nowhere',
    unmask: ['pii'],
    seconds: 60,
    reason,
  });
  assert.equal(crossed.status, 404);
});
