/**
 * Lineage against real servers: every value of the base tables says which column it is of, so what a view shows says what its columns derive
 * from. What is shown must be in the lineage, whatever way it took.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { readCatalog, relationNamed } from '../../../src/dataplane/catalog/index.ts';
import type { CatalogSnapshot } from '../../../src/model/catalog.ts';
import type { Lineage } from '../../../src/model/statement.ts';
import { viewLineage } from '../../../src/statement/sql/postgres/index.ts';
import { installations, type RealPostgres, startPostgres, textQuery } from '../masking/real-postgres.ts';
import { sharedAnalyser } from './world.ts';

const SETUP = `
CREATE EXTENSION file_fdw;
CREATE SCHEMA s;
SET search_path = s;
CREATE TYPE addr AS (street text, city text);
CREATE TABLE p (id int PRIMARY KEY, email text, name text, note text, tags text[], doc jsonb, home addr, x xml);
INSERT INTO p SELECT n, 'P_EMAIL' || n, 'P_NAME' || n, 'P_NOTE' || n, ARRAY['P_TAGS' || n], jsonb_build_object('k', 'P_DOC' || n),
  ROW ('P_HOME' || n, 'P_HOME')::addr, xmlelement(name a, xmlelement(name b, 'P_X' || n)) FROM generate_series(1, 3) n;
CREATE TABLE q (id int PRIMARY KEY, p_id int, mail text, total int, email text);
INSERT INTO q SELECT n, n, 'Q_MAIL' || n, n, 'Q_EMAIL' || n FROM generate_series(1, 4) n;
CREATE TABLE part (id int, word text) PARTITION BY LIST (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1, 2, 3);
INSERT INTO part SELECT n, 'PART_WORD' || n FROM generate_series(1, 3) n;
CREATE TABLE up (id int, word text);
CREATE TABLE down (more text) INHERITS (up);
INSERT INTO down VALUES (1, 'UP_WORD1', 'DOWN_MORE1');
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE far (line text) SERVER files OPTIONS (program 'echo FAR_LINE1');
CREATE FUNCTION by_sql(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM s.p WHERE id = $1';
CREATE FUNCTION by_block(int) RETURNS SETOF s.p LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT * FROM s.p WHERE id = $1; END $$;
CREATE FUNCTION shout(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN upper($1); END $$;
`;

/** Name, oldest server in majors, definition. */
const views: readonly (readonly [name: string, since: number, definition: string])[] = [
  ['plain', 13, 'SELECT * FROM p'],
  ['renamed', 13, 'SELECT email AS a, name AS email, note AS name FROM p'],
  ['nested', 13, 'SELECT a, email FROM renamed'],
  ['deeper', 13, 'SELECT n.email AS x, (SELECT max(m.a) FROM nested m) AS y FROM nested n'],
  ['united', 13, 'SELECT email, name FROM p UNION ALL SELECT mail, email FROM q'],
  [
    'excepted',
    13,
    '(SELECT email FROM p EXCEPT SELECT mail FROM q) UNION (SELECT note FROM p INTERSECT SELECT note FROM p) ORDER BY 1',
  ],
  [
    'with_cte',
    13,
    'WITH c AS (SELECT email AS e, id FROM p), d AS MATERIALIZED (SELECT e || 1 AS f FROM c) SELECT d.f, c.id FROM d, c',
  ],
  [
    'shadowed',
    13,
    'WITH p AS (SELECT mail AS email, 1 AS id FROM q) SELECT p.email, (WITH p AS (SELECT s.p.note AS email FROM s.p) SELECT min(email) FROM p) AS n FROM p',
  ],
  [
    'recursive',
    13,
    'WITH RECURSIVE r(n, a, b) AS (SELECT 1, email, name FROM p UNION ALL SELECT n + 1, b, a FROM r WHERE n < 3) SELECT * FROM r',
  ],
  [
    'searched',
    14,
    'WITH RECURSIVE r(n, a) AS (SELECT 1, email FROM p UNION ALL SELECT n + 1, a FROM r WHERE n < 2) SEARCH DEPTH FIRST BY a SET ord CYCLE a SET looped USING way SELECT n, a, ord::text AS o, way::text AS w FROM r',
  ],
  ['sideways', 13, 'SELECT l.e, l.w FROM q, LATERAL (SELECT p.email AS e, q.mail AS w FROM p WHERE p.id = q.p_id) l'],
  [
    'sideways_join',
    13,
    'SELECT q.id, l.* FROM q LEFT JOIN LATERAL (SELECT note, name FROM p WHERE p.id = q.p_id LIMIT 1) l ON true',
  ],
  ['unnested', 13, 'SELECT t.tag, t.n, p.id FROM p, unnest(p.tags) WITH ORDINALITY t(tag, n)'],
  ['from_rows', 13, 'SELECT f.* FROM p, ROWS FROM (unnest(p.tags), jsonb_each_text(p.doc)) f(a, k, v)'],
  ['from_record', 13, 'SELECT r.k FROM p, jsonb_to_record(p.doc) r(k text)'],
  ['from_function', 13, 'SELECT b.email, b.id FROM q, by_block(q.p_id) b'],
  ['called', 13, 'SELECT by_sql(id) AS a, id AS b FROM q'],
  ['harmless', 13, 'SELECT shout(email) AS a, shout(name) AS b FROM p'],
  ['from_xml', 13, "SELECT t.v FROM p, XMLTABLE('/a' PASSING p.x COLUMNS v text PATH 'b') t"],
  [
    'from_json',
    17,
    "SELECT t.v, t.d FROM p, JSON_TABLE(p.doc, '$' COLUMNS (v text PATH '$.k', d text PATH '$.z' DEFAULT 'none' ON EMPTY)) t",
  ],
  ['json_made', 16, "SELECT JSON_OBJECT('a': p.email) AS a, JSON_ARRAY(p.name, p.id) AS b FROM p"],
  ['json_gathered', 16, 'SELECT JSON_ARRAYAGG(p.email ORDER BY p.id) AS a, JSON_OBJECTAGG(p.id: p.note) AS b FROM p'],
  ['json_asked', 17, "SELECT JSON_VALUE(p.doc, '$.k') AS a, JSON_QUERY(p.doc, '$') AS b FROM p"],
  [
    'xml_made',
    13,
    'SELECT xmlelement(name a, xmlattributes(p.email AS e), p.name) AS a, xmlforest(p.note) AS b FROM p',
  ],
  ['whole', 13, 'SELECT p AS a, p.id FROM p'],
  ['whole_cast', 13, 'SELECT p::text AS a, to_jsonb(p) AS b, row_to_json(p.*) AS c, (p).email AS d FROM p'],
  ['whole_sub', 13, 'SELECT z::text AS a, z.e FROM (SELECT email AS e, id FROM p) z'],
  ['whole_field', 13, 'SELECT (a).note AS n, (a).id FROM whole'],
  ['composite', 13, 'SELECT (home).street AS a, (home).city AS b, ROW (email, 1)::text AS c FROM p'],
  ['spread', 13, 'SELECT (home).* FROM p'],
  ['arrays', 13, 'SELECT tags[1] AS a, ARRAY[name, note] AS b, ARRAY(SELECT mail FROM q) AS c FROM p'],
  ['joined_using', 13, 'SELECT * FROM (SELECT id, email FROM p) a JOIN (SELECT id, mail FROM q) b USING (id)'],
  ['joined_full', 13, 'SELECT email, total FROM p FULL JOIN q USING (email)'],
  ['joined_natural', 13, 'SELECT * FROM (SELECT id, note FROM p) a NATURAL JOIN (SELECT id, mail FROM q) b'],
  ['joined_alias', 14, 'SELECT u.email, p.name FROM p FULL JOIN q USING (email) AS u'],
  ['join_renamed', 13, 'SELECT j.c AS a, j.b FROM (p JOIN q ON p.id = q.p_id) j(a, b, c)'],
  ['table_renamed', 13, 'SELECT z.b, z.name FROM p z(a, b)'],
  [
    'grouped',
    13,
    'SELECT name, max(email) AS m, string_agg(note, name) FILTER (WHERE id > 1) AS s, count(*) AS n FROM p GROUP BY ROLLUP (name)',
  ],
  [
    'ordered',
    13,
    'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY email) AS a, mode() WITHIN GROUP (ORDER BY note) AS b FROM p',
  ],
  [
    'windowed',
    13,
    'SELECT lag(email) OVER w AS a, first_value(note) OVER (w ROWS UNBOUNDED PRECEDING) AS b FROM p WINDOW w AS (PARTITION BY true ORDER BY id)',
  ],
  ['distinct_on', 13, 'SELECT DISTINCT ON (id) id, coalesce(note, email) AS c FROM p ORDER BY id, name'],
  ['valued', 13, 'SELECT v.b FROM (VALUES (1, (SELECT max(email) FROM p)), (2, (SELECT max(mail) FROM q))) v(a, b)'],
  [
    'cased',
    13,
    "SELECT CASE id WHEN 1 THEN email ELSE name END AS a, nullif(note, '') AS b, greatest(email, name) AS c FROM p",
  ],
  [
    'sublinks',
    13,
    'SELECT email = ANY (SELECT mail FROM q) AS a, (SELECT q.mail FROM q WHERE q.p_id = p.id) AS b FROM p',
  ],
  ['sampled', 13, 'SELECT z.email FROM p z TABLESAMPLE bernoulli (100)'],
  ['parts', 13, 'SELECT word FROM part'],
  ['one_part', 13, 'SELECT word AS w FROM part_1'],
  ['heirs', 13, 'SELECT u.word, d.more FROM up u, down d'],
  ['foreign_view', 13, 'SELECT line, upper(line) AS l FROM far'],
  [
    'lengths',
    13,
    'SELECT p.email COLLATE "C" AS a, CAST (p.name AS varchar(20)) AS b, p.note || 1 AS c, extract(year FROM now()) AS d FROM p',
  ],
  ['limits', 13, 'SELECT a.email FROM (SELECT email FROM p ORDER BY name LIMIT 2) a OFFSET 1'],
  ['correlated', 13, 'SELECT (SELECT string_agg(i.note, p.name) FROM p i WHERE i.id <= p.id) AS a FROM p'],
  ['inner_alias', 13, 'SELECT p.email FROM (SELECT q.mail AS email FROM q) p, (SELECT 1 AS email) z'],
];

