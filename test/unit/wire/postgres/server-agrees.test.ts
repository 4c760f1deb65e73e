import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { connectTarget } from '../../../../src/dataplane/target/index.ts';
import { FrameReader } from '../../../../src/wire/bytes/index.ts';
import { backendLimit, frontend, type NoticeField, parseBackend } from '../../../../src/wire/postgres/index.ts';
import { type PrivatePostgres, startPostgres } from '../../dataplane/target/private-postgres.ts';
import { brokenFrontend, frame } from './broken-frontend.ts';

let server: PrivatePostgres;
before(async () => {
  server = await startPostgres();
});
after(() => server[Symbol.asyncDispose]());

/** The first error that a real server answers to these bytes, undefined when it answers none until ReadyForQuery. */
async function errorOf(bytes: Buffer): Promise<readonly NoticeField[] | undefined> {
  const { socket } = await connectTarget({
    address: { host: '127.0.0.1', port: server.port },
    tls: 'disable',
    database: 'postgres',
    user: 'trusty',
    startupParameters: {},
    deadlineMs: 10_000,
  });
  const reader = new FrameReader(backendLimit());
  socket.write(Buffer.concat([bytes, frontend.sync()]));
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    reader.push(chunk);
    for (let next = reader.next(); next; next = reader.next()) {
      const message = parseBackend(next);
      if (message.kind === 'error-response') return message.fields;
      if (message.kind === 'ready-for-query') return undefined;
    }
  }
  return undefined;
}

/** The server takes these, or hangs up without a word; here they are refused all the same. */
const stricter = new Set(['bytes after Terminate']);

for (const [name, type, body] of brokenFrontend.filter(([name]) => !stricter.has(name))) {
  test(`a real server refuses it too: ${name}`, async () => {
    // The unnamed statement exists, so that only the message's form can be wrong.
    const prepared = frontend.parse('', type === 'B' ? 'SELECT $1::int, $2::int, $3::int' : 'SELECT 1');
    const fields = await errorOf(Buffer.concat([prepared, frame(type, body).bytes]));
    const sqlstate = fields?.find((field) => field.code === 'C')?.value ?? 'none';
    assert.match(sqlstate, /^(08P01|22021|22023)$/, JSON.stringify(fields));
  });
}
