import assert from 'node:assert/strict';
import test from 'node:test';
import type { ColumnWrite, SqlStatement } from '../../../src/model/statement.ts';
import { catalog, fn, noObjects, relation, session, statement } from './world.ts';

const followed = { followValues: true } as const;

/** `shop.customers! email < customers.name 'x' $1 ?`: what is written, `!` where it overwrites, and where each value comes from. */
function written({ writes = [] }: SqlStatement): string[] {
  return writes.map(({ name, overwrites, columns, copy }) => {
    const parts = copy ? [`${copy.format} ${copy.columns.join(',')}`] : columns.map(flow);
    return `${name}${overwrites ? '!' : ''} ${parts.join('; ')}`;
  });
}

function flow(write: ColumnWrite): string {
  const from = [
    ...[...write.sources].map(([oid, columns]) => {
      const names = columns === 'all' ? ['*'] : [...columns].sort();
      return names.map((name) => `${catalog.relations.get(oid)?.name}.${name}`).join(' ');
    }),
    ...write.constants.map(({ value, whole }) => `'${value}'${whole ? '' : '…'}`),
    ...write.parameters.map(({ number, whole }) => `$${number}${whole ? '' : '…'}`),
    ...(write.unfollowed ? ['?'] : []),
    ...(write.fromArguments ? ['args'] : []),
  ];
  return [write.column ?? '*', '<', ...from].join(' ').trim();
}

const cases: readonly (readonly [text: string, ...expected: string[]])[] = [
  ["INSERT INTO shop.customers (id, email) VALUES (1, 'a'), (2, $1)", "shop.customers id < '1' '2'; email < 'a' $1"],
  ['INSERT INTO shop.orders VALUES (1, DEFAULT, -5)', "shop.orders id < '1'; customer_id <; total < '-5'"],
  ['INSERT INTO shop.orders DEFAULT VALUES', 'shop.orders id <; customer_id <; total <'],
  [
    'INSERT INTO shop.orders SELECT * FROM shop.orders',
    'shop.orders id < orders.id; customer_id < orders.customer_id; total < orders.total',
  ],
  ['INSERT INTO shop.orders (id) TABLE shop.orders', 'shop.orders id < orders.id'],
  [
    'INSERT INTO shop.customers (id, name) SELECT o.id, c.* FROM shop.orders o JOIN shop.customers c USING (id)',
    'shop.customers id < orders.id; name < customers.id',
  ],
  [
    'INSERT INTO shop.customers (id, name) SELECT * FROM shop.orders o JOIN shop.customers c USING (id)',
    `shop.customers ${['id', 'name'].map((name) => `${name} < orders.customer_id orders.id orders.total customers.country customers.email customers.id customers.name customers.prefs`).join('; ')}`,
  ],
  [
    'INSERT INTO shop.customers (name) SELECT upper(email) || $1 FROM shop.customers WHERE country = $2 UNION SELECT lower($3)',
    'shop.customers name < customers.email $1… $3…',
  ],
  ['INSERT INTO shop.customers (name) SELECT count(email)::text FROM shop.customers', 'shop.customers name <'],
  ['INSERT INTO shop.customers (name) SELECT x FROM unnest($1::text[]) x', 'shop.customers name < $1…'],
  ['INSERT INTO shop.customers (name) SELECT * FROM json_each_text($1)', 'shop.customers name < $1…'],
  [
    "INSERT INTO shop.customers (id, email) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = 'b'",
    "shop.customers id < '1'; email < 'a'",
    "shop.customers! email < 'a'; name < 'b'",
  ],
  ['INSERT INTO shop.customers (id) VALUES (1) ON CONFLICT DO NOTHING', "shop.customers id < '1'"],
  ['UPDATE shop.customers SET email = lower(name)', 'shop.customers! email <'],
  [
    'UPDATE shop.customers c SET email = o.email FROM shop.customers o WHERE o.name = $1',
    'shop.customers! email < customers.email',
  ],
  ['UPDATE shop.customers SET (name, email) = ($1, $2::text)', 'shop.customers! name < $1; email < $2'],
  [
    "UPDATE shop.customers SET (name, email) = (SELECT country, 'x' FROM shop.customers o)",
    "shop.customers! name < customers.country; email < 'x'",
  ],
  ['UPDATE shop.customers SET name = CASE WHEN $1 THEN $2 END', 'shop.customers! name < $1… $2…'],
  [
    "MERGE INTO shop.customers c USING shop.orders o ON o.id = c.id WHEN MATCHED THEN UPDATE SET name = o.total WHEN NOT MATCHED THEN INSERT (id, name) VALUES (o.id, 'x')",
    'shop.customers! name < orders.total',
    "shop.customers id < orders.id; name < 'x'",
  ],
  [
    'WITH c AS (SELECT email FROM shop.customers), w AS (INSERT INTO public.orders (note) SELECT * FROM c RETURNING note) INSERT INTO shop.customers (name) SELECT note FROM w',
    'public.orders note < customers.email',
    'shop.customers name < customers.email',
  ],
  ["WITH d AS (DELETE FROM shop.customers WHERE name = 'x' RETURNING 1) SELECT * FROM d"],
  [
    'CREATE TABLE shop.copied (a) AS SELECT email, id FROM shop.customers',
    'shop.copied a < customers.email; id < customers.id',
  ],
  ['CREATE MATERIALIZED VIEW shop.copied AS SELECT email FROM shop.customers', 'shop.copied email < customers.email'],
  ['SELECT email INTO shop.copied FROM shop.customers', 'shop.copied email < customers.email'],
  ['CREATE TEMP TABLE mine AS SELECT email FROM shop.customers'],
  ['SELECT email INTO TEMP mine FROM shop.customers'],
  ['COPY shop.customers (id, email) FROM STDIN (FORMAT csv)', 'shop.customers csv id,email'],
  ['COPY shop.orders FROM STDIN', 'shop.orders text id,customer_id,total'],
  ['COPY shop.orders TO STDOUT'],
  ["EXPLAIN UPDATE shop.customers SET name = 'x'", "shop.customers! name < 'x'"],
  ['PREPARE p AS UPDATE shop.customers SET name = $1', 'shop.customers! name < $1'],
  ["DO $$ BEGIN UPDATE shop.customers SET name = 'x', email = v; END $$", "shop.customers! name < 'x'; email < ?"],
  ['SELECT * FROM shop.customers'],
];

