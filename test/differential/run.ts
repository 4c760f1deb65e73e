import { type Answer, comparable, dependsOnPlan, failed, refusalOf, sameBytes, tookTooLong } from './answers.ts';
import { Choices, shrink } from './choices.ts';
import { chooseForm, type Sent, send, takesParameters } from './forms.ts';
import { Queries } from './queries.ts';
import type { Worlds } from './worlds.ts';

/** What became of a run of generated queries. */
export interface Tally {
  queries: number;
  /** Queries that the server itself answers with an error: compared like any other. */
  errors: number;
  /** Took too long on some side, so nothing can be said. */
  skipped: number;
  /** One side computes a value that cannot be computed, the other need not: SQL leaves open what a plan computes. */
  planned: number;
  /** Refused by the gateway for somebody masked, by reason. */
  readonly refusals: Map<string, number>;
  readonly forms: Map<string, number>;
  readonly differences: Difference[];
}

export interface Difference {
  readonly seed: number;
  readonly world: 'open' | 'masked';
  readonly form: string;
  readonly text: string;
  /** The first place where the answers part. */
  readonly direct: string;
  readonly gateway: string;
}

interface Case {
  readonly sent: Sent;
  readonly ordered: boolean;
}

interface Outcome {
  readonly difference?: Omit<Difference, 'seed'>;
  readonly refusal?: string;
  readonly planned?: boolean;
  readonly skipped: boolean;
  readonly failed: boolean;
}

export interface RunOptions {
  readonly seed: number;
  readonly queries: number;
  /** Differences after which the run ends. */
  readonly stopAfter?: number;
  /** How often a failing query is tried in a plainer form. */
  readonly attempts?: number;
  readonly onDifference?: (difference: Difference) => void;
  readonly onProgress?: (tally: Tally) => void;
}

/** Sends generated queries to every world and compares what comes back. Case `n` of a run is made of seed `seed + n` alone. */
export async function run(
  worlds: Worlds,
  { seed, queries, stopAfter = 5, attempts = 150, onProgress, onDifference }: RunOptions,
): Promise<Tally> {
  const tally: Tally = {
    queries: 0,
    errors: 0,
    skipped: 0,
    planned: 0,
    refusals: new Map(),
    forms: new Map(),
    differences: [],
  };
  for (let n = 0; n < queries && tally.differences.length < stopAfter; n++) {
    const choices = Choices.fresh(mixed(seed + n));
    const made = makeCase(choices);
    const outcome = await compare(worlds, made);
    tally.queries += 1;
    count(tally.forms, made.sent.form);
    if (outcome.skipped) tally.skipped += 1;
    if (outcome.planned) tally.planned += 1;
    if (outcome.failed) tally.errors += 1;
    if (outcome.refusal !== undefined) count(tally.refusals, outcome.refusal);
    if (outcome.difference) {
      const { world } = outcome.difference;
      const plainest = await shrink(
        choices.taken,
        async (fewer) => {
          const again = await compare(worlds, makeCase(fewer));
          return again.difference?.world === world;
        },
        attempts,
      );
      const shrunk = await compare(worlds, makeCase(Choices.again(plainest)));
      const difference = { seed: seed + n, ...(shrunk.difference ?? outcome.difference) };
      tally.differences.push(difference);
      onDifference?.(difference);
    }
    onProgress?.(tally);
  }
  return tally;
}

function makeCase(choices: Choices): Case {
  const form = chooseForm(choices);
  const query = new Queries(choices).query(takesParameters(form));
  return { sent: send(form, query, choices), ordered: query.ordered };
}

async function compare(worlds: Worlds, { sent, ordered }: Case): Promise<Outcome> {
  const [direct, open, copy, masked] = await Promise.all([
    worlds.open.direct.ask(sent),
    worlds.open.gateway.ask(sent),
    worlds.masked.direct.ask(sent),
    worlds.masked.gateway.ask(sent),
  ]);
  const skipped = [direct, open, copy, masked].some(tookTooLong);
  const outcome = { skipped, failed: failed(direct) };
  if (skipped) return outcome;
  const difference = (world: Difference['world'], one: string, other: string): Outcome => {
    const at = partingOf(one, other);
    const { form, text } = sent;
    return {
      ...outcome,
      difference: { world, form, text, direct: one.slice(at, at + 600), gateway: other.slice(at, at + 600) },
    };
  };
  if (!sameBytes(direct, open, worlds.isTemporary)) return difference('open', latin(direct), latin(open));
  const comparison = { rowTypes: worlds.rowTypes, ordered };
  const expected = comparable(copy, comparison, false);
  const actual = comparable(masked, comparison, true);
  if (expected === actual) return outcome;
  if (dependsOnPlan(copy, masked)) return { ...outcome, planned: true };
  const refusal = refusalOf(masked);
  return refusal === undefined ? difference('masked', expected, actual) : { ...outcome, refusal: reasonOf(refusal) };
}

const latin = ({ bytes }: Answer): string => bytes.toString('latin1');

/** A little before the first character that differs. */
function partingOf(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return Math.max(0, at - 120);
}

/** Refusals differ in names and numbers; their reasons are few. */
function reasonOf(message: string): string {
  return message
    .replace(/"[^"]*"/g, '…')
    .replace(/\b(lab|pg_temp)\.\S+/g, '…')
    .replace(/\d+/g, 'n')
    .slice(0, 160);
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

/** Neighbouring seeds give unlike dice. */
function mixed(seed: number): number {
  let state = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b);
  state = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
  return state ^ (state >>> 16);
}

/** The run in lines for people. */
export function report(tally: Tally): string {
  const list = (map: ReadonlyMap<string, number>): string =>
    [...map]
      .sort((a, b) => b[1] - a[1])
      .map(([name, times]) => `  ${times} × ${name}`)
      .join('\n');
  const refused = [...tally.refusals.values()].reduce((sum, times) => sum + times, 0);
  const lines = [
    `${tally.queries} queries, ${tally.differences.length} differences; ${tally.errors} answered with an error by the server itself, ${tally.skipped} skipped as too slow, ${tally.planned} with an error that depends on the plan`,
    `refused for somebody masked: ${refused}`,
    list(tally.refusals),
    'forms:',
    list(tally.forms),
  ];
  return [...lines, ...tally.differences.map(described)].join('\n');
}

/** A difference in lines for people; its seed alone makes it again. */
export function described({ seed, world, form, text, direct, gateway }: Difference): string {
  return `\nseed ${seed}, ${world} world, ${form}:\n${text}\n  expected: ${direct}\n  gateway:  ${gateway}`;
}
