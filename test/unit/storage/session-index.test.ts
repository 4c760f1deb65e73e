import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { type Ledger, openLedger } from '../../../src/ledger/index.ts';
import { disclosurePath } from '../../../src/ledger/verify/index.ts';
import type { JsonObject, JsonValue } from '../../../src/model/json.ts';
import type { AuditKind } from '../../../src/model/record.ts';
import { createLedgerFiles } from '../../../src/storage/ledger-files.ts';
import { createSessionIndex, type SessionIndex } from '../../../src/storage/session-index.ts';
import type { SessionFilter } from '../../../src/storage/session-index-queries.ts';
import { create, MANUAL, NOW, ORIGIN } from '../ledger/fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'gatehouse-index-'));
after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

class Story {
  readonly folder: string;
  readonly path: string;
  ledger: Ledger;
  now = NOW;

  constructor(folder: string, path: string, ledger: Ledger) {
    this.folder = folder;
    this.path = path;
    this.ledger = ledger;
  }

  static async begin(): Promise<Story> {
    places += 1;
    const folder = join(root, String(places), 'ledger');
    await create(createLedgerFiles(folder));
    return new Story(folder, join(root, String(places), 'sessions.db'), await Story.open(folder));
  }

  static async open(folder: string): Promise<Ledger> {
    return await openLedger({ storage: createLedgerFiles(folder), origin: ORIGIN, clock: () => NOW, pace: MANUAL });
  }

  index(everyMs = 1e6): SessionIndex {
    return createSessionIndex({ path: this.path, ledger: this.folder, everyMs });
  }

  async tell(
    kind: AuditKind,
    session: string | undefined,
    clear: JsonObject,
    hidden: Record<string, JsonValue> = {},
  ): Promise<void> {
    this.now += 1_000;
    await this.ledger.append({
      kind,
      time: this.now,
      ...(session === undefined ? {} : { session }),
      clear,
      hidden: Object.entries(hidden).map(([name, value]) => this.ledger.conceal(name, value)),
    });
  }

  async start(session: string, actor: JsonObject, connection = 'shop'): Promise<void> {
    await this.tell(
      'session.start',
      session,
      { connection },
      { actor, client: 'psql', src: { ip: '10.0.0.7', port: 5123 } },
    );
  }

  async query(
    session: string,
    stmt: number,
    text: string,
    more: JsonObject = {},
    tables: string[] = [],
  ): Promise<void> {
    const clear = {
      decision: 'forward',
      effect: 'read',
      fingerprint: 'f0',
      labels: [],
      masked: 0,
      policies: ['readers'],
      policy: 'sha256:1',
      stmt,
      verb: 'select',
      ...more,
    };
    await this.tell('query', session, clear, { statement: text, tables });
  }

  async end(session: string, stmt: number, rows: number, more: JsonObject = {}): Promise<void> {
    await this.tell('query.end', session, { bytes: rows * 10, ms: 12, outcome: 'ok', rows, stmt, ...more });
  }
}

const ANN = {
  id: 'idp|ann',
  name: 'Ann@example.com',
  kind: 'person',
  issuer: 'https://idp.example',
  groups: ['analysts', 'staff'],
};
const BOT = {
  id: 'idp|bot',
  name: 'nightly',
  kind: 'service',
  issuer: 'https://idp.example',
  groups: [],
  on_behalf_of: 'idp|ann',
};

/** Three sessions: a person's, a service's, and one that never ended. */
async function told(): Promise<Story> {
  const story = await Story.begin();
  await story.tell('auth.refused', undefined, { code: 'authentication-failed' }, { user: 'eve' });
  await story.start('s1', ANN);
  await story.query('s1', 1, 'SELECT email FROM shop.customers -- 100%', { labels: ['pii.contact.email'], masked: 1 }, [
    'shop.customers',
  ]);
  await story.start('s2', BOT, 'warehouse');
  await story.end('s1', 1, 40);
  await story.tell('approval.requested', 's2', { request: 'req_1', quorum: 1 }, { reason: 'audit' });
  await story.query('s2', 1, 'SELECT salary FROM shop.employees', { labels: ['confidential'], decision: 'hold' }, [
    'shop.employees',
  ]);
  await story.query('s2', 1, 'SELECT salary FROM shop.employees', { labels: ['confidential'], approval: 'req_1' }, [
    'shop.employees',
  ]);
  await story.end('s2', 1, 5);
  await story.query(
    's1',
    2,
    'DROP TABLE shop.customers',
    { decision: 'refuse', verb: 'drop', effect: 'change', code: 'policy-denied' },
    ['shop.customers'],
  );
  await story.tell('session.end', 's1', { reason: 'client-closed', statements: 2, ms: 9_000 });
  await story.start('s3', ANN);
  await story.ledger.checkpointNow();
  return story;
}

