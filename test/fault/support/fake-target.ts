import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Upstream {
  readonly host: string;
  readonly port: number;
}

/** What happens to the target's answer from a statement on that contains the word. Bytes are sent in its place; then the socket does as told. */
export interface Sabotage {
  /** A statement whose text contains this; what comes before is relayed as it is. */
  readonly on: string;
  readonly answer: readonly Buffer[];
  readonly after?: 'close' | 'stall' | 'relay';
}

/**
 * A real server behind a liar: logins and catalog reads pass, and the answer to a chosen statement is replaced. So the gateway is past
 * everything that a server has to be right about before it turns hostile.
 */
export class FakeTarget implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections of the gateway that are open now. */
  readonly open = new Set<Socket>();
  readonly port: number;
  readonly host = '127.0.0.1';
  sabotage: Sabotage | undefined;
  /** Milliseconds before anything of the real server is passed on. */
  delay = 0;
  /** Whether the gateway closed the connection on which the lie was told. */
  hungUp = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async before(upstream: Upstream): Promise<FakeTarget> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const fake = new FakeTarget(server);
    server.on('connection', (socket) => fake.#serve(socket, upstream));
    return fake;
  }

  #serve(socket: Socket, upstream: Upstream): void {
    const real = connect(upstream.port, upstream.host);
    for (const one of [socket, real]) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        socket.destroySoon();
        real.destroySoon();
      });
    }
    this.open.add(socket);
    socket.on('close', () => this.open.delete(socket));
    let lying = false;
    let said = '';
    let passed: Promise<void> = Promise.resolve();
    real.on('data', (chunk: Buffer) => {
      if (lying) return;
      const { delay } = this;
      passed = passed.then(async () => {
        if (delay > 0) await sleep(delay);
        if (socket.writable && !lying) socket.write(chunk);
      });
    });
    socket.on('data', (chunk: Buffer) => {
      if (lying) return;
      const { sabotage } = this;
      said = (said + chunk.toString('latin1')).slice(-10_000);
      if (!sabotage || !said.includes(sabotage.on)) {
        real.write(chunk);
        return;
      }
      this.hungUp = false;
      socket.once('close', () => {
        this.hungUp = true;
      });
      for (const bytes of sabotage.answer) socket.write(bytes);
      said = '';
      if (sabotage.after === 'relay') return;
      lying = true;
      if (sabotage.after === 'close') socket.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
