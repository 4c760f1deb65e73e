import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import { readCatalog, readSessionContext } from '../../../src/dataplane/catalog/index.ts';
import { type Substituted, substitute } from '../../../src/masking/substitute.ts';
import type { CatalogSnapshot, SessionContext } from '../../../src/model/catalog.ts';
import type { HiddenRelations, MaskedRelation } from '../../../src/model/mask.ts';
import { noObjects, sharedAnalyser } from '../statement/world.ts';
import { installations, type RealPostgres, startPostgres } from './real-postgres.ts';

const SCHEMA = `
CREATE SCHEMA shop;
CREATE DOMAIN shop.mail AS text;
CREATE TABLE shop.customers (id int PRIMARY KEY, name varchar(40) NOT NULL, email shop.mail, born date, prefs jsonb, tags text[],
  country text, lower_name text GENERATED ALWAYS AS (lower(name)) STORED);
INSERT INTO shop.customers SELECT i, 'Secret Name' || i, 'secret' || i || '@example.org', DATE '1970-01-01' + i,
  jsonb_build_object('secret', i), ARRAY['secret' || i, 'x'], CASE WHEN i % 2 = 0 THEN 'DE' ELSE 'FR' END FROM generate_series(1, 20) i;
CREATE TABLE shop.orders (id int PRIMARY KEY, customer_id int, total numeric(10,2), note text);
INSERT INTO shop.orders SELECT i, i % 20 + 1, i * 1.5, 'n' || i FROM generate_series(1, 60) i;
CREATE TABLE shop.vip () INHERITS (shop.customers);
INSERT INTO shop.vip SELECT 100 + i, 'Secret Vip' || i, 'secret-vip' || i, NULL, NULL, NULL, 'IT' FROM generate_series(1, 3) i;
CREATE TABLE shop."Kunden Straße" ("Kunden-Nr" int PRIMARY KEY, "E-Mail ""x""" text, "select" text);
INSERT INTO shop."Kunden Straße" VALUES (1, 'secret1', 'a'), (2, 'secret2', 'b');
CREATE TABLE shop.email (email text, gatehouse text);
INSERT INTO shop.email VALUES ('secret9', 'g');
CREATE VIEW shop.contacts AS SELECT id, name || email AS display FROM shop.customers;
`;

const HIDDEN: Readonly<Record<string, readonly string[]>> = {
  customers: ['name', 'email', 'born', 'prefs', 'tags', 'lower_name'],
  vip: ['name', 'email', 'born', 'prefs', 'tags', 'lower_name'],
  'Kunden Straße': ['E-Mail "x"', 'select'],
  email: ['email'],
  contacts: ['display'],
};