test('sessions and statements can be found as they were recorded', async () => {
  const story = await told();
  const index = story.index();
  assert.equal(await index.refresh(), story.ledger.size);
  const { sessions } = await index.listSessions();
  assert.deepEqual(
    sessions.map(({ id }) => id),
    ['s3', 's2', 's1'],
  );
  const detail = await index.showSession('s1');
  assert.deepEqual(detail?.session, {
    id: 's1',
    leaf: 1,
    startedAt: NOW + 2_000,
    lastAt: NOW + 11_000,
    endedAt: NOW + 11_000,
    endReason: 'client-closed',
    person: {
      id: 'idp|ann',
      name: 'Ann@example.com',
      kind: 'person',
      issuer: 'https://idp.example',
      groups: ['analysts', 'staff'],
    },
    connection: 'shop',
    client: 'psql',
    sourceIp: '10.0.0.7',
    statements: 2,
    refused: 1,
    held: 0,
    rows: 40,
    labels: ['pii.contact.email'],
  });
  assert.deepEqual(detail?.statements[0], {
    leaf: 2,
    number: 1,
    at: NOW + 3_000,
    text: 'SELECT email FROM shop.customers -- 100%',
    decision: 'forward',
    verb: 'select',
    effect: 'read',
    fingerprint: 'f0',
    policy: 'sha256:1',
    policies: ['readers'],
    tables: ['shop.customers'],
    labels: ['pii.contact.email'],
    masked: 1,
    rows: 40,
    bytes: 400,
    outcome: 'ok',
    durationMs: 12,
  });
  const held = await index.showSession('s2');
  assert.deepEqual(
    held?.statements.map(({ decision, rows, approval }) => [decision, rows, approval]),
    [
      ['hold', undefined, 'req_1'],
      ['forward', 5, 'req_1'],
    ],
  );
  assert.deepEqual(
    held?.events.map(({ kind, detail: { request } }) => [kind, request]),
    [['approval.requested', 'req_1']],
  );
  assert.equal(held?.session.held, 2);
  assert.equal(held?.session.onBehalfOf, 'idp|ann');
  assert.equal(held?.session.endedAt, undefined);
  assert.equal(await index.showSession('s9'), undefined);
  await index.close();
  await story.ledger.close();
});

