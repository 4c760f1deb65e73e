import { writeSync } from 'node:fs';
import { openLedger } from '../../src/ledger/index.ts';
import { createLedgerFiles } from '../../src/storage/ledger-files.ts';

/*
 * Appends without end, eight at a time, and says each index on stdout as soon as it is told: what the parent has read there
 * must survive whatever the parent does next.
 */
/** The pipe does not block: a parent that reads slowly must not look like a ledger that failed. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, line);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

const [folder = '', origin = '', first = '0'] = process.argv.slice(2);
const ledger = await openLedger({
  storage: createLedgerFiles(folder),
  origin,
  clock: Date.now,
  pace: { milliseconds: 30, entries: 64, rest: 5 },
});
say(`open ${ledger.size}\n`);
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
    say(`${index} ${mine}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, work)).catch((error) => {
  say(`failed ${error.code}\n`);
  process.exit(7);
});
