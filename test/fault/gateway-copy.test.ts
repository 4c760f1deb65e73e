/** Other messages while the target takes COPY data: it fails the copy and ends the session, and the gateway answers as it does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { errorOf, RawClient, type Reply } from './support/raw-client.ts';
import { Rig, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

let server: CrashableServer;
let rig: Rig;
before(async () => {
  server = await CrashableServer.create(SCHEMA);
  rig = await Rig.open(server);
});
after(async () => {
  await rig[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function direct(): Promise<RawClient> {
  const socket = connect(server.socketPath);
  await once(socket, 'connect');
  const client = new RawClient(socket);
  client.send(frontend.startup(Object.entries({ user: 'app', database: 'shop' }), 0));
  await client.until('Z');
  return client;
}

const data = (text: string) => frontend.copyData(Buffer.from(text));
const copy = frontend.query('COPY notes (id, body) FROM STDIN');
const last = "SELECT 'the last row'";

/** Pieces are sent one after the other: `G` waits for the target to take data. */
const conversations: Readonly<Record<string, readonly (Uint8Array | 'G')[]>> = {
  'a query': [copy, 'G', data('7001\tx\n'), frontend.query("SELECT 'no answer'")],
  'a query before the target takes data': [copy, frontend.query("SELECT 'no answer'")],
  'a query, and the copy goes on': [
    ...([copy, 'G', frontend.query("SELECT 'no answer'"), data('7002\tx\n'), frontend.copyDone()] as const),
    frontend.query("SELECT 'an answer'"),
  ],
  'a change that nobody judged': [copy, 'G', frontend.query("INSERT INTO notes (body) VALUES ('smuggled')")],
  'a query behind data that is wrong': [copy, data('wrong\tx\n'), frontend.query("SELECT 'an answer'")],
  'a query behind the end of the data': [copy, data('7003\tx\n'), frontend.copyDone(), frontend.query('SELECT 1')],
  'a query behind a copy that fails at once': [
    frontend.query('COPY people FROM STDIN WHERE nothing'),
    frontend.query("SELECT 'an answer'"),
  ],
  'two copies at once': [copy, 'G', copy, data('7004\tx\n'), frontend.copyDone()],
  Parse: [
    copy,
    'G',
    frontend.parse('s', 'SELECT 1'),
    frontend.sync(),
    frontend.bind({ portal: '', statement: 's' }),
    frontend.sync(),
  ],
  Describe: [copy, 'G', data('7005\tx\n'), frontend.describe('statement', ''), frontend.sync()],
  Close: [copy, 'G', frontend.close('portal', '')],
  'Flush and Sync': [copy, 'G', frontend.flush(), frontend.sync(), data('7006\tx\n'), frontend.copyDone()],
  'Bind behind Execute': [
    frontend.parse('', 'COPY notes (id, body) FROM STDIN'),
    frontend.bind({ portal: '', statement: '' }),
    frontend.execute(''),
    frontend.bind({ portal: '', statement: '' }),
    frontend.sync(),
  ],
  'Execute, Sync and a query': [
    frontend.parse('', 'COPY notes (id, body) FROM STDIN'),
    frontend.bind({ portal: '', statement: '' }),
    frontend.execute(''),
    frontend.flush(),
    'G',
    data('7007\tx\n'),
    frontend.query("SELECT 'no answer'"),
    frontend.sync(),
  ],
  'a copy within a transaction': [
    frontend.query('BEGIN'),
    copy,
    'G',
    frontend.query('COMMIT'),
    frontend.query("SELECT 'refused'"),
    frontend.query('ROLLBACK'),
  ],
};

async function said(client: RawClient, pieces: readonly (Uint8Array | 'G')[]): Promise<readonly string[]> {
  client.replies.length = 0;
  for (const piece of pieces) {
    if (piece === 'G') await client.when(() => client.replies.some(({ type }) => type === 'G'), 'CopyInResponse');
    else client.send(piece);
  }
  client.send(frontend.query(last));
  const over = () => client.replies.some(({ type, body }) => type === 'D' && body.includes('the last row'));
  await client.when(() => client.closed || (over() && client.replies.at(-1)?.type === 'Z'), 'the last row');
  return client.replies.map(essence);
}

function essence(reply: Reply): string {
  const { type, body } = reply;
  if (type === 'E') {
    const error = errorOf([reply]);
    return `E ${error?.['C']} ${error?.['M']}`;
  }
  return `${type} ${'DCZ'.includes(type) ? body.toString('latin1') : ''}`;
}

for (const [what, pieces] of Object.entries(conversations)) {
  test(`during COPY FROM STDIN the gateway answers as the server does: ${what}`, async () => {
    let straight = await direct();
    let expected = await said(straight, pieces);
    // A server that closes with bytes unread resets the connection, and what it said last may be lost on the way.
    for (let left = 20; left > 0 && straight.closed && !expected.some((each) => each.startsWith('E')); left -= 1) {
      straight = await direct();
      expected = await said(straight, pieces);
    }
    const rows = await server.value('SELECT count(*)::int FROM notes');
    await server.value('DELETE FROM notes RETURNING 1');
    const through = await rig.login();
    assert.deepEqual(await said(through, pieces), expected);
    assert.equal(await server.value('SELECT count(*)::int FROM notes'), rows);
    await server.value('DELETE FROM notes RETURNING 1');
    straight.destroy();
    through.destroy();
  });
}
