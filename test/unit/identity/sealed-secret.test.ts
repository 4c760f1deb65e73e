import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { createMasterKey, loadMasterKey, type MasterKey, openSecret, sealSecret } from '../../../src/identity/index.ts';

const key: MasterKey = { bytes: Buffer.alloc(32, 7), from: 'test' };

test('what was sealed under a name opens under that name only', () => {
  const sealed = sealSecret(key, 'shop', 'grüße 🔑');
  assert.equal(openSecret(key, 'shop', sealed), 'grüße 🔑');
  assert.ok(!sealed.includes('grüße'));
  assert.throws(() => openSecret(key, 'crm', sealed), { code: 'ERR_IDENTITY_SEAL_BROKEN' });
});

test('two seals of the same secret have nothing in common but the key id', () => {
  assert.notDeepEqual(sealSecret(key, 'shop', 'x').subarray(5), sealSecret(key, 'shop', 'x').subarray(5));
});

test('any flipped bit, any cut and another key are noticed', () => {
  const sealed = sealSecret(key, 'shop', 'secret');
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    assert.throws(() => openSecret(key, 'shop', changed), { name: 'IdentityError' }, `byte ${at}`);
    assert.throws(() => openSecret(key, 'shop', sealed.subarray(0, at)), { name: 'IdentityError' }, `cut at ${at}`);
  }
  const other: MasterKey = { bytes: Buffer.alloc(32, 8), from: 'elsewhere' };
  assert.throws(() => openSecret(other, 'shop', sealed), { code: 'ERR_IDENTITY_SEAL_KEY' });
});

test('the master key is created once, for its owner only, and never overwritten', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-key-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'state', 'master.key');
  const created = await createMasterKey(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual((await loadMasterKey(file, {})).bytes, created.bytes);
  await assert.rejects(createMasterKey(file), { code: 'ERR_IDENTITY_MASTER_KEY' });
  await chmod(file, 0o644);
  await assert.rejects(loadMasterKey(file, {}), /chmod 600/);
});

test('the environment may give the master key; a wrong one is not replaced by the file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-key-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'master.key');
  await writeFile(file, key.bytes.toString('hex'), { mode: 0o600 });
  const given = Buffer.alloc(32, 9).toString('base64');
  assert.deepEqual((await loadMasterKey(file, { GATEHOUSE_MASTER_KEY: given })).bytes, Buffer.alloc(32, 9));
  await assert.rejects(loadMasterKey(file, { GATEHOUSE_MASTER_KEY: 'short' }), { code: 'ERR_IDENTITY_MASTER_KEY' });
  await assert.rejects(loadMasterKey(join(folder, 'none'), {}), { code: 'ERR_IDENTITY_MASTER_KEY' });
});
