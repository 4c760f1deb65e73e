/*
 * What the value detectors cost: megabytes of DataRow messages per second of one core's time, all built-in detectors on.
 *
 *   npm run bench -- --only detectors
 */
import { DetectedRows } from '../src/dataplane/relay/postgres/detected-rows.ts';
import { ColumnDetectors, DETECTOR_FAMILIES, type DetectedColumn, DetectorSet } from '../src/masking/index.ts';
import { median } from './process.ts';

/** The bar for text rows. */
const BAR = 150;
const CHUNK = 64 * 1024;
const BYTES = 16_000_000;

export interface DetectorCost {
  readonly rows: string;
  /** Median over the rounds, 10⁶ bytes per second of thread time. */
  readonly rate: number;
  /** Found per megabyte. */
  readonly hits: number;
}

const WORDS = 'order shipped Invoice pending customer note Alpha warehouse batch refund status region the of and'.split(
  ' ',
);
const text = (name: string): DetectedColumn => ({ name, writing: 'text' });
const other = (name: string): DetectedColumn => ({ name, writing: 'skip' });

const SHAPES: Readonly<
  Record<string, { columns: readonly DetectedColumn[]; row: (draw: () => number, n: number) => string[] }>
> = {
  'text, an e-mail in every tenth row': {
    columns: ['id', 'name', 'city', 'note', 'state', 'contact'].map(text),
    row: (draw, n) => [
      String(n),
      words(draw, 2),
      words(draw, 1),
      words(draw, 12),
      'open',
      draw() < 0.1 ? `u${n}@example.org` : '',
    ],
  },
  'text, an e-mail and a phone number in every row': {
    columns: ['id', 'name', 'note', 'email', 'phone'].map(text),
    row: (draw, n) => [String(n), words(draw, 2), words(draw, 12), `user.${n}@example.org`, `+49 170 ${1_000_000 + n}`],
  },
  'numbers and times of typed columns, some text': {
    columns: [other('id'), other('at'), other('amount'), text('uuid'), text('note')],
    row: (draw, n) => [
      String(n),
      `2026-11-${10 + (n % 20)} 12:44:00.123456+00`,
      (draw() * 1000).toFixed(2),
      `550e8400-e29b-41d4-a716-${String(446_655_440_000 + n)}`,
      words(draw, 6),
    ],
  },
  'JSON documents': {
    columns: [text('document')],
    row: (draw, n) => [
      JSON.stringify({
        id: n,
        name: words(draw, 2),
        tags: [words(draw, 1), words(draw, 1)],
        note: words(draw, 20),
        total: draw() * 100,
      }),
    ],
  },
};

function words(draw: () => number, count: number): string {
  return Array.from({ length: count }, () => WORDS[Math.floor(draw() * WORDS.length)]).join(' ');
}

/** Cuts one stream of rows into chunks as a socket would, and reads it again and again. */
export function detectorCosts(rounds: number): DetectorCost[] {
  const set = new DetectorSet({ families: new Set(DETECTOR_FAMILIES) });
  return Object.entries(SHAPES).map(([rows, { columns, row }]) => {
    const stream = rowsOf(row);
    const rates: number[] = [];
    let hits = 0;
    for (let round = -2; round < rounds; round += 1) {
      const detectors = new ColumnDetectors(set, () => 'report', columns);
      const gate = new DetectedRows(detectors);
      const before = process.threadCpuUsage();
      for (let at = 0; at < stream.length; at += CHUNK) gate.push(stream.subarray(at, at + CHUNK));
      const { user, system } = process.threadCpuUsage(before);
      if (round >= 0) rates.push(stream.length / (user + system));
      hits = detectors.counts().reduce((sum, each) => sum + each.hits, 0);
    }
    return { rows, rate: median(rates), hits: (hits * 1e6) / stream.length };
  });
}

export function detectorText(costs: readonly DetectorCost[]): string {
  const lines = costs.map(
    ({ rows, rate, hits }) =>
      `  ${rows.padEnd(50)} ${rate.toFixed(0).padStart(5)} MB/s ${hits.toFixed(0).padStart(7)} hits/MB  ${rate >= BAR ? 'above' : 'BELOW'} the bar`,
  );
  return `\nvalue detectors, all built-in ones, per core (bar: ${BAR} MB/s)\n${lines.join('\n')}\n`;
}

function rowsOf(row: (draw: () => number, n: number) => string[]): Buffer {
  let state = 1;
  const draw = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x80000000;
  };
  const parts: Buffer[] = [];
  for (let n = 0, bytes = 0; bytes < BYTES; n += 1) {
    const fields = row(draw, n).map((value) => {
      const field = Buffer.alloc(4 + value.length);
      field.writeInt32BE(value.length);
      field.write(value, 4, 'latin1');
      return field;
    });
    const body = Buffer.concat(fields);
    const head = Buffer.alloc(7);
    head[0] = 0x44;
    head.writeUInt32BE(body.length + 6, 1);
    head.writeUInt16BE(fields.length, 5);
    parts.push(head, body);
    bytes += body.length + 7;
  }
  return Buffer.concat(parts);
}
