/** A short run of the generator: `npm run differential` makes a long one. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { described, report, run } from '../differential/run.ts';
import { openWorlds, type Worlds } from '../differential/worlds.ts';

/** Of both seeds together; refusals are to stay the exception. */
const QUERIES = 150;
const MOST_REFUSED = 0.05;
/** Too slow, or with an error that depends on the plan. */
const MOST_UNDECIDED = 0.05;

let worlds: Worlds;
before(async () => {
  worlds = await openWorlds();
});
after(() => worlds?.[Symbol.asyncDispose]());

// A change is judged by queries that were asked before; new ones are looked for by hand, and by `npm run differential`.
const SEEDS: readonly (readonly [string, number])[] = [
  ['the same queries as ever', 20_261_127],
  process.env['CI']
    ? ['more of the same', 298_327_915]
    : ['queries never seen before', Math.floor(Math.random() * 1_000_000_000)],
];
for (const [name, seed] of SEEDS) {
  test(`${name} give what the database gives, and to somebody masked what a masked copy of it gives`, async (context) => {
    context.diagnostic(`seed ${seed}`);
    const tally = await run(worlds, { seed, queries: QUERIES, stopAfter: 2, attempts: 60 });
    context.diagnostic(report(tally));
    assert.deepEqual(tally.differences.map(described), []);
    assert.equal(tally.queries, QUERIES);
    assert.ok(tally.planned + tally.skipped <= QUERIES * MOST_UNDECIDED, report(tally));
    const refused = [...tally.refusals.values()].reduce((sum, times) => sum + times, 0);
    assert.ok(refused <= QUERIES * MOST_REFUSED, report(tally));
  });
}
