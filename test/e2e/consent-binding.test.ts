/** Consent holds for exactly what was asked: mode `error`, where the statement is sent again once somebody has consented. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import pg from 'pg';
import { approve, held } from '../support/clients/approver.ts';
import type { Door } from '../support/clients/door.ts';
import { type House, LABELS, openHouse } from '../support/gateway-house.ts';

const HOLD = `
permit (principal in Group::"askers", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@approval("owners")
@reason("Salaries need an owner’s consent")
forbid (principal in Group::"askers", action == Action::"read", resource in Label::"confidential") unless { context.approved };
`;
let house: House;
let analyst: Door;

before(async () => {
  house = await openHouse({ extra: 'approvals: { mode: error }', policy: HOLD });
  analyst = await house.through('ask', 'askers');
});
after(() => house[Symbol.asyncDispose]());

/** The id of the request that an attempt was answered with. */
async function asked(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => assert.fail('nothing was refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof pg.DatabaseError, String(error));
  assert.match(error.message, /needs consent: Salaries/);
  const id = /Request (\S+) was opened/.exec(error.detail ?? '')?.[1];
  assert.ok(id !== undefined && error.hint?.includes(`gatehouse requests approve ${id}`), error.hint);
  return id;
}

async function consented(attempt: () => Promise<pg.QueryResult>): Promise<void> {
  const id = await asked(attempt());
  assert.equal(await held(house), id);
  await approve(house, id);
}

test('the error names the request; asking again is the same request; consent is spent by one use', async () => {
  const client = await house.connect(analyst);
  const attempt = () => client.query('SELECT name FROM shop.employees');
  const id = await asked(attempt());
  assert.equal(await asked(attempt()), id, 'an equal question opens no second request');
  await approve(house, id);
  assert.equal((await attempt()).rowCount, 20);
  const next = await asked(attempt());
  assert.notEqual(next, id);
  await approve(house, next, { uses: 2 });
  await attempt();
  await attempt();
  await approve(house, await asked(attempt()));
  await attempt();
});

test('another text, another parameter, another search_path, another person: another consent', async () => {
  const client = await house.connect(analyst);
  const byId = (id: number) => client.query({ text: 'SELECT name FROM shop.employees WHERE id = $1', values: [id] });
  await consented(() => byId(1));
  const other = await asked(byId(2));
  await approve(house, other);
  assert.equal((await byId(1)).rows[0].name, 'Employee 1');
  assert.equal((await byId(2)).rows[0].name, 'Employee 2');

  const text = 'SELECT name FROM shop.employees LIMIT 1';
  await consented(() => client.query(text));
  await client.query('SET search_path = shop');
  await approve(house, await asked(client.query(text)));
  await client.query('RESET search_path');
  const similar = await asked(client.query(`${text} `));
  await approve(house, similar);
  assert.equal((await client.query(text)).rowCount, 1);

  await consented(() => client.query(text));
  const colleague = await house.connect(await house.through('colleague', 'askers'));
  await approve(house, await asked(colleague.query(text)));
  const elsewhere = await house.connect(analyst);
  assert.equal((await elsewhere.query(text)).rowCount, 1, 'the same person may use it in another session');
});

test('a changed policy or label needs consent anew', async () => {
  const client = await house.connect(analyst);
  const text = 'SELECT max(salary) FROM shop.employees';
  await consented(() => client.query(text));
  assert.deepEqual(await house.change({ policy: `${HOLD}\n// a new version` }), []);
  await approve(house, await asked(client.query(text)));
  assert.deepEqual(await house.change({ labels: `${LABELS}  shop.products: { name: [pii.quasi] }\n` }), []);
  await approve(house, await asked(client.query(text)));
  assert.equal((await client.query(text)).rowCount, 1);
});

test('requests and consent survive a restart of the gateway', async () => {
  const text = 'SELECT min(salary) FROM shop.employees';
  const id = await asked((await house.connect(analyst)).query(text));
  await house.restart();
  assert.equal(await held(house), id);
  await approve(house, id);
  await house.restart();
  const client = await house.connect(await house.through('ask', 'askers'));
  assert.equal((await client.query(text)).rowCount, 1);
  assert.notEqual(await asked(client.query(text)), id);
});

test('a query string is held as a whole, and nothing of it runs before', async () => {
  const client = await house.connect(await house.through('ask', 'askers'));
  const text = 'CREATE TEMP TABLE t AS SELECT 1 AS one; SELECT count(*)::int FROM shop.employees';
  const id = await asked(client.query(text));
  await assert.rejects(client.query('TABLE t'), { code: '42P01' });
  await approve(house, id);
  await client.query(text);
  assert.equal((await client.query('TABLE t')).rowCount, 1);
});
