import { readFileSync } from 'node:fs';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import { frontend } from '../../wire/postgres/index.ts';
import type { Deadline } from './deadline.ts';
import { quoted, TargetError, where } from './errors.ts';
import type { TargetOptions } from './options.ts';

const KEEP_ALIVE_MS = 60_000;
/** https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL */
const ALPN = 'postgresql';

export interface Dialled {
  /** Paused; ignores `error` unless somebody else listens. */
  readonly socket: Socket;
  readonly tls: TLSSocket | undefined;
}

/** Opens a connection as the TLS mode demands. Rejects with `TargetError`; nothing stays open then. */
export async function dial(options: TargetOptions, deadline: Deadline): Promise<Dialled> {
  deadline.enter('connecting');
  const { host, port } = options.address;
  const socket = connectTcp(
    host.startsWith('/')
      ? { path: `${host}/.s.PGSQL.${port}` }
      : { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
  );
  try {
    socket.on('error', ignore);
    deadline.guard(socket);
    await settled(socket, 'connect', (error) => unreachable(options, error));
    socket.pause();
    if (options.tls === 'disable') return { socket, tls: undefined };
    const tls = await upgrade(socket, options, deadline);
    return { socket: tls, tls };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Errors also reject what waits for them; this keeps one that nobody waits for from ending the process. */
function ignore(): void {}

async function upgrade(socket: Socket, options: TargetOptions, deadline: Deadline): Promise<TLSSocket> {
  const at = where(options.address);
  deadline.enter('asking for TLS');
  const answer = await askForTls(socket, options);
  if (answer[0] === 0x4e) {
    // N: https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL
    throw new TargetError(
      'ERR_TARGET_TLS_REFUSED',
      `${at} offers no TLS, and the connection is configured with tls: ${options.tls}. Enable TLS on the server (ssl = on), or set tls: disable if clear text is acceptable on this path.`,
    );
  }
  if (answer[0] !== 0x53) {
    throw new TargetError(
      'ERR_TARGET_PROTOCOL',
      `${at} did not answer as a PostgreSQL server does when asked for TLS. Check host and port of the connection.`,
    );
  }
  if (answer.length !== 1) {
    // Bytes before the handshake could have been put there by somebody in between: they must not count as encrypted.
    throw new TargetError(
      'ERR_TARGET_PROTOCOL',
      `${at} sent ${answer.length - 1} bytes in clear text before TLS began. The connection was closed: somebody may be tampering with it.`,
    );
  }
  deadline.enter('negotiating TLS');
  const tls = connectTls({ ...tlsOptions(options), socket });
  tls.on('error', ignore);
  deadline.guard(tls);
  try {
    await settled(tls, 'secureConnect', (error) => tlsFailed(options, error));
  } catch (error) {
    tls.destroy();
    throw error;
  }
  tls.pause();
  return tls;
}

function askForTls(socket: Socket, options: TargetOptions): Promise<Buffer> {
  const answer = settled<Buffer>(socket, 'data', (error) =>
    error instanceof TargetError
      ? error
      : new TargetError(
          'ERR_TARGET_LOST',
          `${where(options.address)} closed the connection when asked for TLS. Check that it is a PostgreSQL server.`,
          { cause: error },
        ),
  );
  socket.write(frontend.sslRequest());
  socket.resume();
  return answer.finally(() => socket.pause());
}

function tlsOptions(options: TargetOptions): ConnectionOptions {
  const { host } = options.address;
  return {
    host,
    // RFC 6066 §3: an address is no server name.
    ...(isIP(host) === 0 && !host.startsWith('/') ? { servername: host } : {}),
    ...(options.ca === undefined ? {} : { ca: authorities(options.ca, options) }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: [ALPN],
    rejectUnauthorized: options.tls !== 'require',
    checkServerIdentity: (_name, certificate) =>
      options.tls === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}

function authorities(ca: string, options: TargetOptions): string {
  if (ca.includes('-----BEGIN')) return ca;
  try {
    return readFileSync(ca, 'utf8');
  } catch (cause) {
    throw new TargetError(
      'ERR_TARGET_TLS_FAILED',
      `the certificate authorities for ${where(options.address)} cannot be read from ${ca}. Check the path and that the gateway may read the file.`,
      { cause },
    );
  }
}

/** Resolves with the event's first argument; rejects when the socket fails or ends first. Leaves no listener behind. */
function settled<T>(socket: Socket, event: string, failed: (error: Error) => TargetError): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (value: T) => {
      clear();
      resolve(value);
    };
    const error = (cause: Error) => {
      clear();
      reject(failed(cause));
    };
    const closed = () => error(new Error('the connection was closed'));
    const clear = () => {
      socket.off(event, done);
      socket.off('error', error);
      socket.off('end', closed);
      socket.off('close', closed);
    };
    socket.once(event, done);
    socket.once('error', error);
    socket.once('end', closed);
    socket.once('close', closed);
  });
}

function unreachable(options: TargetOptions, cause: Error): TargetError {
  if (cause instanceof TargetError) return cause;
  const at = where(options.address);
  const code = 'code' in cause ? String(cause.code) : cause.message;
  const advice: Readonly<Record<string, string>> = {
    ECONNREFUSED: `nothing listens at ${at}. Check host and port of the connection, and that the server runs and listens on that address (listen_addresses).`,
    ENOTFOUND: `the name ${options.address.host} is not known. Check the host of the connection and the gateway's DNS.`,
    EAI_AGAIN: `the name ${options.address.host} could not be looked up. Check the gateway's DNS.`,
    ENOENT: `there is no socket of a server at ${at}. Check the folder and the port of the connection.`,
  };
  return new TargetError(
    'ERR_TARGET_UNREACHABLE',
    advice[code] ?? `${at} cannot be reached (${quoted(code)}). Check the network between the gateway and the server.`,
    { cause },
  );
}

function tlsFailed(options: TargetOptions, cause: Error): TargetError {
  if (cause instanceof TargetError) return cause;
  const at = where(options.address);
  const code = 'code' in cause ? String(cause.code) : '';
  const why =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? `its certificate is not made for ${options.address.host}. Use the host name in the certificate, or tls: verify-ca if the name cannot match`
      : /SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CERT_UNTRUSTED/.test(code)
        ? `its certificate comes from no authority that is trusted here (${code}). Set the connection's ca to the authority's certificate`
        : code === 'CERT_HAS_EXPIRED'
          ? 'its certificate has expired. Renew it on the server'
          : `${quoted(cause.message)}${code === '' ? '' : ` (${code})`}`;
  return new TargetError('ERR_TARGET_TLS_FAILED', `TLS with ${at} failed: ${why}.`, { cause });
}