test('a statement that ran with consent was held, wherever in its life it was asked about', async () => {
  const story = await Story.begin();
  const tell = (session: string, request: string) => story.tell('approval.requested', session, { request });
  await story.start('waits', ANN);
  await story.query('waits', 1, 'SELECT 1');
  await story.end('waits', 1, 1);
  await tell('waits', 'req_open');
  await story.start('approved', ANN);
  await tell('approved', 'req_a');
  await story.tell('approval.used', 'approved', { request: 'req_a' });
  await story.query('approved', 1, 'SELECT a', { approval: 'req_a' });
  await story.query('approved', 2, 'SELECT b');
  await story.start('rows', ANN);
  await story.query('rows', 1, 'SELECT many');
  await tell('rows', 'req_r');
  await story.end('rows', 1, 5_000, { ms: 60_000 });
  await story.query('rows', 2, 'SELECT c');
  await story.start('given-up', ANN);
  await story.query('given-up', 1, 'SELECT d');
  await story.end('given-up', 1, 1);
  await tell('given-up', 'req_g');
  await story.tell('session.end', 'given-up', { reason: 'client-closed' });
  await story.start('elsewhere', ANN);
  await story.query('elsewhere', 1, 'SELECT a', { approval: 'req_a' });
  await story.start('never', ANN);
  await story.query('never', 1, 'SELECT a');
  await story.ledger.checkpointNow();
  const index = story.index();
  await index.refresh();
  const held = (await index.listSessions({ decision: 'hold' })).sessions.map((one) => [one.id, one.held]).reverse();
  assert.deepEqual(held, [
    ['waits', 1],
    ['approved', 1],
    ['rows', 1],
    ['given-up', 1],
    ['elsewhere', 1],
  ]);
  const requests = async (id: string) => (await index.showSession(id))?.statements.map(({ approval }) => approval);
  assert.deepEqual(await requests('waits'), [undefined]);
  assert.equal((await index.showSession('waits'))?.session.waitsFor, 'req_open');
  assert.equal((await index.showSession('given-up'))?.session.waitsFor, undefined);
  assert.deepEqual(await requests('approved'), ['req_a', undefined]);
  assert.deepEqual(await requests('rows'), ['req_r', undefined]);
  assert.deepEqual(await requests('given-up'), [undefined], 'what had ended before was not asked about');
  const found = await index.listSessions({ decision: 'hold', text: 'many' });
  assert.deepEqual(
    found.sessions.map(({ id }) => id),
    ['rows'],
  );
  await index.close();
  await story.ledger.close();
});

test('every filter finds what it names and nothing else', async () => {
  const story = await told();
  const index = story.index();
  await index.refresh();
  const found = async (filter: SessionFilter) =>
    (await index.listSessions(filter)).sessions
      .map(({ id }) => id)
      .reverse()
      .join(' ');
  const cases: [SessionFilter, string][] = [
    [{ person: 'idp|ann' }, 's1 s3'],
    [{ person: 'ann@EXAMPLE.com' }, 's1 s3'],
    [{ person: 'ann' }, ''],
    [{ kind: 'service' }, 's2'],
    [{ onBehalfOf: 'idp|ann' }, 's2'],
    [{ connection: 'warehouse' }, 's2'],
    [{ label: 'pii' }, 's1'],
    [{ label: 'pii.contact' }, 's1'],
    [{ label: 'pi' }, ''],
    [{ label: 'confidential' }, 's2'],
    [{ decision: 'refuse' }, 's1'],
    [{ decision: 'hold' }, 's2'],
    [{ decision: 'forward' }, 's1 s2'],
    [{ text: 'SALARY' }, 's2'],
    [{ text: '100%' }, 's1'],
    [{ text: '0_%' }, ''],
    [{ table: 'shop.customers' }, 's1'],
    [{ table: 'customers' }, 's1'],
    [{ table: 'ustomers' }, ''],
    [{ table: 'customers', decision: 'refuse' }, 's1'],
    [{ table: 'customers', decision: 'hold' }, ''],
    [{ label: 'pii', decision: 'refuse' }, ''],
    [{ since: NOW + 11_500 }, 's3'],
    [{ until: NOW + 3_500 }, 's1'],
    [{ since: NOW, until: NOW + 5_000 }, 's1 s2'],
    [{ person: "x' OR 1=1 --" }, ''],
    [{ text: "'; DROP TABLE session_index; --" }, ''],
    [{}, 's1 s2 s3'],
  ];
  for (const [filter, expected] of cases) assert.equal(await found(filter), expected, JSON.stringify(filter));
  await index.close();
  await story.ledger.close();
});

