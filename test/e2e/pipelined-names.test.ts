/** Names that SQL makes (PREPARE, DECLARE), used by messages that are sent before the target has answered. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { describe, type Message, RawClient } from '../support/clients/raw-client.ts';
import { assertMasked, type House, openHouse } from '../support/gateway-house.ts';

let house: House;
before(async () => {
  house = await openHouse({
    policy: 'permit (principal in Group::"analysts", action in [Action::"write", Action::"call"], resource);',
  });
});
after(() => house[Symbol.asyncDispose]());

const { query, parse, bind, execute, sync } = frontend;
const whole = (sql: string): Buffer[] => [parse('', sql), bind({}), execute()];

async function answers(subject: string, group: string, messages: readonly Buffer[], ready: number): Promise<string[]> {
  const client = await RawClient.connect(await house.through(subject, group));
  const all: Message[] = [];
  client.send(...messages);
  for (let count = 0; count < ready; count++) all.push(...(await client.until('ready-for-query')));
  client.close();
  assertMasked(JSON.stringify(all.map((message) => (message.kind === 'data-row' ? message.values.map(String) : ''))));
  return all.map(describe).filter((line) => /^(command|error)/.test(line));
}

for (const [subject, group] of [
  ['ana', 'analysts'],
  ['eve', 'engineers'],
] as const) {
  test(`${group}: EXECUTE and FETCH may follow what they name at once`, async () => {
    const text = 'SELECT city FROM shop.customers ORDER BY id LIMIT 1';
    assert.deepEqual(
      await answers(subject, group, [query(`PREPARE p AS ${text}`), query('EXECUTE p'), query('DEALLOCATE p')], 3),
      ['command-complete PREPARE', 'command-complete SELECT 1', 'command-complete DEALLOCATE'],
    );
    assert.deepEqual(
      await answers(subject, group, [query(`DECLARE c CURSOR WITH HOLD FOR ${text}`), query('FETCH 1 c')], 2),
      ['command-complete DECLARE CURSOR', 'command-complete FETCH 1'],
    );
    const statements = ['BEGIN', `DECLARE c CURSOR FOR ${text}`, 'FETCH 1 c', 'CLOSE c', 'COMMIT'];
    assert.deepEqual(
      await answers(subject, group, [...statements.flatMap(whole), sync()], 1),
      ['BEGIN', 'DECLARE CURSOR', 'FETCH 1', 'CLOSE CURSOR', 'COMMIT'].map((tag) => `command-complete ${tag}`),
    );
  });

  test(`${group}: what is not there fails as it does when it is alone`, async () => {
    assert.deepEqual(await answers(subject, group, [query('PREPARE p AS SELECT nothing'), query('EXECUTE p')], 2), [
      'error-response 42703',
      'error-response 26000',
    ]);
  });
}

test('a statement is judged as the one that has its name when it runs, not as one from before', async () => {
  const told = await answers(
    'ana',
    'analysts',
    [
      query('PREPARE p (text) AS SELECT $1'),
      sync(),
      query('DEALLOCATE p'),
      query('PREPARE p (text) AS UPDATE shop.customers SET phone = $1 WHERE id = 7'),
      query("EXECUTE p ('***')"),
      bind({ statement: 'p', parameters: [Buffer.from('***')] }),
      execute(),
      sync(),
    ],
    6,
  );
  assert.deepEqual(told, [
    'command-complete PREPARE',
    'command-complete DEALLOCATE',
    'command-complete PREPARE',
    'error-response 42501',
    'error-response 42501',
  ]);
});
