/**
 * Generated queries through the gateway, compared with the database itself and with a copy whose values are masked already.
 *   node test/differential/main.ts [--queries 10000] [--seed N]
 */
import { parseArgs } from 'node:util';
import { described, report, run } from './run.ts';
import { openWorlds } from './worlds.ts';

const { values } = parseArgs({
  options: {
    queries: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    stop: { type: 'string', default: '5' },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000_000) : Number(values.seed);
const queries = Number(values.queries);
console.log(`seed ${seed}, ${queries} queries`);
const began = Date.now();
await using worlds = await openWorlds();
const tally = await run(worlds, {
  seed,
  queries,
  stopAfter: Number(values.stop),
  onDifference: (difference) => console.log(described(difference)),
  onProgress: ({ queries: done, differences }) => {
    if (done % 20 === 0)
      console.log(`${done} queries, ${differences.length} differences, ${Math.round((Date.now() - began) / 1000)} s`);
  },
});
console.log(report(tally));
console.log(`${Math.round((Date.now() - began) / 1000)} s`);
process.exitCode = tally.differences.length > 0 ? 1 : 0;
