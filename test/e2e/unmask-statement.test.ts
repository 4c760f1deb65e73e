/** Seeing a label unmasked in one statement, by another person's consent, and consent that is taken back. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { frontend } from '../../src/wire/postgres/index.ts';
import { describe, RawClient } from '../support/clients/raw-client.ts';
import { assertMasked, type House, openHouse } from '../support/gateway-house.ts';
import { stateText } from '../support/state-text.ts';

const POLICY = `
permit (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii");
@id("pii-by-consent") @approval("owners") @reason("Personal data need an owner's consent")
forbid (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii") unless { context.approved };
@id("never-phones") @reason("Nobody sees phone numbers")
forbid (principal in Group::"analysts", action == Action::"unmask", resource in Label::"pii.contact.phone");
@id("security-ends") permit (principal in Group::"security", action in [Action::"kill", Action::"view"], resource);
`;
const EMAIL = 'SELECT email FROM shop.customers ORDER BY id LIMIT 1';
const BY_ID = 'SELECT email FROM shop.customers WHERE id = $1';
const RAW = /Person\d+@secret/;
const reason = 'a complaint that names an address';

let house: House;
before(async () => {
  house = await openHouse({ policy: POLICY });
});
after(() => house[Symbol.asyncDispose]());

async function said(client: pg.Client, query: string | pg.QueryConfig): Promise<string> {
  try {
    const results: pg.QueryResult | pg.QueryResult[] = await client.query(query);
    return JSON.stringify([results].flat().map(({ rows }) => rows));
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    return `${error.code} ${error.message}`;
  }
}

const ask = (subject: string, statement: string, more: object = {}) =>
  house.control(subject, 'analysts', 'POST', '/v1/requests', {
    ...{ connection: 'shop', unmask: ['pii.contact.email'], statement, reason },
    ...more,
  });
const approve = (subject: string, id: string, more: object = {}) =>
  house.control(subject, 'owners', 'POST', `/v1/requests/${id}/approve`, { reason: 'seen and agreed upon', ...more });
const revoke = (subject: string, group: string, id: string) =>
  house.control(subject, group, 'POST', `/v1/requests/${id}/revoke`, { reason: 'the case is closed' });

/** Opens and approves; gives the id. */
async function consent(subject: string, statement: string, more: object = {}, given: object = {}): Promise<string> {
  const asked = await ask(subject, statement, more);
  assert.equal(asked.status, 200, JSON.stringify(asked.body));
  const approved = await approve('olga', asked.body.id, given);
  assert.equal(approved.body.state, 'approved', JSON.stringify(approved.body));
  return asked.body.id;
}

const state = async (id: string): Promise<string> =>
  (await house.control('olga', 'owners', 'GET', `/v1/requests/${id}`)).body.state;
const analyst = async (subject: string): Promise<pg.Client> => house.connect(await house.through(subject, 'analysts'));

const ledger = (): Promise<string> => stateText(house.folder);

test('consent shows one run of exactly this text; before, after, and in any other text it stays masked', async () => {
  const client = await analyst('ana');
  assertMasked(await said(client, EMAIL));
  const asked = await ask('ana', EMAIL);
  assert.deepEqual(asked.body.unmask, { labels: ['pii.contact.email'] });
  assert.deepEqual([asked.body.statement, asked.body.tables], [EMAIL, ['shop.customers']]);
  assertMasked(await said(client, EMAIL));
  assert.equal((await approve('olga', asked.body.id)).body.state, 'approved');
  for (const other of [
    `${EMAIL} `,
    EMAIL.toLowerCase(),
    `${EMAIL};`,
    `/* x */ ${EMAIL}`,
    EMAIL.replace('LIMIT 1', 'LIMIT 2'),
    `${EMAIL} OFFSET 0`,
    `${EMAIL}; SELECT email FROM shop.visits`,
    `EXPLAIN ${EMAIL}`,
    `CREATE TEMP TABLE kept AS ${EMAIL}`,
    `SELECT * FROM (${EMAIL}) q`,
  ])
    assertMasked(await said(client, other));
  assertMasked(await said(await analyst('bea'), EMAIL));
  assert.equal(await state(asked.body.id), 'approved', 'nothing of this used it');
  assert.match(await said(client, EMAIL), RAW);
  assertMasked(await said(client, EMAIL));
  assert.equal(await state(asked.body.id), 'exhausted');
  await sleep(1_200);
  assert.ok((await ledger()).includes(`"unmasked_by":["${asked.body.id}"]`), 'the statement names the request');
});