test('pages follow one another without gap or double, and a foreign cursor ends them', async () => {
  const story = await told();
  const index = story.index();
  await index.refresh();
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await index.listSessions({ limit: 1, ...(cursor === undefined ? {} : { cursor }) });
    ids.push(...page.sessions.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  assert.deepEqual(ids, ['s3', 's2', 's1']);
  assert.deepEqual((await index.listSessions({ cursor: 'x; --' })).sessions, []);
  await index.close();
  await story.ledger.close();
});

test('the index goes on from its cursor after a restart, and reading the same entries again changes nothing', async () => {
  const story = await told();
  const first = story.index();
  await first.refresh();
  await first.close();
  await story.query('s3', 1, 'SELECT 1');
  await story.end('s3', 1, 1);
  await story.ledger.checkpointNow();
  const second = story.index();
  assert.equal(await second.refresh(), story.ledger.size);
  const before = await second.listSessions();
  assert.equal(before.sessions[0]?.statements, 1);
  await second.close();
  // The cursor was set back: as after a crash that lost it, or a copy of an older index.
  const database = new DatabaseSync(story.path);
  database.exec("UPDATE index_state SET value = '0' WHERE name = 'cursor'");
  database.close();
  const third = story.index();
  await third.refresh();
  assert.deepEqual(await third.listSessions(), before);
  assert.deepEqual((await third.showSession('s3'))?.statements.length, 1);
  await third.close();
  await story.ledger.close();
});

test('the index can be made anew, and forgets what was erased from the ledger', async () => {
  const story = await told();
  const index = story.index();
  await index.refresh();
  const before = await index.listSessions();
  await index.rebuild();
  assert.deepEqual(await index.listSessions(), before);
  rmSync(join(story.folder, disclosurePath(0)));
  await index.rebuild();
  const detail = await index.showSession('s1');
  assert.deepEqual(
    [detail?.session.person, detail?.session.sourceIp, detail?.statements[0]?.text],
    [undefined, '', undefined],
  );
  assert.deepEqual([detail?.session.statements, detail?.statements[0]?.rows], [2, 40]);
  await index.close();
  await story.ledger.close();
});

test('the index follows the ledger by itself, over partial and full bundles, and is for the gateway user alone', async () => {
  const story = await Story.begin();
  const index = story.index(20);
  for (const count of [3, 250, 300, 700]) {
    await Promise.all(
      Array.from({ length: count }, (_, n) =>
        story.ledger.append({
          kind: 'query',
          time: NOW,
          session: `t${n % 5}`,
          clear: { decision: 'forward', stmt: n },
          hidden: [story.ledger.conceal('statement', `select ${n}`)],
        }),
      ),
    );
    const { size } = await story.ledger.checkpointNow();
    const from = performance.now();
    let seen = 0;
    while (seen < size && performance.now() - from < 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      seen = (await index.listSessions()).sessions.reduce((sum, { statements }) => sum + statements, 0);
    }
    assert.equal(seen, size);
  }
  assert.equal(statSync(story.path).mode & 0o077, 0);
  await index.close();
  await story.ledger.close();
});

test('an index of another ledger is made anew, and one without a ledger answers nothing', async () => {
  const one = await told();
  const index = one.index();
  await index.refresh();
  await index.close();
  const other = await Story.begin();
  const moved = createSessionIndex({ path: one.path, ledger: other.folder, everyMs: 1e6 });
  assert.equal(await moved.refresh(), 0);
  assert.deepEqual((await moved.listSessions()).sessions, []);
  await moved.close();
  await assert.rejects(moved.listSessions(), { code: 'ERR_STORAGE_CLOSED' });
  const alone = createSessionIndex({ path: join(root, 'alone.db') });
  assert.equal(await alone.refresh(), 0);
  assert.deepEqual(await alone.listSessions(), { sessions: [] });
  await alone.close();
  await one.ledger.close();
  await other.ledger.close();
});

test('a file that is no index is said so, and an index of an older version is made anew', async () => {
  const story = await told();
  const old = new DatabaseSync(story.path);
  old.exec('CREATE TABLE session_index (old TEXT); PRAGMA user_version = 77');
  old.close();
  const index = story.index();
  assert.equal(await index.refresh(), story.ledger.size);
  await index.close();
  const problems: (string | undefined)[] = [];
  const bad = createSessionIndex({ path: story.folder, onProblem: (problem) => problems.push(problem) });
  await assert.rejects(bad.listSessions(), { code: 'ERR_STORAGE_CLOSED' });
  assert.match(problems[0] ?? '', /session index has stopped/);
  await bad.close();
  await story.ledger.close();
});

test('what is written for the index is beside the ledger, not in it', async () => {
  const story = await told();
  const before = readdirSync(story.folder, { recursive: true }).length;
  const index = story.index();
  await index.refresh();
  await index.close();
  assert.equal(readdirSync(story.folder, { recursive: true }).length, before);
  assert.ok(existsSync(story.path));
  await story.ledger.close();
});
