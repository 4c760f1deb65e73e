/**
 * Random conversations with the gateway and with the server behind it: `FUZZ_SECONDS=60 FUZZ_SEED=1 node --test test/fuzz/relay.fuzz.ts`.
 * For somebody from whom nothing is hidden both must answer alike: the same messages in the same order, the same rows, tags and codes,
 * whatever names, pipelines, errors and transactions are mixed. The second run attacks as somebody with hidden columns.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { errorOf, RawClient, type Reply } from '../fault/support/raw-client.ts';
import { Rig, SCHEMA } from '../fault/support/rig.ts';
import { CrashableServer } from '../fault/support/target.ts';
import { dice } from './dice.ts';

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 5);
// A change is judged by conversations that were held before; new ones are looked for by hand.
const seed = Number(process.env['FUZZ_SEED'] ?? (process.env['CI'] ? 1 : Date.now() % 2 ** 31));

const names = ['', '', 'a', 'b'];
const texts = [
  'SELECT 1',
  'SELECT id FROM people WHERE id < 4 ORDER BY id',
  'SELECT generate_series(1, 5)',
  'SELECT 1/0',
  'SELECT nowhere',
  'SELEC',
  '',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  "INSERT INTO notes (body) VALUES ('fuzz') RETURNING body",
  'UPDATE notes SET body = body WHERE false',
  'SET search_path TO public',
  'VALUES (1), (2), (3)',
];
/**
 * Only by simple query, and nothing in one pipeline with them: where the server tells of a missing name at Execute, the gateway may tell
 * at Parse, and a name that is being made is not there yet.
 */
const simple = [
  'PREPARE a AS SELECT 3',
  'EXECUTE a',
  'DEALLOCATE a',
  'DECLARE c CURSOR FOR SELECT generate_series(1, 5)',
  'FETCH 2 FROM c',
  'CLOSE c',
];
const together = [
  'SELECT 1; SELECT 2',
  'BEGIN; SELECT 3; COMMIT',
  'SELECT 4; SELECT 1/0; SELECT 5',
  'BEGIN; SELECT nowhere',
  ';;',
  'COMMIT; SELECT 6',
];

type Draw = (below: number) => number;
interface Step {
  readonly says: string;
  readonly bytes: Buffer;
}

function pick<T>(draw: Draw, from: readonly T[]): T {
  return from[draw(from.length)] as T;
}

function step(draw: Draw, more: readonly string[]): Step {
  const name = pick(draw, names);
  const portal = pick(draw, names);
  const text = pick(draw, [...texts, ...more]);
  const rows = pick(draw, [0, 0, 1, 2]);
  const of = pick(draw, ['statement', 'portal'] as const);
  switch (draw(10)) {
    case 0: {
      const query = pick(draw, [text, text, pick(draw, together)]);
      // Behind an error in one pipeline the server ignores it; that has tests of its own.
      return { says: `Sync, Query ${query}`, bytes: Buffer.concat([frontend.sync(), frontend.query(query)]) };
    }
    case 1:
    case 2:
      return { says: `Parse "${name}" ${text}`, bytes: frontend.parse(name, text) };
    case 3:
    case 4:
      return { says: `Bind "${portal}" to "${name}"`, bytes: frontend.bind({ portal, statement: name }) };
    case 5:
    case 6:
      return { says: `Execute "${portal}" ${rows}`, bytes: frontend.execute(portal, rows) };
    case 7:
      return { says: `Describe ${of} "${name}"`, bytes: frontend.describe(of, name) };
    case 8:
      return { says: `Close ${of} "${name}"`, bytes: frontend.close(of, name) };
    default:
      return draw(3) === 0 ? { says: 'Flush', bytes: frontend.flush() } : { says: 'Sync', bytes: frontend.sync() };
  }
}

