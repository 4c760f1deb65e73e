import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { frontend, parseBackend } from '../../../src/wire/postgres/index.ts';

/** One message of the server: its letter, its body, and the rest a test looks at. */
export interface Reply {
  readonly type: string;
  readonly body: Buffer;
}

/** How long an answer may take on a busy machine before a test calls it missing. */
const PATIENCE_MS = 15_000;

/** A PostgreSQL client without manners: sends any bytes, and hands back whole messages. */
export class RawClient {
  readonly socket: Socket;
  readonly replies: Reply[] = [];
  /** Everything that came and was not a whole message yet, e.g. the single byte that answers SSLRequest. */
  rest: Buffer = Buffer.alloc(0);
  closed = false;
  /** Bytes received in total. */
  received = 0;
  #wake: (() => void)[] = [];
  #single = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => {
      this.closed = true;
      this.#notify();
    });
  }

  static async connect(address: { readonly host: string; readonly port: number }): Promise<RawClient> {
    const socket = connect(address.port, address.host);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Connects and logs in with a token as password; gives the client once it is ready for a query. */
  static async login(
    address: { readonly host: string; readonly port: number },
    token: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<RawClient> {
    const client = await RawClient.connect(address);
    client.send(frontend.startup(Object.entries({ user: 'somebody', database: 'shop', ...more }), 0));
    await client.until('R');
    client.send(frontend.password(token));
    await client.until('Z', 'E');
    return client;
  }

  send(...messages: readonly Uint8Array[]): boolean {
    return this.socket.write(Buffer.concat(messages));
  }

  /** Sends and gives everything up to the next ReadyForQuery, or to the end of the connection. */
  async ask(...messages: readonly Uint8Array[]): Promise<readonly Reply[]> {
    const from = this.replies.length;
    this.send(...messages);
    await this.when(() => this.closed || this.replies.slice(from).some(({ type }) => type === 'Z'), 'an answer');
    return this.replies.slice(from);
  }

  query(sql: string): Promise<readonly Reply[]> {
    return this.ask(frontend.query(sql));
  }

  /** The next message of one of these types after those that were waited for before. */
  async until(...types: readonly string[]): Promise<Reply> {
    const found = () => this.replies.findIndex(({ type }, index) => index >= this.#seen && types.includes(type));
    await this.when(() => found() >= 0 || this.closed, `message ${types.join(' or ')}`);
    const at = found();
    const reply = this.replies[at];
    if (!reply) throw new Error(`closed without ${types.join(' or ')}; got ${this.letters()}`);
    this.#seen = at + 1;
    return reply;
  }
  #seen = 0;

  /** One byte, as SSLRequest and GSSENCRequest are answered. */
  async byte(): Promise<string> {
    this.#single = true;
    await this.when(() => this.rest.length > 0 || this.closed, 'a single byte');
    const byte = this.rest.toString('latin1', 0, 1);
    this.rest = this.rest.subarray(1);
    this.#single = false;
    return byte;
  }

  /** Waits until the other side has closed the connection. */
  async end(): Promise<void> {
    await this.when(() => this.closed, 'the end of the connection');
  }

  async when(done: () => boolean, what: string, milliseconds = PATIENCE_MS): Promise<void> {
    const deadline = performance.now() + milliseconds;
    while (!done()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited in vain for ${what}; got ${this.letters()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1_000));
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Everything that came, as text, for a look at what it says. */
  text(): string {
    return Buffer.concat([...this.replies.map(({ body }) => body), this.rest]).toString('latin1');
  }

  letters(): string {
    return this.replies.map(({ type }) => type).join('');
  }

  destroy(): void {
    this.socket.destroy();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #take(chunk: Buffer): void {
    this.received += chunk.length;
    let bytes = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    while (!this.#single && bytes.length >= 5) {
      const size = 1 + bytes.readUInt32BE(1);
      if (bytes.length < size) break;
      this.replies.push({ type: bytes.toString('latin1', 0, 1), body: Buffer.from(bytes.subarray(5, size)) });
      bytes = bytes.subarray(size);
    }
    this.rest = Buffer.from(bytes);
    this.#notify();
  }
}

/** Fields of the first ErrorResponse, by letter; undefined when there is none. */
export function errorOf(replies: readonly Reply[]): Readonly<Record<string, string>> | undefined {
  const error = replies.find(({ type }) => type === 'E');
  if (!error) return undefined;
  const bytes = Buffer.alloc(5);
  bytes.write('E', 'latin1');
  bytes.writeUInt32BE(error.body.length + 4, 1);
  const message = parseBackend({ type: 0x45, bytes: Buffer.concat([bytes, error.body]), body: error.body });
  if (message.kind !== 'error-response') throw new Error(`an ErrorResponse was read as ${message.kind}`);
  return Object.fromEntries(message.fields.map(({ code, value }) => [code, value]));
}

/** First column of every DataRow, as text. */
export function firstColumns(replies: readonly Reply[]): (string | null)[] {
  return replies
    .filter(({ type }) => type === 'D')
    .map(({ body }) => {
      const length = body.readInt32BE(2);
      return length < 0 ? null : body.toString('utf8', 6, 6 + length);
    });
}

/** Tags of CommandComplete. */
export function tags(replies: readonly Reply[]): string[] {
  return replies.filter(({ type }) => type === 'C').map(({ body }) => body.toString('utf8', 0, body.length - 1));
}

/** A frame with any length in its header. */
export function frame(type: string, body: Uint8Array, length = body.length + 4): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, body]);
}
