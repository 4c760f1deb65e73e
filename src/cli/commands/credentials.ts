import type { Command } from 'commander';
import { doing } from '../call.ts';
import { configIn } from '../config-folder.ts';
import { CliError } from '../errors.ts';
import { moment, table } from '../terminal.ts';

const LONGEST_SECRET = 64 * 1024;

export function registerCredentials(program: Command): void {
  const credentials = program
    .command('credentials')
    .description('passwords of targets, kept encrypted beside the gateway');
  credentials
    .command('set')
    .description('store a password read from stdin (or asked for); in gatehouse.yaml: password: { stored: NAME }')
    .argument('<name>', 'usually the connection’s name')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, name: string, folder: string) => {
        const secret = await readSecret(name);
        const { openSecrets } = await import('../../gateway.ts');
        await using secrets = await openSecrets(await configIn(folder));
        await secrets.set(name, secret);
        call.terminal.result({ name, stored: true }, () => `stored ${name}`);
      }),
    );
  credentials
    .command('list')
    .description('names only; a stored password is never shown')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, folder: string) => {
        const { openSecrets } = await import('../../gateway.ts');
        await using secrets = await openSecrets(await configIn(folder));
        const items = (await secrets.list()).map(({ name, changedAt }) => ({
          name,
          changedAt: new Date(changedAt).toISOString(),
        }));
        call.terminal.result({ items }, () =>
          items.length === 0
            ? 'no password is stored'
            : table(
                ['NAME', 'CHANGED (UTC)'],
                items.map((item) => [item.name, moment(item.changedAt)]),
              ),
        );
      }),
    );
  credentials
    .command('remove')
    .description('forget a stored password')
    .argument('<name>')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, name: string, folder: string) => {
        const { openSecrets } = await import('../../gateway.ts');
        await using secrets = await openSecrets(await configIn(folder));
        if (!(await secrets.remove(name))) throw new CliError('ERR_CLI_FAILED', `no password is stored under ${name}`);
        call.terminal.result({ name, removed: true }, () => `removed ${name}`);
      }),
    );
}

/** Never from the command line: arguments are seen by every user of the machine and kept in shell histories. */
async function readSecret(name: string): Promise<string> {
  const { stdin } = process;
  const text = stdin.isTTY ? await ask(`Password for ${name} (not shown): `) : await all(stdin);
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '')
    throw new CliError(
      'ERR_CLI_USAGE',
      'the password is empty',
      `Example: pass show shop | gatehouse credentials set ${name}`,
    );
  return secret;
}

async function all(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of stream) {
    size += part.length;
    if (size > LONGEST_SECRET) throw new CliError('ERR_CLI_USAGE', `a password has at most ${LONGEST_SECRET} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const { Writable } = await import('node:stream');
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
