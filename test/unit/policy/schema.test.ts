import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'node:test';
import cedar from '@cedar-policy/cedar-wasm/nodejs';
import { ACTIONS, SCHEMA_TEXT } from '../../../src/policy/index.ts';

test('the published schema is the one that policies are checked against', () => {
  const published = readFileSync(resolve(import.meta.dirname, '../../../schema/gatehouse.cedarschema'), 'utf8');
  assert.equal(published, SCHEMA_TEXT, 'write SCHEMA_TEXT to schema/gatehouse.cedarschema');
});

test('the schema holds the whole vocabulary', () => {
  const answer = cedar.schemaToJson(SCHEMA_TEXT);
  assert.ok(answer.type === 'success', JSON.stringify(answer));
  assert.deepEqual(answer.warnings, []);
  const namespace = answer.json[''];
  assert.ok(namespace);
  assert.deepEqual(Object.keys(namespace.actions).sort(), [...ACTIONS].sort());
  for (const type of [
    ...[
      'User',
      'Service',
      'Agent',
      'Group',
      'Connection',
      'Schema',
      'Table',
      'Column',
      'Function',
      'Route',
      'KubeResource',
    ],
    ...['Host', 'Label', 'Session', 'Recording', 'Request', 'Policy', 'Evidence', 'Ledger', 'Credential'],
  ]) {
    assert.ok(namespace.entityTypes[type], type);
  }
});
