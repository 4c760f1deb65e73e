import { cpus, release, totalmem } from 'node:os';
import type { PlanCost, Sample } from './measures.ts';
import { median } from './process.ts';

export interface ReportHead {
  readonly machine: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly quick: boolean;
}

export function machineClass(): string {
  const [first] = cpus();
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}, Node ${process.version}`;
}

interface Line {
  readonly unit: string;
  readonly byRoute: Map<string, Sample[]>;
}

/** Collects samples and says medians. Ratios are taken within a round and their median is given: the machine's other work cancels out. */
export class Report {
  readonly #head: ReportHead;
  readonly #lines = new Map<string, Line>();
  readonly #memory = new Map<string, number[]>();
  readonly #at = new Date();
  plans: readonly PlanCost[] = [];
  sync: { readonly median: number; readonly p99: number } | undefined;
  idleMiB: number | undefined;

  constructor(head: ReportHead) {
    this.#head = head;
  }

  add(name: string, unit: string, route: string, sample: Sample): void {
    const line = this.#lines.get(name) ?? { unit, byRoute: new Map<string, Sample[]>() };
    this.#lines.set(name, line);
    line.byRoute.set(route, [...(line.byRoute.get(route) ?? []), sample]);
  }

  addMemory(name: string, mebibytes: number): void {
    this.#memory.set(name, [...(this.#memory.get(name) ?? []), mebibytes]);
  }

  text(): string {
    const { machine, rounds, seconds, quick } = this.#head;
    const parts = [
      `${this.#at.toISOString()}  ${machine}\n${rounds} rounds of ${seconds} s${quick ? ', quick' : ''}; medians; CPU is µs of the proxy per statement, connection or megabyte\n`,
    ];
    const rows = [['measure', 'way', 'rate', '', '× direct', '× pgbouncer', 'CPU µs']];
    for (const [name, line] of this.#lines) {
      for (const [route, samples] of line.byRoute) {
        const cpu = samples.flatMap((sample) => (sample.cpu === undefined ? [] : [sample.cpu]));
        rows.push([
          name,
          route,
          rounded(median(samples.map(({ rate }) => rate))),
          line.unit,
          ratio(line, route, 'direct'),
          ratio(line, route, 'pgbouncer'),
          cpu.length === 0 ? '' : rounded(median(cpu)),
        ]);
      }
    }
    if (rows.length > 1) parts.push(table(rows));
    if (this.#memory.size > 0) {
      const memory = [...this.#memory].map(([name, values]) => [name, values.map(rounded).join(', ')]);
      parts.push(table([['resident memory', 'MiB above idle'], ...memory]));
    }
    if (this.plans.length > 0) {
      const plans = this.plans.map((cost) => [cost.what, ...[cost.cold, cost.cached, cost.direct].map(rounded)]);
      parts.push(table([['Parse and Sync, elapsed µs', 'new text', 'known text', 'direct'], ...plans]));
    }
    if (this.sync) {
      const { median: half, p99 } = this.sync;
      parts.push(
        `fdatasync on the state disk, the machine idle: median ${rounded(half)} µs, 99 % below ${rounded(p99)} µs; an answer waits for one or two of them\n`,
      );
    }
    if (this.idleMiB !== undefined) parts.push(`the gateway after its start: ${rounded(this.idleMiB)} MiB resident\n`);
    return parts.join('\n');
  }

  json(): object {
    const lines = [...this.#lines].map(([name, { unit, byRoute }]) => ({
      name,
      unit,
      ways: Object.fromEntries(byRoute),
    }));
    return {
      at: this.#at.toISOString(),
      ...this.#head,
      lines,
      memory: Object.fromEntries(this.#memory),
      plans: this.plans,
      sync: this.sync,
      idleMiB: this.idleMiB,
    };
  }
}

function ratio(line: Line, route: string, to: string): string {
  const base = line.byRoute.get(to);
  const own = line.byRoute.get(route);
  if (!base || !own || route === to) return '';
  const ratios = own.flatMap(({ rate }, round) => (base[round] ? [rate / base[round].rate] : []));
  return median(ratios).toFixed(2);
}

function rounded(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(1);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
