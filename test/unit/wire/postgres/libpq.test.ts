import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { FrameReader } from '../../../../src/wire/bytes/index.ts';
import {
  authenticationLimit,
  backend,
  encodeRefusal,
  frontendLimit,
  makeScramVerifier,
  parseFrontend,
  parseInitial,
  parseSaslInitial,
  parseScramVerifier,
  ScramServer,
  tlsServerEndPoint,
} from '../../../../src/wire/postgres/index.ts';

const run = promisify(execFile);
const skip = await run('psql', ['--version']).then(
  () => false,
  () => 'psql is not installed',
);
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-libpq-'));
const keyFile = join(folder, 'key.pem');
const certFile = join(folder, 'cert.pem');

before(async () => {
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-sha384', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-keyout', keyFile, '-out', certFile],
  ]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Whatever the socket sends, as an endless series of chunks. */
async function* chunksOf(socket: Socket): AsyncGenerator<Buffer, undefined> {
  yield* socket as AsyncIterable<Buffer>;
}

/** The smallest server: TLS, SCRAM, and one answer to every query; built from the codec alone. */
async function serve(socket: Socket, password: string, mechanisms: string[]): Promise<void> {
  const [request] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  assert.equal(parseInitial(request.subarray(4)).kind, 'ssl-request');
  socket.write('S');
  const cert = readFileSync(certFile);
  const secureContext = createSecureContext({ cert, key: readFileSync(keyFile) });
  const tls = new TLSSocket(socket, { isServer: true, secureContext });
  const chunks = chunksOf(tls);
  const next = async () => (await chunks.next()).value ?? assert.fail('the client hung up');

  const startup = parseInitial((await next()).subarray(4));
  assert.ok(startup.kind === 'startup');
  tls.write(backend.authenticationSasl(mechanisms));
  const reader = new FrameReader(authenticationLimit());
  const answer = async () => {
    let frame = reader.next();
    while (!frame) {
      reader.push(await next());
      frame = reader.next();
    }
    const message = parseFrontend(frame);
    assert.ok(message.kind === 'password');
    return message.data;
  };
  const { mechanism, response } = parseSaslInitial(await answer());
  assert.ok(mechanism === 'SCRAM-SHA-256' || mechanism === 'SCRAM-SHA-256-PLUS');
  const binding = mechanisms.includes('SCRAM-SHA-256-PLUS') ? tlsServerEndPoint(cert) : undefined;
  const verifier = parseScramVerifier(await makeScramVerifier(password));
  const scram = new ScramServer({ verifier, mechanism, ...(binding ? { channelBinding: binding } : {}) });
  tls.write(backend.authenticationSaslContinue(scram.first(response ?? Buffer.alloc(0))));
  try {
    tls.write(backend.authenticationSaslFinal(scram.final(await answer())));
  } catch {
    tls.end(encodeRefusal({ code: 'authentication-failed', message: 'wrong password', hint: 'gatehouse login' }));
    return;
  }
  tls.write(
    Buffer.concat([
      backend.authenticationOk(),
      backend.parameterStatus('client_encoding', 'UTF8'),
      backend.readyForQuery('I'),
    ]),
  );
  const queries = new FrameReader(frontendLimit({ statement: 1000, bind: 0, copyData: 0 }));
  for await (const chunk of chunks) {
    queries.push(chunk);
    for (let frame = queries.next(); frame; frame = queries.next()) {
      const message = parseFrontend(frame);
      if (message.kind === 'terminate') return;
      assert.ok(message.kind === 'query');
      const field = {
        name: 'said',
        tableOid: 0,
        columnNumber: 0,
        typeOid: 25,
        typeSize: -1,
        typeModifier: -1,
        format: 0,
      } as const;
      const rows = [mechanism, message.text].map((text) => backend.dataRow([Buffer.from(text)]));
      tls.write(
        Buffer.concat([
          backend.rowDescription([field]),
          ...rows,
          backend.commandComplete('SELECT 2'),
          backend.readyForQuery('I'),
        ]),
      );
    }
  }
}

interface Case {
  readonly mechanisms: string[];
  readonly binding: 'require' | 'prefer' | 'disable';
  readonly password?: string;
  readonly says: RegExp;
}

const cases: Record<string, Case> = {
  'bound to the TLS channel': {
    mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'],
    binding: 'require',
    says: /^SCRAM-SHA-256-PLUS\nselect 'grüße'/,
  },
  'bound when both can': {
    mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'],
    binding: 'prefer',
    says: /^SCRAM-SHA-256-PLUS\n/,
  },
  'unbound when the client will not': {
    mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'],
    binding: 'disable',
    says: /^SCRAM-SHA-256\n/,
  },
  'unbound when the server cannot': { mechanisms: ['SCRAM-SHA-256'], binding: 'prefer', says: /^SCRAM-SHA-256\n/ },
  'a wrong password': {
    mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'],
    binding: 'prefer',
    password: 'wrong',
    says: /FATAL: {2}wrong password\nHINT: {2}gatehouse login/,
  },
};

for (const [name, { mechanisms, binding, password, says }] of Object.entries(cases)) {
  test(`psql logs in with SCRAM: ${name}`, { skip }, async () => {
    const failures: unknown[] = [];
    const server = createServer((socket) => {
      serve(socket, 'pässword\u00a0Ⅸ', mechanisms)
        .catch((error: unknown) => failures.push(error))
        .finally(() => socket.destroySoon());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const info = `host=localhost hostaddr=127.0.0.1 port=${port} user=app dbname=shop sslmode=verify-full sslrootcert=${certFile} channel_binding=${binding} gssencmode=disable`;
    const env = { ...process.env, PGPASSWORD: password ?? 'pässword\u00a0Ⅸ', LC_ALL: 'C.UTF-8' };
    const said = await run('psql', ['-X', '-A', '-t', '-c', "select 'grüße'", info], { env }).catch(
      (error: { stderr: string }) => ({ stdout: error.stderr }),
    );
    server.close();
    assert.deepEqual(failures, []);
    assert.match(said.stdout, says);
  });
}
