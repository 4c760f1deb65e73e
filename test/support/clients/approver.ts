import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { House } from '../gateway-house.ts';

/** What the owner says; long enough for the rule about reasons. */
export const REASON = 'agreed with the data office';

/** Id of the one request that waits; comes as soon as there is one. */
export async function held(house: House): Promise<string> {
  for (let turn = 0; turn < 400; turn++) {
    const { status, body } = await house.control('own', 'owners', 'GET', '/v1/requests?state=pending');
    assert.equal(status, 200, JSON.stringify(body));
    if (body.items.length > 0) {
      assert.equal(body.items.length, 1);
      return body.items[0].id;
    }
    await sleep(25);
  }
  assert.fail('no request was opened');
}

export async function approve(house: House, id: string, conditions: object = {}): Promise<void> {
  const answer = await house.control('own', 'owners', 'POST', `/v1/requests/${id}/approve`, {
    reason: REASON,
    ...conditions,
  });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

export async function deny(house: House, id: string): Promise<void> {
  const answer = await house.control('own', 'owners', 'POST', `/v1/requests/${id}/deny`, { reason: REASON });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}
