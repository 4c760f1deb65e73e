import { connect, createServer, type Server, type Socket } from 'node:net';
import { findCanary, LONGEST } from './canaries.ts';

/** A server's own view of what went through; counts only ever grow. */
export interface Passed {
  connections: number;
  bytes: number;
  /** Where canaries were seen, with what stood around them. */
  readonly found: string[];
  /** The longest that a client waited for any byte, in milliseconds. */
  longestWait: number;
}

const KEPT = 20;

/** Stands between clients and an endpoint, passes every byte on, and looks at all that goes to the clients. */
export class SearchingRelay implements AsyncDisposable {
  readonly passed: Passed = { connections: 0, bytes: 0, found: [], longestWait: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Map<Socket, number>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<SearchingRelay> {
    const server = createServer({ noDelay: true });
    const relay = new SearchingRelay(server);
    server.on('connection', (client) => relay.#serve(client, connect({ ...target, noDelay: true })));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the relay listens nowhere');
    return address.port;
  }

  /** Milliseconds that the client waits which waits longest now. */
  get waiting(): number {
    const now = Date.now();
    return Math.max(0, ...[...this.#waiting.values()].map((since) => now - since));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket, target: Socket): void {
    this.passed.connections += 1;
    let before: Buffer = Buffer.alloc(0);
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        this.#waiting.delete(client);
        other.destroySoon();
      });
    }
    client.on('data', (chunk: Buffer) => {
      if (!this.#waiting.has(client)) this.#waiting.set(client, Date.now());
      if (!target.write(chunk)) {
        client.pause();
        target.once('drain', () => client.resume());
      }
    });
    target.on('data', (chunk: Buffer) => {
      const since = this.#waiting.get(client);
      if (since !== undefined) this.passed.longestWait = Math.max(this.passed.longestWait, Date.now() - since);
      this.#waiting.delete(client);
      this.passed.bytes += chunk.length;
      // What straddles two reads is found too.
      const joined = Buffer.concat([before, chunk]);
      this.#look(joined);
      before = Buffer.from(joined.subarray(Math.max(0, joined.length - LONGEST)));
      if (!client.write(chunk)) {
        target.pause();
        client.once('drain', () => target.resume());
      }
    });
  }

  #look(bytes: Buffer): void {
    const at = findCanary(bytes);
    if (at >= 0 && this.passed.found.length < KEPT)
      this.passed.found.push(bytes.toString('latin1', Math.max(0, at - 200), at + 100));
  }
}
