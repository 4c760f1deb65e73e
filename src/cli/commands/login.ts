import { spawn } from 'node:child_process';
import { type Command, Option } from 'commander';
import { issuedCredential, loginInfo, paths, revokedCredential, whoami } from '../../controlplane/contract/index.ts';
import type { LoginTokens } from '../../identity/index.ts';
import { ApiClient } from '../api-client.ts';
import { type Call, doing, duration } from '../call.ts';
import { environment } from '../environment.ts';
import { CliError } from '../errors.ts';
import { loginFile, readLogin, removeLogin, saveLogin, serverOr } from '../login-file.ts';
import { facts, moment } from '../terminal.ts';

interface LoginOptions {
  readonly device?: boolean;
  readonly issuer?: string;
  readonly clientId?: string;
  readonly audience?: string;
  readonly ttl?: number;
}

export function registerLogin(program: Command): void {
  program
    .command('login')
    .description('log in with your organisation’s account; keeps a short-lived credential of this gateway')
    .addOption(new Option('--device', 'show a code to type on another device, instead of opening a browser here'))
    .addOption(
      new Option('--issuer <url>', 'the identity provider, when the gateway accepts several').env('GATEHOUSE_ISSUER'),
    )
    .addOption(
      new Option('--client-id <id>', 'client id of this command there, if not the one the gateway names').env(
        'GATEHOUSE_CLIENT_ID',
      ),
    )
    .addOption(
      new Option('--audience <name>', 'what the token shall be good for, if not what the gateway names').env(
        'GATEHOUSE_AUDIENCE',
      ),
    )
    .addOption(new Option('--ttl <time>', 'how long the credential shall live: 8h').argParser(duration('--ttl')))
    .addHelpText(
      'after',
      '\nWith GATEHOUSE_TOKEN set to a token of the identity provider, no browser is needed (CI jobs).',
    )
    .action(doing(login));
  program.command('logout').description('revoke the credential; live sessions that use it end').action(doing(logout));
  program
    .command('whoami')
    .description('who the gateway takes you for')
    .action(
      doing(async (call) => {
        const me = await call.api().get(whoami, paths.whoami());
        call.terminal.result(me, (each) =>
          facts([
            ['name', each.name],
            ['id', `${each.id} (${each.kind})`],
            ['groups', each.groups.join(', ')],
            ['on behalf of', each.onBehalfOf],
            ['issuer', each.issuer],
            ['proved by', each.credential === 'token' ? 'a token' : 'a session credential'],
            ['until', moment(each.expiresAt)],
          ]),
        );
      }),
    );
}

async function login(call: Call<LoginOptions>): Promise<void> {
  const server = serverOr(call.server);
  const given = environment.GATEHOUSE_TOKEN;
  const token = given || (await askIssuer(call, server));
  const api = new ApiClient(server, token);
  const { ttl } = call.options;
  const issued = await api.post(issuedCredential, paths.credentials(), ttl === undefined ? {} : { ttlSeconds: ttl });
  const me = await api.get(whoami, paths.whoami());
  saveLogin({ server, name: me.name, id: issued.id, secret: issued.secret, expiresAt: issued.expiresAt });
  call.terminal.result(
    { server, name: me.name, id: me.id, expiresAt: issued.expiresAt },
    (each) => `logged in at ${each.server} as ${each.name}, until ${moment(each.expiresAt)} UTC`,
  );
}

/** A token of the identity provider that this gateway will accept. Kept nowhere. */
async function askIssuer(call: Call<LoginOptions>, server: string): Promise<string> {
  const { device } = call.options;
  const { issuer, clientId, audience, scope } = await providerOf(call, server);
  const { deviceLogin, loopbackLogin, tokenForAudience } = await import('../../identity/index.ts');
  const target = { issuer, clientId, audience: audience[0], scope };
  let tokens: LoginTokens;
  if (device) {
    tokens = await deviceLogin({
      ...target,
      onPrompt: (prompt) => {
        const address = prompt.verificationUriComplete ?? prompt.verificationUri;
        call.terminal.note(`On any device, open  ${address}\nand check that it shows  ${prompt.userCode}`);
      },
    });
  } else {
    tokens = await loopbackLogin({
      ...target,
      openBrowser: (url) => {
        call.terminal.note(`Opening your browser. If nothing happens, open this address yourself:\n${url}`);
        openBrowser(url);
      },
    });
  }
  const token = tokenForAudience(tokens, audience);
  if (token !== undefined) return token;
  throw new CliError(
    'ERR_CLI_NOT_AUTHENTICATED',
    `${issuer} gave no signed token for the audience ${audience.join(' or ')}`,
    'Ask its administrator to issue JWT access tokens for that audience, or name another with --audience.',
  );
}

interface Provider {
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: readonly [string, ...string[]];
  readonly scope: string;
}

/** Whom to ask for a token: what the gateway says, and what the options say otherwise. */
async function providerOf({ options }: Call<LoginOptions>, server: string): Promise<Provider> {
  const { issuers } = await new ApiClient(server).get(loginInfo, paths.login());
  const names = issuers.map((one) => one.issuer).join(', ');
  const wanted = options.issuer?.replace(/\/+$/, '');
  const fitting = issuers.filter(({ issuer }) => wanted === undefined || issuer.replace(/\/+$/, '') === wanted);
  const [found, another] = fitting;
  if (found === undefined) {
    throw wanted === undefined
      ? new CliError(
          'ERR_CLI_NOT_AUTHENTICATED',
          `${server} names no identity provider`,
          'Its operator configures one under identity: in gatehouse.yaml.',
        )
      : new CliError(
          'ERR_CLI_USAGE',
          `${server} accepts no tokens of ${options.issuer}`,
          names === '' ? 'It names no identity provider at all.' : `It accepts: ${names}`,
        );
  }
  if (another !== undefined) {
    throw new CliError(
      'ERR_CLI_USAGE',
      `${server} accepts several identity providers, so say which: ${names}`,
      `Run: gatehouse login --issuer ${found.issuer} (or set GATEHOUSE_ISSUER once)`,
    );
  }
  const [first = 'gatehouse', ...others] = options.audience === undefined ? found.audience : [options.audience];
  return {
    issuer: found.issuer,
    clientId: options.clientId ?? found.clientId ?? 'gatehouse-cli',
    audience: [first, ...others],
    scope: found.scopes.join(' '),
  };
}

/** A browser that cannot be started is no failure: the address is on the screen. */
function openBrowser(url: string): void {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(environment.BROWSER || program, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

async function logout(call: Call<unknown>): Promise<void> {
  const saved = readLogin();
  if (saved === undefined) {
    call.terminal.result({ loggedOut: false }, () => 'you were not logged in');
    return;
  }
  let note = '';
  if (Date.parse(saved.expiresAt) > Date.now()) {
    try {
      const api = new ApiClient(saved.server, `${saved.id}.${saved.secret}`);
      const { sessionsEnded } = await api.delete(revokedCredential, paths.credential(saved.id));
      if (sessionsEnded > 0) note = `, ${sessionsEnded} live sessions ended`;
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      // Already revoked is what was wanted; otherwise the credential lives on at the gateway, and that has to be said.
      if (error.code !== 'ERR_CLI_NOT_AUTHENTICATED') {
        removeLogin();
        throw new CliError(
          error.code,
          `${loginFile()} is removed, but the gateway did not revoke the credential: ${error.message}`,
          `It expires by itself at ${saved.expiresAt}.`,
        );
      }
    }
  }
  removeLogin();
  call.terminal.result({ loggedOut: true }, () => `logged out of ${saved.server}${note}`);
}
