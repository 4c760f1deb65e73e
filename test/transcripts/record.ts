/**
 * Records the sessions in this folder: `node test/transcripts/record.ts`. A relay between real clients (psql, pgbench,
 * node-postgres) and a private PostgreSQL writes down what each side sent, one file per direction.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../unit/dataplane/target/private-postgres.ts';

const run = promisify(execFile);
const folder = import.meta.dirname;

await using server = await startPostgres();

async function record(name: string, client: (port: number) => Promise<unknown>): Promise<void> {
  const frontend: Buffer[] = [];
  const backend: Buffer[] = [];
  const relay = createServer((left) => {
    // pgbench looks around on a connection of its own first: the last one counts.
    frontend.length = 0;
    backend.length = 0;
    const right = connect(server.port, '127.0.0.1');
    left.on('data', (chunk) => frontend.push(chunk));
    right.on('data', (chunk) => backend.push(chunk));
    left.pipe(right).pipe(left);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  await client((relay.address() as AddressInfo).port);
  relay.close();
  await once(relay, 'close');
  writeFileSync(join(folder, `${name}.frontend.bin`), Buffer.concat(frontend));
  writeFileSync(join(folder, `${name}.backend.bin`), Buffer.concat(backend));
}

function psql(script: string) {
  return async (port: number) => {
    const child = run('psql', [
      '-X',
      '-q',
      `postgresql://postgres@127.0.0.1:${port}/postgres?sslmode=disable&gssencmode=disable`,
    ]);
    child.child.stdin?.end(script);
    await child;
  };
}

await record(
  'psql-simple',
  psql(`SELECT 1 AS one, NULL AS nothing, 'grüße' AS text;
SELECT n, repeat('x', n) FROM generate_series(1, 5) n;
SELECT nosuch FROM pg_class;
BEGIN; CREATE TEMP TABLE t (n int, s text); SELECT 1/0; ROLLBACK;
DO $$ BEGIN RAISE NOTICE 'noted' USING DETAIL = 'more', HINT = 'do so'; END $$;
SET application_name = 'recorded';
LISTEN channel; NOTIFY channel, 'payload';
;
SELECT 1; SELECT 2\\; SELECT 3;
`),
);
await record(
  'psql-copy',
  psql(`CREATE TEMP TABLE t (n int, s text);
COPY t FROM STDIN;
1\tone
2\ttwo
3\t\\N
\\.
COPY t TO STDOUT;
COPY t TO STDOUT (FORMAT csv, HEADER);
COPY t FROM STDIN;
not a number\tx
\\.
SELECT count(*) FROM t;
`),
);
for (const mode of ['extended', 'prepared']) {
  const script = join(server.folder, `${mode}.sql`);
  writeFileSync(
    script,
    mode === 'extended'
      ? '\\set n 7\nSELECT :n + 1;\nSELECT generate_series(1, :n);\n'
      : '\\set n 7\n\\startpipeline\nSELECT :n + 1;\nSELECT :n / 2.0;\n\\endpipeline\n',
  );
  await record(`pgbench-${mode}`, (port) =>
    run(
      'pgbench',
      ['-n', '-M', mode, '-t', '2', '-f', script, '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', 'postgres'],
      { env: { ...process.env, PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' } },
    ),
  );
}
await record('node-postgres', async (port) => {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
  await client.connect();
  await client.query('SELECT $1::int AS n, $2::text AS s, $3::bytea AS b', [42, null, Buffer.from([0, 1, 2, 255])]);
  await client.query({ name: 'named', text: 'SELECT $1::text || $2', values: ['a', 'b'] });
  await client.query({ name: 'named', text: 'SELECT $1::text || $2', values: ['c', 'd'] });
  await client.query('SELECT $1::int / 0', [1]).catch(() => undefined);
  await client.query({
    text: 'SELECT n FROM generate_series(1, 4) n WHERE n > $1',
    values: [0],
    rows: 2,
  } as pg.QueryConfig);
  await client.end();
});
