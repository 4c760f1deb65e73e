import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { limitConnections } from '../../../src/controlplane/connection-limit.ts';
import { paths } from '../../../src/controlplane/contract/index.ts';
import { MetricsRegistry } from '../../../src/controlplane/index.ts';
import { controlBench, token } from './support.ts';

test('not ready while a check says no, fails or does not answer; alive all the same', async (t) => {
  const { call } = await controlBench(t, {
    health: {
      good: async () => true,
      bad: () => false,
      broken: () => {
        throw new Error('secret reason');
      },
      silent: () => new Promise(() => undefined),
    },
  });
  const answer = await call('GET', paths.readiness());
  assert.equal(answer.status, 503);
  assert.deepEqual(answer.body, { ready: false, checks: { good: true, bad: false, broken: false, silent: false } });
  assert.equal((await call('GET', paths.health())).status, 200);
});

test('metrics need no login from this machine, unless the configuration says so, and never for a web page', async (t) => {
  let open = true;
  const { call } = await controlBench(t, { openMetrics: () => open });
  const as = async (headers: Record<string, string>, more: { token?: string; from?: string } = {}) =>
    (await call('GET', paths.metrics(), { headers, ...more })).status;
  assert.equal(await as({ host: 'localhost:6400' }), 200);
  assert.equal(await as({ host: '127.0.0.1:6400' }), 200);
  assert.equal(await as({ host: 'rebound.example:6400' }), 401, 'a name that was made to point here');
  assert.equal(await as({ host: 'localhost', 'x-forwarded-for': '10.0.0.1' }), 401, 'a proxy');
  assert.equal(await as({ host: 'localhost' }, { from: '10.0.0.1' }), 401, 'another machine');
  open = false;
  assert.equal(await as({ host: 'localhost' }), 401);
  assert.equal(await as({ host: 'localhost' }, { token: await token('aud', { groups: ['auditors'] }) }), 200);
});

test('metrics are counted under the house’s prefix, and by route rather than by path', async (t) => {
  const { call, options } = await controlBench(t);
  options.metrics.count('statements_total', { decision: 'forward' }, 2);
  options.metrics.gauge('sessions_open', 3);
  options.metrics.observe('decision_seconds', 0.002);
  await call('GET', paths.session('ses_ann'), { token: await token('ann') });
  const { text, headers } = await call('GET', paths.metrics());
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^gatehouse_statements_total\{decision="forward"\} 2$/m);
  assert.match(text, /^gatehouse_sessions_open 3$/m);
  assert.match(text, /^gatehouse_decision_seconds_bucket\{le="0.0025"\} 1$/m);
  assert.match(text, /gatehouse_http_requests_total\{route="\/v1\/sessions\/:id",method="GET",status="200"\} 1/);
  assert.doesNotMatch(text, /ses_ann/);
});

test('counting never throws and never grows without bound', async () => {
  const metrics = new MetricsRegistry({ process: true });
  metrics.count('a_total', { x: '1' });
  metrics.count('a_total', { y: '1' });
  metrics.count('a_total', { x: '1', y: '2' });
  metrics.gauge('a_total', 5, { x: '1' });
  metrics.count('a_total', { x: '1' }, -1);
  metrics.count('bad name');
  metrics.count('gatehouse_a_total', { x: 'a,b="' });
  metrics.observe('b_seconds', Number.NaN);
  for (let n = 0; n < 3_000; n++) metrics.count('many_total', { who: String(n) });
  const text = await metrics.expose();
  assert.match(text, /^gatehouse_a_total\{x="1"\} 1$/m);
  assert.match(text, /^gatehouse_a_total\{x="a,b=\\""\} 1$/m);
  assert.match(text, /^gatehouse_process_cpu_seconds_total/m);
  assert.equal(text.match(/^gatehouse_many_total\{/gm)?.length, 1_000);
});

test('over TLS tokens are accepted from anywhere, and plain HTTP is not spoken', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tls-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  const bench = await controlBench(t, { tls: { cert: readFileSync(cert), key: readFileSync(key) } });
  const { port } = await bench.plane.listen({ host: '127.0.0.1', port: 0 });
  // The forwarding header makes the caller a stranger: only TLS lets him in.
  const headers = { authorization: `Bearer ${await token('ann')}`, 'x-forwarded-for': '192.0.2.7' };
  const status = await new Promise((resolve, reject) => {
    get(
      { host: '127.0.0.1', port, path: paths.whoami(), headers, ca: readFileSync(cert), servername: 'localhost' },
      (response) => {
        response.resume();
        resolve([response.statusCode, response.headers['strict-transport-security']]);
      },
    ).on('error', reject);
  });
  assert.deepEqual(status, [200, 'max-age=31536000']);
  await assert.rejects(fetch(`http://127.0.0.1:${port}${paths.health()}`));
});

test('closing ends open connections', async (t) => {
  const { plane } = await controlBench(t);
  const { port } = await plane.listen({ host: '127.0.0.1', port: 0 });
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
  await plane.close();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});

test('one address cannot take all places: what it opens beyond its share is closed, and places come back', async (t) => {
  const server = createServer((socket) => socket.on('error', () => undefined).end('served'));
  limitConnections(server, () => 2);
  const held = createServer({ pauseOnConnect: true });
  limitConnections(held, () => 2);
  for (const one of [server, held]) {
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    t.after(() => one.close());
  }
  const portOf = (one: Server): number => (one.address() as AddressInfo).port;
  const say = (port: number): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1');
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', () => undefined).on('close', () => resolve(text));
    });
  for (let n = 0; n < 5; n++) assert.equal(await say(portOf(server)), 'served');
  const [one, two] = [connect(portOf(held), '127.0.0.1'), connect(portOf(held), '127.0.0.1')];
  await Promise.all([one, two].map((socket) => once(socket, 'connect')));
  assert.equal(await say(portOf(held)), '', 'the third is closed at once');
  one.destroy();
  two.destroy();
});