/** Statements that must give the same answer when every mask is the column itself. */
const EQUIVALENT: readonly string[] = [
  'SELECT * FROM shop.customers ORDER BY id',
  'SELECT id, email, name FROM shop.customers WHERE id < 4 ORDER BY id',
  'SELECT c.*, o.total FROM shop.customers c JOIN shop.orders o ON o.customer_id = c.id ORDER BY o.id',
  'SELECT customers.email FROM shop.customers ORDER BY customers.id',
  'SELECT shop.customers.email, shop . customers . id FROM shop.customers ORDER BY shop.customers.id',
  'SELECT postgres.shop.customers.email FROM postgres.shop.customers ORDER BY 1',
  'SELECT shop.customers.* FROM shop.customers ORDER BY shop.customers.id',
  'SELECT "c"."email" FROM "shop"."customers" AS "c" ORDER BY "c"."id"',
  'SELECT U&"\\0065mail" FROM U&"shop".U&"!0063ustomers" UESCAPE \'!\' ORDER BY id',
  'SELECT a, b FROM shop.customers AS c(a, b) ORDER BY a',
  'SELECT * FROM ONLY shop.customers ORDER BY id',
  'SELECT * FROM ONLY (shop.customers) ORDER BY id',
  'SELECT * FROM shop.customers * ORDER BY id',
  'SELECT id FROM shop.customers c TABLESAMPLE BERNOULLI (50) REPEATABLE (7) WHERE true ORDER BY id',
  'SELECT id FROM shop.customers TABLESAMPLE SYSTEM (100) ORDER BY id',
  'TABLE shop.customers ORDER BY id',
  'TABLE ONLY shop.customers ORDER BY 1',
  '(TABLE shop.vip) UNION ALL (TABLE shop.vip) ORDER BY id',
  'WITH customers AS (TABLE shop.customers) SELECT email FROM customers ORDER BY id',
  'WITH RECURSIVE r AS (SELECT 1 AS id UNION ALL SELECT c.id FROM r JOIN shop.customers c ON c.id = r.id + 1) SELECT * FROM r',
  'SELECT id, name FROM shop.customers GROUP BY id ORDER BY id',
  'SELECT c.id, c.name, c.country, count(*) FROM ONLY shop.customers c JOIN shop.orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY c.id',
  'SELECT c.id, lower(c.name), max(o.total) FROM ONLY shop.customers c JOIN shop.orders o ON o.customer_id = c.id GROUP BY 1 HAVING c.country <> $$x$$ ORDER BY c.born',
  'SELECT c.*, count(*) FROM ONLY shop.customers c JOIN shop.orders o ON o.customer_id = c.id GROUP BY (c.id) ORDER BY c.id',
  'SELECT c.id, (SELECT max(x) FROM (SELECT c.name AS x) q GROUP BY c.country) FROM ONLY shop.customers c GROUP BY c.id ORDER BY 1',
  'SELECT country, count(*) FROM shop.customers GROUP BY country ORDER BY 1',
  'SELECT row_to_json(c) FROM shop.customers c ORDER BY id',
  'SELECT (c).email FROM shop.customers c ORDER BY (c).id',
  'SELECT to_jsonb(customers) - $$id$$ FROM shop.customers ORDER BY id',
  'SELECT id FROM shop.customers a JOIN shop.customers b USING (id) AS j ORDER BY j.id',
  'SELECT email FROM shop.customers NATURAL JOIN shop.vip ORDER BY 1',
  'SELECT * FROM shop.orders o LEFT JOIN LATERAL (SELECT email FROM shop.customers c WHERE c.id = o.customer_id) x ON true ORDER BY o.id',
  'SELECT t FROM shop.customers, unnest(tags) t ORDER BY id, 1',
  'SELECT ctid, xmin IS NULL, tableoid::regclass, id FROM shop.customers ORDER BY tableoid, id',
  'SELECT c.tableoid::regclass::text FROM shop.customers c ORDER BY 1',
  'SELECT id, email FROM shop.customers ORDER BY id FOR UPDATE',
  'SELECT c.id FROM shop.customers c, shop.orders o WHERE o.id = c.id ORDER BY 1 FOR UPDATE OF c SKIP LOCKED',
  'SELECT "select", "E-Mail ""x""" FROM shop."Kunden Straße" ORDER BY "Kunden-Nr"',
  'SELECT shop."Kunden Straße"."select" FROM shop."Kunden Straße" ORDER BY 1',
  'SELECT email, gatehouse FROM shop.email',
  'SELECT (e).email, e::text FROM shop.email e',
  'SELECT display FROM shop.contacts ORDER BY id',
  'SELECT/**/id,email/* from shop.customers */FROM--x\nshop.customers--y\nORDER BY id',
  "SELECT 'ä😀', email FROM shop.customers WHERE name <> 'shop.customers' ORDER BY id",
  'SELECT email FROM(SELECT email,id FROM shop.customers)q ORDER BY q.id',
  'EXPLAIN (COSTS OFF) SELECT 1 FROM shop.orders',
  'SELECT count(*), count(email), min(born) FROM shop.customers',
  'SELECT DISTINCT ON (country) country, email FROM shop.customers ORDER BY country, id',
  'SELECT id, rank() OVER w FROM shop.customers WINDOW w AS (PARTITION BY country ORDER BY name) ORDER BY id',
  'SELECT ARRAY(SELECT email FROM shop.customers ORDER BY id)',
  'SELECT 1 WHERE EXISTS (SELECT FROM shop.customers)',
  'SELECT email FROM shop.customers WHERE id = 1 UNION SELECT note FROM shop.orders WHERE id = 1 ORDER BY 1',
  'UPDATE shop.orders o SET note = c.email FROM shop.customers c WHERE c.id = o.customer_id AND o.id = 1 RETURNING o.id, c.email',
  'INSERT INTO shop.orders (id, note) SELECT 1000 + id, email FROM shop.vip RETURNING id, note',
  'DELETE FROM shop.orders o USING shop.customers c WHERE c.id = o.customer_id AND o.id = 2 RETURNING o.id, c.name',
  'WITH x AS (INSERT INTO shop.orders (id, note) SELECT 2000, name FROM shop.customers WHERE id = 1 RETURNING note) SELECT * FROM x, shop.vip v ORDER BY v.id',
  'SELECT 1; SELECT email FROM shop.customers WHERE id = 1; SELECT email FROM shop.vip ORDER BY id',
];

interface Server {
  readonly name: string;
  readonly postgres: RealPostgres;
  readonly client: pg.Client;
  readonly catalog: CatalogSnapshot;
  readonly session: SessionContext;
}

const servers: Server[] = [];

before(async () => {
  for (const installation of await installations()) {
    const postgres = await startPostgres(installation);
    const client = await postgres.connect();
    await client.query(SCHEMA);
    const query = async (sql: string) =>
      (await client.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) =>
        row.map((value) => (value === null ? null : typeof value === 'string' ? value : JSON.stringify(value))),
      );
    const catalog = await readCatalog(query, 'shop');
    servers.push({ name: postgres.name, postgres, client, catalog, session: await readSessionContext(query) });
  }
});

