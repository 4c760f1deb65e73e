import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { type LabelScan, labelScan, paths } from '../../controlplane/contract/index.ts';
import { type Call, doing, wholeNumber } from '../call.ts';
import { CliError } from '../errors.ts';
import { plural } from '../terminal.ts';

/** How often the gateway is asked how far it is. */
const ASK_MS = 300;
const BAR = 24;

export function registerScan(labels: Command): void {
  labels
    .command('scan')
    .description('have the gateway look at samples of columns that nobody labelled; what it finds becomes proposals')
    .argument('<connection>')
    .option('--schema <schema>', 'tables of this schema only')
    .option('--table <table>', 'this table of --schema only')
    .addOption(new Option('--sample <rows>', 'rows of each table, 1000 when absent').argParser(wholeNumber('--sample')))
    .option('--no-wait', 'do not wait for the end')
    .action(doing(scan));
}

interface ScanOptions {
  readonly schema?: string;
  readonly table?: string;
  readonly sample?: number;
  readonly wait: boolean;
}

async function scan(call: Call<ScanOptions>, connection: string): Promise<void> {
  const { schema, table, sample, wait } = call.options;
  if (table !== undefined && schema === undefined)
    throw new CliError('ERR_CLI_USAGE', '--table needs --schema', 'For example: --schema public --table customers');
  const api = call.api();
  let state = await api.post(labelScan, paths.scanLabels(connection), { schema, table, sample });
  if (wait) {
    // Whoever stops waiting stops the scan: it is a session like any other.
    const stop = (): void =>
      void api
        .delete(
          z.unknown(),
          `${paths.session(state.session)}?reason=${encodeURIComponent('stopped by who started it')}`,
        )
        .catch(() => undefined);
    process.once('SIGINT', stop);
    try {
      while (state.state === 'running') {
        progress(state);
        await sleep(ASK_MS);
        const now = await api.get(labelScan, paths.scanLabels(connection));
        if (now.session !== state.session) break;
        state = now;
      }
    } finally {
      process.off('SIGINT', stop);
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    }
  }
  call.terminal.result(state, scanText);
  if (state.state === 'failed' || state.state === 'ended') process.exitCode = 1;
}

/** On a terminal only: elsewhere the result is enough. */
function progress({ scanned, tables, current }: LabelScan): void {
  if (!process.stderr.isTTY) return;
  const done = tables === 0 ? BAR : Math.floor((scanned / tables) * BAR);
  const bar = '█'.repeat(done) + '░'.repeat(BAR - done);
  process.stderr.write(`\r\u001b[K${bar} ${scanned}/${tables} ${(current ?? '').slice(0, 40)}`);
}

const ENDING: Readonly<Record<LabelScan['state'], string>> = {
  running: 'is running',
  done: 'is done',
  ended: 'was ended before it was done',
  failed: 'failed; the gateway’s log says why',
};

function scanText(scan: LabelScan): string {
  const { connection, session, state, scanned, tables, columns, values, proposed, problems } = scan;
  return [
    `the scan of ${connection} (${session}) ${ENDING[state]}: ${scanned} of ${plural(tables, 'table')}, ${plural(columns, 'unlabelled column')}, ${plural(values, 'value')} read`,
    ...problems.map((problem) => `note: ${problem}`),
    proposed === 0
      ? state === 'running'
        ? 'see how far it is with: gatehouse sessions list'
        : 'nothing was found'
      : `${plural(proposed, 'label')} proposed; see them with: gatehouse labels proposals --connection ${connection}`,
  ].join('\n');
}
