import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { z } from 'zod';
import { ApiClient } from '../../../src/cli/api-client.ts';

const answer = z.object({ ok: z.boolean() });

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function problem(status: number, detail: string) {
  return JSON.stringify({ type: 'urn:gatehouse:problem:x', title: 'x', status, detail, code: 'ERR_CONTROLPLANE_X' });
}

test('the bearer and the query are sent, absent filters are not', async (t) => {
  let seen: { url?: string | undefined; authorization?: string | undefined } = {};
  const server = await serving(t, (request, response) => {
    seen = { url: request.url, authorization: request.headers.authorization };
    response.end('{"ok":true}');
  });
  const found = await new ApiClient(server, 'gs_a.gsk_b').get(answer, '/v1/x', { a: 1, b: undefined, c: 'ä&' });
  assert.deepEqual(found, { ok: true });
  assert.deepEqual(seen, { url: '/v1/x?a=1&c=%C3%A4%26', authorization: 'Bearer gs_a.gsk_b' });
});

test('each status becomes the failure a script can tell apart, in the gateway’s words', async (t) => {
  const server = await serving(t, (request, response) => {
    const status = Number(request.url?.slice(1));
    response
      .writeHead(status, { 'content-type': 'application/problem+json' })
      .end(problem(status, `because ${status}`));
  });
  const api = new ApiClient(server, 'x');
  await assert.rejects(api.get(answer, '/401'), { code: 'ERR_CLI_NOT_AUTHENTICATED', message: 'because 401' });
  await assert.rejects(api.get(answer, '/403'), { code: 'ERR_CLI_DENIED', message: 'because 403' });
  await assert.rejects(api.get(answer, '/409'), { code: 'ERR_CLI_FAILED', message: 'because 409' });
  assert.equal(await api.bytes('/404'), undefined);
});

test('a redirect is not followed: the token would go with it', async (t) => {
  let stolen = 0;
  const thief = await serving(t, (_request, response) => {
    stolen += 1;
    response.end('{"ok":true}');
  });
  const server = await serving(t, (_request, response) => response.writeHead(307, { location: thief }).end());
  await assert.rejects(new ApiClient(server, 'x').get(answer, '/'), { code: 'ERR_CLI_UNREACHABLE' });
  assert.equal(stolen, 0);
});

test('what is no answer of this contract is an error, not a surprise', async (t) => {
  const server = await serving(t, (request, response) =>
    response.end(request.url === '/html' ? '<html>' : '{"ok":"yes"}'),
  );
  const api = new ApiClient(server);
  await assert.rejects(api.get(answer, '/html'), /did not answer with JSON/);
  await assert.rejects(api.get(answer, '/json'), /does not fit this version/);
});
