import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLedger } from '../../src/ledger/index.ts';
import { parseDisclosure, parseDisclosureLine, parseVkey, verifyLog } from '../../src/ledger/verify/index.ts';
import { createLedgerFiles } from '../../src/storage/ledger-files.ts';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { TestFolder } from '../support/gateway-folder.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { RawClient } from './support/raw-client.ts';
import { makeRigFolder, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

const ROUNDS = 4;
const CLIENTS = 6;
let server: CrashableServer;
let made: TestFolder;

before(async () => {
  server = await CrashableServer.create(`${SCHEMA} CREATE TABLE marks (mark text PRIMARY KEY);`);
  made = await makeRigFolder(server);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(made.folder, { recursive: true, force: true });
});

/** What one client knows for certain: marks whose first row, or whose tag, has reached it. */
class Worker {
  readonly seen = new Set<string>();
  readonly sent = new Set<string>();
  readonly #client: RawClient;
  readonly #name: string;
  #number = 0;

  constructor(client: RawClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  /** Statements without end, in four ways, until the connection is gone. */
  async run(): Promise<void> {
    const { parse, bind, execute, sync, query } = frontend;
    while (!this.#client.closed) {
      const marks = Array.from({ length: 3 }, () => `mark-${this.#name}-${++this.#number}`);
      const [a = '', b = '', c = ''] = marks;
      for (const mark of marks) this.sent.add(mark);
      const messages = [
        query(`SELECT '${a}' AS mark`),
        query(`INSERT INTO marks VALUES ('${b}') RETURNING mark`),
        Buffer.concat([
          parse('', `SELECT '${c}' AS mark, repeat('x', 20000) FROM generate_series(1, 20)`),
          bind({}),
          execute(),
          sync(),
        ]),
      ];
      // In one segment and one after the other.
      for (const message of this.#number % 2 === 0 ? [Buffer.concat(messages)] : messages) {
        this.#client.send(message);
        await this.#answers(message === messages[0] || messages.includes(message) ? 1 : 3);
      }
    }
  }

  async #answers(count: number): Promise<void> {
    let ready = 0;
    await this.#client
      .when(() => {
        for (const { type, body } of this.#client.replies.splice(0)) {
          if (type === 'Z') ready += 1;
          if (type === 'D') this.seen.add(body.toString('utf8', 6, 6 + body.readInt32BE(2)));
        }
        return ready >= count || this.#client.closed;
      }, 'an answer')
      .catch(() => undefined);
  }
}

/** Every statement text that the ledger's disclosures hold, after the log was verified. */
async function recorded(vkey: string): Promise<ReadonlySet<string>> {
  const folder = join(made.folder, 'state', 'ledger');
  const storage = createLedgerFiles(folder);
  const verdict = await verifyLog(storage, { vkey, origin: parseVkey(vkey).name });
  assert.deepEqual(verdict.problems, []);
  assert.ok(verdict.ok);
  assert.equal(verdict.disclosed, verdict.concealed);
  const marks = new Set<string>();
  for (const line of disclosureLines(folder)) {
    for (const encoded of parseDisclosureLine(line).disclosures) {
      const { name, value } = parseDisclosure(encoded);
      if (name === 'statement') for (const [mark] of String(value).matchAll(/mark-[\w-]+/g)) marks.add(mark);
    }
  }
  return marks;
}

function* disclosureLines(folder: string): Generator<string> {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (!/(^|\/)disclos/.test(name) || !statSync(path).isFile()) continue;
    for (const line of readFileSync(path, 'utf8').split('\n')) if (line !== '') yield line;
  }
}

test('kill -9 under load: every row that reached a client and every change of the target is in a ledger that verifies', async () => {
  const seen = new Set<string>();
  let vkey = '';
  for (let round = 0; round < ROUNDS; round++) {
    const gateway = await GatewayProcess.start(made.folder);
    vkey ||= /"vkey":"([^"]+)"/.exec(gateway.log)?.[1] ?? '';
    const token = await made.token('eve', ['engineers']);
    const workers: Worker[] = [];
    const running: Promise<void>[] = [];
    for (let index = 0; index < CLIENTS; index++) {
      const client = await RawClient.login(gateway.postgres, token);
      const worker = new Worker(client, `${round}-${index}`);
      workers.push(worker);
      running.push(worker.run());
    }
    const count = () => workers.reduce((sum, worker) => sum + worker.seen.size, 0);
    const wanted = 40 + round * 61;
    for (let turn = 0; turn < 2_000 && count() < wanted; turn++) await sleep(5);
    await sleep((round * 7) % 23); // anywhere between two writes
    await gateway.kill();
    await Promise.all(running);
    assert.ok(count() >= wanted, `only ${count()} rows`);
    for (const worker of workers) for (const mark of worker.seen) seen.add(mark);
  }
  // Opening is what a restart does: it takes in what the write-ahead file holds beyond the last checkpoint.
  const last = await GatewayProcess.start(made.folder);
  const client = await RawClient.login(last.postgres, await made.token('eve', ['engineers']));
  assert.equal(
    (await client.query("SELECT 'mark-after' AS mark")).some(({ type }) => type === 'D'),
    true,
  );
  client.destroy();
  await last.stop();
  const folder = createLedgerFiles(join(made.folder, 'state', 'ledger'));
  await (await openLedger({ storage: folder, origin: parseVkey(vkey).name, clock: Date.now })).close();

  const marks = await recorded(vkey);
  assert.ok(marks.has('mark-after'));
  const lost = [...seen].filter((mark) => !marks.has(mark));
  assert.deepEqual(lost, [], 'rows that nobody recorded');
  const admin = await server.admin();
  const { rows } = await admin.query<{ mark: string }>('SELECT mark FROM marks');
  await admin.end();
  assert.ok(rows.length > ROUNDS * 10);
  assert.deepEqual(
    rows.filter(({ mark }) => !marks.has(mark)),
    [],
    'changes that nobody recorded',
  );
});
