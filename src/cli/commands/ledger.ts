import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { ledgerStatus, paths } from '../../controlplane/contract/index.ts';
import type { LogReader, Verdict } from '../../ledger/verify/index.ts';
import { type Call, doing } from '../call.ts';
import { configIn } from '../config-folder.ts';
import { CliError } from '../errors.ts';
import { facts, moment, plural } from '../terminal.ts';

interface VerifyOptions {
  readonly vkey?: string;
  readonly remote?: boolean;
  readonly known?: string;
}

interface Source {
  readonly where: string;
  readonly reader: LogReader;
  /** What the place itself says its key is. */
  vkey(): Promise<string | undefined>;
}

export function registerLedger(program: Command): void {
  const ledger = program
    .command('ledger')
    .description('the evidence: who asked for what, what was decided, who agreed');
  ledger
    .command('init')
    .description('make the ledger and keys of a configuration folder (gatehouse init does it too)')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, folder: string) => {
        const { initState } = await import('../../gateway.ts');
        const made = await initState(await configIn(folder));
        call.terminal.result(made, ({ vkey }) => `verifier key: ${vkey}`);
      }),
    );
  ledger
    .command('verify')
    .description('hash every entry anew and compare with the signed checkpoint; needs no gateway')
    .argument('[folder]', 'a configuration folder, or a copy of a ledger', '.')
    .option('--vkey <key or file>', 'the verifier key as you got it when the ledger was made')
    .option('--remote', 'read the ledger from a running gateway instead of a folder')
    .option('--known <file>', 'what an earlier verification printed with --json: nothing it saw may be gone or changed')
    .action(doing(verify));
  ledger
    .command('status')
    .description('size and last checkpoint of a running gateway’s ledger')
    .action(
      doing(async (call) => {
        const status = await call.api().get(ledgerStatus, paths.ledger());
        call.terminal.result(status, (each) =>
          facts([
            ['origin', each.origin],
            ['entries', `${each.size} (${each.publishedSize} under the last checkpoint)`],
            ['checkpoint', moment(each.checkpointAt)],
            ['root', each.rootHash],
            ['verifier key', each.verifierKey],
            ['failing', each.failing],
          ]),
        );
      }),
    );
}

async function verify(call: Call<VerifyOptions>, folder: string): Promise<void> {
  const { parseVkey, verifyLog } = await import('../../ledger/verify/index.ts');
  const { options, terminal } = call;
  const source = options.remote === true ? remote(call) : await local(folder);
  const vkey = options.vkey === undefined ? await source.vkey() : await keyFrom(options.vkey);
  if (vkey === undefined) {
    throw new CliError(
      'ERR_CLI_FAILED',
      `there is no ledger in ${source.where}`,
      'Name a configuration folder, or make a ledger with: gatehouse ledger init',
    );
  }
  const trusted = options.vkey !== undefined;
  const known = options.known === undefined ? undefined : await seenBefore(options.known);
  const showProgress = process.stderr.isTTY && !terminal.json;
  const verdict = await verifyLog(source.reader, {
    vkey,
    origin: parseVkey(vkey).name,
    ...(known && { known }),
    ...(showProgress && { onProgress: (entries, of) => process.stderr.write(`\r${entries} of ${of} entries`) }),
  });
  if (showProgress) process.stderr.write('\r\u001b[K');
  terminal.result({ ...summary(verdict), where: source.where, vkey, vkeyGiven: trusted }, () =>
    verdictText(verdict, source.where, trusted, known?.size),
  );
  if (!verdict.ok) process.exitCode = 1;
}

async function local(folder: string): Promise<Source> {
  const isLedger = await exists(join(folder, 'checkpoint'));
  let place = folder;
  if (!isLedger) {
    const { ledgerFolder } = await import('../../gateway.ts');
    place = ledgerFolder(await configIn(folder));
  }
  const read = async (path: string): Promise<Buffer | undefined> => {
    try {
      return await readFile(join(place, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  return { where: place, reader: { read }, vkey: async () => (await read('vkey'))?.toString('utf8').trim() };
}

function remote(call: Call<VerifyOptions>): Source {
  const api = call.api();
  return {
    where: api.server,
    reader: { read: (path) => api.bytes(paths.ledgerFile(path)) },
    vkey: async () => (await api.get(ledgerStatus, paths.ledger())).verifierKey,
  };
}

async function keyFrom(given: string): Promise<string> {
  return (await exists(given)) ? (await readFile(given, 'utf8')).trim() : given;
}

const earlier = z.object({ checkpoint: z.object({ size: z.int().min(0), root: z.base64() }) });

/** @throws CliError ERR_CLI_USAGE: to go on without it would verify less than was asked for */
async function seenBefore(file: string): Promise<{ readonly size: number; readonly root: Uint8Array }> {
  try {
    const { checkpoint } = earlier.parse(JSON.parse(await readFile(file, 'utf8')));
    return { size: checkpoint.size, root: Buffer.from(checkpoint.root, 'base64') };
  } catch (cause) {
    throw new CliError(
      'ERR_CLI_USAGE',
      `${file} is not what an earlier verification printed`,
      `Keep one with: gatehouse ledger verify --json > ${file}`,
      { cause },
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function summary(verdict: Verdict) {
  const { ok, entries, concealed, disclosed, problems, checkpoint, firstTime, lastTime } = verdict;
  return {
    ok,
    entries,
    concealed,
    disclosed,
    firstTime: timestamp(firstTime),
    lastTime: timestamp(lastTime),
    ...(checkpoint && {
      checkpoint: {
        origin: checkpoint.origin,
        size: checkpoint.size,
        root: Buffer.from(checkpoint.root).toString('base64'),
      },
    }),
    problems,
  };
}

function verdictText(verdict: Verdict, where: string, trusted: boolean, known: number | undefined): string {
  const { checkpoint } = verdict;
  const text = facts([
    ['ledger', where],
    ['origin', checkpoint?.origin],
    ['entries', String(verdict.entries)],
    ['from', moment(timestamp(verdict.firstTime))],
    ['to', moment(timestamp(verdict.lastTime))],
    ['root', checkpoint && Buffer.from(checkpoint.root).toString('base64')],
    ['hidden values', `${verdict.concealed}, of which ${verdict.disclosed} are disclosed here and fit`],
  ]);
  if (!verdict.ok) {
    const lines = verdict.problems.map(({ code, message }) => `${code}: ${message}`);
    return `${text}\n\nNOT IN ORDER: ${plural(lines.length, 'problem')}\n${lines.join('\n')}`;
  }
  const advice = trusted ? '' : '\nThe key came from the ledger itself; an auditor passes his own copy with --vkey.';
  const before = known === undefined ? '' : `, and so are the ${plural(known, 'entry', 'entries')} seen before`;
  return `${text}\n\nverified: every entry is in the signed tree${before}${advice}`;
}

function timestamp(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