for (const installation of await installations()) {
  describe(`what views show and derive from, ${installation.name}`, () => {
    let server: RealPostgres;
    let client: pg.Client;
    let catalog: CatalogSnapshot;
    let lineage: Lineage;
    let major: number;

    before(async () => {
      server = await startPostgres(installation);
      client = await server.connect();
      await client.query(SETUP);
      const { rows } = await client.query<{ v: string }>(`SELECT current_setting('server_version_num') AS v`);
      major = Math.floor(Number(rows[0]?.v) / 10_000);
      for (const [name, since, definition] of views) {
        if (major >= since) await client.query(`CREATE VIEW s."${name}" AS ${definition}`);
      }
      await client.query(`CREATE MATERIALIZED VIEW s.stored AS SELECT d.x AS a, u.email FROM s.deeper d, s.united u`);
      await client.query('CREATE VIEW s.over_stored AS SELECT email AS z FROM s.stored');
      await client.query(
        'CREATE VIEW s.barrier WITH (security_barrier) AS SELECT email AS a, id FROM s.p WITH CASCADED CHECK OPTION',
      );
      await client.query('CREATE VIEW s.ruled AS SELECT note AS a, name AS b FROM s.p');
      await client.query('CREATE RULE r AS ON INSERT TO s.ruled DO INSTEAD NOTHING');
      if (major >= 15)
        await client.query('CREATE VIEW s.invoker WITH (security_invoker) AS SELECT name AS a, note AS b FROM s.p');
      // Definitions are kept as they were understood: columns that come or change their names later do not move.
      await client.query('ALTER TABLE s.p RENAME COLUMN email TO post');
      await client.query('ALTER TABLE s.p RENAME COLUMN name TO email');
      await client.query(
        `ALTER TABLE s.p ADD COLUMN name text DEFAULT 'P_LATER'; ALTER TABLE s.q RENAME TO queue; ALTER VIEW s.united RENAME COLUMN email TO first`,
      );
      catalog = await readCatalog(textQuery(client), 's');
      lineage = viewLineage(catalog, await sharedAnalyser());
    });
    after(async () => {
      await client?.end();
      await server?.stop();
    });

    /** Marker in the values → the column they are of, by its name of now. */
    function origins(): ReadonlyMap<string, string> {
      const markers: Record<string, readonly [table: string, column: string]> = {
        ...{ P_EMAIL: ['p', 'post'], P_NAME: ['p', 'email'], P_NOTE: ['p', 'note'], P_TAGS: ['p', 'tags'] },
        ...{ P_DOC: ['p', 'doc'], P_HOME: ['p', 'home'], P_X: ['p', 'x'], P_LATER: ['p', 'name'] },
        ...{ Q_MAIL: ['queue', 'mail'], Q_EMAIL: ['queue', 'email'], FAR_LINE: ['far', 'line'] },
        ...{ UP_WORD: ['up', 'word'], DOWN_MORE: ['down', 'more'] },
      };
      return new Map(
        Object.entries(markers).map(([marker, [table, column]]) => [
          marker,
          `${relationNamed(catalog, 's', table)?.oid}.${column}`,
        ]),
      );
    }

    test('nothing that a view shows is missing from its lineage, and all of it is known', async () => {
      const known = origins();
      let seen = 0;
      for (const relation of catalog.relations.values()) {
        if (relation.schema !== 's' || (relation.kind !== 'view' && relation.kind !== 'materialized-view')) continue;
        const found = lineage.get(relation.oid);
        assert.equal(found?.unknown, false, `${relation.name}: ${relation.definition}`);
        for (const column of relation.columns) {
          const values = await textQuery(client)(`SELECT "${column.name}"::text FROM s."${relation.name}"`);
          const shown = values
            .map(([value]) => value ?? '')
            .join(' ')
            .toUpperCase();
          for (const [marker, origin] of known) {
            if (!shown.includes(marker)) continue;
            seen++;
            assert.ok(
              found?.columns.get(column.name)?.has(origin as `${number}.${string}`),
              `${relation.name}.${column.name} shows ${marker}, its lineage is ${[...(found?.columns.get(column.name) ?? [])].join(' ')}: ${relation.definition}`,
            );
          }
        }
      }
      assert.ok(seen > 80, `${seen}`);
    });

    test('lineage is no wider than it has to be', () => {
      const narrow: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
        plain: { id: ['id'], email: ['post'], note: ['note'] },
        nested: { a: ['post'], email: ['email'] },
        deeper: { x: ['email'], y: ['post'] },
        sideways_join: { note: ['note'], name: ['email'] },
        harmless: { a: ['post'], b: ['email'] },
        composite: { a: ['home'], c: ['post'] },
        barrier: { a: ['post'], id: ['id'] },
        arrays: { a: ['tags'] },
        windowed: { a: ['post'] },
        over_stored: {},
      };
      for (const [name, columns] of Object.entries(narrow)) {
        const found = lineage.get(relationNamed(catalog, 's', name)?.oid ?? 0);
        for (const [column, expected] of Object.entries(columns)) {
          const names = [...(found?.columns.get(column) ?? [])].map((origin) => origin.split('.')[1]).sort();
          assert.deepEqual(names, [...expected].sort(), `${name}.${column}`);
        }
      }
    });
  });
}
