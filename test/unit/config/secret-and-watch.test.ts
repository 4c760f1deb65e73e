import assert from 'node:assert/strict';
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveSecret, watchConfig } from '../../../src/config/index.ts';
import { folderWith } from './folder.ts';

test('a secret is read where its source points to, when it is needed', async (t) => {
  const folder = await folderWith(t, { 'secret.txt': ' with spaces \n', empty: '' });
  assert.equal(await resolveSecret({ literal: 'x' }, folder), 'x');
  assert.equal(await resolveSecret({ env: 'A' }, folder, { env: { A: 'from env' } }), 'from env');
  assert.equal(await resolveSecret({ file: './secret.txt' }, folder), ' with spaces ');
  assert.equal(await resolveSecret({ file: join(folder, 'secret.txt') }, '/'), ' with spaces ');
  assert.equal(
    await resolveSecret({ stored: 'shop' }, folder, { stored: async (name) => `sealed ${name}` }),
    'sealed shop',
  );
  await writeFile(join(folder, 'secret.txt'), 'rotated\r\n');
  assert.equal(await resolveSecret({ file: './secret.txt' }, folder), 'rotated');
});

test('a secret that is not there is named by its source', async (t) => {
  const folder = await folderWith(t, { empty: '\n' });
  const cases = [
    [{ env: 'NOT_SET' }, 'ERR_CONFIG_SECRET_ENV_UNSET', /NOT_SET/],
    [{ env: 'EMPTY' }, 'ERR_CONFIG_SECRET_EMPTY', /EMPTY/],
    [{ file: 'none' }, 'ERR_CONFIG_SECRET_FILE', /none/],
    [{ file: 'empty' }, 'ERR_CONFIG_SECRET_EMPTY', /empty/],
    [{ stored: 'shop' }, 'ERR_CONFIG_SECRET_NOT_STORED', /gatehouse credentials set shop/],
  ] as const;
  for (const [source, code, message] of cases) {
    await assert.rejects(resolveSecret(source, folder, { env: { EMPTY: '' } }), { code, message });
  }
});

test('a burst of changes calls once; the gateway’s own state does not call at all', async (t) => {
  const folder = await folderWith(t, { 'gatehouse.yaml': 'a: 1' });
  await mkdir(join(folder, 'state'));
  let calls = 0;
  const errors: unknown[] = [];
  const watch = watchConfig(
    folder,
    () => void calls++,
    (error) => errors.push(error),
    { quietMs: 60, ignore: join(folder, 'state') },
  );
  t.after(() => watch.close());
  await sleep(50);
  await writeFile(join(folder, 'state', 'db'), 'x');
  await sleep(200);
  assert.equal(calls, 0);
  for (let write = 0; write < 5; write++) await appendFile(join(folder, 'policies/reading.cedar'), '// x\n');
  await sleep(300);
  assert.equal(calls, 1);
  await writeFile(join(folder, 'new.yaml'), 'b: 2'); // as editors save: a new file takes the old one's name
  await rename(join(folder, 'new.yaml'), join(folder, 'gatehouse.yaml'));
  await sleep(300);
  assert.equal(calls, 2);
  watch.close();
  await writeFile(join(folder, 'gatehouse.yaml'), 'c: 3');
  await sleep(200);
  assert.equal(calls, 2);
  assert.deepEqual(errors, []);
});

test('a policies folder that is replaced as a whole is still followed', async (t) => {
  const folder = await folderWith(t, { 'gatehouse.yaml': 'a: 1' });
  let calls = 0;
  const watch = watchConfig(
    folder,
    () => void calls++,
    (error) => assert.fail(String(error)),
    { quietMs: 60 },
  );
  t.after(() => watch.close());
  await sleep(50);
  await rm(join(folder, 'policies'), { recursive: true });
  await sleep(250);
  await mkdir(join(folder, 'policies'));
  await sleep(250);
  const before = calls;
  assert.ok(before >= 1);
  await writeFile(join(folder, 'policies/new.cedar'), '// x');
  await sleep(300);
  assert.equal(calls, before + 1);
});

test('runs do not overlap, and a failing run is reported and not the last', async (t) => {
  const folder = await folderWith(t, { 'gatehouse.yaml': 'a: 1' });
  let running = 0;
  let runs = 0;
  const errors: unknown[] = [];
  const onChange = async (): Promise<void> => {
    running++;
    runs++;
    assert.equal(running, 1);
    await sleep(150);
    running--;
    throw new Error(`run ${runs}`);
  };
  const watch = watchConfig(folder, onChange, (error) => errors.push((error as Error).message), { quietMs: 30 });
  t.after(() => watch.close());
  await sleep(50);
  await writeFile(join(folder, 'gatehouse.yaml'), 'a: 2');
  await sleep(100);
  await writeFile(join(folder, 'gatehouse.yaml'), 'a: 3');
  await sleep(600);
  assert.equal(runs, 2);
  assert.deepEqual(errors, ['run 1', 'run 2']);
});
