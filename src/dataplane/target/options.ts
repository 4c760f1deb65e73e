import type { Socket } from 'node:net';
import type { Address, ConnectionConfig, TlsMode } from '../../model/config.ts';
import type { TransactionStatus } from '../../wire/postgres/index.ts';

export interface TargetOptions {
  /** A host that begins with `/` is the folder of a Unix socket. */
  readonly address: Address;
  /**
   * `disable`: clear text. `require`: encrypted, the server's certificate is not judged. `verify-ca`: it must come from `ca`.
   * `verify-full`: and name the host. Never falls back to clear text.
   */
  readonly tls: TlsMode;
  /** PEM text, or the path of a PEM file, of the authorities to trust; the public ones by default. */
  readonly ca?: string;
  readonly database: string;
  readonly user: string;
  /** Asked only when the server wants a password. */
  readonly password?: () => string | undefined;
  /** Further startup parameters; `user` and `database` cannot be set here. */
  readonly startupParameters: Readonly<Record<string, string>>;
  /** Newest minor version of protocol 3 to ask for, 0 by default; the server may answer with an older one. */
  readonly protocolMinor?: 0 | 2;
  /** Milliseconds for everything: name, connection, TLS, login. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** How a connection is reached, whoever asks. */
export function targetOptions(
  connection: ConnectionConfig,
  password: string | undefined,
  startupParameters: Readonly<Record<string, string>>,
): TargetOptions {
  return {
    address: connection.address,
    tls: connection.tls,
    ...(connection.ca === undefined ? {} : { ca: connection.ca }),
    database: connection.database,
    user: connection.credential.username,
    password: () => password,
    startupParameters,
    deadlineMs: 15_000,
  };
}

export interface BackendKey {
  readonly pid: number;
  /** 4 bytes in protocol 3.0, up to 256 in 3.2. */
  readonly key: Buffer;
}

/** A logged-in connection, handed over: the socket is paused and nobody reads it. */
export interface TargetSession {
  /** Has one listener left, which ignores `error`, so that a reset before the next owner listens ends nothing but this socket. */
  readonly socket: Socket;
  /** ParameterStatus of the login, by name. */
  readonly parameters: Map<string, string>;
  /** Undefined when the server sent none: then a query cannot be cancelled. */
  readonly backendKey: BackendKey | undefined;
  readonly transactionStatus: TransactionStatus;
  /** Bytes that came after ReadyForQuery: read them before the socket. */
  readonly leftOver: Buffer;
}
