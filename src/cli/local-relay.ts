import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { cancelTarget, connectTarget, TargetError, type TargetOptions } from '../dataplane/target/index.ts';
import type { TlsMode } from '../model/config.ts';
import { backend, encodeRefusal, WireError } from '../wire/postgres/index.ts';
import { receiveTool, type ToolLogin, ToolRefused } from './tool-login.ts';

const HOST = '127.0.0.1';
/** For the tool's part of the login, and for the gateway's. */
const LOGIN_MS = 30_000;
/** Sockets of tools at once: more than any tool opens, fewer than would hurt. */
const MOST_TOOLS = 200;

export interface LocalRelayOptions {
  /** 0 for any free one. */
  readonly port: number;
  readonly gateway: { readonly host: string; readonly port: number; readonly database: string };
  readonly tls: TlsMode;
  /** PEM file of the gateway's authority; the public ones when absent. */
  readonly ca?: string;
  /** Asked for each connection of a tool, so that a new login is used without a restart. */
  readonly identity: () => { readonly user: string; readonly password: string };
  /** One line about a connection that did not come about. */
  readonly note: (line: string) => void;
}

export interface LocalRelay {
  readonly host: string;
  readonly port: number;
  /** What tools have to give; made for this run. */
  readonly password: string;
  close(): Promise<void>;
}

/**
 * Lets tools of this machine that cannot hold a short-lived credential through to a gateway: they log in here with a password of this
 * run, and the relay logs in there as the person who started it. Rejects when the port is taken.
 */
export async function startLocalRelay(options: LocalRelayOptions): Promise<LocalRelay> {
  const password = randomBytes(24).toString('base64url');
  const open = new Set<Socket>();
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  // Nothing is read before it is asked for; whoever closes his side is done.
  const server = createServer({ noDelay: true }, (tool) => {
    keep(tool);
    serve(tool, options, password, keep).catch((error: unknown) => farewell(tool, error, options.note));
  });
  server.maxConnections = MOST_TOOLS;
  server.listen(options.port, HOST);
  await once(server, 'listening');
  return {
    host: HOST,
    port: (server.address() as AddressInfo).port,
    password,
    close: async () => {
      server.close();
      for (const socket of open) socket.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function serve(
  tool: Socket,
  options: LocalRelayOptions,
  password: string,
  keep: (socket: Socket) => void,
): Promise<void> {
  const late = setTimeout(() => tool.destroy(), LOGIN_MS);
  try {
    const arrival = await receiveTool(tool, options.gateway.database, password);
    clearTimeout(late);
    if (arrival.kind === 'cancel') {
      // The key is the gateway's own, which the tool got at its login; it proves itself there.
      await cancelTarget(targetOptions(options), arrival);
      tool.end();
    } else await relay(tool, arrival, options, keep);
  } finally {
    clearTimeout(late);
  }
}

async function relay(
  tool: Socket,
  login: ToolLogin,
  options: LocalRelayOptions,
  keep: (socket: Socket) => void,
): Promise<void> {
  const gone = new AbortController();
  tool.once('close', () => gone.abort());
  const session = await connectTarget({ ...targetOptions(options, login), signal: gone.signal });
  const { socket, parameters, backendKey, transactionStatus, leftOver } = session;
  keep(socket);
  if (tool.destroyed) {
    socket.destroy();
    return;
  }
  tool.write(
    Buffer.concat([
      backend.authenticationOk(),
      ...[...parameters].map(([name, value]) => backend.parameterStatus(name, value)),
      ...(backendKey === undefined ? [] : [backend.backendKeyData(backendKey.pid, backendKey.key)]),
      backend.readyForQuery(transactionStatus),
      leftOver,
    ]),
  );
  // What one side has said last still reaches the other.
  tool.once('close', () => socket.destroySoon());
  socket.once('close', () => tool.destroySoon());
  tool.pipe(socket);
  socket.pipe(tool);
}

function targetOptions(options: LocalRelayOptions, login?: ToolLogin): TargetOptions {
  const { user, password } = options.identity();
  const { host, port, database } = options.gateway;
  return {
    address: { host, port },
    tls: options.tls,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    database,
    user,
    password: () => password,
    startupParameters: login?.settings ?? {},
    protocolMinor: login?.minor ?? 0,
    deadlineMs: LOGIN_MS,
  };
}

/** The tool hears why in its own protocol; the person who started the relay reads it too. */
function farewell(tool: Socket, error: unknown, note: (line: string) => void): void {
  const message = error instanceof Error ? error.message : String(error);
  if (tool.destroyed || !tool.writable) return;
  note(`a connection was refused: ${message}`);
  tool.end(
    encodeRefusal(
      error instanceof ToolRefused
        ? error.refusal
        : error instanceof WireError
          ? { code: 'protocol-violation', message: `gatehouse connect: ${message}` }
          : {
              code: 'target-unavailable',
              message: `gatehouse connect: ${message}`,
              ...(error instanceof TargetError && error.sqlstate !== undefined ? { sqlstate: error.sqlstate } : {}),
            },
      'FATAL',
    ),
  );
  // A tool that does not close keeps nothing open.
  setTimeout(() => tool.destroy(), 1_000).unref();
}