after(async () => {
  for (const { client, postgres } of servers) {
    await client.end();
    await postgres.stop();
  }
});

type Mask = (column: { name: string; typeName: string }) => string;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const itself: Mask = ({ name }) => quoted(name);
const nothing: Mask = ({ typeName }) => `NULL::${typeName}`;

function hide(catalog: CatalogSnapshot, mask: Mask): HiddenRelations {
  const hidden = new Map<number, MaskedRelation>();
  for (const relation of catalog.relations.values()) {
    const names = relation.schema === 'shop' ? HIDDEN[relation.name] : undefined;
    if (!names) continue;
    const columns = relation.columns.filter((column) => names.includes(column.name));
    const expressions = new Map(columns.map((column) => [column.name, mask(column)]));
    hidden.set(relation.oid, { relation, expressions, masks: new Map() });
  }
  return hidden;
}

async function rewrite({ catalog, session }: Server, text: string, mask: Mask): Promise<Substituted> {
  const analyser = await sharedAnalyser();
  const script = analyser.analyse(text, { catalog, session, connection: 'shop', objects: noObjects });
  if ('kind' in script) throw new Error(`opaque: ${script.message}`);
  const result = substitute(script, hide(catalog, mask), catalog);
  if ('refusal' in result) throw new Error(`refused: ${result.refusal.message}`);
  return result;
}

/** Rows, names, types and tags of every result, in a transaction that is rolled back. */
async function run(client: pg.Client, text: string): Promise<unknown> {
  await client.query('BEGIN');
  try {
    const results = [await client.query({ text, rowMode: 'array' })].flat();
    return results.map((result) => [
      result.command,
      result.rowCount,
      result.rows,
      result.fields.map((field) => [field.name, field.dataTypeID, field.dataTypeModifier]),
    ]);
  } finally {
    await client.query('ROLLBACK');
  }
}

/** Servers whose grammar knows the text: an alias for USING came with PostgreSQL 14. */
function knowing(text: string): readonly Server[] {
  const since = /USING \(\w+\) AS /.test(text) ? 140000 : 0;
  return servers.filter(({ catalog }) => catalog.serverVersion >= since);
}

for (const text of EQUIVALENT) {
  test(`a mask that changes nothing changes nothing: ${text}`, async () => {
    for (const server of knowing(text)) {
      const { text: rewritten } = await rewrite(server, text, itself);
      assert.deepEqual(
        await run(server.client, rewritten),
        await run(server.client, text),
        `${server.name}: ${rewritten}`,
      );
    }
  });
  test(`a hidden value does not come out of: ${text}`, async () => {
    for (const server of servers) {
      const { text: rewritten } = await rewrite(server, text, nothing);
      // A recursive query or a NOT NULL column may fail on the masked world, but never with a raw value.
      const answer = await run(server.client, rewritten).catch((error: Error) => error.message);
      assert.doesNotMatch(JSON.stringify(answer), /secret[- ]?(name|vip|\d)/i, `${server.name}: ${rewritten}`);
    }
  });
}

const COPIES: readonly (readonly [string, string])[] = [
  ['COPY shop.customers TO STDOUT', '20'],
  ['COPY shop.customers (id, email) TO STDOUT WITH (FORMAT csv, HEADER)', '20'],
  ['COPY shop."Kunden Straße" ("select") TO STDOUT', '2'],
  ["COPY shop.customers (email) TO STDOUT CSV QUOTE '\"' FORCE QUOTE email", '20'],
];
for (const [text, count] of COPIES) {
  test(`COPY of a table copies its own rows and no generated column: ${text}`, async () => {
    for (const server of servers) {
      const { text: rewritten } = await rewrite(server, text, nothing);
      // The driver gives no COPY data away, so the file it would have written is looked at instead.
      const file = rewritten.replace('TO STDOUT', `TO '${server.postgres.socket}/copied'`);
      const original = text.replace('TO STDOUT', `TO '${server.postgres.socket}/original'`);
      assert.equal(String((await server.client.query(file)).rowCount), count);
      await server.client.query(original);
      const read = async (name: string) =>
        (await server.client.query('SELECT pg_read_file($1) AS data', [`${server.postgres.socket}/${name}`])).rows[0]
          .data as string;
      const separators = (data: string) => data.split('\n').map((line) => line.split(/[\t,]/).length);
      const [copied, raw] = [await read('copied'), await read('original')];
      assert.match(raw, /secret|a/i);
      assert.doesNotMatch(copied, /secret/i);
      if (!text.includes('prefs') && text.includes('(')) assert.deepEqual(separators(copied), separators(raw));
    }
  });
}

