import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Publisher } from '../../../src/ledger/publisher.ts';
import { createSigner } from '../../../src/ledger/signer.ts';
import { BatchBuilder } from '../../../src/ledger/write-ahead.ts';
import { writeOut } from '../../../src/ledger/write-out.ts';
import { MemoryStorage } from './memory-storage.ts';

/** A log that Tessera wrote, entry by entry; the file names its source. */
const golden: { origin: string; seed: string; entries: string[]; files: Record<string, string> } = JSON.parse(
  readFileSync(new URL('../../vectors/ledger/tessera-log.json', import.meta.url), 'utf8'),
);

test('a log of another implementation is reproduced byte for byte: every checkpoint with its signature, tile and bundle', async () => {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(golden.seed, 'hex')]);
  const pem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  }) as string;
  const storage = new MemoryStorage();
  const publisher = new Publisher(storage, createSigner(golden.origin, pem), golden.origin);
  const builder = new BatchBuilder();
  for (const [seq, entry] of golden.entries.entries()) {
    builder.add(seq, { entry, disclosures: '' });
    await publisher.commit(writeOut(golden.origin, [builder.take(new Set())]));
    storage.disk.files.set(`checkpoint.${seq + 1}`, storage.disk.files.get('checkpoint') as Buffer);
  }
  let compared = 0;
  for (const [path, bytes] of Object.entries(golden.files)) {
    if (path === 'checkpoint.0') continue;
    assert.equal(storage.disk.files.get(path)?.toString('base64'), bytes, path);
    compared += 1;
  }
  assert.equal(compared, storage.disk.files.size);
  assert.ok(compared >= 40);
});
