import type { Socket } from 'node:net';
import { connectTarget } from '../src/dataplane/target/index.ts';
import { FrameScanner } from '../src/wire/bytes/index.ts';
import { frontend } from '../src/wire/postgres/index.ts';
import { DATABASE, type Route } from './servers.ts';

const DATA_ROW = 0x44;
const COPY_DATA = 0x64;
const ERROR = 0x45;
const READY = 0x5a;

export interface Answer {
  readonly rows: number;
  readonly bytes: number;
}

/** A client that costs next to nothing: it counts rows and bytes and keeps neither. */
export class WireClient {
  readonly #socket: Socket;
  readonly #scanner = new FrameScanner({
    limit: () => 0x3fffffff,
    streamed: (type) => type === DATA_ROW || type === COPY_DATA,
  });
  #rows = 0;
  #bytes = 0;
  #failure: string | undefined;
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('close', () => this.#waiting?.reject(new Error('the connection was closed')));
    socket.resume();
  }

  static async connect(route: Route): Promise<WireClient> {
    const { socket } = await connectTarget({
      address: { host: '127.0.0.1', port: route.port },
      tls: 'disable',
      database: DATABASE,
      user: route.user,
      password: () => route.password,
      startupParameters: {},
      deadlineMs: 15_000,
    });
    return new WireClient(socket);
  }

  query(sql: string): Promise<Answer> {
    return this.#send(frontend.query(sql));
  }

  /** Parse of the unnamed statement and Sync. */
  parse(sql: string): Promise<Answer> {
    return this.#send(Buffer.concat([frontend.parse('', sql), frontend.sync()]));
  }

  /** Stops reading: bytes stay with the sender. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.end(frontend.terminate());
  }

  #send(bytes: Buffer): Promise<Answer> {
    this.#rows = 0;
    this.#bytes = 0;
    this.#failure = undefined;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(bytes);
    });
  }

  #data(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#scanner.push(chunk, {
      run: (_type, _bytes, completed) => {
        this.#rows += completed;
      },
      frame: (frame) => {
        if (frame.type === ERROR) this.#failure = frame.body.toString('utf8').replaceAll('\0', ' ');
        if (frame.type === READY) this.#ready();
        return true;
      },
    });
  }

  #ready(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (this.#failure !== undefined) waiting?.reject(new Error(this.#failure));
    else waiting?.resolve({ rows: this.#rows, bytes: this.#bytes });
  }
}
