import assert from 'node:assert/strict';
import test from 'node:test';
import { paths } from '../../../src/controlplane/contract/index.ts';
import { type Bench, controlBench, token } from './support.ts';

const callers = {
  anonymous: undefined,
  expired: await token('ann', { groups: ['admins', 'owners'], seconds: -60 }),
  foreign: await token('ann', { groups: ['admins', 'owners'], foreign: true }),
  requester: await token('ann', { groups: ['analysts'] }),
  other: await token('eve'),
  approver: await token('olga', { groups: ['owners'] }),
  auditor: await token('iris', { groups: ['auditors'] }),
  admin: await token('root', { groups: ['admins'] }),
} as const;
type Caller = keyof typeof callers;

const asking = { connection: 'shop', unmask: ['pii'], seconds: 60, reason: 'because of a case' };

const decided = { ids: ['lbl_known'], reason: 'seen and agreed' };

/** Status for each caller, in the order above. After a change the next caller gets a fresh server. */
const table: readonly (readonly [method: 'GET' | 'POST' | 'DELETE', url: string, statuses: string, body?: unknown])[] =
  [
    //                                    anon expd forn rqst othr appr audt admn
    ['GET', paths.login(), '                200  200  200  200  200  200  200  200'],
    ['GET', paths.protectedResource(), '    200  200  200  200  200  200  200  200'],
    ['GET', paths.whoami(), '               401  401  401  200  200  200  200  200'],
    ['GET', paths.connections(), '          401  401  401  200  200  200  200  200'],
    ['GET', paths.labels('shop'), '         401  401  401  200  404  404  200  200'],
    ['GET', paths.labels('none'), '         401  401  401  404  404  404  404  404'],
    ['GET', paths.writtenLabels('shop'), '  401  401  401  403  404  404  403  200'],
    ['GET', paths.catalog('shop'), '        401  401  401  403  404  404  403  200'],
    ['POST', paths.refreshLabels('shop'), ' 401  401  401  403  404  404  403  200'],
    ['POST', paths.scanLabels('shop'), '    401  401  401  403  404  404  403  202', {}],
    ['GET', paths.scanLabels('shop'), '     401  401  401  403  404  404  403  200'],
    ['GET', paths.proposals(), '            401  401  401  404  404  404  200  200'],
    ['GET', paths.proposal('lbl_known'), '  401  401  401  404  404  404  200  200'],
    ['GET', paths.proposal('lbl_none'), '   401  401  401  404  404  404  404  404'],
    ['POST', paths.acceptProposals(), '     401  401  401  404  404  404  403  200', decided],
    ['POST', paths.dismissProposals(), '    401  401  401  404  404  404  403  200', decided],
    ['POST', paths.explain('shop'), '       401  401  401  503  404  404  503  503', { statement: 'SELECT 1' }],
    [
      'POST',
      paths.explain('shop'),
      '       401  401  401  403  404  404  503  503',
      { statement: 'SELECT 1', as: { id: 'bob' } },
    ],
    ['POST', paths.credentials(), '         401  401  401  201  201  201  201  201', {}],
    ['GET', paths.credentials(), '          401  401  401  200  200  200  200  200'],
    ['GET', `${paths.credentials()}?principal=idp%7Cann`, ' 401 401 401 200 403 403 403 200'],
    ['DELETE', paths.credential('gs_none'), '401 401  401  404  404  404  404  404'],
    ['GET', paths.sessions(), '             401  401  401  200  200  200  200  200'],
    ['GET', paths.session('ses_ann'), '     401  401  401  200  404  404  200  200'],
    ['GET', paths.session('ses_none'), '    401  401  401  404  404  404  404  404'],
    ['GET', paths.statements('ses_ann'), '  401  401  401  200  404  404  200  200'],
    ['DELETE', `${paths.session('ses_ann')}?reason=enough`, ' 401 401 401 200 404 404 403 200'],
    ['GET', paths.requests(), '             401  401  401  200  200  200  200  200'],
    ['POST', paths.requests(), '            401  401  401  403  404  404  404  404', asking],
    ['GET', paths.request('REQ'), '         401  401  401  200  404  200  200  200'],
    ['POST', paths.approve('REQ'), '        401  401  401  403  404  200  403  403', { reason: 'seen and agreed' }],
    ['POST', paths.deny('REQ'), '           401  401  401  403  404  200  403  403', { reason: 'not this time' }],
    ['POST', paths.cancel('REQ'), '         401  401  401  200  404  403  403  403', {}],
    ['POST', paths.revoke('REQ'), '         401  401  401  409  404  409  403  409', { reason: 'not needed' }],
    ['GET', paths.pseudonyms(), '           401  401  401  403  403  403  200  200'],
    ['POST', paths.rotatePseudonyms(), '    401  401  401  403  403  403  403  200', { reason: 'quarterly' }],
    ['GET', paths.policy(), '               401  401  401  200  200  200  200  200'],
    ['GET', paths.ledger(), '               401  401  401  403  403  403  200  200'],
    ['GET', paths.ledgerFile('checkpoint'), '401 401  401  403  403  403  200  200'],
    ['GET', paths.ledgerFile('tile/entries/000.p/5'), ' 401 401 401 403 403 403 200 200'],
    ['GET', paths.health(), '               200  200  200  200  200  200  200  200'],
    ['GET', paths.readiness(), '            200  200  200  200  200  200  200  200'],
    ['GET', paths.metrics(), '              200  200  200  200  200  200  200  200'],
    ['GET', paths.openapi(), '              200  200  200  200  200  200  200  200'],
  ];

