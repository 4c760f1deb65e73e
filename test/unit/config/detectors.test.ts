import assert from 'node:assert/strict';
import test from 'node:test';
import { loadConfig } from '../../../src/config/index.ts';
import { ENV, folderWith, problemsOf, SMALL } from './folder.ts';

test('nothing is looked for unless the configuration says so', async (t) => {
  const result = await loadConfig(await folderWith(t, { 'gatehouse.yaml': SMALL }), { env: ENV });
  assert.ok('ok' in result);
  assert.equal(result.ok.config.detectors, undefined);
});

test('the default is to report; single detectors, countries and patterns of one’s own are told apart', async (t) => {
  const text = `${SMALL}detectors:
  pan: refuse
  phone: off
  national-id: { action: mask, countries: [de, fr] }
  patterns:
    employee-id: { pattern: 'EMP-[0-9]{6}', label: hr.employee-id, action: mask }
    ticket: { pattern: 'TICK-\\d{4,8}' }
`;
  const result = await loadConfig(await folderWith(t, { 'gatehouse.yaml': text }), { env: ENV });
  assert.ok('ok' in result, JSON.stringify(result));
  const { detectors } = result.ok.config;
  assert.deepEqual(detectors && Object.fromEntries(detectors.actions), {
    email: 'report',
    pan: 'refuse',
    iban: 'report',
    'national-id': 'mask',
    secret: 'report',
    jwt: 'report',
    'private-key': 'report',
  });
  assert.deepEqual(detectors?.countries, ['de', 'fr']);
  assert.deepEqual(detectors?.patterns, [
    { name: 'employee-id', pattern: 'EMP-[0-9]{6}', label: 'hr.employee-id', action: 'mask' },
    { name: 'ticket', pattern: 'TICK-\\d{4,8}', label: 'custom.ticket', action: 'report' },
  ]);
});

test('an unknown detector, country or action and a pattern that cannot be read are reported with their lines', async (t) => {
  const text = `${SMALL}detectors:
  emial: mask
  pan: hide
  national-id: { countries: [de, xx] }
  patterns:
    slow: { pattern: '(a+)+\\1' }
`;
  const folder = await folderWith(t, { 'gatehouse.yaml': text });
  const lines = SMALL.split('\n').length - 1;
  const found = await problemsOf(folder);
  assert.ok(
    found.some((problem) => problem.startsWith(`gatehouse.yaml:${lines + 2}:3 error`) && /emial/.test(problem)),
    found.join('\n'),
  );
  assert.ok(
    found.some((problem) => problem.startsWith(`gatehouse.yaml:${lines + 3}:`) && /pan/.test(problem)),
    found.join('\n'),
  );
  assert.ok(
    found.some((problem) => problem.startsWith(`gatehouse.yaml:${lines + 4}:`)),
    found.join('\n'),
  );
  const pattern = await folderWith(t, {
    'gatehouse.yaml': `${SMALL}detectors:\n  patterns:\n    slow: { pattern: '(a+)+\\1' }\n`,
  });
  const problems = await problemsOf(pattern);
  assert.ok(
    problems.some(
      (problem) =>
        problem.startsWith(`gatehouse.yaml:${lines + 3}:`) &&
        /the pattern slow cannot be used: at character/.test(problem),
    ),
    problems.join('\n'),
  );
});
