/*
 * Random statements of sqlsmith for a long time, as somebody from whom columns full of canaries are hidden:
 *   npm run soak                     thirty minutes
 *   npm run soak -- --minutes 0.5 --seed 7
 * Fails when a canary leaves in any form, when the gateway or a session of it dies or hangs, or when memory goes on growing.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { GatewayProcess } from '../fault/support/gateway-process.ts';
import { makeFolder } from '../support/gateway-folder.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { CONTROLS, LABELS, SCHEMA } from './canaries.ts';
import { SearchingRelay } from './searching-relay.ts';
import { type Smithed, sqlsmith } from './sqlsmith.ts';

/** Everybody may do everything, and some may see everything: what holds is masking alone. */
const POLICY = `
permit (principal, action, resource) unless { action == Action::"unmask" };
permit (principal in Group::"owners", action == Action::"unmask", resource);
`;
/** Statements time out after a second; a machine may be busy. */
const HANG_MS = 120_000;
const GROWTH_MIB = 96;
const SAMPLE_MS = 2_000;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
});
const milliseconds = Number(values.minutes) * 60_000;
const firstSeed = Number(values.seed);
if (!(milliseconds > 0) || !Number.isInteger(firstSeed)) throw new Error('usage: soak [--minutes N] [--seed N]');

const problems: string[] = [];
await using server = await startPostgres();
const admin = await server.admin();
await admin
  .query(`DROP SCHEMA shop CASCADE; SET ROLE ${server.user}`)
  .catch(() => admin.query(`SET ROLE ${server.user}`));
await admin.query(SCHEMA);
await admin.end();

const folder = await mkdtemp(join(tmpdir(), 'gatehouse-soak-'));
await chmod(folder, 0o700);
const { host, port, database, user, password } = server;
const made = await makeFolder(folder, {
  target: { host, port, database, user, password },
  labels: LABELS,
  policies: { 'main.cedar': POLICY },
});
try {
  await using gateway = await GatewayProcess.start(folder);
  await control(gateway);
  await soak(gateway);
  const critical = await gateway.metric('mask_violations_total').catch(() => 0);
  if (critical > 0) problems.push(`the metadata witness cut ${critical} results: substitution was wrong there`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(`PROBLEM ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;

async function door(relay: SearchingRelay, group: string) {
  const token = await made.token(group, [group], {}, '24h');
  return { host: '127.0.0.1', port: relay.port, user: group, password: token, database: 'shop' };
}

/** Each way out is seen when nothing is hidden, and shows nothing when something is. */
async function control(gateway: GatewayProcess): Promise<void> {
  for (const group of ['owners', 'analysts']) {
    let seen = 0;
    for (const sql of CONTROLS) {
      await using relay = await SearchingRelay.open(gateway.postgres);
      const client = new pg.Client(await door(relay, group));
      await client.connect();
      await client.query(sql).catch(() => undefined);
      await client.end();
      const found = relay.passed.found.length > 0;
      if (found) seen += 1;
      if (found !== (group === 'owners'))
        problems.push(`control, ${group}: ${found ? 'a canary left' : 'nothing seen'}: ${sql}`);
    }
    console.log(`control: ${seen} of ${CONTROLS.length} ways out show canaries to ${group}`);
  }
}

/** Of all statements, how many were decided how. */
async function decisions({ control: at }: GatewayProcess): Promise<string> {
  const answer = await fetch(`http://${at.host}:${at.port}/metrics`).catch(() => undefined);
  const text = (await answer?.text()) ?? '';
  const counts = text.matchAll(/^\w*statements_total\{decision="(\w+)"\} (\d+)/gm);
  return [...counts].map(([, decision, count]) => `${count} ${decision}`).join(', ') || 'none counted';
}

async function soak(gateway: GatewayProcess): Promise<void> {
  await using relay = await SearchingRelay.open(gateway.postgres);
  const { host: at, port: relayPort, ...who } = await door(relay, 'analysts');
  const until = Date.now() + milliseconds;
  const samples: number[] = [];
  let hung = 0;
  const idle = gateway.residentMiB;
  const sampling = setInterval(() => {
    if (gateway.child.exitCode === null && gateway.child.signalCode === null) samples.push(gateway.residentMiB);
    hung = Math.max(hung, relay.waiting);
  }, SAMPLE_MS);
  const runs: Smithed[] = [];
  for (let seed = firstSeed; Date.now() < until; seed++) {
    const run = await sqlsmith({ ...who, port: relayPort, seed, milliseconds: until - Date.now() });
    runs.push(run);
    if (gateway.child.exitCode !== null || gateway.child.signalCode !== null) {
      problems.push(`the gateway died: ${gateway.log.slice(-2_000)}`);
      break;
    }
    if (run.queries === 0) await sleep(1_000);
  }
  clearInterval(sampling);
  const { passed } = relay;
  const queries = runs.reduce((sum, run) => sum + run.queries, 0);
  const lost = runs.reduce((sum, run) => sum + run.lostConnections, 0);
  const decided = await decisions(gateway);
  const third = Math.floor(samples.length / 3);
  const peak = (part: readonly number[]): number => Math.round(Math.max(idle, ...part));
  const peaks = [samples.slice(0, third), samples.slice(third, 2 * third), samples.slice(2 * third)].map(peak);

  console.log(
    `sqlsmith: ${queries} queries in ${runs.length} runs (seeds ${firstSeed} to ${firstSeed + runs.length - 1}), ${passed.connections} connections, ${lost} lost`,
  );
  console.log(`statements: ${decided}`);
  console.log(`bytes to the client: ${passed.bytes}, canaries found: ${passed.found.length}`);
  console.log(`longest wait for an answer: ${(Math.max(passed.longestWait, hung) / 1000).toFixed(1)} s`);
  console.log(`resident memory: ${Math.round(idle)} MiB at first, peaks by thirds of the time ${peaks.join(', ')} MiB`);

  for (const found of passed.found) problems.push(`a canary left: ${JSON.stringify(found)}`);
  if (queries === 0) problems.push(`sqlsmith sent nothing: ${runs.at(-1)?.last}`);
  if (lost > 0) problems.push(`sqlsmith lost ${lost} connections`);
  if (Math.max(passed.longestWait, hung) > HANG_MS) problems.push('a statement hung');
  const [, middle = 0, late = 0] = peaks;
  if (milliseconds >= 10 * 60_000 && late > middle + GROWTH_MIB)
    problems.push(`memory goes on growing: ${peaks.join(', ')} MiB`);
}