test('it is asked for labels: what else the statement reads stays masked', async () => {
  const text = 'SELECT email, full_name, phone FROM shop.customers ORDER BY id LIMIT 1';
  await consent('ana', text);
  const answer = await said(await analyst('ana'), text);
  assert.match(answer, RAW);
  assert.doesNotMatch(answer, /Person 1|\+43/);
});

test('the extended protocol: the parameters are bound too, and drivers may prepare under a name', async () => {
  const client = await analyst('ana');
  await consent('ana', BY_ID, { parameters: ['3'], uses: 2 });
  const named = (id: number) => ({ name: 'by-id', text: BY_ID, values: [id] });
  assertMasked(await said(client, named(4)));
  assert.match(await said(client, named(3)), /Person3@/);
  assertMasked(await said(client, named(4)));
  assert.match(await said(client, { text: BY_ID, values: [3] }), /Person3@/);
  assertMasked(await said(client, named(3)));
  await consent('ana', EMAIL);
  assert.match(await said(client, { text: EMAIL, name: 'all' }), RAW);
  assertMasked(await said(client, { text: EMAIL, name: 'all' }));
});

test('in a transaction, behind an error, and with a portal that is read in parts', async () => {
  const client = await RawClient.connect(await house.through('ana', 'analysts'));
  const text = 'SELECT email FROM shop.customers ORDER BY id LIMIT 3';
  const id = await consent('ana', text);
  const run = (rows: number) =>
    client.ask(
      frontend.parse('', text),
      frontend.bind({ portal: '', statement: '' }),
      frontend.execute('', rows),
      frontend.execute('', 0),
      frontend.sync(),
    );
  const shown = (messages: Awaited<ReturnType<typeof run>>): string =>
    messages.flatMap((each) => (each.kind === 'data-row' ? each.values.map(String) : [])).join();
  await client.ask(frontend.query('BEGIN'));
  await client.ask(frontend.query('SELECT 1/0'));
  const failed = await run(1);
  assert.match(failed.map(describe).join(), /error-response 25P02/, failed.map(describe).join());
  await client.ask(frontend.query('ROLLBACK'));
  // Bound, and so perhaps used: whether it was is for the store to say, but nothing was shown.
  assert.equal(shown(failed), '');
  if ((await state(id)) !== 'approved') await consent('ana', text);
  await client.ask(frontend.query('BEGIN'));
  const both = await run(2);
  assert.equal((shown(both).match(/Person\d@secret/g) ?? []).length, 3, both.map(describe).join());
  assertMasked(shown(await run(2)));
  await client.ask(frontend.query('COMMIT'));
  client.close();
});

test('two sessions race for one use: one of them sees values, and both go on', async () => {
  for (let turn = 0; turn < 8; turn++) {
    await consent('ana', EMAIL);
    const clients = await Promise.all([analyst('ana'), analyst('ana'), analyst('ana')]);
    const prepared = turn % 2 === 0 ? {} : { name: 'raced' };
    const answers = await Promise.all(clients.map((client) => said(client, { text: EMAIL, ...prepared })));
    assert.equal(answers.filter((answer) => RAW.test(answer)).length, 1, answers.join('\n'));
    for (const client of clients) {
      assertMasked(await said(client, EMAIL));
      await client.end();
    }
  }
});

