/** The leak cases shared with others of the kind: what shows a protected value on the server itself does not show it through the gateway. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { type Case, publicCases } from './cases.ts';
import { play } from './play.ts';
import { type Received, streamsOf } from './received.ts';
import { GUARDED, type LeakShop, OPEN, openLeakShop } from './shop.ts';

let shop: LeakShop;
before(async () => {
  shop = await openLeakShop(false);
});
after(() => shop?.[Symbol.asyncDispose]());

const cases = publicCases();

/** Runs the case on the open copy, and makes that as new again where needed. */
async function unprotected(one: Case): Promise<Received> {
  try {
    return await play(one, shop.open);
  } finally {
    if (one.dirty && one.check === undefined) await shop.reset();
  }
}

for (const one of cases.filter(({ class: of }) => of === 'direct' || of === 'inference')) {
  test(`${one.id}: leaks on the server, not through the gateway`, async () => {
    const open = await unprotected(one);
    assert.ok(shop.decoder.find(streamsOf(open)), `the server itself shows nothing: ${open.errors.join()}`);
    const guarded = await play(one, shop.gateway);
    assert.equal(shop.decoder.find(streamsOf(guarded)), undefined);
  });
}

for (const one of cases.filter(({ class: of }) => of === 'policy')) {
  test(`${one.id}: happens on the server, not through the gateway`, async () => {
    assert.ok(await happened(one, await unprotected(one), 'open'), 'it does not happen on the server');
    if (one.dirty) await shop.reset();
    assert.ok(!(await happened(one, await play(one, shop.gateway), 'guarded')));
  });
}

async function happened({ check = {} }: Case, received: Received, copy: 'open' | 'guarded'): Promise<boolean> {
  const { results } = received;
  if (check.rows_gt !== undefined) return results.reduce((sum, { rows }) => sum + rows.length, 0) > check.rows_gt;
  if (check.raw_contains !== undefined) {
    const part = check.raw_contains;
    return results.some(
      ({ rows, copied }) => copied.includes(part) || rows.some((row) => row.some((cell) => cell?.includes(part))),
    );
  }
  return (await shop.look(copy, check.sql ?? 'SELECT NULL')) === check.value;
}

for (const one of cases.filter(({ class: of }) => of === 'benign')) {
  test(`${one.id}: works as on the server`, async () => {
    const open = await play(one, shop.open);
    assert.deepEqual(open.errors, []);
    const guarded = await play(one, shop.gateway);
    assert.deepEqual(guarded.errors, []);
    assert.equal(shop.decoder.find(streamsOf(guarded)), undefined);
    if (!one.masked_world) assert.deepEqual(comparable(guarded, one), comparable(open, one));
  });
}

/** Names, types, counts, tags and every value of a column that is not masked. */
function comparable({ results }: Received, { pii = [] }: Case) {
  return results.map(({ names, types, rows, copied, tag }) => ({
    names,
    types: types.filter((_, at) => !pii.includes(names[at] ?? '')),
    tag,
    copied,
    rows: rows.map((row) => row.map((cell, at) => (pii.includes(names[at] ?? '') ? 'masked' : onEither(cell)))),
  }));
}

/** The name of the database differs between the copies. */
function onEither(cell: string | null): string | null {
  return cell === OPEN ? GUARDED : cell;
}
