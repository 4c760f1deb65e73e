import {
  BACKEND,
  type BackendMessage,
  frontend,
  type NoticeField,
  parseBackend,
  WireError,
} from '../../wire/postgres/index.ts';
import { Authentication } from './authentication.ts';
import { Deadline } from './deadline.ts';
import { type Dialled, dial } from './dial.ts';
import { quoted, said, TargetError, where } from './errors.ts';
import { FrameChannel, notPostgres } from './frame-channel.ts';
import type { BackendKey, TargetOptions, TargetSession } from './options.ts';

/** A login is a handful of small messages: more than this is no login. */
const LOGIN_MESSAGE_BYTES = 64 * 1024;
const LOGIN_BYTES = 1024 * 1024;

const LOGIN_TYPES: ReadonlySet<number> = new Set([
  BACKEND.authentication,
  BACKEND.backendKeyData,
  BACKEND.parameterStatus,
  BACKEND.readyForQuery,
  BACKEND.errorResponse,
  BACKEND.noticeResponse,
  BACKEND.negotiateProtocolVersion,
]);

/**
 * Connects and logs in to a PostgreSQL server. Rejects with `TargetError`; nothing stays open then.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function connectTarget(options: TargetOptions): Promise<TargetSession> {
  using deadline = new Deadline(options);
  const dialled = await dial(options, deadline);
  try {
    deadline.enter('logging in');
    return await login(options, dialled, deadline);
  } catch (error) {
    dialled.socket.destroy();
    throw error instanceof WireError ? notPostgres(options.address, error) : error;
  }
}

async function login(options: TargetOptions, { socket, tls }: Dialled, deadline: Deadline): Promise<TargetSession> {
  const channel = new FrameChannel(socket, options.address, (type) =>
    LOGIN_TYPES.has(type) ? LOGIN_MESSAGE_BYTES : -1,
  );
  const minor = options.protocolMinor ?? 0;
  channel.write(frontend.startup(startupParameters(options), minor));
  const authentication = new Authentication(options, socket, tls);
  const parameters = new Map<string, string>();
  let authenticated = false;
  let backendKey: BackendKey | undefined;
  let bytes = 0;
  for (;;) {
    const frame = await channel.next();
    bytes += frame.bytes.length;
    if (bytes > LOGIN_BYTES) throw unexpected(options, 'more than a login takes');
    const message = parseBackend(frame);
    switch (message.kind) {
      case 'authentication': {
        if (authenticated) throw unexpected(options, 'a second authentication');
        const answer = await authentication.answer(message);
        deadline.enter('logging in');
        if (answer) channel.write(answer);
        authenticated = message.method === 'ok';
        break;
      }
      case 'error-response':
        throw refused(options, message.fields, authenticated);
      case 'notice-response':
        break;
      case 'negotiate-protocol-version':
        judgeVersion(options, message, minor);
        break;
      default:
        if (!authenticated) throw unexpected(options, `${message.kind} before authentication`);
        if (message.kind === 'parameter-status') parameters.set(message.name, message.value);
        else if (message.kind === 'backend-key-data') backendKey = { pid: message.pid, key: Buffer.from(message.key) };
        else if (message.kind === 'ready-for-query') {
          const leftOver = channel.release();
          return { socket, parameters, backendKey, transactionStatus: message.status, leftOver };
        } else throw unexpected(options, message.kind);
    }
  }
}

function startupParameters(options: TargetOptions): [string, string][] {
  const own = Object.entries(options.startupParameters).filter(([name]) => name !== 'user' && name !== 'database');
  return [['user', options.user], ['database', options.database], ...own];
}

function judgeVersion(
  options: TargetOptions,
  message: Extract<BackendMessage, { kind: 'negotiate-protocol-version' }>,
  asked: number,
): void {
  if (message.minor > asked || message.unrecognised.length > 0) {
    throw unexpected(options, 'an answer about protocol options that were not asked for');
  }
}

function unexpected(options: TargetOptions, what: string): TargetError {
  return new TargetError(
    'ERR_TARGET_PROTOCOL',
    `${where(options.address)} sent ${what} during the login, as no PostgreSQL server does. Check host and port of the connection.`,
  );
}

function refused(options: TargetOptions, fields: readonly NoticeField[], authenticated: boolean): TargetError {
  const { text, sqlstate } = said(fields);
  // Class 28: https://www.postgresql.org/docs/18/errcodes-appendix.html
  const login = !authenticated && sqlstate.startsWith('28');
  const next = login
    ? "Check user and password of the connection's credential, and pg_hba.conf on the server."
    : sqlstate === '3D000'
      ? `Check the connection's database, "${quoted(options.database)}".`
      : "Look into the server's log for the reason.";
  return new TargetError(
    login ? 'ERR_TARGET_AUTHENTICATION' : 'ERR_TARGET_REFUSED',
    `${where(options.address)} refused the login of "${options.user}": ${text}. ${next}`,
    { sqlstate },
  );
}
