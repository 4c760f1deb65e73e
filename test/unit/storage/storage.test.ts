import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { type ApprovalEntry, bindingHash, bindingKey } from '../../../src/approval/index.ts';
import { IdentityError, type StoredCredential } from '../../../src/identity/index.ts';
import type { ApprovalRequest } from '../../../src/model/approval.ts';
import type { Principal } from '../../../src/model/principal.ts';
import { openStorage, StorageError } from '../../../src/storage/index.ts';

const NOW = Date.UTC(2026, 6, 1);

async function stateFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-storage-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'state');
}

function requestOf(id: string, over: Partial<ApprovalRequest> = {}): { entry: ApprovalEntry; key: string } {
  const binding = {
    v: 1 as const,
    requester: 'idp|ann',
    resource: 'shop',
    role: 'app',
    stmt: `SELECT '${id}'`,
    params: '',
    policies: ['main#1'],
    masks: 'sha256:00@1',
  };
  const request: ApprovalRequest = {
    id,
    state: 'pending',
    bindingHash: bindingHash(binding, 'nonce'),
    binding,
    nonce: 'nonce',
    requesterName: 'ann',
    session: 'ses_1',
    approvers: ['owners'],
    quorum: 1,
    why: 'why',
    purpose: 'purpose',
    tables: ['shop.t'],
    labels: [],
    createdAt: NOW,
    expiresAt: NOW + 1_000,
    decisions: [],
    ...over,
  };
  return { entry: { request, revision: 1, leaf: 7 }, key: bindingKey(binding) };
}

const person: Principal = {
  id: 'idp|ann',
  issuer: 'https://idp.example',
  subject: 'ann',
  name: 'ann@example.org',
  kind: 'person',
  groups: ['analysts'],
  mfa: false,
  credential: { type: 'session', id: 'gs_1' },
  expiresAt: NOW + 1_000,
};

function credentialOf(id: string, over: Partial<StoredCredential> = {}): StoredCredential {
  const key = Buffer.alloc(32, 7);
  return {
    id,
    principal: person,
    verifier: { salt: Buffer.alloc(16, 1), iterations: 4096, storedKey: key, serverKey: key },
    issuedAt: NOW,
    expiresAt: NOW + 1_000,
    ...over,
  };
}

test('the state folder and everything in it is for its owner only, and opens again after closing', async (t) => {
  const folder = await stateFolder(t);
  const storage = await openStorage(folder);
  await storage.settings.put('origin', Buffer.from('gw.example/ledger/1'));
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  const files = await readdir(folder);
  assert.ok(files.includes('control.db-wal'));
  for (const file of files) assert.equal((await stat(join(folder, file))).mode & 0o077, 0, file);
  await storage.close();
  await storage.close();
  const again = await openStorage(folder);
  assert.equal(String(await again.settings.get('origin')), 'gw.example/ledger/1');
  await again.close();
});

test('two processes may open a new state folder at once', async (t) => {
  const folder = await stateFolder(t);
  const both = await Promise.all([openStorage(folder), openStorage(folder)]);
  const kept = await Promise.all(both.map((one, index) => one.settings.putIfAbsent('key', Buffer.of(index))));
  assert.deepEqual(kept[0], kept[1]);
  for (const one of both) await one.close();
});

test('a database of a newer version is refused and left as it was', async (t) => {
  const folder = await stateFolder(t);
  await (await openStorage(folder)).close();
  const database = new DatabaseSync(join(folder, 'control.db'));
  database.exec("INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-future', '2030-01-01')");
  database.close();
  await assert.rejects(openStorage(folder), (e) => e instanceof StorageError && e.code === 'ERR_STORAGE_VERSION');
});

test('a file that is no database is refused with what to do', async (t) => {
  const folder = await stateFolder(t);
  await (await openStorage(folder)).close();
  const { writeFile } = await import('node:fs/promises');
  await writeFile(join(folder, 'control.db'), 'x'.repeat(8192));
  await assert.rejects(openStorage(folder), (e) => e instanceof StorageError && e.code === 'ERR_STORAGE_OPEN');
});

