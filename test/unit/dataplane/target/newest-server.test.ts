import assert from 'node:assert/strict';
import test from 'node:test';
import {
  cancelTarget,
  connectTarget,
  type TargetOptions,
  TargetQueries,
} from '../../../../src/dataplane/target/index.ts';
import { canRun, NEWEST_BIN, startPostgres } from './private-postgres.ts';

const skip = (await canRun(NEWEST_BIN)) ? false : 'the server from npm cannot be started here';

test('PostgreSQL 18: protocol 3.2, long cancel keys, SCRAM with TLS', { skip }, async () => {
  await using server = await startPostgres(NEWEST_BIN);
  const options: TargetOptions = {
    address: { host: 'localhost', port: server.port },
    tls: 'verify-full',
    ca: server.certificate,
    database: 'postgres',
    user: 'scram',
    password: () => 's3cret pass',
    startupParameters: {},
    protocolMinor: 2,
    deadlineMs: 10_000,
  };
  const old = await connectTarget({ ...options, protocolMinor: 0 });
  assert.equal(old.backendKey?.key.length, 4);
  old.socket.destroy();

  const queries = await TargetQueries.connect(options);
  const key = queries.backendKey;
  assert.ok(key);
  assert.equal(key.key.length, 32);
  const cancelled = assert.rejects(queries.query('SELECT pg_sleep(30)'), {
    code: 'ERR_TARGET_QUERY',
    sqlstate: '57014',
  });
  const watch = await TargetQueries.connect(options);
  const running = `SELECT 1 FROM pg_stat_activity WHERE pid = ${key.pid} AND wait_event = 'PgSleep'`;
  while ((await watch.query(running)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await cancelTarget(options, { pid: key.pid, key: Buffer.from(key.key).fill(0) }); // a wrong key changes nothing
  assert.equal((await watch.query(running)).length, 1);
  await cancelTarget(options, key);
  await cancelled;
  queries.close();
  watch.close();
});