for (const [text, ...expected] of cases) {
  test(`written by ${text}`, async () => {
    assert.deepEqual(written(await statement(text, followed)), expected);
  });
}

test('nothing is followed unless somebody asks', async () => {
  assert.equal((await statement("UPDATE shop.customers SET name = 'x'")).writes, undefined);
});

test('what comes from a temporary table cannot be followed; what goes into one is not looked at', async () => {
  const world = {
    ...followed,
    session: { ...session, temporary: [relation('pg_temp_3.mine', 'id, x', { temporary: true })] },
  };
  assert.deepEqual(written(await statement('UPDATE shop.customers SET name = m.x FROM mine m', world)), [
    'shop.customers! name < ?',
  ]);
  assert.deepEqual(written(await statement('INSERT INTO shop.orders SELECT * FROM mine', world)), [
    'shop.orders id < ?; customer_id < ?; total < ?',
  ]);
  assert.deepEqual(written(await statement('INSERT INTO mine SELECT * FROM shop.customers', world)), []);
});

test('EXECUTE puts its arguments where the parameters stood', async () => {
  const prepared = await statement(
    "PREPARE p AS UPDATE shop.customers SET name = $1, email = lower($2), country = 'at'",
    followed,
  );
  const objects = { ...noObjects, prepared: () => prepared };
  assert.deepEqual(written(await statement("EXECUTE p ('a', 'b')", { ...followed, objects })), [
    "shop.customers! name < 'a'; email < 'b'…; country < 'at'",
  ]);
  const unfollowed = await statement('PREPARE p AS UPDATE shop.customers SET name = $1', {});
  const later = await statement("EXECUTE p ('a')", {
    ...followed,
    objects: { ...noObjects, prepared: () => unfollowed },
  });
  assert.ok(later.hazards.some(({ message }) => message.includes('prepare it again')));
});

test('into what a function writes, anything may flow that the statement gives it', async () => {
  const rename = fn('shop.rename', {
    source: "UPDATE shop.customers SET name = $2, email = 'own', country = who WHERE id = $1",
  });
  const outer = fn('shop.outer', { source: 'SELECT shop.rename(1, upper($1))' });
  const world = { ...followed, catalog: { ...catalog, functions: [...catalog.functions, rename, outer] } };
  assert.deepEqual(written(await statement("SELECT shop.rename(1, 'x') FROM shop.orders WHERE total > $1", world)), [
    "shop.customers! name < orders.total '1'… 'x'… $1…; email < 'own'; country < orders.total '1'… 'x'… $1…",
  ]);
  assert.match(written(await statement("SELECT shop.outer('y')", world))[0] ?? '', /name < .*'y'…/);
});

test('offsets of literals are those of the text', async () => {
  const text = "UPDATE shop.customers SET country = 'ö', name = 'ä'";
  const { writes = [] } = await statement(text, followed);
  const offset = writes[0]?.columns[1]?.constants[0]?.offset ?? 0;
  assert.equal(Buffer.from(text).subarray(offset).toString(), "'ä'");
});

test('a query that multiplies columns without end is not followed without end', async () => {
  const ctes = Array.from(
    { length: 12 },
    (_, index) => `c${index + 1} AS (SELECT * FROM c${index} a, c${index} b, c${index} c)`,
  );
  const text = `WITH c0 AS (SELECT * FROM shop.customers), ${ctes.join(', ')} INSERT INTO shop.orders (id) SELECT * FROM c12`;
  assert.equal((await statement(text, followed)).writes?.length, 1);
});
