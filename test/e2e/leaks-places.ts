/** Statements that show a hidden value when they run straight on the server. `{t}` stands for a relation, `{c}` for a hidden column. */
export interface Place {
  readonly name: string;
  readonly statements: readonly string[];
}

/** Relations of the shop and a hidden column of each, one for every kind of type, relation and name. */
export const HIDDEN: readonly (readonly [relation: string, column: string])[] = [
  ['shop.customers', 'full_name'],
  ['shop.customers', 'email'],
  ['shop.customers', 'phone'],
  ['shop.customers', 'card_number'],
  ['shop.customers', 'address'],
  ['shop.customers', 'prefs'],
  ['shop.payments', 'iban'],
  ['shop.visits', 'email'],
  ['shop."Kunden Straße"', '"E-Mail Adresse"'],
  ['shop.customer_contacts', 'email'],
  ['shop.city_totals', 'first_buyer'],
];

const place = (name: string, ...statements: string[]): Place => ({ name, statements });

/** Masked and answered: an analyst needs these. */
export const ANSWERED: readonly Place[] = [
  place('a select list', 'SELECT {c} FROM {t}'),
  place('an alias', 'SELECT {c} AS harmless FROM {t} AS x (a)', 'SELECT y.{c} AS id FROM {t} y'),
  place('a star', 'SELECT * FROM {t}'),
  place('TABLE', 'TABLE {t}'),
  place('a lateral join', 'SELECT l.v FROM {t} x, LATERAL (SELECT x.{c} AS v) l'),
  place('a natural join', 'SELECT * FROM {t} a NATURAL JOIN (SELECT 1 AS gatehouse_none) b'),
  place('a full join', 'SELECT a.{c} FROM {t} a FULL JOIN shop.products p ON false'),
  place('a scalar sub-select', 'SELECT (SELECT string_agg({c}::text, $$,$$) FROM {t})'),
  place('ARRAY of a query', 'SELECT ARRAY(SELECT {c}::text FROM {t})'),
  place('a materialised CTE', 'WITH q AS MATERIALIZED (SELECT {c} FROM {t}) TABLE q'),
  place(
    'a recursive CTE',
    'WITH RECURSIVE q (n, v) AS (SELECT 1, max({c}::text) FROM {t} UNION ALL SELECT n + 1, v FROM q WHERE n < 2) TABLE q',
  ),
  place('a set operation', 'SELECT name FROM shop.products UNION SELECT {c}::text FROM {t}'),
  place('VALUES', 'VALUES ((SELECT max({c}::text) FROM {t}))'),
  place('a whole row', 'SELECT x FROM {t} x'),
  place('a whole row as text', 'SELECT x::text FROM {t} x'),
  place('row_to_json', 'SELECT row_to_json(x) FROM {t} x'),
  place('json_agg', 'SELECT json_agg(x) FROM {t} x'),
  place('a window', 'SELECT first_value({c}::text) OVER (), lag({c}::text) OVER () FROM {t}'),
  place('an aggregate with ORDER BY', 'SELECT array_agg({c}::text ORDER BY {c}::text) FROM {t}'),
  place('DISTINCT ON', 'SELECT DISTINCT ON ({c}::text) {c} FROM {t}'),
  place('GROUP BY', 'SELECT {c}::text, count(*) FROM {t} GROUP BY 1'),
  place('CASE', 'SELECT CASE WHEN true THEN {c}::text ELSE NULL END FROM {t}'),
  place('format', 'SELECT format($$<%s>$$, {c}::text) FROM {t}'),
  place('xmlelement', 'SELECT xmlelement(name v, {c}::text) FROM {t}'),
  place('a function in FROM', 'SELECT u FROM {t} x, unnest(ARRAY[x.{c}::text]) u'),
  place('COPY of a query', 'COPY (SELECT {c} FROM {t}) TO STDOUT'),
  place('a cursor', 'DECLARE k CURSOR FOR SELECT {c} FROM {t}', 'FETCH ALL FROM k'),
  place('PREPARE', 'PREPARE leak_p AS SELECT {c} FROM {t}', 'EXECUTE leak_p', 'DEALLOCATE leak_p'),
  place('a temporary table', 'CREATE TEMP TABLE leak_t AS SELECT {c} AS v FROM {t}', 'TABLE leak_t'),
  place('SELECT INTO', 'SELECT {c} AS v INTO TEMP leak_i FROM {t}', 'TABLE leak_i'),
  place(
    'INSERT … SELECT into a temporary table',
    'CREATE TEMP TABLE leak_n (v text)',
    'INSERT INTO leak_n SELECT {c}::text FROM {t} RETURNING v',
  ),
  place('a sub-select that is not pulled up', 'SELECT v FROM (SELECT {c} AS v FROM {t} OFFSET 0) s'),
  place('a comment inside', 'SELECT/**/{c}/* {t} */FROM/**/{t}--'),
];

/** No hidden value, whether masked or refused. */
export const CLOSED: readonly Place[] = [
  place('query_to_xml', 'SELECT query_to_xml($q$SELECT {c} FROM {t}$q$, true, true, $$$$)'),
  place('RAISE in a block', 'DO $b$ BEGIN RAISE NOTICE $$%$$, (SELECT max({c}::text) FROM {t}); END $b$'),
  place('an error message', 'SELECT ({c}::text || $$x$$)::integer FROM {t} WHERE {c} IS NOT NULL'),
  place(
    'a block that makes SQL',
    'DO $b$ DECLARE v text; BEGIN EXECUTE $$SELECT max({c}::text) FROM {t}$$ INTO v; RAISE NOTICE $$%$$, v; END $b$',
  ),
  place('set_config', 'SELECT set_config($$a.b$$, max({c}::text), true) FROM {t}'),
];
