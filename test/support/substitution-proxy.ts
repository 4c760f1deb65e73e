/**
 * A bare PostgreSQL relay that does nothing but analyse and substitute: for trying a corpus of statements against a real server
 * without the rest of the gateway. No identity, no policy but a fixed one, no record. Usage:
 *   node test/support/substitution-proxy.ts PORT postgres://user:password@host:port/database LABELS.json [permissive] [verbose]
 * LABELS.json: { "hidden": { "schema.table": ["column", …] }, "forbidden": ["schema.table", …] }; hidden columns become NULL.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { readCatalog, readSessionContext } from '../../src/dataplane/catalog/index.ts';
import { substitute } from '../../src/masking/substitute.ts';
import type { CatalogSnapshot, SessionContext } from '../../src/model/catalog.ts';
import type { HiddenRelations, MaskedRelation } from '../../src/model/mask.ts';
import type { Script, SqlStatement } from '../../src/model/statement.ts';
import { createAnalyser, type StatementAnalyser, viewLineage } from '../../src/statement/sql/postgres/index.ts';

interface Labels {
  readonly hidden: Readonly<Record<string, readonly string[]>>;
  readonly forbidden: readonly string[];
}

class World {
  readonly analyser: StatementAnalyser;
  readonly labels: Labels;
  catalog: CatalogSnapshot;
  hidden: HiddenRelations;
  forbidden = new Set<string>();
  readonly url: string;

  private constructor(analyser: StatementAnalyser, labels: Labels, url: string, catalog: CatalogSnapshot) {
    this.analyser = analyser;
    this.labels = labels;
    this.url = url;
    this.catalog = catalog;
    this.hidden = this.#hide();
  }

  static async open(url: string, labels: Labels): Promise<World> {
    return new World(await createAnalyser(), labels, url, await World.read(url));
  }

  static async read(url: string): Promise<CatalogSnapshot> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await readCatalog(
        async (sql) =>
          (await client.query({ text: sql, rowMode: 'array' })).rows.map((row) =>
            row.map((value: unknown) => (value === null ? null : String(value))),
          ),
        'shop',
      );
    } finally {
      await client.end();
    }
  }

  async refresh(): Promise<void> {
    this.catalog = await World.read(this.url);
    this.hidden = this.#hide();
  }

  #hide(): HiddenRelations {
    const columns = new Map<number, Set<string>>();
    const add = (oid: number, column: string): void => {
      columns.set(oid, (columns.get(oid) ?? new Set()).add(column));
    };
    const forbiddenOids = new Set<number>();
    for (const relation of this.catalog.relations.values()) {
      const name = `${relation.schema}.${relation.name}`;
      for (const column of this.labels.hidden[name] ?? []) add(relation.oid, column);
      if (this.labels.forbidden.includes(name)) forbiddenOids.add(relation.oid);
    }
    for (const relation of this.catalog.relations.values()) {
      for (const parent of relation.parents) for (const column of columns.get(parent) ?? []) add(relation.oid, column);
    }
    for (const [view, lineage] of viewLineage(this.catalog, this.analyser)) {
      for (const [column, origins] of lineage.columns) {
        for (const origin of origins) {
          const dot = origin.indexOf('.');
          if (columns.get(Number(origin.slice(0, dot)))?.has(origin.slice(dot + 1))) add(view, column);
        }
      }
      if ([...lineage.relations].some((oid) => forbiddenOids.has(oid))) forbiddenOids.add(view);
    }
    this.forbidden = new Set(
      [...forbiddenOids].map((oid) => {
        const relation = this.catalog.relations.get(oid);
        return `${relation?.schema}.${relation?.name}`;
      }),
    );
    const hidden = new Map<number, MaskedRelation>();
    for (const [oid, names] of columns) {
      const relation = this.catalog.relations.get(oid);
      if (!relation) continue;
      const expressions = new Map(
        relation.columns
          .filter((column) => names.has(column.name))
          .map((column) => [column.name, `NULL::${column.typeName}`]),
      );
      hidden.set(oid, { relation, expressions, masks: new Map() });
    }
    return hidden;
  }
}

/** Cuts a byte stream into messages. */
class Frames {
  #buffer: Buffer = Buffer.alloc(0);
  startup = true;
  push(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
  }
  next(): Buffer | undefined {
    const header = this.startup ? 4 : 5;
    if (this.#buffer.length < header) return undefined;
    const length = this.#buffer.readInt32BE(header - 4) + header - 4;
    if (this.#buffer.length < length) return undefined;
    const frame = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return frame;
  }
}

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const refusalMessage = (code: string, words: string): Buffer =>
  message('E', Buffer.concat([text('SERROR'), text('VERROR'), text(`C${code}`), text(`M${words}`), Buffer.alloc(1)]));
const readyMessage = (status: string): Buffer => message('Z', Buffer.from(status));

class Session {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #world: World;
  readonly #fromClient = new Frames();
  readonly #fromServer = new Frames();
  readonly #queue: Buffer[] = [];
  #working = false;
  #status = 'I';
  #context: SessionContext | undefined;
  #stale = true;
  /** Takes server messages instead of the client, until ReadyForQuery. */
  #capture: Buffer[] | undefined;
  #onReady: (() => void) | undefined;
  #pendingError: Buffer | undefined;
  readonly #prepared = new Map<string, SqlStatement>();
  readonly #cursors = new Map<string, SqlStatement>();
  #started = false;

  constructor(client: Socket, server: Socket, world: World) {
    this.#client = client;
    this.#server = server;
    this.#world = world;
    this.#fromServer.startup = false;
    client.on('data', (chunk) => this.#clientData(chunk));
    server.on('data', (chunk) => this.#serverData(chunk));
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on('close', end);
      socket.on('error', end);
    }
  }

  #clientData(chunk: Buffer): void {
    this.#fromClient.push(chunk);
    for (let frame = this.#fromClient.next(); frame; frame = this.#fromClient.next()) {
      if (this.#fromClient.startup) {
        const code = frame.readInt32BE(4);
        if (code === 80877103 || code === 80877104) {
          this.#client.write('N');
          continue;
        }
        if (frame.includes('replication')) {
          this.#client.end(refusalMessage('0A000', 'no replication'));
          return;
        }
        this.#fromClient.startup = false;
        this.#server.write(frame);
        continue;
      }
      const type = String.fromCharCode(frame[0] ?? 0);
      if (!this.#started || 'dcfp'.includes(type)) this.#server.write(frame);
      else this.#queue.push(Buffer.from(frame));
    }
    this.#work().catch(() => this.#client.destroy());
  }

  #serverData(chunk: Buffer): void {
    this.#fromServer.push(chunk);
    for (let frame = this.#fromServer.next(); frame; frame = this.#fromServer.next()) {
      const type = String.fromCharCode(frame[0] ?? 0);
      if (type === 'Z') {
        this.#status = String.fromCharCode(frame[5] ?? 0);
        if (!this.#started) {
          this.#started = true;
          this.#client.write(frame);
          this.#work().catch(() => this.#client.destroy());
          continue;
        }
        const done = this.#onReady;
        this.#onReady = undefined;
        if (!this.#capture) {
          if (this.#pendingError) this.#client.write(this.#pendingError);
          this.#pendingError = undefined;
          this.#client.write(frame);
        }
        done?.();
        continue;
      }
      if (this.#capture) this.#capture.push(Buffer.from(frame));
      else this.#client.write(type === 'E' || type === 'N' ? withoutDetail(frame) : frame);
    }
  }

  #ready(): Promise<void> {
    return new Promise((resolve) => {
      this.#onReady = resolve;
    });
  }

  async #work(): Promise<void> {
    if (this.#working || !this.#started) return;
    this.#working = true;
    for (let frame = this.#queue.shift(); frame; frame = this.#queue.shift()) {
      const type = String.fromCharCode(frame[0] ?? 0);
      if (type === 'X') {
        this.#server.end(frame);
        break;
      }
      if (type === 'Q') await this.#query(frame);
      else if (type === 'F')
        this.#client.write(Buffer.concat([refusalMessage('0A000', 'no function calls'), readyMessage(this.#status)]));
      else {
        const batch = [frame];
        let complete = type === 'S';
        while (!complete) {
          const next = this.#queue.shift();
          if (!next) break;
          batch.push(next);
          complete = next[0] === 83;
        }
        if (!complete) {
          if (batch.some((item) => item[0] === 72)) {
            await this.#extended(batch, false);
            continue;
          }
          this.#queue.unshift(...batch);
          break;
        }
        await this.#extended(batch, true);
      }
    }
    this.#working = false;
  }

  async #refreshContext(): Promise<SessionContext> {
    if ((this.#stale || !this.#context) && this.#status !== 'E') {
      this.#context = await readSessionContext(async (sql) => {
        this.#capture = [];
        const ready = this.#ready();
        this.#server.write(message('Q', text(sql)));
        await ready;
        const rows = this.#capture.filter((frame) => frame[0] === 68).map(dataRow);
        this.#capture = undefined;
        return rows;
      });
      this.#stale = false;
    }
    if (!this.#context) throw new Error('no session context');
    return this.#context;
  }

  async #judge(sql: string): Promise<{ script: Script; forwarded: string } | { refusal: Buffer }> {
    const session = await this.#refreshContext();
    const world = this.#world;
    const analysed = world.analyser.analyse(sql, {
      catalog: world.catalog,
      session,
      connection: 'shop',
      objects: { prepared: (name) => this.#prepared.get(name), cursor: (name) => this.#cursors.get(name) },
    });
    if ('kind' in analysed)
      return { refusal: refusalMessage(analysed.sqlstate, `gateway: ${analysed.why}: ${analysed.message}`) };
    for (const { action, resource } of analysed.statements.flatMap((statement) => statement.questions)) {
      const named = resource.type === 'Table' ? `${resource.schema}.${resource.table}` : resource.type;
      if (!permissive && (action !== 'read' || world.forbidden.has(named)))
        return { refusal: refusalMessage('42501', `gateway: policy: ${action} ${named}`) };
    }
    const substituted = substitute(analysed, world.hidden, world.catalog);
    if ('refusal' in substituted)
      return {
        refusal: refusalMessage(substituted.refusal.sqlstate ?? '42501', `gateway: ${substituted.refusal.message}`),
      };
    if (verbose) console.log('→', substituted.text.slice(0, 2000));
    return { script: analysed, forwarded: substituted.text };
  }

  #follow(statements: readonly SqlStatement[]): void {
    for (const statement of statements) {
      if (statement.changesContext || statement.effect === 'change') this.#stale = true;
      for (const { kind, act, name } of statement.objects) {
        const map = kind === 'cursor' ? this.#cursors : this.#prepared;
        if (act === 'create') map.set(name, statement);
        else if (act === 'remove') map.delete(name);
        else if (act === 'remove-all') map.clear();
      }
    }
  }

  async #query(frame: Buffer): Promise<void> {
    const sql = frame.toString('utf8', 5, frame.length - 1);
    const judged = await this.#judge(sql);
    if ('refusal' in judged) {
      this.#client.write(Buffer.concat([judged.refusal, readyMessage(this.#status)]));
      return;
    }
    const ready = this.#ready();
    this.#server.write(message('Q', text(judged.forwarded)));
    await ready;
    this.#follow(judged.script.statements);
    if (judged.script.statements.some((statement) => statement.changesCatalog)) await this.#world.refresh();
  }

