import { writeSync } from 'node:fs';
import { openLedger } from '../../src/ledger/index.ts';
import { createLedgerFiles } from '../../src/storage/ledger-files.ts';

/*
 * Appends without end, eight at a time, and says each index on stdout as soon as it is told: what the parent has read there
 * must survive whatever the parent does next.
 */
const [folder = '', origin = '', first = '0'] = process.argv.slice(2);
const ledger = await openLedger({
  storage: createLedgerFiles(folder),
  origin,
  clock: Date.now,
  pace: { milliseconds: 30, entries: 64, rest: 5 },
});
writeSync(1, `open ${ledger.size}\n`);
let number = Number(first);

async function work(): Promise<void> {
  for (;;) {
    number += 1;
    const mine = number;
    const statement = ledger.conceal('statement', `select ${mine} -- ${'x'.repeat(mine % 300)}`);
    const { index } = await ledger.append({
      kind: 'query',
      time: Date.now(),
      session: 'ses_child',
      clear: { stmt: mine },
      hidden: [statement],
    });
    writeSync(1, `${index} ${mine}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, work)).catch((error) => {
  writeSync(1, `failed ${error.code}\n`);
  process.exit(7);
});
