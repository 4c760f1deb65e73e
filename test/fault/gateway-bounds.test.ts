import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { TestFolder } from '../support/gateway-folder.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { errorOf, firstColumns, RawClient } from './support/raw-client.ts';
import { makeRigFolder, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

/* What one client, or many, may take of the gateway: measured on a gateway in a process of its own. */
const MOST = 40;
const MOST_EACH = 10;
const MIB_PER_SESSION = 64;
/** Hundreds of thousands of statements are answered and recorded before a flood stands still: the heap grows with the work, to a bound. */
const FLOOD_MIB = 256;
const skip = process.platform === 'linux' ? false : 'needs /proc';
let server: CrashableServer;
let made: TestFolder;
let gateway: GatewayProcess;
const clients = new Set<RawClient>();

before(async () => {
  if (skip) return;
  server = await CrashableServer.create(SCHEMA);
  made = await makeRigFolder(server, {
    extra: `limits: { max_connections: ${MOST}, max_connections_per_principal: ${MOST_EACH}, authentication_seconds: 30 }`,
  });
  const file = join(made.folder, 'gatehouse.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('audience: gatehouse', 'audience: gatehouse\n      clock_skew_seconds: 0'));
  gateway = await GatewayProcess.start(made.folder);
  const client = await login('warm', 'engineers');
  await client.query('SELECT 1');
  client.destroy();
  await settled();
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  clients.clear();
  if (!skip) await settled();
});
after(async () => {
  if (skip) return;
  await gateway.kill();
  await server[Symbol.asyncDispose]();
  rmSync(made.folder, { recursive: true, force: true });
});

async function login(subject: string, group: string, seconds?: number): Promise<RawClient> {
  const expires = seconds === undefined ? '1h' : Math.floor(Date.now() / 1_000) + seconds;
  const client = await RawClient.login(gateway.postgres, await made.token(subject, [group], {}, expires));
  clients.add(client);
  return client;
}

async function knock(): Promise<RawClient> {
  const client = await RawClient.connect(gateway.postgres);
  clients.add(client);
  return client;
}

/** Nobody is connected any more: not here, and not at the target, where the gateway itself looks at the catalog for some seconds more. */
async function settled(): Promise<void> {
  const busy = async () =>
    (await gateway.metric('gatehouse_connections_open')) +
    Number(
      await server.value(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND application_name <> 'gatehouse catalog'",
      ),
    );
  await until(async () => (await busy()) === 0, 'an empty house');
}

async function until(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    if (await done()) return;
    await sleep(50);
  }
  assert.fail(`waited in vain for ${what}`);
}

/** Highest resident memory, sampled while `work` runs, above what it was before. */
async function growth(work: () => Promise<void>): Promise<number> {
  const before = gateway.residentMiB;
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, gateway.residentMiB);
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(sampling);
  }
  return peak - before;
}

test('one person may hold only so many connections; others are not touched, and a free place is a free place', {
  skip,
}, async () => {
  const mine = await Promise.all(Array.from({ length: MOST_EACH }, () => login('eve', 'engineers')));
  const more = await login('eve', 'engineers');
  assert.equal(errorOf(more.replies)?.['C'], '53300');
  const other = await login('bob', 'engineers');
  assert.deepEqual(firstColumns(await other.query('SELECT 1')), ['1']);
  mine.pop()?.destroy();
  await until(async () => {
    const again = await login('eve', 'engineers');
    mine.push(again);
    return errorOf(again.replies) === undefined;
  }, 'the free place');
  // At once, so that none is counted too late.
  for (const client of mine.splice(0)) client.destroy();
  await until(async () => (await gateway.metric('gatehouse_connections_open')) === 1, 'the end of the others');
  const rush = await Promise.all(Array.from({ length: MOST_EACH + 8 }, () => login('eve', 'engineers')));
  const open = rush.filter((client) => errorOf(client.replies) === undefined);
  assert.equal(open.length, MOST_EACH);
});

test('the gateway holds only so many connections; whoever is too many is told and leaves no socket, even if he stays', {
  skip,
}, async () => {
  const base = gateway.descriptors;
  await Promise.all(Array.from({ length: MOST }, () => knock()));
  await until(async () => (await gateway.metric('gatehouse_connections_open')) === MOST, 'a full house');
  const outside = await Promise.all(Array.from({ length: 150 }, () => knock()));
  for (const client of outside) client.send(frontend.startup([['user', 'eve']], 0));
  await Promise.all(outside.map((client) => client.until('E')));
  assert.ok(outside.every((client) => errorOf(client.replies)?.['C'] === '53300'));
  await until(() => gateway.descriptors <= base + MOST + 2, 'the sockets of those who were too many');
});

