import type { Command } from 'commander';
import { ApiClient } from './api-client.ts';
import { environment } from './environment.ts';
import { CliError } from './errors.ts';
import { type Identity, identityFor } from './login-file.ts';
import { Terminal } from './terminal.ts';

/** What every command gets: its options, the terminal, and the gateway when it needs one. */
export class Call<Options> {
  readonly options: Options;
  readonly terminal: Terminal;
  readonly #server: string | undefined;

  constructor(options: Options, global: { readonly json?: boolean; readonly server?: string }) {
    this.options = options;
    this.terminal = new Terminal(global.json === true);
    this.#server = global.server ?? (environment.GATEHOUSE_URL || undefined);
  }

  /** Address of the control API, when one was given. */
  get server(): string | undefined {
    return this.#server;
  }

  /** Who calls: `GATEHOUSE_TOKEN`, or the saved login. @throws CliError ERR_CLI_NOT_AUTHENTICATED */
  identity(): Identity {
    return identityFor(this.#server);
  }

  /** The control API, called as `identity()`. */
  api(): ApiClient {
    const { server, bearer } = this.identity();
    return new ApiClient(server, bearer);
  }
}

type Work<Options, Arguments extends readonly unknown[]> = (call: Call<Options>, ...args: Arguments) => Promise<void>;

/** Adapts a command's work to commander, which passes arguments, options and the command itself. */
export function doing<Options, Arguments extends readonly unknown[]>(work: Work<Options, Arguments>) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = given.at(-2) as Options;
    const args = given.slice(0, -2) as unknown as Arguments;
    await work(new Call(options, command.optsWithGlobals()), ...args);
  };
}

/** An option's whole number. @throws CliError ERR_CLI_USAGE */
export function wholeNumber(name: string): (text: string) => number {
  return (text) => {
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new CliError('ERR_CLI_USAGE', `${name} takes a whole number, not ${JSON.stringify(text)}`);
  };
}

/** `90`, `90s`, `15m`, `8h` or `2d` in seconds. @throws CliError ERR_CLI_USAGE */
export function duration(name: string): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,9})([smhd]?)$/.exec(text);
    const unit = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] ?? ''];
    if (match?.[1] !== undefined && unit !== undefined) return Number(match[1]) * unit;
    throw new CliError('ERR_CLI_USAGE', `${name} takes a time such as 15m, 8h or 2d, not ${JSON.stringify(text)}`);
  };
}
