import { type Command, Option } from 'commander';
import { doing, wholeNumber } from '../call.ts';
import { CliError } from '../errors.ts';

interface DemoOptions {
  readonly script?: boolean;
  readonly state?: string;
  readonly port?: number;
}

/** The first of four neighbours. */
function port(text: string): number {
  const number = wholeNumber('--port')(text);
  if (number >= 1 && number <= 65_532) return number;
  throw new CliError('ERR_CLI_USAGE', `--port takes a port from 1 to 65532, not ${text}`);
}

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('a complete installation on this machine: identity provider, database, gateway')
    .addOption(new Option('--script', 'play the story by itself, then end'))
    .addOption(new Option('--state <folder>', 'where the demo keeps its database and evidence'))
    .addOption(new Option('--port <n>', 'port for PostgreSQL clients; the others follow it').argParser(port))
    .action(
      doing(async (call: { options: DemoOptions }) => {
        const { runDemo } = await import('../../demo/index.ts');
        process.exitCode = await runDemo(call.options);
      }),
    );
}