for (const [method, url, statuses, body] of table) {
  test(`${method} ${url} answers each caller as the table says`, async (t) => {
    const expected = statuses.trim().split(/\s+/).map(Number);
    const actual: number[] = [];
    let bench: Bench | undefined;
    for (const caller of Object.keys(callers) as Caller[]) {
      bench ??= await controlBench(t);
      const { call, openRequest, sink } = bench;
      const { id } = await openRequest();
      const bearer = callers[caller];
      const before = sink.records.length;
      const answer = await call(method, url.replace('REQ', id), {
        ...(bearer === undefined ? {} : { token: bearer }),
        ...(body === undefined ? {} : { body }),
      });
      actual.push(answer.status);
      if (answer.status >= 400) {
        assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
        assert.equal(answer.body['status'], answer.status);
        assert.match(String(answer.body['code']), /^ERR_/);
        assert.equal(sink.records.length, before, 'what was refused changed nothing');
      } else if (method !== 'GET') {
        assert.equal(sink.records.length, before + 1, 'every change is recorded');
        bench = undefined;
      }
    }
    assert.deepEqual(actual, expected, Object.keys(callers).join(' '));
  });
}

test('every route declares its access, and every declared route is in the table', async (t) => {
  const { plane } = await controlBench(t);
  const routes = await plane.routes();
  assert.ok(routes.length >= 20);
  for (const { method, path, access } of routes) {
    assert.ok(access.kind, `${method} ${path}`);
    const shape = new RegExp(`^${path.replace(/:[a-z]+/g, '[^/]+').replace('*', '.+')}$`);
    const row = table.find((one) => one[0] === method && shape.test(one[1].split('?')[0] ?? ''));
    assert.ok(row, `${method} ${path} is missing from the table of this test`);
    const anonymous = Number(row[2].trim().split(/\s+/)[0]);
    assert.equal(anonymous === 200, access.kind === 'public' || access.kind === 'local-or', `${method} ${path}`);
  }
});

test('a route that does not say who may call it stops the server from being built', async (t) => {
  const { plane } = await controlBench(t);
  assert.throws(() => plane.server.get('/v1/backdoor', async () => 'open'), /does not say who may call it/);
});

test('a route that answers without asking its question answers with an error instead', async (t) => {
  const { plane, call } = await controlBench(t);
  plane.server.route({
    method: 'GET',
    url: '/v1/forgetful',
    config: { access: { kind: 'policy', action: 'view', resource: 'Session' } },
    handler: async () => ({ secret: 'everything' }),
  });
  const answer = await call('GET', '/v1/forgetful', { token: callers.admin });
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /everything/);
});

test('other methods, doubled slashes and encoded dots reach nothing', async (t) => {
  const { call, plane } = await controlBench(t);
  for (const url of [
    '/v1//sessions',
    '/V1/sessions',
    '/v1/ledger/tile/..%2f..%2fkey.pem',
    '/v1/ledger/tile/../key.pem',
    '/v1/ledger/key.pem',
    '/v1/ledger/tile/0/000.p/256',
    '/v1/ledger/tile/64/000',
    '/v1/sessions/..%2fcredentials',
  ]) {
    const { status } = await call('GET', url, { token: callers.admin });
    assert.ok(status === 404 || status === 400, `${url} → ${status}`);
  }
  assert.equal((await call('HEAD', '/v1/sessions/ses_ann', { token: callers.admin })).status, 404);
  const put = await plane.server.inject({ method: 'PUT', url: '/v1/sessions/ses_ann' });
  assert.equal(put.statusCode, 404);
});
