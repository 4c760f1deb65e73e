import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLedgerFiles } from '../../../src/storage/ledger-files.ts';
import { assertWhole, create, fill, open } from '../ledger/fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'gatehouse-files-'));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
function fresh(): string {
  folders += 1;
  return join(root, String(folders), 'ledger', '1');
}

test('a log in a folder grows, closes, reopens and verifies', async () => {
  const folder = fresh();
  const storage = createLedgerFiles(folder);
  const { vkey } = await create(storage);
  for (const [more, total] of [
    [3, 3],
    [300, 303],
    [209, 512],
  ] as const) {
    const ledger = await open(createLedgerFiles(folder));
    await fill(ledger, more);
    await ledger.close();
    await assertWhole(createLedgerFiles(folder), vkey, total);
  }
  assert.deepEqual(readdirSync(folder).sort(), [
    'checkpoint',
    'disclosures',
    'key.pem',
    'lock.db',
    'tile',
    'vkey',
    'wal',
  ]);
  assert.deepEqual(readdirSync(join(folder, 'tile/0')).sort(), ['000', '001']);
  assert.equal(readFileSync(join(folder, 'vkey'), 'utf8'), `${vkey}\n`);
});

test('key, write-ahead log and disclosures are for the gateway user alone', async () => {
  const folder = fresh();
  await create(createLedgerFiles(folder));
  const ledger = await open(createLedgerFiles(folder));
  await fill(ledger, 2);
  await ledger.checkpointNow();
  await fill(ledger, 1);
  for (const path of ['key.pem', 'disclosures/000.ndjson', `wal/${readdirSync(join(folder, 'wal'))[0]}`]) {
    assert.equal(statSync(join(folder, path)).mode & 0o077, 0, path);
  }
  await ledger.close();
});

test('replace, publish and create keep what they promise', async () => {
  const folder = fresh();
  const storage = createLedgerFiles(folder);
  await storage.replace('a', Buffer.from('1'));
  await storage.replace('a', Buffer.from('22'));
  assert.equal(String(await storage.read('a')), '22');
  await storage.createSecret('s', Buffer.from('x'));
  await assert.rejects(storage.createSecret('s', Buffer.from('y')), { code: 'ERR_LEDGER_EXISTS' });
  assert.equal(String(await storage.read('s')), 'x');
  const files = Array.from({ length: 9 }, (_, n) => ({ path: `tile/${n}/000`, bytes: Buffer.from([n]) }));
  await storage.publish(files);
  await storage.publish(files);
  await assert.rejects(storage.publish([{ path: 'tile/3/000', bytes: Buffer.from([9]) }]), {
    code: 'ERR_LEDGER_IMMUTABLE',
  });
  assert.deepEqual(await storage.read('tile/3/000'), Buffer.from([3]));
  assert.deepEqual(await storage.list('tile'), ['0', '1', '2', '3', '4', '5', '6', '7', '8']);
  await storage.remove(['tile/3', 'absent']);
  assert.equal(await storage.read('tile/3/000'), undefined);
  await storage.publish([{ path: 'tile/3/000', bytes: Buffer.from([9]) }]);
  assert.equal(await storage.read('nothing/here'), undefined);
  assert.deepEqual(await storage.list('nothing'), []);
});

test('splice cuts what a crash left behind the offset', async () => {
  const storage = createLedgerFiles(fresh());
  await storage.splice([{ path: 'd/x', offset: 0, bytes: Buffer.from('one\n') }]);
  await storage.splice([{ path: 'd/x', offset: 4, bytes: Buffer.from('two two two\n') }]);
  await storage.splice([{ path: 'd/x', offset: 4, bytes: Buffer.from('2\n') }]);
  assert.equal(String(await storage.read('d/x')), 'one\n2\n');
});

test('what an interrupted write left is neither listed nor in the way', async () => {
  const folder = fresh();
  const { vkey } = await create(createLedgerFiles(folder));
  writeFileSync(join(folder, 'checkpoint.new'), 'half a check');
  const ledger = await open(createLedgerFiles(folder));
  await fill(ledger, 1);
  writeFileSync(join(folder, 'wal', '000000000099.new'), 'x');
  await ledger.close();
  assert.ok(!existsSync(join(folder, 'checkpoint.new')));
  await assertWhole(createLedgerFiles(folder), vkey, 1);
});

test('a file that is there but cannot be read is a refusal, never an empty ledger', async () => {
  const folder = fresh();
  const storage = createLedgerFiles(folder);
  await storage.replace('checkpoint/inner', Buffer.from('a folder in its place'));
  await assert.rejects(storage.read('checkpoint'));
  await assert.rejects(create(storage));
});

test('appends wait for the disk in the order in which they came', async () => {
  const folder = fresh();
  await create(createLedgerFiles(folder));
  const ledger = await open(createLedgerFiles(folder));
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, n % 7));
      order.push((await ledger.append({ kind: 'heartbeat', time: 0 })).index);
    }),
  );
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.equal(ledger.status.durable, 200);
  await ledger.close();
});
