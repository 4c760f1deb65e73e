import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Refusal, RefusalCode } from '../model/refusal.ts';
import {
  authenticationLimit,
  backend,
  FRONTEND,
  parseInitial,
  parsePassword,
  readInitialLength,
} from '../wire/postgres/index.ts';

/** Newest minor version of protocol 3 that the gateway speaks. */
const NEWEST_MINOR = 2;

/** A tool that gave the password; it waits for the answer. */
export interface ToolLogin {
  readonly kind: 'login';
  readonly minor: 0 | 2;
  /** The tool's own startup parameters, without user and database. */
  readonly settings: Readonly<Record<string, string>>;
}

export type ToolArrival = ToolLogin | { readonly kind: 'cancel'; readonly pid: number; readonly key: Buffer };

/** What a tool is told when it may not in. */
export class ToolRefused extends Error {
  readonly refusal: Refusal;

  constructor(code: RefusalCode, message: string, hint: string) {
    super(message);
    this.refusal = { code, message: `gatehouse connect: ${message}`, hint };
  }
}

/**
 * Speaks a server's part of the startup with a tool, up to its password. The password is asked for in clear text: it never leaves this
 * machine, and is worth nothing on another one.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-START-UP
 * @throws ToolRefused, WireError, or Error when the tool goes away
 */
export async function receiveTool(socket: Socket, database: string, password: string): Promise<ToolArrival> {
  for (;;) {
    const message = parseInitial(await exactly(socket, readInitialLength(await exactly(socket, 4)) - 4));
    switch (message.kind) {
      case 'ssl-request':
      case 'gssenc-request':
        socket.write('N');
        break;
      case 'cancel-request':
        return { kind: 'cancel', pid: message.pid, key: Buffer.from(message.key) };
      case 'unsupported-version':
        throw new ToolRefused(
          'protocol-unsupported',
          `protocol version ${message.major}.${message.minor} is not spoken here`,
          'Use a client of PostgreSQL 7.4 or newer.',
        );
      case 'startup': {
        const { parameters } = message;
        const wanted = parameters.get('database') ?? parameters.get('user') ?? '';
        const unknown = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
        if (message.minor > NEWEST_MINOR || unknown.length > 0) {
          socket.write(backend.negotiateProtocolVersion(Math.min(message.minor, NEWEST_MINOR), unknown));
        }
        socket.write(backend.authenticationCleartext());
        if (!same(await passwordOf(socket), password)) {
          throw new ToolRefused(
            'authentication-failed',
            'the password is not the one that was printed at the start',
            'Each run of "gatehouse connect" makes a new one; copy it from there.',
          );
        }
        if (wanted !== database) {
          throw new ToolRefused(
            'unknown-connection',
            `database ${JSON.stringify(wanted)} is not here, only ${JSON.stringify(database)}`,
            `Set the tool's database to ${database}, or start another relay for the other connection.`,
          );
        }
        const settings = [...parameters].filter(([name]) => !OWN.has(name) && !name.startsWith('_pq_.'));
        return { kind: 'login', minor: message.minor >= 2 ? 2 : 0, settings: Object.fromEntries(settings) };
      }
    }
  }
}

const OWN: ReadonlySet<string> = new Set(['user', 'database']);

async function passwordOf(socket: Socket): Promise<string> {
  const header = await exactly(socket, 5);
  const length = header.readUInt32BE(1) - 4;
  // A tool that has no password at hand closes here and asks its user for one.
  if (header.readUInt8(0) !== FRONTEND.password || length < 0 || length > authenticationLimit()(FRONTEND.password)) {
    throw new ToolRefused('protocol-violation', 'expected a password', 'Let the tool log in with user and password.');
  }
  return parsePassword(await exactly(socket, length));
}

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Reads so many bytes and leaves the rest in the socket. */
async function exactly(socket: Socket, bytes: number): Promise<Buffer> {
  if (bytes === 0) return Buffer.alloc(0);
  for (;;) {
    const chunk = socket.read(bytes) as Buffer | null;
    if (chunk !== null && chunk.length === bytes) return chunk;
    if (chunk !== null || socket.readableEnded || socket.destroyed) throw new Error('the tool closed the connection');
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of EVENTS) socket.off(event, done);
        resolve();
      };
      for (const event of EVENTS) socket.on(event, done);
    });
  }
}

const EVENTS = ['readable', 'end', 'close', 'error'] as const;
