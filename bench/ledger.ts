/*
 * What an append costs: CPU of the whole process (its I/O threads included) and elapsed time per record, with group commit, at
 * 1, 8 and 64 appends under way. A record is what the data path writes for a prepared statement: its number and parameters, beside
 * clear members and two commitments that the statement shares. Checkpoints run as in the gateway.
 *
 *   node bench/ledger.ts [seconds per line] [folder]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initLedger, openLedger } from '../src/ledger/index.ts';
import { verifyLog } from '../src/ledger/verify/index.ts';
import { createLedgerFiles } from '../src/storage/ledger-files.ts';

const seconds = Number(process.argv[2] ?? 3);
const root = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'gatehouse-bench-'));
const origin = 'bench.example/evidence/1';
const storage = createLedgerFiles(join(root, 'ledger'));
const { vkey } = await initLedger({ storage, origin });
const ledger = await openLedger({ storage, origin, clock: Date.now });
const shared = [
  ledger.conceal('statement', 'SELECT abalance FROM pgbench_accounts WHERE aid = $1'),
  ledger.conceal('tables', ['public.pgbench_accounts']),
];
const sharedClear = {
  decision: 'forward',
  effect: 'read',
  fingerprint: 'a'.repeat(64),
  labels: [],
  masked: 0,
  policies: ['analysts.cedar#0'],
  policy: 'b'.repeat(64),
  verb: 'select',
};

async function run(
  concurrency: number,
  forMs: number,
): Promise<{ count: number; wallUs: number; userUs: number; systemUs: number }> {
  let count = 0;
  const cpu = process.cpuUsage();
  const from = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async (_, worker) => {
      while (performance.now() - from < forMs) {
        await ledger.append({
          kind: 'query',
          time: Date.now(),
          session: `ses_${worker}`,
          clear: { stmt: count },
          hidden: [ledger.conceal('params', [String(count)])],
          sharedClear,
          sharedHidden: shared,
        });
        count += 1;
      }
    }),
  );
  const wall = performance.now() - from;
  const used = process.cpuUsage(cpu);
  return { count, wallUs: (wall / count) * 1_000, userUs: used.user / count, systemUs: used.system / count };
}

await run(64, 500);
console.log('appends under way   records/s   elapsed µs   CPU µs (user + system)');
for (const concurrency of [1, 8, 64]) {
  const { count, wallUs, userUs, systemUs } = await run(concurrency, seconds * 1_000);
  const cpu = `${(userUs + systemUs).toFixed(1)} (${userUs.toFixed(1)} + ${systemUs.toFixed(1)})`;
  console.log(
    `${String(concurrency).padStart(17)}   ${String(Math.round(1e6 / wallUs)).padStart(9)}   ${wallUs.toFixed(1).padStart(10)}   ${cpu}   n=${count}`,
  );
}
const conceals = 100_000;
const from = performance.now();
for (let n = 0; n < conceals; n += 1)
  ledger.conceal('statement', `SELECT abalance FROM pgbench_accounts WHERE aid = ${n}`);
console.log(`conceal ${(((performance.now() - from) / conceals) * 1_000).toFixed(2)} µs`);
await ledger.close();
const started = performance.now();
const verdict = await verifyLog(storage, { vkey, origin });
const took = performance.now() - started;
console.log(
  `verify ${verdict.entries} entries ${verdict.ok ? 'ok' : 'NOT OK'}: ${((took / verdict.entries) * 1_000).toFixed(1)} µs each`,
);
rmSync(root, { recursive: true });