test('what stands outside the references stays byte for byte', async () => {
  const [server] = servers;
  assert.ok(server);
  const text = "SELECT 'ä' /* shop.customers */,\n c.email\tFROM  shop.customers  AS c WHERE c.id=1 -- end";
  const { text: rewritten, changed } = await rewrite(server, text, nothing);
  const [before_, after_] = text.split('shop.customers  AS');
  assert.ok(changed);
  assert.ok(rewritten.startsWith(before_ ?? '!') && rewritten.endsWith(`  AS${after_}`), rewritten);
  const untouched = await rewrite(server, 'SELECT note FROM shop.orders', nothing);
  assert.deepEqual([untouched.text, untouched.changed], ['SELECT note FROM shop.orders', false]);
});

test('an error position of the server points into the text the client sent', async () => {
  const cases = [
    "SELECT '😀ä', email FROM shop.customers c, shop.orders o WHERE wrong = 1",
    'SELECT shop.customers.email, shop.customers.wrong FROM shop.customers',
    'SELECT c.id, c.name, wrong FROM ONLY shop.customers c GROUP BY c.id',
    'SELECT 1 FROM shop.customers c TABLESAMPLE SYSTEM (10) WHERE wrong',
    'TABLE shop.customers ORDER BY wrong',
  ];
  for (const server of servers) {
    for (const text of cases) {
      const positionOf = async (sql: string) => {
        const error = (await server.client.query(sql).catch((reason: unknown) => reason)) as { position?: string };
        return Number(error.position);
      };
      const rewritten = await rewrite(server, text, nothing);
      const expected = [...text].slice(0, (await positionOf(text)) - 1).join('');
      const found = rewritten.originalPosition(await positionOf(rewritten.text));
      assert.equal([...text].slice(0, found - 1).join(''), expected, rewritten.text);
    }
  }
});

test('system views show their other columns, and nothing of what they echo', async () => {
  for (const server of servers) {
    const queries = [
      "SELECT pid, query, state FROM pg_stat_activity WHERE 'SECRET1' <> '' AND pid = pg_backend_pid()",
      "SELECT row_to_json(a) FROM pg_catalog.pg_stat_activity a WHERE 'SECRET1' <> '' AND pg_catalog.a.pid = pg_backend_pid()".replace(
        'pg_catalog.a',
        'a',
      ),
      'SELECT pg_catalog.pg_stats.attname, pg_stats.histogram_bounds FROM pg_catalog.pg_stats WHERE schemaname = $$shop$$',
      'SELECT * FROM pg_stats WHERE schemaname = $$shop$$',
    ];
    await server.client.query('ANALYZE shop.customers');
    for (const text of queries) {
      assert.match(JSON.stringify(await run(server.client, text)), /secret/i, text);
      const rewritten = await rewrite(server, text, nothing);
      const [[, , rows]] = (await run(server.client, rewritten.text)) as [[unknown, unknown, unknown[]]];
      assert.ok(rows.length > 0);
      assert.doesNotMatch(JSON.stringify(rows), /secret/i, rewritten.text);
    }
  }
});

test('hazards become a refusal only for those whom they concern', async () => {
  const [server] = servers;
  assert.ok(server);
  const { catalog, session } = server;
  const analyser = await sharedAnalyser();
  const judge = (text: string, hidden: HiddenRelations) => {
    const script = analyser.analyse(text, { catalog, session, connection: 'shop', objects: noObjects });
    assert.ok(!('kind' in script));
    const result = substitute(script, hidden, catalog);
    return 'refusal' in result ? result.refusal.code : 'forwarded';
  };
  const hidden = hide(catalog, nothing);
  const none: HiddenRelations = new Map();
  const table: readonly (readonly [string, string, string])[] = [
    ['SELECT * FROM shop.missing', 'statement-opaque', 'statement-opaque'],
    ["DO $$ BEGIN EXECUTE 'x'; END $$", 'statement-unmaskable', 'forwarded'],
    ["UPDATE shop.customers SET country = 'x' WHERE id = 1", 'forwarded', 'forwarded'],
    ["UPDATE shop.customers SET country = 'x' WHERE email = 'y'", 'statement-unmaskable', 'forwarded'],
    ['DELETE FROM shop.orders WHERE id = 1 RETURNING *', 'forwarded', 'forwarded'],
    ['ALTER TABLE shop.customers ADD x text', 'statement-unmaskable', 'forwarded'],
    ['SELECT * FROM shop.customers TABLESAMPLE BERNOULLI ((SELECT 50))', 'statement-unmaskable', 'forwarded'],
    ['COPY BINARY shop.customers TO STDOUT', 'statement-unmaskable', 'forwarded'],
  ];
  for (const [text, withHidden, without] of table) {
    assert.deepEqual([judge(text, hidden), judge(text, none)], [withHidden, without], text);
  }
});
