import { setTimeout as sleep } from 'node:timers/promises';
import { type FormatCode, frontend } from '../../../src/wire/postgres/index.ts';
import type { Door } from '../../support/clients/door.ts';
import { type Message, RawClient } from '../../support/clients/raw-client.ts';
import type { Case, Item, Messages, Mode, Parameter, Probe, Sql, Written } from './cases.ts';
import { type Received, receive } from './received.ts';

/** Seconds after which a case hangs. */
const PATIENCE = 60;

/** Plays a case in a session of its own and gives all that came back. Throws when the door closes or does not answer. */
export async function play(one: Case, door: Door): Promise<Received> {
  const client = await RawClient.connect(door, one.connect?.params);
  const player = new Player(client, one.mode);
  const hanging = new AbortController();
  try {
    await Promise.race([
      player.play(one),
      sleep(PATIENCE * 1000, undefined, { signal: hanging.signal }).then(() => {
        throw new Error(`${one.id} hangs`);
      }),
    ]);
    return receive(player.messages, player.found);
  } finally {
    hanging.abort();
    client.close();
  }
}

class Player {
  readonly messages: Message[] = [];
  readonly found: string[] = [];
  readonly #client: RawClient;
  readonly #mode: Mode;
  #named = 0;

  constructor(client: RawClient, mode: Mode) {
    this.#client = client;
    this.#mode = mode;
  }

  async play({ statements, tail, mode }: Case): Promise<void> {
    if (mode === 'pipeline') {
      await this.#ask(...statements.flatMap((item) => unnamed(asSql(item))), frontend.sync());
      return;
    }
    for (const item of statements) await this.#item(item);
    if (tail === undefined) return;
    await sleep(tail * 1000);
    // What came by itself is read with the next answer.
    await this.#ask(frontend.query(''));
  }

  async #item(item: Item): Promise<void> {
    if (typeof item !== 'string' && 'msgs' in item) return this.#written(item);
    if (typeof item !== 'string' && 'probe' in item) {
      this.found.push(await this.#probe(item.probe));
      return;
    }
    const sql = asSql(item);
    switch (sql.mode ?? this.#mode) {
      case 'simple':
      case 'multi-statement':
      case 'copy':
        return sql.copy_data === undefined ? this.#ask(frontend.query(sql.sql)) : this.#copyIn(sql);
      case 'prepared-by-name': {
        const name = `s${++this.#named}`;
        await this.#ask(
          frontend.parse(name, sql.sql, sql.types),
          frontend.describe('statement', name),
          frontend.sync(),
        );
        return this.#ask(bind(sql, name), frontend.describe('portal'), frontend.execute(), frontend.sync());
      }
      case 'cursor': {
        const pages = Array.from({ length: sql.times ?? 6 }, () => frontend.execute('', sql.max ?? 1));
        return this.#ask(
          frontend.parse('', sql.sql, sql.types),
          bind(sql, ''),
          frontend.describe('portal'),
          ...pages,
          frontend.sync(),
        );
      }
      case 'extended-binary':
        return this.#ask(...unnamed({ ...sql, fmt: 1 }), frontend.sync());
      default:
        return this.#ask(...unnamed(sql), frontend.sync());
    }
  }

  async #ask(...frames: readonly Buffer[]): Promise<void> {
    this.messages.push(...(await this.#client.ask(...frames)));
  }

  async #copyIn({ sql, copy_data = '' }: Sql): Promise<void> {
    await this.#ask(frontend.query(sql), frontend.copyData(Buffer.from(copy_data)), frontend.copyDone());
  }

  async #written({ msgs, wait = 1 }: Messages): Promise<void> {
    let waited = 0;
    for (const message of msgs) {
      const [kind, first, second] = message;
      if (kind === 'wait') {
        this.messages.push(...(await this.#client.until('ready-for-query')));
      } else if (kind === 'cut') {
        const bytes = encoded(second as Written);
        this.#client.send(bytes.subarray(0, Number(first)));
        await sleep(50);
        this.#client.send(bytes.subarray(Number(first)));
      } else if (kind === 'bytewise') {
        for (const byte of encoded(first as Written)) this.#client.send(Buffer.of(byte));
      } else {
        this.#client.send(encoded(message));
      }
    }
    for (; waited < wait; waited++) this.messages.push(...(await this.#client.until('ready-for-query')));
  }

  /** A character after the other, by trying an alphabet or by halving. */
  async #probe(probe: Probe): Promise<string> {
    const from = probe.from ?? 1;
    let known = '';
    for (let place = from; place < from + (probe.n ?? 8); place++) {
      const next =
        probe.alphabet === undefined ? await this.#halve(probe, place) : await this.#try(probe, place, known);
      if (next === undefined) break;
      known += next;
    }
    return probe.rev ? [...known].reverse().join('') : known;
  }

  async #try(probe: Probe, place: number, known: string): Promise<string | undefined> {
    for (const letter of probe.alphabet ?? '') {
      const filled = { '{i}': `${place}`, '{p}': known, '{P}': known, '{c}': letter, '{o}': `${letter.charCodeAt(0)}` };
      if (await this.#says(probe, filled)) return letter;
    }
    return undefined;
  }

  async #halve(probe: Probe, place: number): Promise<string> {
    let low = 32;
    let high = 127;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (await this.#says(probe, { '{i}': `${place}`, '{m}': `${middle}` })) low = middle + 1;
      else high = middle;
    }
    return String.fromCharCode(low);
  }

  async #says(probe: Probe, filled: Readonly<Record<string, string>>): Promise<boolean> {
    const sql = Object.entries(filled).reduce((text, [place, value]) => text.replaceAll(place, value), probe.sql);
    const answer = await this.#client.ask(frontend.query(sql));
    const { results, errors, notices } = receive(answer);
    this.messages.push(...answer.filter(({ kind }) => kind === 'error-response' || kind === 'notice-response'));
    const rows = results.flatMap((result) => result.rows);
    const [first] = rows[0] ?? [];
    switch (probe.obs ?? 'rows') {
      case 'rows':
        return rows.length > 0;
      case 'value':
        return (probe.true ?? ['t', '1', 'true']).includes(first ?? '');
      case 'null':
        return rows.length > 0 && first !== null;
      case 'error':
        return errors.length > 0;
      case 'notice':
        return notices.length > 0;
      case 'tag':
        return !/\b0$/.test(results.at(-1)?.tag ?? '0');
      case 'plan':
        return rows.some((row) => row.some((cell) => cell?.includes(probe.find ?? '')));
    }
  }
}