test('approvals survive a restart and change only from the revision that was seen', async (t) => {
  const folder = await stateFolder(t);
  const before = await openStorage(folder);
  const { entry, key } = requestOf('req_1');
  assert.deepEqual(await before.approvals.create(entry, key), entry);
  const twin = requestOf('req_1');
  const double = { ...twin.entry, request: { ...twin.entry.request, id: 'req_2' } };
  assert.equal((await before.approvals.create(double, key)).request.id, 'req_1', 'one pending request per binding');
  await before.close();

  const { approvals, close } = await openStorage(folder);
  assert.deepEqual(await approvals.get('req_1'), entry);
  const grant = { notAfter: NOW + 5_000, uses: 2, used: 0, rowLimit: 10 };
  const approved: ApprovalRequest = { ...entry.request, state: 'approved', grant };
  assert.equal(await approvals.replace(2, approved, 8), false);
  assert.deepEqual(await approvals.get('req_1'), entry);
  assert.equal(await approvals.replace(1, approved, 8), true);
  assert.deepEqual(await approvals.get('req_1'), { request: approved, revision: 2, leaf: 8 });

  assert.equal((await approvals.findUsable('idp|ann', 'shop', key, NOW)).length, 1);
  assert.equal((await approvals.findUsable('idp|bob', 'shop', key, NOW)).length, 0);
  assert.equal((await approvals.findUsable('idp|ann', 'crm', key, NOW)).length, 0);
  assert.equal((await approvals.findUsable('idp|ann', 'shop', key, NOW + 5_001)).length, 0);
  assert.equal(await approvals.consume('req_1', NOW + 5_001), undefined);
  assert.equal((await approvals.consume('req_1', NOW + 5_000))?.request.grant?.used, 1);
  assert.equal((await approvals.consume('req_1', NOW))?.request.state, 'exhausted');
  assert.equal(await approvals.consume('req_1', NOW), undefined);
  assert.equal((await approvals.create(double, key)).request.id, 'req_2', 'room for a new one');
  await close();
});

test('requests are listed newest first, page by page, by filters only', async (t) => {
  const { approvals, close } = await openStorage(await stateFolder(t));
  for (let n = 0; n < 7; n++) {
    const { entry, key } = requestOf(`req_${n}`, { createdAt: NOW + Math.floor(n / 2) });
    await approvals.create(entry, `${key}${n}`);
  }
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = await approvals.list({ state: 'pending' }, { limit: 3, ...(after === undefined ? {} : { after }) });
    seen.push(...page.items.map((one) => one.id));
    after = page.next;
  } while (after !== undefined);
  assert.deepEqual(seen, ['req_6', 'req_5', 'req_4', 'req_3', 'req_2', 'req_1', 'req_0']);
  assert.equal((await approvals.list({ requester: 'idp|bob' }, { limit: 10 })).items.length, 0);
  assert.equal((await approvals.list({}, { limit: 10, after: "x' OR 1=1" })).items.length, 0);
  assert.equal((await approvals.due(NOW + 1_000, 3)).length, 3);
  await close();
});

test('processes that share one file never use a consent more often than it allows', async (t) => {
  const folder = await stateFolder(t);
  const storage = await openStorage(folder);
  const grant = { notAfter: NOW + 5_000, uses: 40, used: 0 };
  const { entry, key } = requestOf('req_1', { state: 'approved', grant });
  await storage.approvals.create(entry, key);
  const worker = join(import.meta.dirname, 'consume-worker.ts');
  const runs = await Promise.all(
    [1, 2, 3].map(() => promisify(execFile)(process.execPath, [worker, folder, 'req_1', String(NOW)])),
  );
  const taken = runs.map((run) => Number(run.stdout));
  assert.equal(
    taken.reduce((sum, one) => sum + one, 0),
    40,
    String(taken),
  );
  assert.equal((await storage.approvals.get('req_1'))?.request.state, 'exhausted');
  await storage.close();
});

