import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FrameReader } from '../../../src/wire/bytes/index.ts';
import { type BackendMessage, frontend, parseBackend } from '../../../src/wire/postgres/index.ts';
import type { Door } from './door.ts';

export type Message = BackendMessage;

/** A client that sends exactly the messages a test names, and keeps every message that comes back. */
export class RawClient {
  readonly socket: Socket;
  readonly #frames = new FrameReader(() => 1 << 28);
  readonly #messages: Message[] = [];
  #wake: () => void = () => undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(chunk);
      for (let frame = this.#frames.next(); frame; frame = this.#frames.next())
        this.#messages.push(parseBackend(frame));
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Logs in with the door's password and waits for ReadyForQuery. */
  static async connect(door: Door, parameters: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    const socket = connect(door.port, door.host);
    await once(socket, 'connect');
    const client = new RawClient(socket);
    client.startUp({ user: door.user, database: door.database, ...parameters });
    client.send(frontend.password(door.password));
    await client.until('ready-for-query');
    return client;
  }

  startUp(parameters: Readonly<Record<string, string>>): void {
    this.send(frontend.startup(Object.entries(parameters), 0));
  }

  send(...messages: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(messages));
  }

  /** All messages up to and with the first of this kind. Throws what the target said when the connection closes before. */
  async until(kind: Message['kind']): Promise<Message[]> {
    for (;;) {
      const at = this.#messages.findIndex((message) => message.kind === kind);
      if (at >= 0) return this.#messages.splice(0, at + 1);
      if (this.#closed) throw new Error(`closed before ${kind}: ${JSON.stringify(this.#messages.map(describe))}`);
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<Message[]> {
    while (!this.#closed) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    return this.#messages.splice(0);
  }

  /** Sends and waits for ReadyForQuery. */
  ask(...messages: readonly Buffer[]): Promise<Message[]> {
    this.send(...messages);
    return this.until('ready-for-query');
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A message in one short line, for expectations: its kind, and what matters of it. */
export function describe(message: Message): string {
  switch (message.kind) {
    case 'error-response':
    case 'notice-response':
      return `${message.kind} ${message.fields.find((field) => field.code === 'C')?.value}`;
    case 'command-complete':
      return `${message.kind} ${message.tag}`;
    case 'ready-for-query':
      return `${message.kind} ${message.status}`;
    default:
      return message.kind;
  }
}