test('no cursor, prepared statement or portal name carries consent further than its one run', async () => {
  const client = await analyst('ana');
  for (const text of [
    `PREPARE p AS ${EMAIL}`,
    `DECLARE c CURSOR WITH HOLD FOR ${EMAIL}`,
    `SELECT pg_notify('heard', email::text) FROM shop.customers`,
    `SELECT email FROM shop.customers WHERE pg_catalog.pg_notify('heard', email::text) IS NOT NULL`,
    `CREATE TEMP TABLE kept AS ${EMAIL}`,
    `SELECT email INTO TEMP kept FROM shop.customers`,
    `EXPLAIN ANALYZE ${EMAIL}`,
    `WITH d AS (DELETE FROM shop.visits RETURNING email) SELECT * FROM d`,
    `UPDATE shop.visits SET email = email`,
    'EXECUTE p',
    'SELEC email',
  ]) {
    const answer = await ask('ana', text);
    assert.equal(answer.status, 403, `${text}: ${JSON.stringify(answer.body)}`);
  }
  const raw = await RawClient.connect(await house.through('ana', 'analysts'));
  const id = await consent('ana', EMAIL);
  await raw.ask(frontend.query('BEGIN'));
  const bound = await raw.ask(
    frontend.parse('s', EMAIL),
    frontend.bind({ portal: 'peek', statement: 's' }),
    frontend.sync(),
  );
  assert.doesNotMatch(bound.map(describe).join(), /error/);
  for (const thief of ['FETCH ALL FROM peek', 'EXECUTE s', 'EXECUTE "__gatehouse_unmasked"', 'MOVE 1 FROM peek']) {
    await raw.ask(frontend.query('SAVEPOINT a'));
    const stolen = await raw.ask(frontend.query(thief));
    assertMasked(JSON.stringify(stolen.map((each) => (each.kind === 'data-row' ? each.values.map(String) : ''))));
    await raw.ask(frontend.query('ROLLBACK TO a'));
  }
  const direct = await raw.ask(
    frontend.bind({ portal: 'again', statement: '__gatehouse_unmasked' }),
    frontend.execute('again'),
    frontend.sync(),
  );
  assert.match(direct.map(describe).join(), /error-response 26000/);
  await raw.ask(frontend.query('ROLLBACK'));
  const left = await raw.ask(frontend.query('SELECT name FROM pg_prepared_statements'));
  assert.doesNotMatch(
    JSON.stringify(left.map((each) => (each.kind === 'data-row' ? each.values.map(String) : ''))),
    /unmasked/,
  );
  assert.equal(await state(id), 'approved');
  assert.equal((await revoke('ana', 'analysts', id)).body.state, 'revoked');
  raw.close();
  await client.end();
});

test('a search_path, a change of the policies and of the catalog make it another statement', async () => {
  const text = 'SELECT email FROM customers ORDER BY id LIMIT 1';
  assert.equal((await ask('ana', text)).status, 403, 'there is no such relation for a new session');
  await consent('ana', text, { searchPath: ['shop'] });
  const client = await analyst('ana');
  await client.query('SET search_path = shop, public');
  assertMasked(await said(client, text));
  await client.query('SET search_path = shop');
  await client.query('CREATE TEMP TABLE mine (x int)');
  assert.match(await said(client, text), RAW);

  const id = await consent('ana', EMAIL);
  assert.deepEqual(
    await house.change({ policy: `${POLICY}\n@id("none") permit (principal in Group::"none", action, resource);` }),
    [],
  );
  assertMasked(await said(client, EMAIL));
  assert.deepEqual(await house.change({ policy: POLICY }), []);
  const direct = await house.connect(house.direct);
  await direct.query('ALTER TABLE shop.customers ADD COLUMN later text');
  await sleep(1_100);
  assertMasked(await said(client, EMAIL));
  await direct.query('ALTER TABLE shop.customers DROP COLUMN later');
  assert.equal((await revoke('ana', 'analysts', id)).body.state, 'revoked', 'what was not used could still be');
});

test('nobody consents to his own request, by any door, and nobody else takes it back but who may', async () => {
  const asked = await ask('ana', EMAIL);
  const { id } = asked.body;
  for (const group of ['owners', 'analysts', 'security']) {
    const own = await house.control('ana', group, 'POST', `/v1/requests/${id}/approve`, { reason });
    assert.equal(own.status, 403, group);
  }
  assert.equal((await revoke('olga', 'owners', id)).status, 409, 'there is no consent yet');
  assert.equal((await approve('olga', id)).body.mayRevoke, true);
  assert.equal((await revoke('bea', 'analysts', id)).status, 404, 'others do not even see it');
  const none = await house.control('olga', 'owners', 'POST', `/v1/requests/${id}/revoke`, { reason: 'x' });
  assert.equal(none.status, 400, 'a reason');
  const back = await revoke('sec', 'security', id);
  assert.deepEqual([back.status, back.body.state, back.body.revocation.by.name], [200, 'revoked', 'sec@example.com']);
  assertMasked(await said(await analyst('ana'), EMAIL));
  assert.equal((await revoke('olga', 'owners', id)).status, 409, 'only once');
  assert.equal((await approve('otto', id)).status, 409, 'and it does not come back');
  const own = await consent('ana', EMAIL);
  assert.equal((await revoke('ana', 'analysts', own)).body.state, 'revoked', 'the requester himself');
  assertMasked(await said(await analyst('ana'), EMAIL));
  await sleep(1_200);
  assert.match(await ledger(), /"k":"grant\.revoked"/);
  await house.restart();
  assertMasked(await said(await analyst('ana'), EMAIL));
});

