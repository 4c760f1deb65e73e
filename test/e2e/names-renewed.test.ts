/** What the gateway asks the target on its own account, in the client's session and beside it, must neither fail open nor break the client. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;
before(async () => {
  house = await openHouse({
    policy: `
permit (principal in Group::"plain", action, resource);
forbid (principal in Group::"plain", action == Action::"read", resource in Label::"confidential");
`,
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(`CREATE SCHEMA pub AUTHORIZATION ${server.user};
        CREATE TABLE pub.employees (n int); ALTER TABLE pub.employees OWNER TO ${server.user};
        INSERT INTO pub.employees VALUES (1);
        CREATE TABLE pub.again (n int); ALTER TABLE pub.again OWNER TO ${server.user};`);
      await admin.end();
    },
  });
});
after(() => house[Symbol.asyncDispose]());

const shown = (answer: readonly Message[]): string =>
  JSON.stringify(
    answer.map((message) =>
      message.kind === 'data-row'
        ? [message.kind, ...message.values.map((value) => value?.toString('latin1'))]
        : describe(message),
    ),
  );

test('a statement is refused when the target could not be asked what its names mean now', async () => {
  const client = await RawClient.connect(await house.through('paul', 'plain'));
  const read = frontend.query('SELECT count(*) FROM employees');
  await client.ask(frontend.query('SET search_path = shop'));
  assert.match(shown(await client.ask(read)), /error-response 42501/);
  await client.ask(frontend.query('SET search_path = pub'));
  assert.match(shown(await client.ask(read)), /\["data-row","1"\]/);
  await client.ask(frontend.query('SET statement_timeout = 300'));
  await client.ask(frontend.query('SELECT 1'));

  // The question reads pg_proc; the statement itself finds what it needs in the session's cache.
  const admin = await house.server.admin();
  await admin.query("SET idle_in_transaction_session_timeout = '20s'");
  await admin.query('BEGIN; LOCK TABLE pg_catalog.pg_proc IN ACCESS EXCLUSIVE MODE');
  await client.ask(frontend.query('SET search_path = shop'));
  assert.match(shown(await client.ask(read)), /^\["error-response 57014","ready-for-query I"\]$/);
  await admin.query('ROLLBACK');
  await admin.end();
  assert.match(shown(await client.ask(read)), /error-response 42501/);
  client.close();
});

test('who has nothing hidden from him goes on fetching after the table was made anew under the same name', async () => {
  const admin = await house.server.admin();
  await admin.query(`DROP TABLE pub.again; CREATE TABLE pub.again (n int); ALTER TABLE pub.again OWNER TO ${house.server.user};
    INSERT INTO pub.again SELECT generate_series(1, 10)`);
  await admin.end();
  const client = await RawClient.connect(await house.through('eva', 'engineers'));
  client.send(
    frontend.parse('', 'SELECT n FROM pub.again ORDER BY n'),
    frontend.bind({ portal: '', statement: '' }),
    frontend.execute('', 3),
    frontend.flush(),
  );
  await client.until('portal-suspended');
  const refreshed = await house.control('eva', 'engineers', 'POST', '/v1/connections/shop/labels/refresh');
  assert.equal(refreshed.status, 200);
  const answer = shown(await client.ask(frontend.execute('', 0), frontend.sync()));
  assert.match(answer, /"command-complete SELECT 7"/);
  client.close();
});
