/*
 * What stands under the gateway: a program on the same Node that passes bytes on between two sockets and looks at none of them. With a
 * folder it also waits as the gateway must: nothing that comes back leaves before a write of 128 bytes for what was asked is on the disk,
 * all that wait together sharing one.
 *
 *   node bench/forwarder.ts PORT TARGET-PORT [FOLDER]
 */
import { constants, openSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { lendReads } from '../src/dataplane/lent-reads.ts';

const [port, target, folder] = process.argv.slice(2);
const RECORD = 128;
const RESERVED = 4 << 20;
const READ = 16 * 1024;

/** Lets what is asked for wait for the next write. */
class Disk {
  readonly #file: number;
  #at = 0;
  #records = 0;
  #waiting: (() => void)[] = [];

  constructor(path: string) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT | (constants.O_DSYNC ?? 0), 0o600);
    writeSync(this.#file, Buffer.alloc(RESERVED), 0, RESERVED, 0);
  }

  record(durable: () => void): void {
    this.#waiting.push(durable);
    if (this.#records++ === 0) setImmediate(() => this.#write());
  }

  #write(): void {
    const bytes = Buffer.alloc(RECORD * this.#records, 0x2e);
    this.#records = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#at + bytes.length > RESERVED) this.#at = 0;
    writeSync(this.#file, bytes, 0, bytes.length, this.#at);
    this.#at += bytes.length;
    for (const durable of waiting) durable();
  }
}

const disk = folder === undefined ? undefined : new Disk(join(folder, 'forwarder.records'));

createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
  const server = connect({ port: Number(target), host: '127.0.0.1', noDelay: true });
  let undurable = 0;
  let held: Buffer[] = [];
  const durable = () => {
    undurable -= 1;
    if (undurable > 0 || held.length === 0) return;
    client.write(Buffer.concat(held));
    held = [];
  };
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] satisfies [Socket, Socket][]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
  server.on('connect', () => {
    lendReads(client, READ, (bytes) => {
      if (disk !== undefined) {
        undurable += 1;
        disk.record(durable);
      }
      server.write(Buffer.from(bytes));
    });
    lendReads(server, READ, (bytes) => {
      if (undurable > 0) held.push(Buffer.from(bytes));
      else client.write(Buffer.from(bytes));
    });
    client.resume();
    server.resume();
  });
}).listen(Number(port), '127.0.0.1');
