import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { Door } from '../support/clients/door.ts';
import { type Message, RawClient } from '../support/clients/raw-client.ts';
import { type House, openHouse } from '../support/gateway-house.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import type { Answer } from './answers.ts';
import type { Sent } from './forms.ts';
import { LABELS, LOOSEN, MASKED_TABLES, MASKED_VIEWS, MASKS, SECRET } from './schema.ts';

/** The database as it is, a copy of it in which every hidden value is masked already, and the gateway in front of the first. */
export interface Worlds extends AsyncDisposable {
  readonly house: House;
  /** Straight on the database, and through the gateway as somebody who sees everything. */
  readonly open: Pair;
  /** Straight on the masked copy, and through the gateway as somebody from whom columns are hidden. */
  readonly masked: Pair;
  readonly rowTypes: ReadonlySet<number>;
  /** Objects made after the schema was loaded. */
  isTemporary(oid: number): boolean;
}

export interface Pair {
  readonly direct: Asker;
  readonly gateway: Asker;
}

const COPY = 'masked_copy';

/** A session that keeps the bytes it gets. */
export class Asker {
  readonly #client: RawClient;
  #chunks: Buffer[] = [];

  private constructor(client: RawClient) {
    this.#client = client;
    client.socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(Buffer.from(chunk));
    });
  }

  static async open(door: Door): Promise<Asker> {
    const asker = new Asker(await RawClient.connect(door));
    for (const sql of ["SET statement_timeout = '4s'", 'SET search_path = lab, public', 'SET extra_float_digits = 1'])
      await asker.#client.ask(frontend.query(sql));
    return asker;
  }

  async ask(sent: Sent): Promise<Answer> {
    this.#chunks = [];
    const steps: Message[][] = [];
    for (const step of sent.steps) steps.push(await this.#client.ask(...step));
    const bytes = Buffer.concat(this.#chunks);
    for (const sql of sent.after) await this.#client.ask(frontend.query(sql));
    return { steps, bytes };
  }

  close(): void {
    this.#client.close();
  }
}

export async function openWorlds(): Promise<Worlds> {
  const schema = await readFile(join(import.meta.dirname, 'schema.sql'), 'utf8');
  const house = await openHouse({
    labels: LABELS,
    masks: MASKS,
    prepare: async (server) => {
      await letStraightIn(server);
      const owner = await server.admin();
      await owner.query('SET SESSION AUTHORIZATION app');
      await owner.query(schema);
      await owner.end();
      // Of the same template, so that types have the same numbers.
      const admin = await server.admin('postgres');
      await admin.query(`CREATE DATABASE ${COPY} TEMPLATE shop OWNER app`);
      await admin.end();
    },
  });
  try {
    await maskTheCopy(house);
    const { rowTypes, newest } = await numbers(house.server);
    const straight = { ...house.direct, user: 'straight', password: 'straight' };
    const askers = [
      await Asker.open(straight),
      await Asker.open(await house.through('eve', 'engineers')),
      await Asker.open({ ...straight, database: COPY }),
      await Asker.open(await house.through('ana', 'analysts')),
    ] as const;
    return {
      house,
      open: { direct: askers[0], gateway: askers[1] },
      masked: { direct: askers[2], gateway: askers[3] },
      rowTypes,
      isTemporary: (oid) => oid > newest,
      async [Symbol.asyncDispose]() {
        for (const asker of askers) asker.close();
        await house[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await house[Symbol.asyncDispose]();
    throw error;
  }
}

/** A role with the rights of the owner that sends its password as it stands: the raw client knows nothing else. */
async function letStraightIn(server: PostgresServer): Promise<void> {
  const admin = await server.admin();
  const { rows } = await admin.query<{ hba_file: string }>('SHOW hba_file');
  const file = rows[0]?.hba_file ?? '';
  await writeFile(file, `host all straight 127.0.0.1/32 password\n${await readFile(file, 'utf8')}`);
  await admin.query("CREATE ROLE straight LOGIN PASSWORD 'straight' IN ROLE app");
  await admin.query('SELECT pg_reload_conf()');
  await admin.end();
}

/** Loads what a star shows of every masked relation, each taken for itself, into the copy. */
async function maskTheCopy(house: House): Promise<void> {
  const source = await house.connect(await house.through('ana', 'analysts'));
  const copy = await house.server.admin(COPY);
  await copy.query('SET SESSION AUTHORIZATION app');
  const views = new Map<string, string>();
  for (const view of MASKED_VIEWS) views.set(view, await shown(source, `SELECT * FROM lab.${view}`));
  const tables = new Map<string, string>();
  for (const table of MASKED_TABLES) {
    const only = table === 'event' ? '' : 'ONLY ';
    tables.set(table, await shown(source, `SELECT * FROM ${only}lab.${table}`));
  }
  const all = [...views.values(), ...tables.values()].join();
  if (SECRET.test(all)) throw new Error('a masked relation shows a hidden value');
  for (const view of MASKED_VIEWS) {
    await copy.query(`CREATE TABLE lab.old AS SELECT * FROM lab.${view} WITH NO DATA`);
    await copy.query(`DROP ${view.startsWith('m_') ? 'MATERIALIZED ' : ''}VIEW lab.${view}`);
    await copy.query(`ALTER TABLE lab.old RENAME TO ${view}`);
  }
  await copy.query(LOOSEN);
  await copy.query(`TRUNCATE ${MASKED_TABLES.map((table) => `lab.${table}`).join(', ')}`);
  for (const [name, rows] of [...tables, ...views]) await load(copy, `lab.${name}`, rows);
  await copy.query('ANALYZE');
  await copy.end();
}

async function shown(client: pg.Client, query: string): Promise<string> {
  const stream = client.query(copyTo(`COPY (${query}) TO STDOUT`));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function load(client: pg.Client, table: string, rows: string): Promise<void> {
  const stream = client.query(copyFrom(`COPY ${table} FROM STDIN`));
  stream.end(rows);
  await finished(stream);
}

/** Row types in both databases, and the newest number given so far. */
async function numbers(
  server: PostgresServer,
): Promise<{ readonly rowTypes: ReadonlySet<number>; readonly newest: number }> {
  const rowTypes = new Set<number>();
  let newest = 0;
  for (const database of ['shop', COPY]) {
    const admin = await server.admin(database);
    const types = await admin.query<{ oid: number }>('SELECT oid FROM pg_type WHERE typrelid <> 0');
    for (const { oid } of types.rows) rowTypes.add(oid);
    const { rows } = await admin.query<{ oid: number }>('SELECT max(oid) AS oid FROM pg_class');
    newest = Math.max(newest, rows[0]?.oid ?? 0);
    await admin.end();
  }
  return { rowTypes, newest };
}
