import { spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BULK_COPY, BULK_SELECT } from './data.ts';
import { cpuMicroseconds, median, percentile, residentMiB, run } from './process.ts';
import { environmentOf, type Route } from './servers.ts';
import { WireClient } from './wire-client.ts';

/** One figure of one run: how much was done per second, and what it cost the proxy. */
export interface Sample {
  readonly rate: number;
  /** CPU µs of the proxy per unit of work: a statement, a connection, a megabyte. */
  readonly cpu: number | undefined;
}

export interface PgbenchRun {
  readonly protocol: 'simple' | 'prepared';
  readonly clients: number;
  readonly seconds: number;
  /** A script file in the place of `-S`. */
  readonly script?: string;
}

/** Tries again when nothing at all was measured: on a busy machine 64 logins may outlast a short run. */
export async function pgbench(route: Route, options: PgbenchRun): Promise<Sample> {
  for (let left = 2; ; left -= 1) {
    const sample = await pgbenchOnce(route, options);
    if (sample) return sample;
    if (left === 0) throw new Error(`pgbench over ${route.name} did nothing for ${options.seconds} s, three times`);
  }
}

/** Transactions per second. CPU is taken between two of pgbench's own progress lines, so that logging in is not part of it. */
async function pgbenchOnce(route: Route, options: PgbenchRun): Promise<Sample | undefined> {
  const { protocol, clients, seconds, script } = options;
  const threads = Math.min(2, clients);
  const flags = [
    '-n',
    '-M',
    protocol,
    '-c',
    `${clients}`,
    '-j',
    `${threads}`,
    '-T',
    `${seconds + 1 + Math.ceil(clients / 16)}`,
    '-P',
    '1',
  ];
  const child = spawn('pgbench', [...flags, ...(script === undefined ? ['-S'] : ['-f', script])], {
    env: environmentOf(route),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const marks: { readonly at: number; readonly tps: number; readonly cpu: number }[] = [];
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    for (const [, at, tps] of text.matchAll(/progress: ([\d.]+) s, ([\d.]+) tps/g)) {
      if (marks.length === 0 && Number(tps) === 0) continue; // still logging in
      marks.push({ at: Number(at), tps: Number(tps), cpu: route.pid === undefined ? 0 : cpuMicroseconds(route.pid) });
    }
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const [first, last] = [marks[0], marks.at(-1)];
  if (code !== 0) throw new Error(`pgbench over ${route.name}: ${said}`);
  if (!first || !last || first === last) return undefined;
  let done = 0;
  for (const [index, mark] of marks.entries())
    done += index === 0 ? 0 : mark.tps * (mark.at - (marks[index - 1]?.at ?? 0));
  if (done === 0) return undefined;
  return {
    rate: done / (last.at - first.at),
    cpu: route.pid === undefined ? undefined : (last.cpu - first.cpu) / done,
  };
}

/** Connections per second, each with one small query, one after the other over 4 clients. */
export async function connections(route: Route, seconds: number): Promise<Sample> {
  const before = route.pid === undefined ? 0 : cpuMicroseconds(route.pid);
  const flags = ['-n', '-S', '-C', '-c', '4', '-j', '2', '-T', String(seconds)];
  const out = await run('pgbench', flags, { env: environmentOf(route) });
  const done = Number(/transactions actually processed: (\d+)/.exec(out)?.[1]);
  const rate = Number(/^tps = ([\d.]+)/m.exec(out)?.[1]);
  return { rate, cpu: route.pid === undefined ? undefined : (cpuMicroseconds(route.pid) - before) / done };
}

/** Megabytes (10⁶ bytes on the wire) per second to a reader that throws them away. */
export async function bulk(route: Route, how: 'select' | 'copy'): Promise<Sample> {
  const client = await WireClient.connect(route);
  try {
    const before = route.pid === undefined ? 0 : cpuMicroseconds(route.pid);
    const started = performance.now();
    const { bytes } = await client.query(how === 'copy' ? BULK_COPY : BULK_SELECT);
    const seconds = (performance.now() - started) / 1000;
    const megabytes = bytes / 1e6;
    return {
      rate: megabytes / seconds,
      cpu: route.pid === undefined ? undefined : (cpuMicroseconds(route.pid) - before) / megabytes,
    };
  } finally {
    client.close();
  }
}

/** One small query in a session of its own. */
export async function touch(route: Route): Promise<void> {
  const client = await WireClient.connect(route);
  await client.query('SELECT count(*) FROM people');
  client.close();
}

/** Highest resident memory above that before, in MiB, while psql takes in a result of many rows. */
export async function memoryWhileStreaming(route: Route, rows: number, bulkRows: number): Promise<number> {
  const { pid } = route;
  if (pid === undefined) throw new Error(`${route.name} is no proxy`);
  const factor = Math.ceil(rows / bulkRows);
  const sql = `SELECT b.id, b.a FROM bulk b CROSS JOIN generate_series(1, ${factor}) g LIMIT ${rows}`;
  const before = residentMiB(pid);
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMiB(pid));
  }, 10);
  try {
    await run('psql', ['-XqAt', '-o', '/dev/null', '-c', sql], { env: environmentOf(route) });
  } finally {
    clearInterval(timer);
  }
  return peak - before;
}

