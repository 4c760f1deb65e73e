import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import test from 'node:test';
import {
  cancelTarget,
  connectTarget,
  TargetError,
  type TargetErrorCode,
  type TargetOptions,
  TargetQueries,
} from '../../../../src/dataplane/target/index.ts';
import { backend } from '../../../../src/wire/postgres/index.ts';

/** What the server writes as answer to the client's nth chunk; false closes. */
type Script = readonly (Buffer | false)[];

const ok = backend.authenticationOk();
const ready = Buffer.concat([ok, backend.backendKeyData(7, Buffer.alloc(4, 1)), backend.readyForQuery('I')]);

/** Runs one attempt against a server that speaks the script; insists that the client closed the connection in the end. */
async function against(
  script: Script,
  attempt: (address: TargetOptions['address']) => Promise<unknown>,
): Promise<{ failure: unknown; received: Buffer }> {
  const received: Buffer[] = [];
  const sockets: Socket[] = [];
  const closed: Promise<unknown>[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    closed.push(new Promise((resolve) => socket.on('close', resolve)));
    let turn = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received.push(chunk);
      const answer = script[turn++];
      if (answer === false) socket.destroy();
      else if (answer) socket.write(answer);
    });
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  let failure: unknown;
  try {
    await attempt({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  } catch (error) {
    failure = error;
  }
  await Promise.all(closed);
  server.close();
  return { failure, received: Buffer.concat(received) };
}

const target: Omit<TargetOptions, 'address'> = {
  tls: 'disable',
  database: 'shop',
  user: 'app',
  password: () => 's3cret pass',
  startupParameters: {},
  deadlineMs: 2_000,
};

function header(type: string, length: number): Buffer {
  const bytes = Buffer.alloc(5, type);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const cases: Record<string, { tls?: TargetOptions['tls']; script: Script; code: TargetErrorCode; message: RegExp }> = {
  'the server offers no TLS': {
    tls: 'require',
    script: [Buffer.from('N')],
    code: 'ERR_TARGET_TLS_REFUSED',
    message: /offers no TLS.*tls: require/,
  },
  'somebody strips TLS though it must be verified': {
    tls: 'verify-full',
    script: [Buffer.from('N')],
    code: 'ERR_TARGET_TLS_REFUSED',
    message: /tls: verify-full/,
  },
  'bytes are pushed in behind the S': {
    tls: 'require',
    script: [Buffer.concat([Buffer.from('S'), ready])],
    code: 'ERR_TARGET_PROTOCOL',
    message: /in clear text before TLS began/,
  },
  'the answer to SSLRequest is an error message': {
    tls: 'require',
    script: [Buffer.from('E')],
    code: 'ERR_TARGET_PROTOCOL',
    message: /did not answer as a PostgreSQL server/,
  },
  'the answer to SSLRequest is a page of HTTP': {
    tls: 'require',
    script: [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    code: 'ERR_TARGET_PROTOCOL',
    message: /did not answer as a PostgreSQL server/,
  },
  'the server hangs up at SSLRequest': {
    tls: 'require',
    script: [false],
    code: 'ERR_TARGET_LOST',
    message: /closed the connection when asked for TLS/,
  },
  'the server answers TLS with garbage': {
    tls: 'require',
    script: [Buffer.from('S'), Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    code: 'ERR_TARGET_TLS_FAILED',
    message: /TLS with 127\.0\.0\.1:\d+ failed/,
  },
  'the server hangs up at the startup packet': {
    script: [false],
    code: 'ERR_TARGET_LOST',
    message: /closed the connection/,
  },
  'the server speaks HTTP': {
    script: [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    code: 'ERR_TARGET_PROTOCOL',
    message: /does not speak PostgreSQL/,
  },
  'a length of 2^31 - 1': {
    script: [header('R', 0x7fffffff)],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ERR_WIRE_FRAME_TOO_LARGE/,
  },
  'a length of 2^31': {
    script: [header('E', 0x80000000)],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ERR_WIRE_FRAME_TOO_LARGE/,
  },
  'a length of 2^32 - 1': {
    script: [header('S', 0xffffffff)],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ERR_WIRE_FRAME_TOO_LARGE/,
  },
  'a length of 3': { script: [header('R', 3)], code: 'ERR_TARGET_PROTOCOL', message: /ERR_WIRE_FRAME_TOO_SHORT/ },
  'rows during the login': {
    script: [backend.dataRow([])],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ERR_WIRE_UNKNOWN_MESSAGE/,
  },
  'ready without authentication': {
    script: [backend.readyForQuery('I')],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ready-for-query before authentication/,
  },
  'two authentications': {
    script: [Buffer.concat([ok, ok])],
    code: 'ERR_TARGET_PROTOCOL',
    message: /second authentication/,
  },
  'parameters without end': {
    script: [Buffer.concat([ok, ...Array(40).fill(backend.parameterStatus('x', 'y'.repeat(60_000)))])],
    code: 'ERR_TARGET_PROTOCOL',
    message: /more than a login takes/,
  },
  'a newer protocol than asked for': {
    script: [backend.negotiateProtocolVersion(2)],
    code: 'ERR_TARGET_PROTOCOL',
    message: /not asked for/,
  },
  'a key that is too short': {
    script: [Buffer.concat([ok, header('K', 9), Buffer.alloc(5)])],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ERR_WIRE_BAD_VALUE/,
  },
  Kerberos: {
    script: [Buffer.concat([header('R', 8), Buffer.from([0, 0, 0, 7])])],
    code: 'ERR_TARGET_AUTHENTICATION_METHOD',
    message: /method 7.*scram-sha-256/,
  },
  'unknown SASL mechanisms': {
    script: [backend.authenticationSasl(['OAUTHBEARER'])],
    code: 'ERR_TARGET_AUTHENTICATION_METHOD',
    message: /no SASL mechanism/,
  },
  'SASL answered by plain OK': {
    script: [backend.authenticationSasl(['SCRAM-SHA-256']), ready],
    code: 'ERR_TARGET_NOT_PROVEN',
    message: /could not prove/,
  },
  'SASL continued before it began': {
    script: [backend.authenticationSaslContinue(Buffer.from('r=x'))],
    code: 'ERR_TARGET_PROTOCOL',
    message: /out of order/,
  },
  'SASL finished before it began': {
    script: [backend.authenticationSaslFinal(Buffer.from('v=x'))],
    code: 'ERR_TARGET_PROTOCOL',
    message: /out of order/,
  },
  'SASL twice': {
    script: [backend.authenticationSasl(['SCRAM-SHA-256']), backend.authenticationSasl(['SCRAM-SHA-256'])],
    code: 'ERR_TARGET_PROTOCOL',
    message: /out of order/,
  },
  'a foreign nonce': {
    script: [
      backend.authenticationSasl(['SCRAM-SHA-256']),
      backend.authenticationSaslContinue(Buffer.from('r=x,s=AAAA,i=4096')),
    ],
    code: 'ERR_TARGET_PROTOCOL',
    message: /ERR_WIRE_SASL_MALFORMED/,
  },
  'md5, then clear text as well': {
    script: [backend.authenticationMd5(Buffer.alloc(4)), backend.authenticationCleartext()],
    code: 'ERR_TARGET_PROTOCOL',
    message: /out of order/,
  },
  'an error with control characters and no end of words': {
    script: [
      backend.errorResponse([
        { code: 'C', value: '53300' },
        { code: 'M', value: `too\u001b[2J many\n${'x'.repeat(9000)}` },
      ]),
    ],
    code: 'ERR_TARGET_REFUSED',
    message: /^127\.0\.0\.1:\d+ refused the login of "app": too \[2J many x{100,490}… \(53300\)/,
  },
};

for (const [name, { tls, script, code, message }] of Object.entries(cases)) {
  test(`the login is given up: ${name}`, async () => {
    const { failure, received } = await against(script, (address) =>
      connectTarget({ ...target, address, tls: tls ?? 'disable' }),
    );
    assert.ok(failure instanceof TargetError, String(failure));
    assert.equal(failure.code, code, failure.message);
    assert.match(failure.message, message);
    assert.ok(!received.includes('s3cret pass'), 'the password never crossed the wire');
  });
}

test('a server that accepts and stays silent runs into the deadline, at whatever step', async () => {
  for (const [tls, script, step] of [
    ['disable', [], /logging in/],
    ['disable', [backend.authenticationSasl(['SCRAM-SHA-256'])], /logging in/],
    ['require', [], /asking for TLS/],
    ['require', [Buffer.from('S')], /negotiating TLS/],
  ] as const) {
    const { failure } = await against(script, (address) => connectTarget({ ...target, address, tls, deadlineMs: 150 }));
    assert.ok(failure instanceof TargetError, String(failure));
    assert.equal(failure.code, 'ERR_TARGET_TIMEOUT');
    assert.match(failure.message, step);
  }
});

test('a caller who gives up closes the connection', async () => {
  const abort = new AbortController();
  const { failure } = await against([], (address) => {
    setTimeout(() => abort.abort(), 50);
    return connectTarget({ ...target, address, signal: abort.signal });
  });
  assert.ok(failure instanceof TargetError);
  assert.equal(failure.code, 'ERR_TARGET_ABORTED');
  const early = await against([], (address) => connectTarget({ ...target, address, signal: AbortSignal.abort() }));
  assert.equal((early.failure as TargetError).code, 'ERR_TARGET_ABORTED');
});

test('clear-text passwords cross loopback, since nobody listens there', async () => {
  const { failure, received } = await against([backend.authenticationCleartext(), ready], async (address) => {
    const session = await connectTarget({ ...target, address });
    session.socket.destroy();
  });
  assert.equal(failure, undefined);
  assert.ok(received.includes('s3cret pass'));
});

const outside = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

test('clear-text passwords cross no other network', {
  skip: outside ? false : 'this machine has only loopback',
}, async () => {
  const { failure, received } = await against([backend.authenticationCleartext(), ready], (address) =>
    connectTarget({ ...target, address: { ...address, host: outside ?? '' } }),
  );
  assert.ok(failure instanceof TargetError, String(failure));
  assert.equal(failure.code, 'ERR_TARGET_AUTHENTICATION_METHOD');
  assert.match(failure.message, /without TLS, which the gateway never does\. Set tls: verify-full/);
  assert.ok(!received.includes('s3cret pass'));
});

test('what the server sends right behind ReadyForQuery is handed over, not lost', async () => {
  const notice = backend.noticeResponse([{ code: 'M', value: 'hello' }]);
  const { failure } = await against([Buffer.concat([ready, notice.subarray(0, 9)])], async (address) => {
    const session = await connectTarget({ ...target, address });
    assert.deepEqual(session.leftOver, notice.subarray(0, 9));
    assert.deepEqual(session.backendKey, { pid: 7, key: Buffer.alloc(4, 1) });
    session.socket.destroy();
  });
  assert.equal(failure, undefined);
});

test('a reset between login and hand-over does not end the process', async () => {
  const { failure } = await against([ready], async (address) => {
    const session = await connectTarget({ ...target, address });
    session.socket.destroy(new Error('reset'));
    await new Promise((resolve) => session.socket.on('close', resolve));
  });
  assert.equal(failure, undefined);
});

test('a query answered with nonsense breaks the connection, and every later query', async () => {
  for (const [answer, code] of [
    [Buffer.from('nonsense!'), 'ERR_TARGET_PROTOCOL'],
    [ok, 'ERR_TARGET_PROTOCOL'],
    [header('D', 0xffffffff), 'ERR_TARGET_PROTOCOL'],
    [false, 'ERR_TARGET_LOST'],
  ] as const) {
    const { failure } = await against([ready, answer], async (address) => {
      const queries = await TargetQueries.connect({ ...target, address });
      await queries.query('SELECT 1').catch((error: TargetError) => assert.equal(error.code, code));
      assert.ok(!queries.usable);
      await queries.query('SELECT 2');
    });
    assert.ok(failure instanceof TargetError);
    assert.equal(failure.code, code);
  }
});

test('a cancel request is done when the server closes, and bounded by the deadline when it does not', async () => {
  const key = { pid: 258, key: Buffer.from([1, 2, 3, 4]) };
  const done = await against([false], (address) => cancelTarget({ ...target, address }, key));
  assert.equal(done.failure, undefined);
  assert.equal(done.received.toString('hex'), '0000001004d2162e0000010201020304');
  const stalled = await against([], (address) => cancelTarget({ ...target, address, deadlineMs: 100 }, key));
  assert.equal((stalled.failure as TargetError).code, 'ERR_TARGET_TIMEOUT');
});