function asSql(item: Item): Sql {
  if (typeof item === 'string') return { sql: filled(item) };
  if ('sql' in item) return { ...item, sql: filled(item.sql) };
  throw new TypeError('not a statement');
}

/** `{{pad:70000}}` stands for so many spaces, `{{rand}}` for something new each time. */
function filled(sql: string): string {
  return sql
    .replaceAll(/\{\{pad:(\d+)\}\}/g, (_, count: string) => ' '.repeat(Number(count)))
    .replaceAll('{{rand}}', () => Math.random().toString(36).slice(2, 10))
    .replaceAll('{{analyst_pw}}', 'analyst_pw')
    .replaceAll('{{direct_host}}', '127.0.0.1')
    .replaceAll('{{database}}', 'leaks_open')
    .replaceAll('{{direct_port}}', () => process.env['LEAK_SERVER_PORT'] ?? '5432');
}

function unnamed(sql: Sql): readonly Buffer[] {
  return [frontend.parse('', sql.sql, sql.types), bind(sql, ''), frontend.describe('portal'), frontend.execute()];
}

function bind({ params = [], pfmt = [], fmt = 0 }: Sql, statement: string): Buffer {
  return frontend.bind({
    statement,
    parameterFormats: pfmt,
    parameters: params.map(parameterBytes),
    resultFormats: [fmt],
  });
}

function parameterBytes(value: Parameter): Buffer | null {
  if (value === null) return null;
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.hex, 'hex');
}

function encoded([kind, ...rest]: Written): Buffer {
  const text = (at: number): string => String(rest[at] ?? '');
  const list = <T>(at: number): readonly T[] => (Array.isArray(rest[at]) ? rest[at] : []);
  switch (kind) {
    case 'Q':
      return frontend.query(filled(text(0)));
    case 'P':
      return frontend.parse(text(0), filled(text(1)), list<number>(2));
    case 'B':
      return frontend.bind({
        portal: text(0),
        statement: text(1),
        parameterFormats: list<FormatCode>(2),
        parameters: list<Parameter>(3).map(parameterBytes),
        resultFormats: list<FormatCode>(4),
      });
    case 'D':
      return frontend.describe(text(0) === 'S' ? 'statement' : 'portal', text(1));
    case 'E':
      return frontend.execute(text(0), Number(rest[1] ?? 0));
    case 'C':
      return frontend.close(text(0) === 'S' ? 'statement' : 'portal', text(1));
    case 'S':
      return frontend.sync();
    case 'H':
      return frontend.flush();
    default:
      throw new TypeError(`unknown message ${kind}`);
  }
}
