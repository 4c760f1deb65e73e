import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPolicySet, runPolicyTests, starterPolicies, starterPolicyTests } from '../../../src/policy/index.ts';

test('the starter policies load without a warning, pass their tests, and every one of them is tested', () => {
  const loaded = loadPolicySet(starterPolicies, { labels: ['pii.contact.email', 'confidential'] });
  assert.ok('ok' in loaded, JSON.stringify(loaded));
  assert.deepEqual(loaded.warnings, []);
  const run = runPolicyTests(loaded.ok, starterPolicyTests);
  assert.deepEqual(run.problems, []);
  assert.deepEqual(
    run.results.filter((result) => !result.passed),
    [],
  );
  assert.deepEqual(run.untested, []);
});
