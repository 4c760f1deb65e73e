import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseVkey, verifyLog } from '../../src/ledger/verify/index.ts';
import { createLedgerFiles } from '../../src/storage/ledger-files.ts';
import type { TestFolder } from '../support/gateway-folder.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { errorOf, firstColumns, RawClient, tags } from './support/raw-client.ts';
import { makeRigFolder, SCHEMA } from './support/rig.ts';
import { CrashableServer } from './support/target.ts';

let server: CrashableServer;
let made: TestFolder;

before(async () => {
  server = await CrashableServer.create(SCHEMA);
  made = await makeRigFolder(server);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(made.folder, { recursive: true, force: true });
});

/** Takes all the room that is left but for `bytes`. */
function fill(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
}

test('no room for the ledger: no row leaves, no change is forwarded, nobody new gets in; with room all is well again', async (context) => {
  const state = join(made.folder, 'state');
  mkdirSync(state);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', state], { stdio: 'ignore' });
  } catch {
    context.skip('this user may not mount a small file system');
    return;
  }
  let gateway: GatewayProcess | undefined;
  try {
    gateway = await GatewayProcess.start(made.folder);
    const vkey = /"vkey":"([^"]+)"/.exec(gateway.log)?.[1] ?? '';
    const { postgres } = gateway;
    const login = async (group: string) => RawClient.login(postgres, await made.token(group, [group]));
    assert.equal((await gateway.ready()).status, 200);
    const reader = await login('analysts');
    const writer = await login('engineers');
    const idle = await login('engineers');
    assert.deepEqual(tags(await writer.query("INSERT INTO notes (body) VALUES ('before')")), ['INSERT 0 1']);

    fill(state, 16 * 1024);
    // Statements too long for what is left, until the first one is turned down; each either has its answer or leaves nothing behind.
    const padding = 'x'.repeat(4_000);
    let answered = 0;
    for (let number = 0; number < 2_000 && !reader.closed; number++) {
      const replies = await reader.query(`SELECT 'row ${number}' -- ${padding}`);
      const error = errorOf(replies);
      if (error) {
        assert.equal(error['C'], '58030', JSON.stringify(error));
        assert.match(error['M'] ?? '', /ledger cannot be written/);
        assert.equal(firstColumns(replies).length, 0, 'no row without a record');
        break;
      }
      answered += 1;
    }
    assert.ok(answered > 0 && answered < 2_000);

    const refused = writer.closed ? [] : await writer.query("INSERT INTO notes (body) VALUES ('unrecorded')");
    assert.deepEqual(tags(refused), []);
    const error = errorOf(writer.replies);
    assert.equal(error?.['C'], '58030', `${writer.letters()} ${JSON.stringify(error)}`);
    assert.equal(await server.value("SELECT count(*)::int FROM notes WHERE body = 'unrecorded'"), 0);
    const rows = idle.closed ? [] : await idle.query('SELECT email FROM people');
    assert.equal(firstColumns(rows).length, 0);

    const stranger = await login('engineers');
    assert.doesNotMatch(stranger.letters(), /Z/, 'no new session');
    assert.equal(errorOf(stranger.replies)?.['C'], '58030', stranger.letters());
    const { status, body } = await gateway.ready();
    assert.equal(status, 503);
    assert.match(body, /"ledger":false/);
    assert.match(gateway.log, /"level":"error".*ledger/);

    // Room alone does not heal it: what was lost in between is known only by opening anew.
    rmSync(join(state, 'ballast'));
    await gateway.stop();
    gateway = await GatewayProcess.start(made.folder);
    assert.equal((await gateway.ready()).status, 200);
    const again = await RawClient.login(gateway.postgres, await made.token('eve', ['engineers']));
    assert.deepEqual(tags(await again.query("INSERT INTO notes (body) VALUES ('after')")), ['INSERT 0 1']);
    again.destroy();
    await gateway.stop();
    const storage = createLedgerFiles(join(state, 'ledger'));
    const verdict = await verifyLog(storage, { vkey, origin: parseVkey(vkey).name });
    assert.deepEqual(verdict.problems, []);
    assert.ok(verdict.entries > answered);
    assert.equal(await server.value('SELECT count(*)::int FROM notes'), 2);
  } finally {
    await gateway?.kill();
    execFileSync('umount', ['-l', state]);
  }
});
