import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { paths, requestList } from '../controlplane/contract/index.ts';
import type { DemoHouse } from './house.ts';
import { alice, bob } from './people.ts';
import { runSql, type SqlOutcome } from './sql-client.ts';

const EXPORT_ROWS = 5000;
const REQUEST_WITHIN_MS = 30_000;

/** Plays the demo with a real client and prints what really happens. Exit code 0 only when every promise held. */
export async function tellStory(house: DemoHouse, interrupted: AbortSignal): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-story-'));
  try {
    return await new Story(house, scratch, interrupted).tell();
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

class Story {
  readonly #house: DemoHouse;
  readonly #scratch: string;
  readonly #interrupted: AbortSignal;
  #broken = 0;

  constructor(house: DemoHouse, scratch: string, interrupted: AbortSignal) {
    this.#house = house;
    this.#scratch = scratch;
    this.#interrupted = interrupted;
  }

  async tell(): Promise<number> {
    const chapters = [this.#masked, this.#refused, this.#confidential, this.#exported, this.#proven];
    for (const chapter of chapters) {
      if (this.#interrupted.aborted) return 130;
      await chapter.call(this);
    }
    say(
      this.#broken === 0
        ? styleText('green', 'Every promise held.')
        : styleText('red', `${this.#broken} promises broken.`),
    );
    return this.#broken === 0 ? 0 : 1;
  }

  async #masked(): Promise<void> {
    title('1. Alice, an analyst, reads customers. Personal data arrives masked.');
    const columns = 'id, email, phone, birth_date, card_number, city';
    const outcome = await this.#alice(`SELECT ${columns} FROM shop.customers ORDER BY id LIMIT 3`);
    const real = await this.#house.askDirectly(
      'SELECT email, phone, card_number FROM shop.customers ORDER BY id LIMIT 3',
    );
    const seen = real.flat().filter((value) => outcome.output.includes(String(value)));
    this.#promise('nobody’s e-mail address, phone or card number is among it', outcome.ok && seen.length === 0);
  }

  async #refused(): Promise<void> {
    title('2. She tries to delete. Policy refuses, and her session lives on.');
    const { ok, output } = await this.#alice([
      'DELETE FROM shop.orders WHERE id < 100',
      'SELECT count(*) FROM shop.orders',
    ]);
    const [[left] = []] = await this.#house.askDirectly('SELECT count(*)::int FROM shop.orders');
    const refused = /ERROR: {2}gatehouse: no policy permits write/.test(output);
    this.#promise('nothing was deleted, and the next statement ran', refused && ok && left === 200_000);
  }

  async #confidential(): Promise<void> {
    title('3. Salaries are confidential: the statement waits for an owner, who says no.');
    const running = this.#alice('SELECT employee, monthly_salary FROM hr.salaries');
    const held = await this.#pending(running);
    if (held === undefined) return this.#promise('the statement waits', false);
    await this.#gatehouse('requests', 'deny', held, '--reason', 'salaries are not needed for a sales report');
    const outcome = await running;
    const names = (await this.#house.askDirectly('SELECT employee FROM hr.salaries')).flat();
    const shown = names.some((name) => outcome.output.includes(String(name)));
    this.#promise('nobody’s salary was shown', !outcome.ok && !shown);
  }

  async #exported(): Promise<void> {
    title(`4. She exports ${EXPORT_ROWS} orders. After 1000 rows it waits, Bob consents, it goes on by itself.`);
    const file = join(this.#scratch, 'orders.csv');
    const running = this.#alice(
      `SELECT id, customer_id, state FROM shop.orders ORDER BY id LIMIT ${EXPORT_ROWS}`,
      file,
    );
    const held = await this.#pending(running);
    if (held === undefined) return this.#promise('the export waits', false);
    await this.#gatehouse('requests', 'approve', held, '--reason', 'quarterly report, agreed with sales');
    const outcome = await running;
    const lines = outcome.ok ? readFileSync(file, 'utf8').trim().split('\n').length : 0;
    say(`orders.csv: ${lines} lines with its heading`);
    this.#promise('the whole export arrived after consent, not before', lines === EXPORT_ROWS + 1);
  }

  async #proven(): Promise<void> {
    title('5. All of it is evidence that anybody can check.');
    await sleep(1500); // a checkpoint is signed every second
    const sessions = await this.#gatehouse('sessions', 'list', '--limit', '4');
    const verified = await this.#gatehouse('ledger', 'verify', this.#house.gatewayFolder);
    this.#promise('the sessions are listed and the ledger verifies', sessions && verified);
  }

  async #alice(statements: string | readonly string[], file?: string): Promise<SqlOutcome> {
    const all = [statements].flat();
    for (const statement of all) say(styleText('bold', `alice> ${statement};`));
    return await runSql({
      port: this.#house.ports.postgres,
      user: alice.subject,
      password: await this.#house.identity.tokenFor(alice),
      statements: all,
      file,
      signal: this.#interrupted,
      show: (text) => process.stdout.write(text.replace(/\n\n$/, '\n')),
    });
  }

  /** The request under which the statement waits; nothing when it ended without waiting. */
  async #pending(running: Promise<SqlOutcome>): Promise<string | undefined> {
    let ended = false;
    running
      .finally(() => {
        ended = true;
      })
      .catch(() => undefined);
    const bearer = await this.#house.identity.tokenFor(bob);
    const url = `http://127.0.0.1:${this.#house.ports.control}${paths.requests()}?state=pending`;
    const giveUpAt = Date.now() + REQUEST_WITHIN_MS;
    while (!ended && Date.now() < giveUpAt) {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${bearer}` } });
      if (!answer.ok) throw new Error(`the control API answered ${answer.status}: ${await answer.text()}`);
      const [first] = requestList.parse(await answer.json()).items;
      if (first !== undefined) {
        await sleep(200); // what she sees comes first
        return first.id;
      }
      await sleep(100);
    }
    return undefined;
  }

  /** Bob, at the command line. */
  async #gatehouse(...args: string[]): Promise<boolean> {
    const shown = args.map((argument) => (/^[\w./-]+$/.test(argument) ? argument : `'${argument}'`)).join(' ');
    say(styleText('bold', `bob$ gatehouse ${shown}`));
    const child = spawn(process.execPath, [process.argv[1] ?? '', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        GATEHOUSE_URL: `http://127.0.0.1:${this.#house.ports.control}`,
        GATEHOUSE_TOKEN: await this.#house.identity.tokenFor(bob),
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
      });
    }
    const code = await new Promise((resolve) => child.on('close', resolve));
    say(output.trimEnd());
    return code === 0;
  }

  #promise(what: string, held: boolean): void {
    if (!held) this.#broken += 1;
    say(held ? styleText('green', `✓ ${what}`) : styleText('red', `✗ NOT TRUE: ${what}`));
    say('');
  }
}

function title(text: string): void {
  say(styleText(['bold', 'cyan'], text));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
