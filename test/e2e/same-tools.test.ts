/** Dump, restore and load tools through the gateway, for somebody from whom nothing is hidden. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { type Door, doorEnvironment } from '../support/clients/door.ts';
import { missing, psql, runProgram } from '../support/clients/programs.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

const skipDump = await missing({ programs: ['pg_dump', 'pg_restore', 'psql'] });
const skipBench = await missing({ programs: ['pgbench', 'psql'] });
let house: House;
let engineer: Door;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-tools-'));
  house = await openHouse({ databases: ['copied', 'bench'] });
  engineer = await house.through('eng', 'engineers');
});
after(async () => {
  await house[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function tool(door: Door, program: string, ...args: string[]) {
  const outcome = await runProgram(program, args, { env: doorEnvironment(door), cwd: folder });
  assert.equal(outcome.code, 0, `${program} ${args.join(' ')}: ${outcome.stderr}`);
  return outcome;
}

test('pg_dump writes the same dump', { skip: skipDump }, async () => {
  // Newer releases guard a dump with a random word; it says nothing about the data.
  const dump = async (door: Door, ...args: string[]) =>
    (await tool(door, 'pg_dump', '--schema=shop', ...args)).stdout.replace(/^\\(?:un)?restrict .*$/gm, '');
  for (const args of [[], ['--inserts', '--rows-per-insert=50'], ['--section=pre-data', '--no-owner']]) {
    const direct = await dump(house.direct, ...args);
    assert.ok(direct.includes('CREATE TABLE shop.customers'));
    assert.ok((await dump(engineer, ...args)) === direct, `pg_dump ${args.join(' ')} differs`);
  }
});

test('a dump made through the gateway is restored through it, and is the same database', {
  skip: skipDump,
}, async () => {
  const copy = { ...engineer, database: 'copied' };
  await tool(engineer, 'pg_dump', '-Fd', '-j', '2', '--schema=shop', '-f', 'dumped');
  await tool(copy, 'pg_restore', '-d', 'copied', '-j', '2', 'dumped');
  const sums = `SELECT 'customers', md5(string_agg(c::text, '|' ORDER BY id)) FROM shop.customers c UNION ALL
    SELECT 'orders', md5(string_agg(o::text, '|' ORDER BY id)) FROM shop.orders o UNION ALL
    SELECT 'visits', md5(string_agg(v::text, '|' ORDER BY at)) FROM shop.visits v UNION ALL
    SELECT 'totals', md5(string_agg(t::text, '|' ORDER BY city)) FROM shop.city_totals t ORDER BY 1`;
  const restored = await psql({ ...house.direct, database: 'copied' }, sums);
  assert.equal(restored.stdout, (await psql(house.direct, sums)).stdout, restored.stderr);
});

test('pgbench loads and runs in every protocol, and its accounts balance', { skip: skipBench }, async () => {
  const bench = { ...engineer, database: 'bench' };
  await tool(bench, 'pgbench', '-i', '-s', '1', '-q');
  await tool(bench, 'pgbench', '-i', '-s', '1', '-q', '-I', 'dtGvpf');
  await writeFile(
    join(folder, 'pipeline.sql'),
    `\\set id random(1, 1000)
\\startpipeline
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :id;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :id, 1, now());
UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = 1;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;
END;
\\endpipeline
`,
  );
  const runs = [
    ...['simple', 'extended', 'prepared'].map((mode) => ['-M', mode]),
    ...['extended', 'prepared'].map((mode) => ['-M', mode, '-f', 'pipeline.sql']),
    ['-M', 'prepared', '-S'],
  ];
  for (const args of runs) {
    const { stdout } = await tool(bench, 'pgbench', '-n', '-c', '4', '-j', '2', '-t', '25', ...args);
    assert.match(stdout, /actually processed: 100\/100/, args.join(' '));
    assert.match(stdout, /failed transactions: 0 /, args.join(' '));
  }
  const sums = await psql(
    { ...house.direct, database: 'bench' },
    `SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
            (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), (SELECT count(*) FROM pgbench_history)`,
  );
  const [accounts, ...others] = sums.stdout.trim().split('|');
  assert.deepEqual(others, [accounts, accounts, accounts, '500']);
});
