import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'node:test';
import {
  ACTIONS,
  explanationText,
  loadPolicySet,
  requestOf,
  runPolicyTests,
  writtenQuestionSchema,
} from '../../../src/policy/index.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/policies.md'), 'utf8');

function snippets(language: string): string[] {
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, found, text]) =>
    found === language ? [text ?? ''] : [],
  );
}

const files = snippets('cedar').map((text, index) => ({
  name: index === 0 ? 'analysts.cedar' : `${index}.cedar`,
  text,
}));

test('every policy of the page loads without a warning, alone and with the others', () => {
  assert.ok(files.length >= 8);
  for (const set of [files, ...files.map((file) => [file])]) {
    const loaded = loadPolicySet(set);
    assert.ok('ok' in loaded, JSON.stringify(loaded));
    assert.deepEqual(loaded.warnings, []);
  }
});

test('the tests of the page pass against its policies', () => {
  const loaded = loadPolicySet(files);
  assert.ok('ok' in loaded);
  const [text = ''] = snippets('yaml');
  const run = runPolicyTests(loaded.ok, [{ name: 'page.test.yaml', text }]);
  assert.deepEqual(run.problems, []);
  assert.equal(run.results.length, 4);
  assert.deepEqual(
    run.results.filter(({ passed }) => !passed),
    [],
  );
});

test('the explanation on the page is the real one', () => {
  const loaded = loadPolicySet(files);
  assert.ok('ok' in loaded);
  const request = requestOf(
    writtenQuestionSchema.parse({
      as: { id: 'alice', groups: ['analysts'] },
      action: 'read',
      on: { connection: 'warehouse', table: 'public.salaries2024', labels: ['confidential'] },
    }),
  );
  const text = explanationText(loaded.ok.explain(request));
  const [shown = ''] = snippets('text');
  assert.equal(text.slice(0, shown.length), shown);
});

test('the page names every action and every attribute of the context', () => {
  for (const action of ACTIONS) assert.ok(page.includes(`| \`${action}\` |`), action);
  for (const attribute of [
    'approved',
    'routine',
    'rows_today',
    'verb',
    'has_where',
    'weekday',
    'source_ip',
    'client',
    'purpose',
  ]) {
    assert.ok(page.includes(`\`${attribute}\``), attribute);
  }
});
