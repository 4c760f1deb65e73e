/*
 * What the gateway costs, next to a direct connection and to PgBouncer in the same run, round by round.
 *
 *   npm run bench -- [--quick] [--only NAME,…] [--rounds N] [--seconds N] [--state FOLDER] [--in-memory] [--node-flag FLAG]… [--keep]
 *
 * NAME is the beginning of a measure's name (`prepared`, `prepared/8`, `bulk`, `memory`, `plan`, `detectors` …).
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MASKED_SCRIPT, makeData } from './data.ts';
import { detectorCosts, detectorText } from './detectors.ts';
import { type Gateway, startGateway } from './gateway.ts';
import {
  bulk,
  connections,
  memoryWhileStalled,
  memoryWhileStreaming,
  pgbench,
  planCosts,
  type Sample,
  syncLatency,
  touch,
} from './measures.ts';
import { isTmpfs, residentMiB } from './process.ts';
import { machineClass, Report } from './report.ts';
import { type Route, type Running, startForwarder, startPgbouncer, startPostgres } from './servers.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    state: { type: 'string' },
    'node-flag': { type: 'string', multiple: true, default: [] },
    'in-memory': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 2 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 2 : 5));
const size = options.quick
  ? { pgbenchScale: 5, bulkRows: 400_000, people: 10_000, streamed: 1_000_000 }
  : { pgbenchScale: 10, bulkRows: 4_000_000, people: 10_000, streamed: 10_000_000 };
const only = options.only.split(',').filter((name) => name !== '');
const wanted = (name: string) =>
  only.length === 0 || only.some((start) => name === start || name.startsWith(`${start}/`));

interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly routes: readonly Route[];
  readonly sample: (route: Route) => Promise<Sample>;
}

const detectors = wanted('detectors') ? detectorText(detectorCosts(rounds)) : '';
if (only.length === 1 && only[0] === 'detectors') {
  process.stdout.write(detectors);
  process.exit();
}

const folder = mkdtempSync(join(options.state ?? tmpdir(), 'gatehouse-bench-'));
chmodSync(folder, 0o755);
if (isTmpfs(folder) && !options['in-memory']) {
  rmSync(folder, { recursive: true });
  throw new Error(
    `${folder} is in memory, so the ledger would cost nothing: name a folder on a disk with --state, or say --in-memory to leave the disk out on purpose`,
  );
}
const running: Running[] = [];
const note = (text: string) => process.stderr.write(`bench: ${text}\n`);
try {
  note(`servers and data in ${folder}`);
  const postgres = await start(startPostgres(folder));
  const direct = postgres.route;
  await makeData(direct, size);
  const bouncer = (await start(startPgbouncer(folder, direct, 'session'))).route;
  const transaction = (await start(startPgbouncer(folder, direct, 'transaction'))).route;
  const forwarders = [(await start(startForwarder(direct))).route, (await start(startForwarder(direct, folder))).route];
  const gateway = await start<Gateway>(startGateway(folder, direct, options['node-flag']));
  const report = new Report({ machine: machineClass(), rounds, seconds, quick: options.quick });
  report.sync = syncLatency(folder, 200);
  // Sessions that have come and gone: the catalog is read, and the SQL grammar has been compiled, which takes much memory once.
  for (let n = 0; n < 30; n += 1) await touch(gateway.route);
  if (gateway.route.pid !== undefined) report.idleMiB = residentMiB(gateway.route.pid);
  await measureMemory(report, gateway); // first: what later runs leave in the heap would hide it
  await measureRates(report, direct, bouncer, transaction, forwarders, gateway);
  await measurePlans(report, direct, gateway);
  process.stdout.write(report.text() + detectors);
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  const file = join(results, `${new Date().toISOString().replaceAll(':', '')}.json`);
  writeFileSync(file, `${JSON.stringify(report.json(), null, 2)}\n`);
  note(`all samples are in ${file}`);
} finally {
  for (const server of running.reverse()) await server.stop();
  if (options.keep) note(`kept ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}

async function start<S extends Running>(starting: Promise<S>): Promise<S> {
  const server = await starting;
  running.push(server);
  return server;
}

async function measureRates(
  report: Report,
  direct: Route,
  bouncer: Route,
  transaction: Route,
  forwarders: readonly Route[],
  gateway: Gateway,
): Promise<void> {
  const script = join(folder, 'masked.sql');
  writeFileSync(script, MASKED_SCRIPT);
  const ways = [direct, bouncer, gateway.route];
  const measures: Measure[] = [];
  for (const protocol of ['prepared', 'simple'] as const) {
    for (const clients of [1, 8, 64]) {
      // PgBouncer keeps prepared statements in transaction mode only from 1.21 on.
      const more = [
        ...(protocol === 'simple' ? [transaction] : forwarders),
        ...(clients === 8 ? [gateway.unbounded] : []),
      ];
      const sample = (route: Route) => pgbench(route, { protocol, clients, seconds });
      measures.push({ name: `${protocol}/${clients}`, unit: 'tps', routes: [...ways, ...more], sample });
    }
  }
  const masked = (route: Route) => pgbench(route, { protocol: 'prepared', clients: 8, seconds, script });
  measures.push({ name: 'masked/8', unit: 'tps', routes: ways, sample: masked });
  for (const how of ['select', 'copy'] as const) {
    const sample = (route: Route) => bulk(route, how);
    measures.push({ name: `bulk/${how}`, unit: 'MB/s', routes: [...ways, gateway.unbounded], sample });
  }
  measures.push({ name: 'connect/4', unit: '/s', routes: ways, sample: (route) => connections(route, seconds) });

  const chosen = measures.filter(({ name }) => wanted(name));
  if (chosen.length > 0) await pgbench(gateway.route, { protocol: 'prepared', clients: 8, seconds: 2 }); // warm
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, unit, routes, sample } of chosen) {
      note(`round ${round} of ${rounds}: ${name}`);
      // The order turns from round to round, so that nobody always comes first.
      for (let n = 0; n < routes.length; n += 1) {
        const route = routes[(n + round) % routes.length] as Route;
        report.add(name, unit, route.name, await sample(route));
      }
    }
  }
}

async function measureMemory(report: Report, gateway: Gateway): Promise<void> {
  if (!wanted('memory')) return;
  note(`memory while ${size.streamed} rows stream to psql`);
  for (let round = 0; round < 2; round += 1) {
    for (const route of [gateway.route, gateway.unbounded])
      report.addMemory(`${route.name}, streaming`, await memoryWhileStreaming(route, size.streamed, size.bulkRows));
  }
  report.addMemory('gateway, reader stands still', await memoryWhileStalled(gateway.route));
}

async function measurePlans(report: Report, direct: Route, gateway: Gateway): Promise<void> {
  if (!wanted('plan')) return;
  note('plan cost');
  report.plans = await planCosts(direct, gateway.route, options.quick ? 300 : 1000);
}
