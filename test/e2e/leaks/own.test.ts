/** Cases of this project's own: each shows a protected value on the server itself, none through the gateway. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { Case } from './cases.ts';
import { CODE } from './own-code.ts';
import { ERRORS } from './own-errors.ts';
import { EXPRESSIONS } from './own-expressions.ts';
import { QUESTIONS } from './own-questions.ts';
import { SESSION } from './own-session.ts';
import { play } from './play.ts';
import { type Received, streamsOf } from './received.ts';
import { type LeakShop, openLeakShop } from './shop.ts';

let shop: LeakShop;
before(async () => {
  shop = await openLeakShop(true);
});
after(() => shop?.[Symbol.asyncDispose]());

const CASES: readonly Case[] = [...ERRORS, ...EXPRESSIONS, ...CODE, ...SESSION, ...QUESTIONS];

for (const one of CASES) {
  test(`${one.id}: leaks on the server, not through the gateway`, async () => {
    const open = await play(one, shop.open);
    assert.ok(shop.decoder.find(streamsOf(open)), `the server itself shows nothing: ${open.errors.join()}`);
    const guarded = await play(one, shop.gateway).catch(refusedAtTheDoor);
    assert.equal(shop.decoder.find(streamsOf(guarded)), undefined);
  });
}

/** Settings of the start that nobody may choose end the session: what the client is told then counts as received. */
function refusedAtTheDoor(error: unknown): Received {
  const message = error instanceof Error ? error.message : '';
  if (!/^closed before ready-for-query: .*42501/.test(message)) throw error;
  return { results: [], errors: [message], notices: [], others: [], found: [], sqlstates: ['42501'] };
}
