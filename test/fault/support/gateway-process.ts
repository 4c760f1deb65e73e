import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const CHILD = join(import.meta.dirname, 'gateway-child.ts');

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A gateway in a process of its own. */
export class GatewayProcess implements AsyncDisposable {
  readonly postgres: Address;
  readonly control: Address;
  readonly child: ChildProcess;
  readonly #said: { text: string };

  private constructor(child: ChildProcess, said: { text: string }, addresses: { postgres: Address; control: Address }) {
    this.child = child;
    this.#said = said;
    this.postgres = addresses.postgres;
    this.control = addresses.control;
  }

  /** Rejects with what the process said when it does not come up. */
  static async start(folder: string): Promise<GatewayProcess> {
    // Once in a process's life the optimising compilation of the SQL grammar takes half a gigabyte for a moment, whatever clients do;
    // without it, what memory shows is what clients take.
    const flags = ['--expose-gc', '--liftoff-only'];
    const child = spawn(process.execPath, [...flags, CHILD, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { text: '' };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said.text = (said.text + text).slice(-1_000_000);
    });
    let first = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      first += text;
    });
    const deadline = Date.now() + 60_000;
    while (!first.includes('\n')) {
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`the gateway did not start: ${said.text.slice(-2_000)}`);
      }
      await sleep(20);
    }
    return new GatewayProcess(child, said, JSON.parse(first) as { postgres: Address; control: Address });
  }

  /** What it has logged until now. */
  get log(): string {
    return this.#said.text;
  }

  /** Resident memory in MiB. */
  get residentMiB(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Open file descriptors, sockets among them. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.child.pid}/fd`).length;
  }

  /** Current value of a metric, without its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://${this.control.host}:${this.control.port}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
    if (line === undefined) throw new Error(`no metric ${name}`);
    return Number(line.split(' ').at(-1));
  }

  async ready(): Promise<{ readonly status: number; readonly body: string }> {
    const answer = await fetch(`http://${this.control.host}:${this.control.port}/readyz`);
    return { status: answer.status, body: await answer.text() };
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    await closed;
    clearTimeout(late);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
