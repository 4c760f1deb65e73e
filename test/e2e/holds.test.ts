/** A held statement waits for another person and then goes on by itself, or ends as the person, the clock or the client says. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import pg from 'pg';
import { frontend } from '../../src/wire/postgres/index.ts';
import { approve, deny, held, REASON } from '../support/clients/approver.ts';
import { type Door, doorEnvironment } from '../support/clients/door.ts';
import { missing } from '../support/clients/programs.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const skipPsql = await missing({ programs: ['psql'] });
let house: House;
let analyst: Door;

before(async () => {
  house = await openHouse({
    extra: 'approvals: { mode: wait, wait_seconds: 20 }',
    policy: `
permit (principal in Group::"askers", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@approval("owners")
@reason("Salaries need an owner’s consent")
forbid (principal in Group::"askers", action == Action::"read", resource in Label::"confidential") unless { context.approved };
@approval("owners")
@reason("More than 50 rows need an owner’s consent")
forbid (principal in Group::"askers", action == Action::"read", resource) when { context.rows > 50 } unless { context.approved };
`,
  });
  analyst = await house.through('ask', 'askers');
});
after(() => house[Symbol.asyncDispose]());

const SALARIES = 'SELECT name, salary FROM shop.employees ORDER BY id';
const refused = async (promise: Promise<unknown>): Promise<pg.DatabaseError> => {
  const error: unknown = await promise.then(
    () => assert.fail('nothing was refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof pg.DatabaseError, String(error));
  return error;
};

test('psql waits with a notice that names the request, and shows the result once an owner consents', {
  skip: skipPsql,
}, async () => {
  const child = spawn('psql', ['-XAt', '-c', SALARIES], { env: doorEnvironment(analyst), stdio: 'pipe' });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  const noticed = new Promise<string>((done) => {
    child.stderr.on('data', (text) => {
      err += text;
      const id = /NOTICE: {2}gatehouse: waiting for consent, request (\S+): Salaries/.exec(err)?.[1];
      if (id !== undefined) done(id);
    });
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const id = await noticed;
  assert.equal(out, '');
  const { body } = await house.control('own', 'owners', 'GET', `/v1/requests/${id}`);
  assert.deepEqual([body.statement, body.state, body.mayDecide, body.mine], [SALARIES, 'pending', true, false]);
  await approve(house, id);
  assert.equal(await ended, 0, err);
  assert.equal(out.trim().split('\n').length, 20);
  assert.equal(
    (await house.control('own', 'owners', 'GET', `/v1/requests/${id}`)).body.state,
    'exhausted',
    'consent for once is spent',
  );
});

test('the extended protocol waits too, parameters and all; the same statement asks again afterwards', async () => {
  const client = await house.connect(analyst);
  const query = { text: 'SELECT name FROM shop.employees WHERE id = $1', values: [3] };
  for (let turn = 0; turn < 2; turn++) {
    const waiting = client.query(query);
    await approve(house, await held(house));
    assert.equal((await waiting).rows[0].name, 'Employee 3');
  }
});

test('a denial is told with who and why, and the transaction is failed', async () => {
  const client = await house.connect(analyst);
  await client.query('BEGIN');
  const waiting = refused(client.query(SALARIES));
  await deny(house, await held(house));
  const error = await waiting;
  assert.match(error.message, /was denied/);
  assert.match(error.detail ?? '', new RegExp(`own@example.com.*${REASON}`));
  assert.equal((await refused(client.query('SELECT 1'))).code, '25P02');
  await client.query('ROLLBACK');
  assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
});

test('nobody decides on his own request, whatever groups he is in', async () => {
  const client = await house.connect({
    ...analyst,
    password: await house.token('both', ['askers', 'owners']),
    user: 'both',
  });
  const waiting = refused(client.query(SALARIES));
  const id = await held(house);
  for (const verdict of ['approve', 'deny']) {
    const answer = await house.control('both', 'owners', 'POST', `/v1/requests/${id}/${verdict}`, { reason: REASON });
    assert.equal(answer.status, 403);
    assert.match(answer.body.detail, /your own/);
  }
  const stranger = await house.control('ana', 'analysts', 'POST', `/v1/requests/${id}/approve`, { reason: REASON });
  assert.equal(stranger.status, 404, 'who may not decide does not even see it');
  await deny(house, id);
  await waiting;
});

test('a cancel request ends the wait; the request stays, and consent to it serves the next attempt', async () => {
  const client = await house.connect(analyst);
  const query = `${SALARIES} LIMIT 2`;
  const waiting = refused(client.query(query));
  const id = await held(house);
  await cancel(client, analyst);
  const error = await waiting;
  assert.equal(error.code, '57014');
  assert.match(error.detail ?? '', new RegExp(id));
  assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  await approve(house, id);
  assert.equal((await client.query(query)).rowCount, 2);
});

test('a row threshold waits in the middle of a result and goes on without loss or repetition', async () => {
  const client = await house.connect(analyst);
  for (const query of [
    'SELECT id FROM shop.orders ORDER BY id',
    { text: 'SELECT id FROM shop.orders WHERE id > $1 ORDER BY id', values: [0] },
  ]) {
    const waiting = client.query(query);
    await approve(house, await held(house));
    const ids = (await waiting).rows.map(({ id }) => Number(id));
    assert.deepEqual(
      ids,
      Array.from({ length: 2500 }, (_, index) => index + 1),
    );
  }
});

test('consent to some rows is consent to no more, and a denial in the middle ends the result', async () => {
  const client = await house.connect(analyst);
  const rows: unknown[] = [];
  const counted = (limit: number) => {
    rows.length = 0;
    const query = new pg.Query(`SELECT id FROM shop.orders ORDER BY id LIMIT ${limit}`);
    query.on('row', (row) => rows.push(row));
    client.query(query);
    return new Promise((done, fail) => query.on('end', done).on('error', fail));
  };
  const some = refused(counted(2000));
  await approve(house, await held(house), { rowLimit: 300 });
  assert.match((await some).message, /300 rows/);
  assert.equal(rows.length, 300);
  const none = refused(counted(1999));
  await deny(house, await held(house));
  await none;
  assert.equal(rows.length, 50);
  assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
});

test('a wait that nobody ends is ended by the clock; the request stays open', async () => {
  const file = join(house.folder, 'gatehouse.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('wait_seconds: 20', 'wait_seconds: 1'));
  assert.deepEqual(await house.gateway.reload(), []);
  const client = await house.connect(analyst);
  const query = `${SALARIES} LIMIT 4`;
  const error = await refused(client.query(query));
  assert.match(error.message, /needs consent: Salaries/);
  const id = await held(house);
  assert.match(error.detail ?? '', new RegExp(id));
  await approve(house, id);
  assert.equal((await client.query(query)).rowCount, 4);
  await writeFile(file, text);
  assert.deepEqual(await house.gateway.reload(), []);
});

test('a client that leaves while it waits leaves no session behind', async () => {
  const client = new pg.Client({ ...analyst });
  client.on('error', () => undefined);
  await client.connect();
  const waiting = client.query(`${SALARIES} LIMIT 3`).catch(() => undefined);
  const id = await held(house);
  await client.end();
  await waiting;
  await approve(house, id);
  const again = await house.connect(analyst);
  assert.equal((await again.query(`${SALARIES} LIMIT 3`)).rowCount, 3);
});

/** What Ctrl-C in psql sends: a connection of its own with the session's key. */
async function cancel(client: pg.Client, door: Door): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const key = Buffer.alloc(4);
  key.writeInt32BE(secretKey);
  const socket = connect(door.port, door.host);
  await once(socket, 'connect');
  socket.resume().write(frontend.cancelRequest(processID, key));
  await once(socket, 'close');
}
