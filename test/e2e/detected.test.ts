/** Values that nobody labelled, on their way out: masked, counted or refused, in rows, COPY, JSON, errors, notices and notifications. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Door } from '../support/clients/door.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const MAIL = 'found.here@example.org';
const CARD = '4111111111111111';
const KEY = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789';
const IBAN = 'GB82WEST12345698765432';

let house: House;
let analyst: Door;
let engineer: Door;

before(async () => {
  house = await openHouse({
    extra: `detectors:
  default: mask
  iban: refuse
  phone: report
  patterns:
    employee: { pattern: 'EMP-[0-9]{6}', label: hr.employee }
`,
    policy: 'permit (principal in Group::"analysts", action in [Action::"call", Action::"set"], resource);',
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(`SET ROLE app; CREATE SCHEMA raw;
        CREATE TABLE raw.notes (id int, note text, doc jsonb, amount bigint, payee text);
        INSERT INTO raw.notes VALUES
          (1, 'write to ${MAIL} or EMP-123456', '{"card": ${CARD}, "tel": "+49 170 1234567"}', ${CARD}, 'nobody'),
          (2, 'key ${KEY} here', '{"at": "2026-11-23"}', 7, 'nobody');
        CREATE TABLE raw.payees (id int, payee text);
        INSERT INTO raw.payees VALUES (1, 'a'), (2, 'b'), (3, '${IBAN}'), (4, 'd');`);
      await admin.end();
    },
  });
  analyst = await house.through('ana', 'analysts');
  engineer = await house.through('erik', 'engineers');
});
after(() => house[Symbol.asyncDispose]());

const MASKED_NOTE = `write to f*********@example.org or **********`;

test('rows are masked in the simple and the extended protocol, and stay valid JSON and numbers', async () => {
  const client = await house.connect(analyst);
  for (const query of [
    'SELECT id, note, doc, amount FROM raw.notes ORDER BY id',
    { text: 'SELECT id, note, doc, amount FROM raw.notes WHERE id < $1 ORDER BY id', values: [9] },
    { name: 'again', text: 'SELECT id, note, doc, amount FROM raw.notes WHERE id < $1 ORDER BY id', values: [9] },
    { name: 'again', text: 'SELECT id, note, doc, amount FROM raw.notes WHERE id < $1 ORDER BY id', values: [9] },
  ]) {
    const { rows } = await client.query(query);
    assert.deepEqual(rows, [
      { id: 1, note: MASKED_NOTE, doc: { tel: '+49 170 1234567', card: 1000000000001111 }, amount: '1000000000001111' },
      { id: 2, note: `key ghp_${'*'.repeat(36)} here`, doc: { at: '2026-11-23' }, amount: '7' },
    ]);
  }
});

test('who may unmask the label of a detector sees what it finds', async () => {
  const client = await house.connect(engineer);
  const { rows } = await client.query('SELECT note, amount FROM raw.notes WHERE id = 1');
  assert.deepEqual(rows, [{ note: `write to ${MAIL} or EMP-123456`, amount: CARD }]);
});

test('COPY is masked as text, csv and binary, byte for byte as long as before', async () => {
  const client = await house.connect(analyst);
  const direct = await house.connect(house.direct);
  const read = async (from: pg.Client, text: string): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for await (const part of from.query(copyTo(text))) parts.push(part as Buffer);
    return Buffer.concat(parts);
  };
  for (const text of [
    'COPY raw.notes TO STDOUT',
    'COPY raw.notes (id, note) TO STDOUT (FORMAT csv, HEADER)',
    'COPY (SELECT note, doc FROM raw.notes) TO STDOUT (FORMAT binary)',
  ]) {
    const masked = await read(client, text);
    assert.equal(masked.length, (await read(direct, text)).length, text);
    for (const secret of [MAIL, KEY, 'EMP-123456']) assert.ok(!masked.includes(secret), `${text}: ${secret}`);
    assert.ok(masked.includes('@example.org'), text);
  }
});

test('a result with a value that may not leave ends behind its row, and the session lives on', async () => {
  const client = await house.connect(analyst);
  for (const query of [
    'SELECT * FROM raw.payees ORDER BY id',
    { text: 'SELECT * FROM raw.payees WHERE id < $1', values: [9] },
  ]) {
    await assert.rejects(client.query(query), (error: pg.DatabaseError) => {
      assert.equal(error.code, '42501');
      assert.match(error.message, /may not leave: IBAN/);
      return true;
    });
    assert.equal((await client.query('SELECT 1 AS one')).rows[0]?.one, 1);
  }
  const parts: Buffer[] = [];
  await assert.rejects(async () => {
    for await (const part of client.query(copyTo('COPY raw.payees TO STDOUT'))) parts.push(part as Buffer);
  }, /may not leave/);
  assert.ok(!Buffer.concat(parts).includes(IBAN));
  assert.equal((await client.query('SELECT payee FROM raw.payees WHERE id = 4')).rows[0]?.payee, 'd');
});

test('errors, notices and notifications are masked too', async () => {
  const client = await house.connect(analyst);
  await assert.rejects(client.query(`SELECT '${MAIL}'::int`), (error: pg.DatabaseError) => {
    assert.ok(!JSON.stringify(error).includes(MAIL) && !error.message.includes(MAIL), error.message);
    return true;
  });
  const listener = await house.connect(engineer);
  const heard = await house.connect(analyst);
  const payloads: (string | undefined)[] = [];
  heard.on('notification', ({ payload }) => payloads.push(payload));
  await heard.query('LISTEN news');
  await listener.query(`NOTIFY news, 'ask ${MAIL}'`);
  for (let left = 50; payloads.length === 0 && left > 0; left--) await sleep(20);
  assert.deepEqual(payloads, ['ask f*********@example.org']);
});

test('the end of a statement records how often which detector spoke, and nothing that it found', async () => {
  const client = await house.connect(analyst);
  await client.query('SELECT note, doc FROM raw.notes ORDER BY id');
  await client.end();
  await sleep(600);
  const { readFileSync, readdirSync, statSync } = await import('node:fs');
  const { join } = await import('node:path');
  let all = '';
  for (const name of readdirSync(join(house.folder, 'state'), { recursive: true, encoding: 'utf8' })) {
    const file = join(house.folder, 'state', name);
    if (statSync(file).isFile()) all += readFileSync(file).toString('latin1');
  }
  assert.match(all, /"detected":\[\{"column":0,"detector":"email","hits":1\}/);
  // (The address stands in a statement's own text, which is recorded.)
  for (const secret of [KEY, IBAN]) assert.ok(!all.includes(secret), secret);
});
