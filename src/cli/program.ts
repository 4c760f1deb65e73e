import { Command, CommanderError, Option } from 'commander';
import { registerCatalog } from './commands/catalog.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerConfigCommands } from './commands/config.ts';
import { registerConnect } from './commands/connect.ts';
import { registerCredentials } from './commands/credentials.ts';
import { registerDemo } from './commands/demo.ts';
import { registerLabels } from './commands/labels.ts';
import { registerLedger } from './commands/ledger.ts';
import { registerLogin } from './commands/login.ts';
import { registerMasks } from './commands/masks.ts';
import { registerPolicy } from './commands/policy.ts';
import { registerRequests } from './commands/requests.ts';
import { registerServe } from './commands/serve.ts';
import { registerSessions } from './commands/sessions.ts';
import { environment } from './environment.ts';
import { CliError, exitCodes } from './errors.ts';
import { version } from './version.ts';

const EXAMPLES = `
Examples:
  gatehouse init ./gateway && gatehouse check ./gateway    make a configuration and check it
  gatehouse serve ./gateway                                run the gateway
  gatehouse login --server https://gw.example:6400         log in with your organisation's account
  gatehouse connect shop -- -c 'select 1'                  psql with everything set
  gatehouse requests list --state pending                  what waits for consent
  gatehouse ledger verify ./gateway                        check the evidence, offline

Exit codes: 0 done, 1 failed or denied, 2 wrong usage, 3 not logged in, 4 the gateway cannot be reached.
Environment: GATEHOUSE_URL, GATEHOUSE_TOKEN, XDG_STATE_HOME, DEBUG=1 for stack traces.`;

/** Every command, without running any. */
export function buildProgram(): Command {
  const program = new Command('gatehouse')
    .description('Data-path gateway: who asks, what is allowed, what is masked, who agreed, and the proof of it.')
    .version(version(), '--version', 'print the version')
    .addOption(new Option('--json', 'print results as one JSON document'))
    .addOption(new Option('--server <url>', 'control address of the gateway (GATEHOUSE_URL)'))
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .enablePositionalOptions();
  registerConfigCommands(program);
  registerServe(program);
  registerDemo(program);
  registerLogin(program);
  registerConnect(program);
  registerSessions(program);
  registerRequests(program);
  registerPolicy(program);
  registerLabels(program);
  registerCatalog(program);
  registerMasks(program);
  registerLedger(program);
  registerCredentials(program);
  registerCompletion(program);
  return prepared(program);
}

/** Every command takes `--json` and `--server` too, wherever on the line they stand, and throws instead of exiting. */
function prepared(command: Command): Command {
  command.exitOverride();
  for (const child of command.commands) {
    prepared(child);
    if (child.commands.length === 0) {
      child.addOption(new Option('--json', 'print results as one JSON document').hideHelp());
      child.addOption(new Option('--server <url>', 'control address of the gateway').hideHelp());
    }
  }
  return command;
}

/** Runs one command line and gives the exit code. Never throws; a stack trace only with DEBUG. */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(args as string[], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    return report(error, args.includes('--json'));
  }
}

function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    // commander has said it already; help and version end this way too
    return error.exitCode === 0 ? 0 : exitCodes.ERR_CLI_USAGE;
  }
  if (environment.DEBUG) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  const { code, message, hint } = told(error);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, hint } })}\n`);
  process.stderr.write(`gatehouse: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
  return error instanceof CliError ? exitCodes[error.code] : exitCodes.ERR_CLI_FAILED;
}

function told(error: unknown): { code: string; message: string; hint?: string } {
  if (error instanceof CliError) {
    return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  }
  if (!(error instanceof Error)) return { code: 'ERR_CLI_FAILED', message: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  // The gateway's own errors say what to do; an address that is taken needs no stack trace either.
  const known =
    error.name === 'ConfigRefused' ||
    (typeof code === 'string' && (code === 'EADDRINUSE' || (code.startsWith('ERR_') && error.constructor !== Error)));
  return {
    code: typeof code === 'string' ? code : 'ERR_CLI_FAILED',
    message: error.message === '' ? String(code ?? error.name) : error.message,
    ...(known || environment.DEBUG ? {} : { hint: 'Run it again with DEBUG=1 for the details.' }),
  };
}