/** Sends one round and gives all answers up to its own last row. */
async function round(client: RawClient, steps: readonly Step[], number: number): Promise<readonly Reply[]> {
  client.replies.length = 0;
  const mark = `end of round ${number}`;
  client.send(
    ...steps.map(({ bytes }) => bytes),
    frontend.sync(),
    frontend.query('ROLLBACK'),
    frontend.query(`SELECT '${mark}'`),
  );
  const over = () => client.replies.findIndex(({ type, body }) => type === 'D' && body.includes(mark));
  await client
    .when(() => client.closed || (over() >= 0 && client.replies.at(-1)?.type === 'Z'), mark, 10_000)
    .catch((error: Error) => assert.fail(`${error.message}:\n${steps.map(({ says }) => says).join('\n')}`));
  return [...client.replies];
}

/**
 * Statement or portal that is not there, or there already, or (55000) there and no longer to be run: in a failed transaction the server
 * keeps the unnamed portal of a simple query that failed while it ran. Nothing runs either way.
 */
const NAMES: ReadonlySet<string> = new Set(['26000', '34000', '42P03', '42P05', '55000']);

/** What must be alike: kinds of messages, rows, tags, codes of errors, transaction states. */
function essence(replies: readonly Reply[]): string[] {
  return replies
    .filter(({ type }) => !'SNA'.includes(type))
    .map((reply) => {
      const { type, body } = reply;
      if (type === 'E') {
        // Of two things that are wrong at once the gateway may tell the other one.
        const code = errorOf([reply])?.['C'] ?? '';
        return `E ${NAMES.has(code) ? 'name' : code}`;
      }
      return `${type} ${'DCZ'.includes(type) ? body.toString('latin1') : ''}`;
    });
}

async function straight(server: CrashableServer): Promise<RawClient> {
  const socket = connect(server.socketPath);
  await once(socket, 'connect');
  const client = new RawClient(socket);
  client.send(frontend.startup(Object.entries({ user: 'app', database: 'shop' }), 0));
  await client.until('Z');
  return client;
}

test(`random conversations are answered as the server answers them (seed ${seed})`, async () => {
  await using server = await CrashableServer.create(SCHEMA);
  await using rig = await Rig.open(server);
  let direct = await straight(server);
  let through = await rig.login();
  const draw = dice(seed);
  const until = performance.now() + seconds * 1_000;
  let rounds = 0;
  for (; performance.now() < until; rounds++) {
    const alone = pick(draw, simple);
    const steps =
      draw(4) === 0
        ? [{ says: `Query ${alone}`, bytes: frontend.query(alone) }]
        : Array.from({ length: 1 + draw(12) }, () => step(draw, []));
    const expected = essence(await round(direct, steps, rounds));
    const actual = essence(await round(through, steps, rounds));
    assert.deepEqual(actual, expected, `round ${rounds}:\n${steps.map(({ says }) => says).join('\n')}`);
    if (!direct.closed && !through.closed) continue;
    for (const client of [direct, through]) client.destroy();
    direct = await straight(server);
    through = await rig.login();
  }
  direct.destroy();
  console.log(`${rounds} conversations`);
});

test(`no conversation shows a hidden value or changes anything (seed ${seed})`, async () => {
  await using server = await CrashableServer.create(SCHEMA);
  await using rig = await Rig.open(server);
  const draw = dice(seed);
  const attacks = [
    'SELECT email FROM people WHERE id = 7',
    'PREPARE a AS SELECT email FROM people',
    'DECLARE c CURSOR FOR SELECT email FROM people',
    'COPY people TO STDOUT',
    "INSERT INTO people VALUES (-7, 'smuggled') RETURNING email",
    'SELECT p FROM people p',
  ];
  const until = performance.now() + seconds * 1_000;
  let client = await rig.login('analysts', 'ana');
  let sessions = 1;
  for (let number = 0; performance.now() < until; number++) {
    const steps = Array.from({ length: 1 + draw(12) }, () => step(draw, [...attacks, ...attacks]));
    const replies = await round(client, steps, number);
    const seen = Buffer.concat(replies.map(({ body }) => body)).toString('latin1');
    assert.doesNotMatch(seen, /secret\d/, steps.map(({ says }) => says).join('\n'));
    if (client.closed) {
      sessions += 1;
      client = await rig.login('analysts', 'ana');
    }
  }
  assert.equal(await server.value("SELECT count(*)::int FROM people WHERE id < 0 OR email = 'smuggled'"), 0);
  assert.ok(sessions < 5, `${sessions} sessions were ended by the gateway`);
});
