import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { LedgerError } from '../ledger/index.ts';
import type { Address } from '../model/config.ts';
import { isLoopbackAddress } from '../model/loopback.ts';
import type { Refusal, RefusalCode } from '../model/refusal.ts';
import {
  encodeRefusal,
  type InitialMessage,
  parseInitial,
  readInitialLength,
  TLS_HANDSHAKE_BYTE,
  tlsServerEndPoint,
  WireError,
} from '../wire/postgres/index.ts';
import { ByteChannel, ChannelEnded } from './byte-channel.ts';
import { RefusalError, refusal } from './errors.ts';
import type { LogPort, MetricsPort } from './services.ts';

/** ALPN id of the protocol, demanded with direct TLS. https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL */
const ALPN = 'postgresql';

/** How long a client may take to read the last words. */
const FAREWELL_MS = 2_000;

/** Refusals that are no fault of the client's: the operator has to look. */
const OWN_FAULT: ReadonlySet<RefusalCode> = new Set(['ledger-unavailable', 'internal-error']);

export type StartupMessage = Extract<InitialMessage, { kind: 'startup' }>;

export interface TlsMaterial {
  readonly context: SecureContext;
  /** Digest of the certificate for SCRAM channel binding, RFC 5929 tls-server-end-point. */
  readonly endPoint: Buffer | undefined;
}

/** A client that has said what it wants, before it has proved who it is. */
export interface Arrival {
  readonly channel: ByteChannel;
  readonly startup: StartupMessage;
  /** Set when the connection is encrypted. */
  readonly tls: TlsMaterial | undefined;
  readonly loopback: boolean;
  readonly address: string;
  readonly port: number;
}

export interface ListenerOptions {
  readonly tls: () => TlsMaterial | undefined;
  readonly maxConnections: () => number;
  /** Seconds from accept to the end of authentication. */
  readonly authenticationSeconds: () => number;
  readonly log: LogPort;
  readonly metrics: MetricsPort;
  /** Authenticates and serves; resolves when the connection is over. `authenticated` stops the deadline and throws when it has passed. */
  readonly serve: (arrival: Arrival, authenticated: () => void) => Promise<void>;
  /** Resolves when the connection that asked may be closed. */
  readonly cancel: (processId: number, secret: Buffer) => Promise<void>;
}

/** Certificate and key for clients. Throws when they do not fit. */
export function tlsMaterial(cert: Buffer, key: Buffer): TlsMaterial {
  return { context: createSecureContext({ cert, key, minVersion: 'TLSv1.2' }), endPoint: tlsServerEndPoint(cert) };
}

