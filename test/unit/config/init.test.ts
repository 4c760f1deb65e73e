import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { configJsonSchema, initFolder, labelJsonSchema, loadConfig } from '../../../src/config/index.ts';
import { loadPolicySet, runPolicyTests } from '../../../src/policy/index.ts';
import { folderWith } from './folder.ts';

async function emptyFolder(t: Parameters<typeof folderWith>[0]): Promise<string> {
  const folder = join(await folderWith(t, {}), 'fresh');
  await mkdir(folder);
  return folder;
}

test('a fresh folder loads, its policies pass their tests, and it says where its schema is', async (t) => {
  const folder = await emptyFolder(t);
  const files = await initFolder(folder);
  const result = await loadConfig(folder, { env: { SHOP_PASSWORD: 'x' } });
  assert.ok('ok' in result, JSON.stringify(result));
  assert.deepEqual(result.ok.warnings, []);
  const policies = loadPolicySet(result.ok.policyFiles);
  assert.ok('ok' in policies);
  const run = runPolicyTests(policies.ok, result.ok.policyTests);
  assert.ok(run.results.length > 0 && run.results.every(({ passed }) => passed));
  const text = await readFile(join(folder, 'gatehouse.yaml'), 'utf8');
  assert.match(text, /^# yaml-language-server: \$schema=\.\/\.gatehouse\.schema\.json\n/);
  assert.equal(await readFile(join(folder, '.gatehouse.schema.json'), 'utf8'), configJsonSchema());
  assert.match(
    await readFile(join(folder, 'labels/shop.yaml'), 'utf8'),
    /^# yaml-language-server: \$schema=\.\.\/\.gatehouse\.labels\.schema\.json\n/,
  );
  assert.equal(await readFile(join(folder, '.gatehouse.labels.schema.json'), 'utf8'), labelJsonSchema());
  assert.ok(files.includes('.gitignore') && files.includes('labels/shop.yaml'));
  assert.match(await readFile(join(folder, '.gitignore'), 'utf8'), /^\/state\/$/m);
});

test('the example labels of a fresh folder are right once the comment signs are gone', async (t) => {
  const folder = await emptyFolder(t);
  await initFolder(folder);
  const labels = await readFile(join(folder, 'labels/shop.yaml'), 'utf8');
  const shown = labels.split('\n').filter((line) => line.startsWith('# shop:') || line.startsWith('#   '));
  await writeFile(join(folder, 'labels/shop.yaml'), shown.map((line) => line.slice(2)).join('\n'));
  const result = await loadConfig(folder, { env: { SHOP_PASSWORD: 'x' } });
  assert.ok('ok' in result, JSON.stringify(result));
});

test('what is given goes into the files', async (t) => {
  const folder = await emptyFolder(t);
  await initFolder(folder, {
    issuer: 'http://127.0.0.1:9000',
    audience: 'a: b',
    listen: '[::1]:7000',
    origin: 'gw.example/ledger/7',
    connection: { name: 'sales-db', address: 'db.internal:5433', database: 'Sales "EU"' },
  });
  const result = await loadConfig(folder, { env: { SALES_DB_PASSWORD: 'x' } });
  assert.ok('ok' in result, JSON.stringify(result));
  const { config } = result.ok;
  assert.equal(config.issuers[0]?.audience[0], 'a: b');
  assert.deepEqual(config.listeners.postgres, { host: '::1', port: 7000 });
  assert.equal(config.ledger.origin, 'gw.example/ledger/7');
  const connection = config.connections.get('sales-db');
  assert.deepEqual(
    [connection?.database, connection?.tls, connection?.address.port],
    ['Sales "EU"', 'verify-full', 5433],
  );
});

test('two fresh folders have different ledgers', async (t) => {
  const origins = await Promise.all(
    [0, 1].map(async () => {
      const folder = await emptyFolder(t);
      await initFolder(folder);
      return (parse(await readFile(join(folder, 'gatehouse.yaml'), 'utf8')) as { ledger: { origin: string } }).ledger
        .origin;
    }),
  );
  assert.notEqual(origins[0], origins[1]);
});

test('nothing is overwritten, and nothing is half written', async (t) => {
  const folder = await emptyFolder(t);
  await writeFile(join(folder, '.gitignore'), 'mine');
  await assert.rejects(initFolder(folder), { code: 'ERR_CONFIG_FOLDER_IN_USE', message: /\.gitignore/ });
  assert.deepEqual(await readdir(folder), ['.gitignore']);
  assert.equal(await readFile(join(folder, '.gitignore'), 'utf8'), 'mine');
});

test('the published schema is that of the code', async () => {
  const published = await readFile(join(import.meta.dirname, '../../../schema/gatehouse.schema.json'), 'utf8');
  assert.equal(published, configJsonSchema(), 'write what configJsonSchema() gives to schema/gatehouse.schema.json');
  const schema = JSON.parse(published) as { properties: Record<string, unknown>; additionalProperties: boolean };
  assert.equal(schema.additionalProperties, false);
  assert.ok('connections' in schema.properties && 'masks' in schema.properties);
});
