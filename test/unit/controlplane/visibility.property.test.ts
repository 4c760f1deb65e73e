import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { paths } from '../../../src/controlplane/contract/index.ts';
import { principal } from '../approval/support.ts';
import { controlBench, token } from './support.ts';

const people = ['ann', 'bob', 'eve'] as const;
const tokens = new Map(await Promise.all(people.map(async (name) => [name, await token(name)] as const)));

test('no query shows a person without permissions anything of others, in any list', async (t) => {
  const bench = await controlBench(t);
  for (const name of people) {
    for (let n = 0; n < 3; n++) await bench.openRequest(principal(name), `SELECT '${name}' ${n}`);
    await bench.call('POST', paths.credentials(), { token: tokens.get(name) ?? '', body: {} });
  }
  const word = fc.constantFrom(
    'ann',
    'bob',
    'idp|ann',
    'idp|bob',
    'bob@example.org',
    'shop',
    'crm',
    'pii',
    'pending',
    'true',
    'false',
    'secret',
    '%',
    "' OR 1=1 --",
    '9999999999999.zzz',
  );
  const query = fc.dictionary(
    fc.constantFrom(
      'person',
      'connection',
      'label',
      'text',
      'table',
      'state',
      'mine',
      'live',
      'kind',
      'after',
      'limit',
      'principal',
      'onBehalfOf',
    ),
    fc.oneof(word, fc.integer({ min: 1, max: 5 }).map(String)),
    { maxKeys: 3 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...people),
      fc.constantFrom(paths.sessions(), paths.requests(), paths.credentials()),
      query,
      async (name, path, words) => {
        const answer = await bench.call('GET', `${path}?${new URLSearchParams(words)}`, {
          token: tokens.get(name) ?? '',
        });
        assert.ok([200, 400, 403].includes(answer.status), answer.text);
        if (answer.status !== 200) return;
        for (const item of answer.body['items'] as Record<string, { id: string }>[]) {
          const owner = (item['principal'] ?? item['requester'])?.id;
          assert.equal(owner, `idp|${name}`, `${path}?${new URLSearchParams(words)}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});