/** The same for a reader that stops reading: what the gateway holds for it. */
export async function memoryWhileStalled(route: Route): Promise<number> {
  const { pid } = route;
  if (pid === undefined) throw new Error(`${route.name} is no proxy`);
  const client = await WireClient.connect(route);
  const before = residentMiB(pid);
  const answer = client.query(BULK_SELECT);
  client.pause();
  await sleep(1500);
  const held = residentMiB(pid) - before;
  client.resume();
  await answer;
  client.close();
  return held;
}

export interface PlanCost {
  readonly what: string;
  /** Median elapsed µs of Parse and Sync. */
  readonly cold: number;
  readonly cached: number;
  readonly direct: number;
}

const PLANNED: readonly (readonly [string, (n: number) => string])[] = [
  ['point lookup', (n) => `SELECT abalance FROM pgbench_accounts WHERE aid = $1 AND bid < ${n}`],
  [
    'join with masked columns',
    (n) =>
      `SELECT p.full_name, p.email, b.a, count(*) OVER (PARTITION BY p.city) FROM people p JOIN bulk b ON b.id = p.id
       WHERE p.born > DATE '1980-01-01' AND b.id < $1 AND p.id <> ${n} ORDER BY p.card LIMIT 10`,
  ],
];

/** What a text costs the first time and again, seen by a client: elapsed µs of Parse and Sync, which the direct way shows too. */
export async function planCosts(direct: Route, gateway: Route, count: number): Promise<PlanCost[]> {
  const [near, through] = await Promise.all([WireClient.connect(direct), WireClient.connect(gateway)]);
  const costs: PlanCost[] = [];
  for (const [what, text] of PLANNED) {
    const cold: number[] = [];
    const cached: number[] = [];
    const without: number[] = [];
    for (let n = 0; n < count; n += 1) {
      cold.push(await elapsed(() => through.parse(text(n))));
      cached.push(await elapsed(() => through.parse(text(0))));
      without.push(await elapsed(() => near.parse(text(n))));
    }
    costs.push({ what, cold: median(cold), cached: median(cached), direct: median(without) });
  }
  near.close();
  through.close();
  return costs;
}

async function elapsed(act: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await act();
  return (performance.now() - from) * 1000;
}

/** What one fdatasync after 512 bytes costs on the disk of the state folder, in µs: the floor under every recorded statement. */
export function syncLatency(folder: string, count: number): { readonly median: number; readonly p99: number } {
  const probe = mkdtempSync(join(folder, 'sync-'));
  const file = openSync(join(probe, 'file'), 'a');
  const bytes = Buffer.alloc(512, 1);
  const took: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const from = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    took.push((performance.now() - from) * 1000);
  }
  closeSync(file);
  rmSync(probe, { recursive: true });
  return { median: median(took), p99: percentile(took, 0.99) };
}