/** Accepts PostgreSQL clients: caps, deadline, TLS, cancel requests, and the first message. */
export class PostgresListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  #open = 0;
  #closing = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
  }

  listen(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address.host, port: address.port, backlog: 511 }, () => {
        this.#server.off('error', reject);
        const bound = this.#server.address();
        resolve({ host: address.host, port: typeof bound === 'object' && bound ? bound.port : address.port });
      });
    });
  }

  /** Stops accepting; what is open goes on. */
  close(): void {
    this.#closing = true;
    this.#server.close();
  }

  #accept(socket: Socket): void {
    const { log, metrics } = this.#options;
    socket.on('error', () => undefined);
    if (this.#closing) {
      socket.destroy();
      return;
    }
    if (this.#open >= this.#options.maxConnections()) {
      metrics.count('connections_refused_total');
      socket.end(
        encodeRefusal(
          refusal('too-many-connections', 'gatehouse: too many connections', { hint: 'Try again later.' }),
          'FATAL',
        ),
      );
      closeSoon(socket);
      return;
    }
    this.#open += 1;
    metrics.gauge('connections_open', this.#open);
    const peer = { address: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 };
    const channel = new ByteChannel(socket);
    // One deadline from accept on: neither SSLRequest nor a slow byte now and then prolongs it.
    let late: NodeJS.Timeout | undefined;
    const deadline = setTimeout(() => {
      log.info({ ...peer }, 'a client did not authenticate in time');
      // Ends a wait for the client's bytes at once, which is recorded and told; a wait for an issuer gets no longer than that.
      channel.fail(new RefusalError(refusal('authentication-timeout', 'gatehouse: authentication took too long')));
      late = setTimeout(() => closeSoon(channel.socket), FAREWELL_MS);
    }, this.#options.authenticationSeconds() * 1000);
    const authenticated = () => {
      clearTimeout(deadline);
      channel.assertOpen();
    };
    this.#arrive(channel, peer)
      .then((arrival) => arrival && this.#options.serve(arrival, authenticated).catch(asRefusal))
      .catch((error: unknown) => this.#farewell(channel, error, peer))
      .finally(() => {
        clearTimeout(deadline);
        clearTimeout(late);
        this.#open -= 1;
        metrics.gauge('connections_open', this.#open);
        closeSoon(channel.socket);
      });
  }

  #farewell(channel: ByteChannel, error: unknown, peer: object): void {
    const { log } = this.#options;
    const known: Refusal | undefined = error instanceof RefusalError ? error.refusal : undefined;
    const what = error instanceof Error ? error.message : String(error);
    if (known && OWN_FAULT.has(known.code)) log.error({ ...peer, error }, 'a client could not be served');
    else log.info({ ...peer, error: what }, 'a connection ended before its session began');
    if (channel.socket.destroyed || !channel.socket.writable) return;
    const answer =
      known ??
      (error instanceof WireError
        ? refusal('protocol-violation', `gatehouse: protocol violation: ${what}`)
        : undefined);
    if (answer) channel.socket.end(encodeRefusal(answer, 'FATAL'));
  }

  /** Reads up to the startup message. Undefined when the connection was only a cancel request. */
  async #arrive(channel: ByteChannel, peer: { address: string; port: number }): Promise<Arrival | undefined> {
    const tls = this.#options.tls();
    let encrypted: TlsMaterial | undefined;
    let asked = 0;
    const head = await channel.read(1);
    let pending = head;
    if (head[0] === TLS_HANDSHAKE_BYTE) {
      if (!tls) throw new Error('direct TLS asked for, but no certificate is configured');
      await this.#upgrade(channel, tls, pending, true);
      encrypted = tls;
      pending = Buffer.alloc(0);
    }
    for (;;) {
      const lengthBytes = Buffer.concat([pending, await channel.read(4 - pending.length)]);
      pending = Buffer.alloc(0);
      const body = await channel.read(readInitialLength(lengthBytes) - 4);
      const message = parseInitial(body);
      switch (message.kind) {
        case 'ssl-request':
          asked += 1;
          if (encrypted || asked > 2)
            throw new RefusalError(refusal('protocol-violation', 'gatehouse: SSLRequest came twice'));
          // Bytes sent along with the request were not protected by TLS; whoever put them there, they must not be taken for the client's.
          if (channel.buffered > 0)
            throw new RefusalError(
              refusal('protocol-violation', 'gatehouse: received unencrypted data after SSL request'),
            );
          if (!tls) {
            channel.socket.write('N');
            break;
          }
          channel.socket.write('S');
          await this.#upgrade(channel, tls, Buffer.alloc(0), false);
          encrypted = tls;
          break;
        case 'gssenc-request':
          asked += 1;
          if (encrypted || asked > 2)
            throw new RefusalError(refusal('protocol-violation', 'gatehouse: GSSENCRequest came twice'));
          if (channel.buffered > 0)
            throw new RefusalError(
              refusal('protocol-violation', 'gatehouse: received unencrypted data after GSSENC request'),
            );
          channel.socket.write('N');
          break;
        case 'cancel-request':
          // Clients wait for the end of this connection before they send on: the cancel must not hit what comes then.
          await this.#options.cancel(message.pid, message.key);
          return undefined;
        case 'unsupported-version':
          throw new RefusalError(
            refusal(
              'protocol-unsupported',
              `gatehouse: protocol version ${message.major}.${message.minor} is not supported`,
            ),
          );
        case 'startup':
          return { channel, startup: message, tls: encrypted, loopback: isLoopbackAddress(peer.address), ...peer };
        default:
          return unreachable(message);
      }
    }
  }

  async #upgrade(channel: ByteChannel, tls: TlsMaterial, early: Buffer, direct: boolean): Promise<void> {
    const plain = channel.socket;
    const rest = Buffer.concat([early, channel.release()]);
    const secure = new TLSSocket(plain, {
      isServer: true,
      secureContext: tls.context,
      ALPNProtocols: [ALPN],
    });
    if (rest.length > 0) plain.unshift(rest);
    plain.on('error', () => secure.destroy());
    await new Promise<void>((resolve, reject) => {
      const fail = (error?: Error) =>
        reject(error ?? new Error('the client closed the connection during the TLS handshake'));
      secure.once('secure', () => {
        secure.off('error', fail);
        secure.off('close', fail);
        resolve();
      });
      secure.once('error', fail);
      secure.once('close', fail);
      plain.resume();
    });
    if (direct && secure.alpnProtocol !== ALPN) {
      secure.destroy();
      throw new Error('direct TLS without ALPN "postgresql"');
    }
    secure.on('error', () => undefined);
    // Outside a tls.Server a record that breaks TLS after the handshake is told by this event alone, and the socket stays open.
    secure.on('_tlsError', () => secure.destroy());
    channel.replace(secure);
  }
}

/** Whatever goes wrong while a client is served is told him in words, without the details. */
function asRefusal(error: unknown): never {
  if (error instanceof RefusalError || error instanceof WireError || error instanceof ChannelEnded) throw error;
  const refused =
    error instanceof LedgerError
      ? refusal('ledger-unavailable', 'gatehouse: the audit ledger cannot be written, so nobody may pass', {
          hint: 'Tell the operator of the gateway.',
        })
      : refusal('internal-error', 'gatehouse: internal error; the session could not be opened', {
          hint: 'Tell the operator of the gateway (the reason is in its log).',
        });
  throw new RefusalError(refused, { cause: error });
}

/** Closes when what was written is sent, and all the same when the client does not take it: a closed session holds nothing. */
function closeSoon(socket: Socket): void {
  if (socket.destroyed) return;
  const patience = setTimeout(() => socket.destroy(), FAREWELL_MS);
  patience.unref();
  socket.once('close', () => clearTimeout(patience));
  socket.destroySoon();
}

function unreachable(value: never): never {
  throw new Error(`unhandled initial message ${JSON.stringify(value)}`);
}
