import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { formatSessionBearer } from '../controlplane/contract/index.ts';
import { environment } from './environment.ts';
import { CliError } from './errors.ts';

const DEFAULT_SERVER = 'http://127.0.0.1:6400';

const savedLogin = z.object({
  server: z.string(),
  name: z.string(),
  id: z.string(),
  secret: z.string(),
  expiresAt: z.string(),
});

/** What `gatehouse login` keeps: a short-lived session credential, never the identity provider's token. */
export type SavedLogin = z.infer<typeof savedLogin>;

/** Who the command speaks for. */
export interface Identity {
  readonly server: string;
  readonly bearer: string;
  /** For native clients: user name and password. */
  readonly user: string;
  readonly password: string;
}

/** `$XDG_STATE_HOME/gatehouse/session.json`: https://specifications.freedesktop.org/basedir-spec/latest/ */
export function loginFile(): string {
  const state = environment.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return join(state, 'gatehouse', 'session.json');
}

/** Readable by its owner alone, replaced in one step. */
export function saveLogin(login: SavedLogin): void {
  const file = loginFile();
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}

/** The saved login, whether it has expired or not; `undefined` when there is none. */
export function readLogin(): SavedLogin | undefined {
  const file = loginFile();
  let text: string;
  try {
    if ((statSync(file).mode & 0o077) !== 0) {
      throw new CliError('ERR_CLI_NOT_AUTHENTICATED', `others may read ${file}`, `Run: chmod 600 ${file}`);
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    return undefined;
  }
  try {
    return savedLogin.parse(JSON.parse(text));
  } catch {
    throw new CliError('ERR_CLI_NOT_AUTHENTICATED', `${file} is damaged`, 'Log in again: gatehouse login');
  }
}

export function removeLogin(): void {
  rmSync(loginFile(), { force: true });
}

/** The server that was named, or the one of the saved login, or the default. */
export function serverOr(named: string | undefined): string {
  const server = named ?? readLogin()?.server ?? DEFAULT_SERVER;
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new CliError(
      'ERR_CLI_USAGE',
      `${JSON.stringify(server)} is not the address of a gateway`,
      'Example: --server https://gateway.example:6400',
    );
  }
  return server.replace(/\/+$/, '');
}

/** @throws CliError ERR_CLI_NOT_AUTHENTICATED when there is no login, it belongs to another gateway, or it has expired. */
export function identityFor(named: string | undefined, now = Date.now()): Identity {
  const token = environment.GATEHOUSE_TOKEN;
  if (token) {
    const [id, secret] = token.startsWith('gs_') ? token.split('.') : [];
    return {
      server: serverOr(named),
      bearer: token,
      user: id ?? 'token',
      password: secret ?? token,
    };
  }
  const server = serverOr(named);
  const login = readLogin();
  if (login === undefined || login.server !== server) {
    const who = login === undefined ? 'you are not logged in' : `your login is for ${login.server}, not for ${server}`;
    throw new CliError('ERR_CLI_NOT_AUTHENTICATED', who, `Run: gatehouse login --server ${server}`);
  }
  if (Date.parse(login.expiresAt) <= now) {
    throw new CliError('ERR_CLI_NOT_AUTHENTICATED', `your login expired at ${login.expiresAt}`, 'Run: gatehouse login');
  }
  return { server, bearer: formatSessionBearer(login.id, login.secret), user: login.id, password: login.secret };
}