  async #extended(batch: readonly Buffer[], synced: boolean): Promise<void> {
    const out: Buffer[] = [];
    const used: SqlStatement[] = [];
    for (const frame of batch) {
      const type = String.fromCharCode(frame[0] ?? 0);
      if (type === 'P') {
        const nameEnd = frame.indexOf(0, 5);
        const textEnd = frame.indexOf(0, nameEnd + 1);
        const name = frame.toString('utf8', 5, nameEnd);
        const judged = await this.#judge(frame.toString('utf8', nameEnd + 1, textEnd));
        if ('refusal' in judged) {
          this.#pendingError = judged.refusal;
          out.push(message('S', Buffer.alloc(0)));
          break;
        }
        const statement = judged.script.statements[0];
        if (statement) {
          this.#prepared.set(name, statement);
          used.push(statement);
        }
        out.push(message('P', Buffer.concat([text(name), text(judged.forwarded), frame.subarray(textEnd + 1)])));
        continue;
      }
      if (type === 'B') {
        const portalEnd = frame.indexOf(0, 5);
        const statementEnd = frame.indexOf(0, portalEnd + 1);
        const statement = this.#prepared.get(frame.toString('utf8', portalEnd + 1, statementEnd));
        if (statement) this.#cursors.set(frame.toString('utf8', 5, portalEnd), statement);
      }
      out.push(frame);
    }
    const ready = this.#ready();
    this.#server.write(Buffer.concat(out));
    if (!synced) return;
    await ready;
    this.#follow(used);
    this.#stale = true;
  }
}

