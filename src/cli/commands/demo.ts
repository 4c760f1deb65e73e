import { type Command, Option } from 'commander';
import { doing, wholeNumber } from '../call.ts';

interface DemoOptions {
  readonly script?: boolean;
  readonly state?: string;
  readonly port?: number;
}

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('a complete installation on this machine: identity provider, database, gateway')
    .addOption(new Option('--script', 'play the story by itself, then end'))
    .addOption(new Option('--state <folder>', 'where the demo keeps its database and evidence'))
    .addOption(
      new Option('--port <n>', 'port for PostgreSQL clients; the others follow it').argParser(wholeNumber('--port')),
    )
    .action(
      doing(async (call: { options: DemoOptions }) => {
        const { runDemo } = await import('../../demo/index.ts');
        process.exitCode = await runDemo(call.options);
      }),
    );
}
