/** Consent to one statement is no consent to another one that looks the same. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { approve, deny, held } from '../support/clients/approver.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;
before(async () => {
  house = await openHouse({
    extra: 'approvals: { mode: error }',
    policy: `
permit (principal in Group::"askers", action in [Action::"connect", Action::"read"], resource in Connection::"shop");
@approval("owners")
@reason("Salaries need an owner's consent")
forbid (principal in Group::"askers", action == Action::"read", resource in Label::"confidential") unless { context.approved };
`,
  });
});
after(() => house[Symbol.asyncDispose]());

const asker = async (): Promise<RawClient> => RawClient.connect(await house.through('ask', 'askers'));
const rowsOf = (answer: readonly Message[]): number => answer.filter(({ kind }) => kind === 'data-row').length;
const refused = (answer: readonly Message[]): void => {
  assert.equal(rowsOf(answer), 0);
  assert.match(answer.map(describe).join(), /error-response/);
};

test('consent to EXECUTE holds for the statement behind the name only', async () => {
  const client = await asker();
  const named = (sql: string) => client.ask(frontend.parse('p', sql), frontend.sync());
  await named('SELECT count(*) FROM shop.employees');
  refused(await client.ask(frontend.query('EXECUTE p')));
  await approve(house, await held(house), { uses: 3 });
  assert.equal(rowsOf(await client.ask(frontend.query('EXECUTE p'))), 1);
  await client.ask(frontend.close('statement', 'p'), frontend.sync());
  await named('SELECT * FROM shop.employees');
  refused(await client.ask(frontend.query('EXECUTE p')));
  await deny(house, await held(house));
  client.close();
});

test('consent holds for the types of the parameters too', async () => {
  const client = await asker();
  const ask = (type: number) =>
    client.ask(
      frontend.parse('', 'SELECT pg_typeof($1), name FROM shop.employees', [type]),
      frontend.bind({ portal: '', statement: '', parameters: [Buffer.from('1')] }),
      frontend.execute(''),
      frontend.sync(),
    );
  refused(await ask(25));
  await approve(house, await held(house), { uses: 3 });
  assert.equal(rowsOf(await ask(25)), 20);
  refused(await ask(23));
  await deny(house, await held(house));
  client.close();
});

test('the rows of a consent are counted over all its uses, and over all statements of a query string', async () => {
  const client = await asker();
  const twice = 'SELECT name FROM shop.employees; SELECT name FROM shop.employees';
  refused(await client.ask(frontend.query(twice)));
  await approve(house, await held(house), { uses: 3, rowLimit: 25 });
  assert.equal(rowsOf(await client.ask(frontend.query(twice))), 25);
  assert.equal(rowsOf(await client.ask(frontend.query(twice))), 0);
  client.close();
});