/** A result that is long enough to be on its way while somebody acts: rows come one by one, with pauses. */
const LONG = `SELECT email, repeat('x', 2000) AS ballast FROM shop.customers, generate_series(1, 20000)`;

for (const [kind, open] of [
  ['for one statement', () => consent('ana', LONG)],
  [
    'for a while',
    async () => {
      const asked = await ask('ana', LONG, { statement: undefined, seconds: 3600 });
      await approve('olga', asked.body.id);
      return asked.body.id as string;
    },
  ],
] as const)
  for (const protocol of ['simple', 'extended'] as const)
    test(`taken back in the middle of a stream, consent ${kind}, ${protocol} protocol: the rest does not leave`, async () => {
      const id = await open();
      const raw = await RawClient.connect(await house.through('ana', 'analysts'));
      let rows = 0;
      let paused = false;
      raw.socket.on('data', () => {
        rows += 1;
        if (rows < 3 || paused) return;
        paused = true;
        raw.socket.pause(); // the client reads no further: the target waits in the middle of its result
      });
      raw.send(
        ...(protocol === 'simple'
          ? [frontend.query(LONG)]
          : [
              frontend.parse('', LONG),
              frontend.bind({ portal: '', statement: '' }),
              frontend.execute(''),
              frontend.sync(),
            ]),
      );
      while (!paused) await sleep(5);
      assert.equal((await revoke('olga', 'owners', id)).body.state, 'revoked');
      raw.socket.resume();
      const answer = await raw.until('ready-for-query');
      const shown = answer.filter(({ kind: each }) => each === 'data-row').length;
      assert.ok(shown > 0 && shown < 200_000, `${shown} rows`);
      const error = answer.find((each) => each.kind === 'error-response');
      assert.match(JSON.stringify(error), /taken back/);
      assert.equal(answer.filter((each) => each.kind === 'error-response').length, 1);
      // The session lives on, and sees masks.
      const next = await raw.ask(frontend.query(EMAIL));
      assertMasked(JSON.stringify(next.map((each) => (each.kind === 'data-row' ? each.values.map(String) : ''))));
      assert.match(next.map(describe).join(), /data-row/);
      raw.close();
    });

test('what was prepared, declared or bound under consent shows nothing once it is taken back', async () => {
  const asked = await ask('ana', EMAIL, { statement: undefined, seconds: 3600 });
  await approve('olga', asked.body.id);
  const client = await analyst('ana');
  const lower = 'SELECT lower(email) AS e FROM shop.customers ORDER BY id';
  await client.query(`PREPARE low AS ${lower}`);
  await client.query('BEGIN');
  await client.query(`DECLARE c CURSOR WITH HOLD FOR ${lower}`);
  await client.query('COMMIT');
  assert.match(await said(client, 'FETCH 1 FROM c'), /person1@secret/);
  assert.match(await said(client, 'EXECUTE low'), /person1@secret/);
  await client.query({ name: 'n', text: lower });
  assert.equal((await revoke('olga', 'owners', asked.body.id)).body.state, 'revoked');
  for (const text of ['FETCH 1 FROM c', 'EXECUTE low', 'FETCH ALL FROM c', lower])
    assertMasked(await said(client, text));
  assertMasked(await said(client, { name: 'n', text: lower }));
});

