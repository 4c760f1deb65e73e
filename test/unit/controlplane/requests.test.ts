import assert from 'node:assert/strict';
import test from 'node:test';
import { paths } from '../../../src/controlplane/contract/index.ts';
import { principal } from '../approval/support.ts';
import { controlBench, token } from './support.ts';

const yes = { reason: 'seen and agreed' };

test('nobody approves or denies his own request by any door, whatever policy allows', async (t) => {
  const bench = await controlBench(t);
  const groups = ['reckless', 'owners', 'admins'];
  const person = principal('ann', { groups });
  const { id } = await bench.openRequest(person);
  const own = await token('ann', { groups });
  const issued = await bench.call('POST', paths.credentials(), { token: own, body: {} });
  const doors = {
    token: own,
    'session credential': `${issued.body['id']}.${issued.body['secret']}`,
    'agent for the requester': await token('bot', { groups, kind: 'agent', onBehalfOf: 'ann' }),
    'agent naming the principal id': await token('bot', { groups, kind: 'agent', onBehalfOf: 'idp|ann' }),
    'service for the requester': await token('ci', { groups, kind: 'service', onBehalfOf: 'ann@example.org' }),
  };
  const before = bench.sink.records.length;
  for (const [door, bearer] of Object.entries(doors)) {
    for (const url of [paths.approve(id), paths.deny(id)]) {
      const answer = await bench.call('POST', url, { token: bearer, body: yes });
      assert.equal(answer.status, 403, `${door} ${url}: ${answer.text}`);
    }
    const shown = await bench.call('GET', paths.request(id), { token: bearer });
    assert.equal(shown.body['mayDecide'], false, door);
  }
  assert.equal(bench.sink.records.length, before);
  assert.equal((await bench.options.approvals.get(id)).state, 'pending');
});

test('the person behind an agent cannot approve what the agent asks', async (t) => {
  const { call, openRequest } = await controlBench(t);
  const { id } = await openRequest(principal('bot', { kind: 'agent', onBehalfOf: 'olga' }));
  const olga = await token('olga', { groups: ['owners'] });
  assert.equal((await call('POST', paths.approve(id), { token: olga, body: yes })).status, 403);
  const otto = await token('otto', { groups: ['owners'] });
  assert.equal((await call('POST', paths.approve(id), { token: otto, body: yes })).status, 200);
});

test('policy’s permission is not enough: the approver must be in the group that is asked for', async (t) => {
  const { call, openRequest } = await controlBench(t);
  const { id } = await openRequest();
  const answer = await call('POST', paths.approve(id), {
    token: await token('max', { groups: ['reckless'] }),
    body: yes,
  });
  assert.equal(answer.status, 403);
  assert.equal(answer.body['code'], 'ERR_APPROVAL_NOT_AN_APPROVER');
});

test('an approval carries its conditions, is shown with them, and cannot be given twice', async (t) => {
  const { call, openRequest } = await controlBench(t);
  const { id } = await openRequest();
  const olga = await token('olga', { groups: ['owners'] });
  const approved = await call('POST', paths.approve(id), {
    token: olga,
    body: { ...yes, uses: 3, windowSeconds: 60, rowLimit: 500 },
  });
  assert.equal(approved.status, 200, approved.text);
  const grant = approved.body['grant'] as Record<string, unknown>;
  assert.deepEqual({ ...grant, notAfter: 0 }, { notAfter: 0, uses: 3, used: 0, rowLimit: 500 });
  assert.equal(approved.body['mayDecide'], false);
  const again = await call('POST', paths.approve(id), {
    token: await token('otto', { groups: ['owners'] }),
    body: yes,
  });
  assert.deepEqual([again.status, again.body['code']], [409, 'ERR_APPROVAL_NOT_PENDING']);
});

test('reasons are required and unknown fields refused', async (t) => {
  const { call, openRequest } = await controlBench(t);
  const { id } = await openRequest();
  const olga = await token('olga', { groups: ['owners'] });
  for (const body of [
    {},
    { reason: '' },
    { reason: 'no' },
    { ...yes, uses: 0 },
    { ...yes, uses: 1.5 },
    { ...yes, approver: 'x' },
  ]) {
    const answer = await call('POST', paths.approve(id), { token: olga, body });
    assert.equal(answer.status, 400, JSON.stringify(body));
  }
});

test('the list shows the requester his own and the approver those he may decide, page by page', async (t) => {
  const { call, openRequest } = await controlBench(t);
  for (let n = 0; n < 5; n++) await openRequest(undefined, `SELECT ${n}`);
  await openRequest(principal('bob'), 'SELECT 99');
  const texts = async (bearer: string, query = ''): Promise<string[]> => {
    const found: string[] = [];
    let after = '';
    for (;;) {
      const page = await call('GET', `${paths.requests()}?limit=2${query}${after}`, { token: bearer });
      assert.equal(page.status, 200, page.text);
      found.push(...(page.body['items'] as { statement: string }[]).map((one) => one.statement));
      if (page.body['next'] === undefined) return found.sort();
      after = `&after=${page.body['next']}`;
    }
  };
  const all = ['SELECT 0', 'SELECT 1', 'SELECT 2', 'SELECT 3', 'SELECT 4'];
  assert.deepEqual(await texts(await token('ann')), all);
  assert.deepEqual(await texts(await token('eve')), []);
  assert.deepEqual(await texts(await token('olga', { groups: ['owners'] })), [...all, 'SELECT 99']);
  assert.deepEqual(await texts(await token('olga', { groups: ['owners'] }), '&mine=true'), []);
  assert.deepEqual(await texts(await token('olga', { groups: ['owners'] }), '&connection=crm'), []);
  assert.deepEqual(await texts(await token('ann'), '&state=approved'), []);
});

test('who waits is woken by an approval that came over HTTP, and the consent survives a new control plane', async (t) => {
  const bench = await controlBench(t);
  const request = await bench.openRequest();
  const address = await bench.plane.listen({ host: '127.0.0.1', port: 0 });
  const waiting = bench.options.approvals.wait(request.id);
  const response = await fetch(`http://127.0.0.1:${address.port}${paths.approve(request.id)}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await token('olga', { groups: ['owners'] })}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(yes),
  });
  assert.equal(response.status, 200);
  assert.equal((await waiting).state, 'approved');
  assert.equal((await bench.options.approvals.consume(request.binding))?.state, 'exhausted');
});
