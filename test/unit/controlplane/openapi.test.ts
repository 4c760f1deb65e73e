import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import test from 'node:test';
import { openapiText } from '../../../src/controlplane/index.ts';

test('schema/openapi.json is what the routes say; write it again with writeOpenapiFile after a change', async () => {
  const kept = await readFile(resolve(import.meta.dirname, '../../../schema/openapi.json'), 'utf8');
  assert.equal(kept, await openapiText());
});

test('every operation has an id and a summary, and every reference leads somewhere', async () => {
  const text = await openapiText();
  const document = JSON.parse(text) as {
    paths: Record<string, Record<string, { operationId?: string; summary?: string }>>;
    components: { schemas: Record<string, unknown> };
  };
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path));
  for (const operation of ids) assert.ok(operation.operationId && operation.summary, JSON.stringify(operation));
  assert.equal(new Set(ids.map((one) => one.operationId)).size, ids.length);
  for (const [, name] of text.matchAll(/#\/components\/schemas\/([^"]+)/g)) {
    assert.ok(name !== undefined && name in document.components.schemas, name);
  }
});