test('nor once the policies hide it, whatever name it was given while it was visible', async () => {
  const seers = `permit (principal in Group::"seers", action in [Action::"connect", Action::"read"], resource);
permit (principal in Group::"seers", action == Action::"unmask", resource);`;
  assert.deepEqual(await house.change({ policy: `${POLICY}${seers}` }), []);
  const client = await house.connect(await house.through('sue', 'seers'));
  const lower = 'SELECT lower(email) AS e FROM shop.customers ORDER BY id LIMIT 3';
  await client.query(`PREPARE low AS ${lower}`);
  await client.query('PREPARE other AS SELECT count(*) FROM shop.orders');
  await client.query('BEGIN');
  await client.query(`DECLARE c CURSOR WITH HOLD FOR ${lower}`);
  await client.query('COMMIT');
  assert.match(await said(client, 'EXECUTE low'), /person1@secret/);
  const closed = `${POLICY}${seers}\nforbid (principal in Group::"seers", action == Action::"unmask", resource in Label::"pii");`;
  assert.deepEqual(await house.change({ policy: closed }), []);
  for (const text of [
    'EXECUTE low',
    'FETCH 1 FROM c',
    `EXPLAIN ANALYZE EXECUTE low`,
    'CREATE TEMP TABLE k AS EXECUTE low',
  ])
    assert.match(await said(client, text), /^0A000 cached plan must not change result type/, text);
  const other = await said(client, 'EXECUTE other');
  assert.match(other, /count/, `what reads nothing hidden goes on: ${other}`);
  await client.query(`DEALLOCATE low; CLOSE c`);
  assert.deepEqual(await house.change({ policy: POLICY }), []);
});

test('rows that an approver bounded are counted over all uses', async () => {
  const text = 'SELECT email FROM shop.customers ORDER BY id';
  await consent('ana', text, { uses: 5 }, { rowLimit: 3, uses: 2 });
  const client = await RawClient.connect(await house.through('ana', 'analysts'));
  const answer = await client.ask(frontend.query(text));
  assert.equal(answer.filter(({ kind }) => kind === 'data-row').length, 3);
  assert.match(JSON.stringify(answer.find((each) => each.kind === 'error-response')), /3 rows/);
  const again = await client.ask(frontend.query(text));
  assert.equal(again.filter(({ kind }) => kind === 'data-row').length, 0, 'and none in the second');
  client.close();
});

test('the command line opens, shows and takes back', async () => {
  const { host, port } = house.gateway.addresses.control;
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const run = async (subject: string, group: string, ...args: string[]): Promise<{ code: number; out: string }> => {
    const GATEHOUSE_TOKEN = await house.token(subject, [group]);
    const env = { ...process.env, GATEHOUSE_TOKEN, GATEHOUSE_URL: `http://${host}:${port}` };
    return new Promise((done) => {
      const child = execFile(process.execPath, [main, ...args], { env }, (_, out, err) =>
        done({ code: child.exitCode ?? -1, out: out + err }),
      );
    });
  };
  const open = ['requests', 'open', '--unmask', 'pii.contact.email', '--connection', 'shop', '--reason', reason];
  assert.match((await run('ana', 'analysts', ...open)).out, /Give --for/);
  const opened = await run('ana', 'analysts', ...open, '--statement', BY_ID, '--parameter', '7', '--uses', '2');
  assert.equal(opened.code, 0, opened.out);
  const id = /req_\w+/.exec(opened.out)?.[0] ?? '';
  const shown = await run('olga', 'owners', 'requests', 'show', id);
  assert.match(shown.out, /unmask pii\.contact\.email in 2 executions of SELECT email/);
  assert.match(shown.out, /parameters +\$1 = "7"/);
  assert.match((await run('ana', 'owners', 'requests', 'approve', id, '--reason', reason)).out, /your own/);
  await approve('olga', id);
  const client = await analyst('ana');
  assert.match(await said(client, { text: BY_ID, values: [7] }), /Person7@/);
  const back = await run('olga', 'owners', 'requests', 'revoke', id, '--reason', 'the case is closed');
  assert.equal(back.out.trim(), `${id} is revoked`);
  assertMasked(await said(client, { text: BY_ID, values: [7] }));
  assert.match(
    (await run('ana', 'analysts', 'requests', 'show', id)).out,
    /taken back +by olga@example\.com at .*the case is closed/,
  );
});
