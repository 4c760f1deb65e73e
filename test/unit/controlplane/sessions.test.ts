import assert from 'node:assert/strict';
import test from 'node:test';
import { paths } from '../../../src/controlplane/contract/index.ts';
import { principal } from '../approval/support.ts';
import { controlBench, token } from './support.ts';

const ids = (body: Record<string, unknown>): string[] => (body['items'] as { id: string }[]).map((one) => one.id);

test('a person sees his own sessions, and the index is not even asked for others', async (t) => {
  const { call, filters } = await controlBench(t);
  const ann = await token('ann', { groups: ['analysts'] });
  assert.deepEqual(ids((await call('GET', `${paths.sessions()}?text=secret&label=pii`, { token: ann })).body), [
    'ses_ann',
    'ses_old',
  ]);
  assert.equal(filters.at(-1)?.person, 'idp|ann');
  const felt = await call('GET', `${paths.sessions()}?person=bob@example.org`, { token: ann });
  assert.deepEqual(ids(felt.body), []);
  assert.equal(filters.at(-1)?.person, 'idp|ann');
  assert.deepEqual(ids((await call('GET', paths.sessions(), { token: await token('eve') })).body), []);
});

test('an auditor sees all, by filters, page by page', async (t) => {
  const { call, filters } = await controlBench(t);
  const iris = await token('iris', { groups: ['auditors'] });
  const first = await call('GET', `${paths.sessions()}?limit=2`, { token: iris });
  assert.deepEqual(ids(first.body), ['ses_bob', 'ses_ann']);
  const second = await call('GET', `${paths.sessions()}?limit=2&after=${first.body['next']}`, { token: iris });
  assert.deepEqual(ids(second.body), ['ses_old']);
  assert.equal(second.body['next'], undefined);
  const query = 'person=idp%7Cann&since=2026-01-01T00:00:00Z&decision=refuse&table=shop.t&kind=person&connection=shop';
  await call('GET', `${paths.sessions()}?${query}`, { token: iris });
  assert.deepEqual(filters.at(-1), {
    person: 'idp|ann',
    since: Date.UTC(2026, 0, 1),
    decision: 'refuse',
    table: 'shop.t',
    kind: 'person',
    connection: 'shop',
    limit: 50,
  });
  for (const bad of ['sort=secret', 'limit=0', 'limit=1e9', 'since=yesterday', 'decision=maybe', 'person=']) {
    assert.equal((await call('GET', `${paths.sessions()}?${bad}`, { token: iris })).status, 400, bad);
  }
});

test('live, ended and lost sessions are told apart, and a session too young for the index is shown', async (t) => {
  const { call, live } = await controlBench(t);
  const iris = await token('iris', { groups: ['auditors'] });
  live.push({
    id: 'ses_new',
    principal: principal('bob'),
    connection: 'shop',
    client: 'pandas',
    sourceIp: '10.0.0.2',
    startedAt: Date.now(),
    statements: 0,
    rows: 0,
  });
  const { body } = await call('GET', paths.sessions(), { token: iris });
  assert.deepEqual(
    (body['items'] as { id: string; state: string; live: boolean }[]).map(({ id, state, live: alive }) => [
      id,
      state,
      alive,
    ]),
    [
      ['ses_new', 'active', true],
      ['ses_bob', 'ended', false],
      ['ses_ann', 'idle', true],
      ['ses_old', 'ended', false],
    ],
  );
  assert.deepEqual(ids((await call('GET', `${paths.sessions()}?live=true`, { token: iris })).body), [
    'ses_new',
    'ses_ann',
  ]);
  assert.deepEqual(ids((await call('GET', `${paths.sessions()}?live=false`, { token: iris })).body), [
    'ses_bob',
    'ses_old',
  ]);
  assert.equal((await call('GET', paths.session('ses_new'), { token: await token('bob') })).status, 200);
  const statements = await call('GET', paths.statements('ses_ann'), { token: iris });
  assert.equal((statements.body['items'] as { text: string }[])[0]?.text, 'SELECT secret FROM shop.t');
});

test('ending a session is recorded first, tells the client who and why, and needs a reason', async (t) => {
  const { call, killed, sink } = await controlBench(t);
  const root = await token('root', { groups: ['admins'] });
  assert.equal((await call('DELETE', paths.session('ses_ann'), { token: root })).status, 400);
  const done = await call('DELETE', `${paths.session('ses_ann')}?reason=incident%204711`, { token: root });
  assert.equal(done.status, 200);
  assert.deepEqual(killed, [{ id: 'ses_ann', reason: 'root@example.org: incident 4711' }]);
  const record = sink.records[0];
  assert.deepEqual(
    [record?.kind, record?.session, record?.clear?.['before'], record?.clear?.['after']],
    ['session.killed', 'ses_ann', 'idle', 'ended'],
  );
  assert.equal(sink.revealed(0)['reason'], 'incident 4711');
  const over = await call('DELETE', `${paths.session('ses_bob')}?reason=again`, { token: root });
  assert.deepEqual([over.status, over.body['code']], [409, 'ERR_CONTROLPLANE_CONFLICT']);
});