test('100 connections of all sorts, come and gone, leave no socket, session or descriptor', { skip }, async () => {
  await settled();
  const base = gateway.descriptors;
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all([
      login('a', 'engineers'),
      login('b', 'analysts'),
      login('c', 'nobody'),
      knock(),
      knock(),
    ]);
    const [a, b, c, d, e] = clients;
    await Promise.all([a.query('SELECT 1'), b.query('SELECT * FROM people')]);
    a.send(frontend.terminate());
    b.socket.resetAndDestroy();
    c.destroy();
    d.send(Buffer.from('garbage that is no startup packet'));
    e.destroy();
    await Promise.all([a.end(), d.end()]);
  }
  await settled();
  await until(() => gateway.descriptors <= base + 1, 'the last descriptor');
});

test('2,000,000 rows pass in little memory, for somebody with hidden columns as well', { skip }, async () => {
  for (const [group, more] of [
    ['engineers', ''],
    ['analysts', ', (SELECT email FROM people WHERE id = 7)'],
  ] as const) {
    const client = await login('reader', group);
    // The first stream of a process makes its heap grow once; what is asked here is whether rows pile up.
    await client.query(`SELECT n, 'some text of a row'${more} FROM generate_series(1, 200000) n`);
    client.replies.length = 0;
    const grown = await growth(async () => {
      client.send(frontend.query(`SELECT n, 'some text of a row'${more} FROM generate_series(1, 2000000) n`));
      let rows = 0;
      await client.when(
        () => {
          const replies = client.replies.splice(0);
          rows += replies.filter(({ type }) => type === 'D').length;
          return replies.some(({ type }) => type === 'Z');
        },
        'the end of the result',
        60_000,
      );
      assert.equal(rows, 2_000_000);
    });
    assert.ok(grown < MIB_PER_SESSION, `${grown} MiB`);
    client.destroy();
  }
});

test('a client that asks for much and never reads costs little, and others are served', { skip }, async () => {
  const lazy = await Promise.all(Array.from({ length: 4 }, (_, index) => login(`lazy${index}`, 'engineers')));
  const grown = await growth(async () => {
    for (const client of lazy) {
      client.socket.pause();
      client.send(frontend.query("SELECT repeat('x', 1000) FROM generate_series(1, 10000000)"));
    }
    await sleep(1_500);
    const began = performance.now();
    const good = await login('good', 'analysts');
    for (let turn = 0; turn < 20; turn++) assert.equal((await good.query('SELECT 1')).length, 4);
    assert.ok(performance.now() - began < 10_000, 'and soon');
    good.destroy();
  });
  assert.ok(grown < MIB_PER_SESSION, `${grown} MiB`);
});

test('a client that never reads cannot outlive its identity: session, target and socket end', { skip }, async () => {
  await settled();
  const base = gateway.descriptors;
  const client = await login('late', 'engineers', 4);
  client.socket.pause();
  client.send(frontend.query("SELECT repeat('x', 1000) FROM generate_series(1, 10000000)"));
  await sleep(500);
  assert.ok(gateway.descriptors > base);
  await settled();
  await until(() => gateway.descriptors <= base + 1, 'the socket that nobody reads');
});

/** Sends one segment again and again without reading an answer, until the gateway takes no more or `most` bytes are through. */
async function flood(client: RawClient, segment: Buffer, most: number): Promise<number> {
  client.socket.pause();
  let sent = 0;
  while (sent < most && !client.closed) {
    sent += segment.length;
    if (client.send(segment)) continue;
    const drained = await Promise.race([
      new Promise<boolean>((resolve) => client.socket.once('drain', () => resolve(true))),
      sleep(1_500).then(() => false),
    ]);
    if (!drained) break;
  }
  return sent;
}

const { parse, bind, describe, execute, sync, query } = frontend;
const floods: Readonly<Record<string, Buffer>> = {
  Sync: sync(),
  'refused queries': query('INSERT INTO people VALUES (0, $$x$$)'),
  'unsynced pipelines': Buffer.concat([parse('', 'SELECT 1'), bind({}), describe('portal'), execute()]),
};
for (const [name, message] of Object.entries(floods)) {
  test(`a flood of ${name} by somebody who never reads is held back before it fills the memory`, {
    skip,
  }, async () => {
    const segment = Buffer.concat(Array.from({ length: Math.ceil(65_536 / message.length) }, () => message));
    // What fits into the kernel's buffers is answered and recorded, and leaves a heap that has grown; a second flood must find room in it.
    const first = await login('flood', 'analysts');
    await flood(first, segment, 24 * 2 ** 20);
    first.destroy();
    const client = await login('flood', 'analysts');
    const grown = await growth(async () => {
      await flood(client, segment, 24 * 2 ** 20);
      const good = await login('good', 'analysts');
      assert.deepEqual(firstColumns(await good.query('SELECT 1')), ['1']);
      good.destroy();
    });
    assert.ok(grown < FLOOD_MIB, `${Math.round(grown)} MiB`);
  });
}