test('a credential is kept without its secret, revoked for ever, and pruned only after its time', async (t) => {
  const folder = await stateFolder(t);
  const { credentials, close } = await openStorage(folder);
  await credentials.put(credentialOf('gs_1'));
  await credentials.put(credentialOf('gs_2', { issuedAt: NOW + 1, expiresAt: NOW + 9_000 }));
  await assert.rejects(
    credentials.put(credentialOf('gs_1')),
    (e) => e instanceof IdentityError && e.code === 'ERR_IDENTITY_CREDENTIAL_EXISTS',
  );
  assert.deepEqual(await credentials.get('gs_1'), credentialOf('gs_1'));
  assert.equal(await credentials.revoke('gs_0', NOW), undefined);
  assert.equal((await credentials.revoke('gs_1', NOW + 5))?.revokedAt, NOW + 5);
  assert.equal((await credentials.revoke('gs_1', NOW + 9))?.revokedAt, NOW + 5);
  assert.deepEqual(
    (await credentials.listFor('idp|ann')).map((one) => one.id),
    ['gs_2', 'gs_1'],
  );
  assert.deepEqual(await credentials.listFor('idp|bob'), []);
  const raw = new DatabaseSync(join(folder, 'control.db'));
  assert.throws(() => raw.exec('UPDATE credentials SET revoked_at = NULL'), /stays revoked/);
  raw.close();
  assert.equal(await credentials.prune(NOW + 1_000), 0);
  assert.equal(await credentials.prune(NOW + 1_001), 1);
  assert.equal(await credentials.get('gs_1'), undefined);
  await close();
});

test('sealed secrets, settings and sticky labels are replaced and removed by name', async (t) => {
  const time = { now: NOW };
  const { secrets, settings, stickyLabels, close } = await openStorage(await stateFolder(t), { clock: () => time.now });
  await secrets.put('shop', Buffer.from('one'));
  time.now += 5;
  await secrets.put('shop', Buffer.from('two'));
  await secrets.put('crm', Buffer.from('three'));
  assert.equal(String(await secrets.get('shop')), 'two');
  assert.deepEqual(await secrets.list(), [
    { name: 'crm', changedAt: NOW + 5 },
    { name: 'shop', changedAt: NOW + 5 },
  ]);
  assert.equal(await secrets.remove('shop'), true);
  assert.equal(await secrets.remove('shop'), false);
  assert.equal(await secrets.get('shop'), undefined);
  assert.equal(String(await settings.putIfAbsent('a', Buffer.from('1'))), '1');
  assert.equal(String(await settings.putIfAbsent('a', Buffer.from('2'))), '1');
  await stickyLabels.put('shop', { 'shop.t': { email: ['pii'] } });
  await stickyLabels.put('shop', { 'shop.t': {} });
  assert.deepEqual(await stickyLabels.get('shop'), { 'shop.t': {} });
  assert.equal(await stickyLabels.get('crm'), undefined);
  await close();
});

test('a database that another process keeps locked is told as such, and nothing is changed', async (t) => {
  const folder = await stateFolder(t);
  const { approvals, settings, close } = await openStorage(folder);
  const { entry, key } = requestOf('req_1');
  await approvals.create(entry, key);
  const database = new DatabaseSync(join(folder, 'control.db'));
  database.exec('BEGIN IMMEDIATE');
  const started = Date.now();
  await assert.rejects(
    approvals.replace(1, { ...entry.request, state: 'denied' }, 8),
    (e) => e instanceof StorageError && e.code === 'ERR_STORAGE_BUSY',
  );
  assert.ok(Date.now() - started >= 4_000, 'patient first');
  database.exec('ROLLBACK');
  database.close();
  assert.deepEqual(await approvals.get('req_1'), entry);
  await settings.put('still', Buffer.from('writable'));
  await close();
});