function dataRow(frame: Buffer): (string | null)[] {
  const count = frame.readInt16BE(5);
  const row: (string | null)[] = [];
  let at = 7;
  for (let index = 0; index < count; index++) {
    const length = frame.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : frame.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  return row;
}

function withoutDetail(frame: Buffer): Buffer {
  const fields: Buffer[] = [];
  let at = 5;
  while (frame[at]) {
    const end = frame.indexOf(0, at) + 1;
    if (!'DW'.includes(String.fromCharCode(frame[at] ?? 0))) fields.push(frame.subarray(at, end));
    at = end;
  }
  return message(String.fromCharCode(frame[0] ?? 0), Buffer.concat([...fields, Buffer.alloc(1)]));
}

/** `permissive`: no policy at all, masking stands alone. `verbose`: print what is forwarded. */
const [port, url, labelFile, ...options] = process.argv.slice(2);
const permissive = options.includes('permissive');
const verbose = options.includes('verbose');
if (!port || !url || !labelFile) throw new Error('usage: substitution-proxy.ts PORT URL LABELS.json');
const labels: Labels = JSON.parse(readFileSync(labelFile, 'utf8'));
const world = await World.open(url, labels);
const target = new URL(url);
createServer((client) => {
  client.pause();
  // Without a policy the corpus changes the catalog, and its runner puts the old one back.
  const fresh = permissive ? world.refresh() : Promise.resolve();
  fresh.then(
    () => {
      const server = connect(Number(target.port), target.hostname);
      new Session(client, server, world);
      client.resume();
    },
    () => client.destroy(),
  );
}).listen(Number(port), '127.0.0.1', () =>
  console.log(`listening on ${port}; ${world.hidden.size} relations with hidden columns`),
);
