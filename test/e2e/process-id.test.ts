/** Tools look for their own session in the server's views, by the process id that they were told at login. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;
before(async () => {
  house = await openHouse();
});
after(() => house[Symbol.asyncDispose]());

test('the process id of a session is the one that the server knows it by', async () => {
  const client = await house.connect(await house.through('eva', 'engineers'));
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  assert.equal(Reflect.get(client, 'processID'), rows[0].pid);
});
