import type { Oid } from '../../model/catalog.ts';

/**
 * Texts of the catalog queries for PostgreSQL 13 to 18. They also run inside a client's session, whose search_path anyone may
 * have set: every function, operator and type is named with its schema, and `IN`, `CASE x WHEN` and `USING`, which look up `=` by
 * name, are not used. Each object comes back as one JSON array, so that one text column is enough for any protocol.
 * https://www.postgresql.org/docs/current/catalogs.html
 */

const eq = 'OPERATOR(pg_catalog.=)';
const ne = 'OPERATOR(pg_catalog.<>)';

/** Types whose names are words of the grammar: they need no schema, and their modifiers stand inside the name. */
const GRAMMAR_TYPES = '{16,20,21,23,700,701,1043,1083,1114,1184,1186,1266,1562,1700}';
/** `bit` and `character`: without a modifier the grammar's word would mean length 1. */
const GRAMMAR_TYPES_WITH_LENGTH = '{1042,1560}';

/** Kinds of relations that a snapshot holds. */
const RELATION_KINDS = `'{r,p,v,m,f,S,c}'::pg_catalog."char"[]`;

/**
 * A type name that means the same under any search_path. `type`, `element` are aliases of pg_type (`element` joined when `type` is
 * a true array), `typeSchema`, `elementSchema` of pg_namespace.
 */
function typeName(type: string, element: string, typeSchema: string, elementSchema: string, typmod: string): string {
  const named = (alias: string, schema: string): string => `
    CASE WHEN ${alias}.oid ${eq} ANY ('${GRAMMAR_TYPES}'::pg_catalog.oid[])
           OR (${alias}.oid ${eq} ANY ('${GRAMMAR_TYPES_WITH_LENGTH}'::pg_catalog.oid[]) AND ${typmod} ${ne} -1)
         THEN pg_catalog.format_type(${alias}.oid, ${typmod})
         ELSE pg_catalog.concat(pg_catalog.quote_ident(${schema}.nspname), '.', pg_catalog.quote_ident(${alias}.typname),
                CASE WHEN ${typmod} ${ne} -1
                     THEN pg_catalog.substring(pg_catalog.format_type(${alias}.oid, ${typmod}), E'\\\\([^()]*\\\\)$') END)
    END`;
  return `CASE WHEN ${element}.oid IS NULL THEN ${named(type, typeSchema)}
    ELSE pg_catalog.concat(${named(element, elementSchema)}, '[]') END`;
}

/** Common table expressions up to `relation_rows(oid, relation)`, over the rows of pg_class that `filter` (on `c`, `n`) keeps. */
function relationRows(filter: string): string {
  return `
domain_steps(oid, base, typmod) AS (
  SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_catalog.pg_type t
   WHERE t.typtype ${eq} 'd' AND t.oid OPERATOR(pg_catalog.>=) 0::pg_catalog.oid -- an index serves where sequential scans are off
  UNION ALL
  SELECT d.oid, t.typbasetype, t.typtypmod FROM domain_steps d JOIN pg_catalog.pg_type t ON t.oid ${eq} d.base
   WHERE t.typtype ${eq} 'd'
),
domains AS (
  SELECT d.oid, d.base, d.typmod FROM domain_steps d JOIN pg_catalog.pg_type t ON t.oid ${eq} d.base
   WHERE t.typtype ${ne} 'd'
),
rel AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ${eq} c.relnamespace
   WHERE c.relkind ${eq} ANY (${RELATION_KINDS}) AND ${filter}
),
enums AS (
  SELECT DISTINCT ON (e.enumtypid) e.enumtypid, e.enumlabel
    FROM pg_catalog.pg_enum e ORDER BY e.enumtypid, e.enumsortorder
),
generated AS (
  SELECT ad.adrelid, ad.adnum, pg_catalog.json_agg(DISTINCT dep.refobjsubid) AS sources
    FROM rel
    JOIN pg_catalog.pg_attrdef ad ON ad.adrelid ${eq} rel.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid ${eq} ad.adrelid AND a.attnum ${eq} ad.adnum AND a.attgenerated ${ne} ''
    JOIN pg_catalog.pg_depend dep
      ON dep.refclassid ${eq} 1259::pg_catalog.oid AND dep.refobjid ${eq} ad.adrelid
     AND dep.refobjsubid OPERATOR(pg_catalog.>) 0 AND dep.refobjsubid ${ne} ad.adnum::pg_catalog.int4
     AND ((dep.classid ${eq} 2604::pg_catalog.oid AND dep.objid ${eq} ad.oid)
       OR (dep.classid ${eq} 1259::pg_catalog.oid AND dep.objid ${eq} ad.adrelid AND dep.objsubid ${eq} ad.adnum::pg_catalog.int4))
   GROUP BY ad.adrelid, ad.adnum
),
cols AS (
  SELECT a.attrelid, pg_catalog.json_agg(pg_catalog.json_build_array(
           a.attnum, a.attname, a.atttypid::pg_catalog.int8, a.atttypmod,
           ${typeName('t', 'e', 'tn', 'en', 'a.atttypmod')},
           b.oid::pg_catalog.int8,
           ${typeName('b', 'be', 'bn', 'ben', 'COALESCE(d.typmod, a.atttypmod)')},
           b.typcategory,
           CASE WHEN a.attcollation ${ne} b.typcollation AND a.attcollation ${ne} 0::pg_catalog.oid
                THEN pg_catalog.concat(pg_catalog.quote_ident(cn.nspname), '.', pg_catalog.quote_ident(co.collname)) END,
           a.attnotnull, a.attgenerated ${ne} '', generated.sources, enums.enumlabel
         ) ORDER BY a.attnum) AS columns
    FROM rel
    JOIN pg_catalog.pg_attribute a ON a.attrelid ${eq} rel.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid ${eq} a.atttypid
    JOIN pg_catalog.pg_namespace tn ON tn.oid ${eq} t.typnamespace
    LEFT JOIN pg_catalog.pg_type e ON e.oid ${eq} t.typelem AND e.typarray ${eq} t.oid
    LEFT JOIN pg_catalog.pg_namespace en ON en.oid ${eq} e.typnamespace
    LEFT JOIN domains d ON d.oid ${eq} t.oid
    JOIN pg_catalog.pg_type b ON b.oid ${eq} COALESCE(d.base, t.oid)
    JOIN pg_catalog.pg_namespace bn ON bn.oid ${eq} b.typnamespace
    LEFT JOIN pg_catalog.pg_type be ON be.oid ${eq} b.typelem AND be.typarray ${eq} b.oid
    LEFT JOIN pg_catalog.pg_namespace ben ON ben.oid ${eq} be.typnamespace
    LEFT JOIN pg_catalog.pg_collation co ON co.oid ${eq} a.attcollation
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid ${eq} co.collnamespace
    LEFT JOIN generated ON generated.adrelid ${eq} a.attrelid AND generated.adnum ${eq} a.attnum
    LEFT JOIN enums ON enums.enumtypid ${eq} b.oid
   GROUP BY a.attrelid
),
parents AS (
  SELECT i.inhrelid, pg_catalog.json_agg(i.inhparent::pg_catalog.int8 ORDER BY i.inhseqno) AS parents
    FROM rel JOIN pg_catalog.pg_inherits i ON i.inhrelid ${eq} rel.oid GROUP BY i.inhrelid
),
keys AS (
  SELECT k.conrelid, pg_catalog.json_agg(pg_catalog.to_json(k.conkey)) AS keys
    FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid ${eq} rel.oid AND k.contype ${eq} 'p' GROUP BY k.conrelid
),
reads AS (
  SELECT r.ev_class, pg_catalog.json_agg(DISTINCT dep.refobjid::pg_catalog.int8) AS reads
    FROM rel
    JOIN pg_catalog.pg_rewrite r ON r.ev_class ${eq} rel.oid AND r.rulename ${eq} '_RETURN'
    JOIN pg_catalog.pg_depend dep ON dep.classid ${eq} 2618::pg_catalog.oid AND dep.objid ${eq} r.oid
     AND dep.refclassid ${eq} 1259::pg_catalog.oid AND dep.refobjid ${ne} rel.oid
   GROUP BY r.ev_class
),
relation_rows AS (
  SELECT rel.oid, pg_catalog.json_build_array(
           rel.oid::pg_catalog.int8, rel.nspname, rel.relname, rel.relkind, cols.columns, parents.parents,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class ${eq} rel.oid AND r.rulename ${ne} '_RETURN'),
           EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid ${eq} rel.oid AND NOT g.tgisinternal),
           keys.keys, rel.relpersistence ${eq} 't',
           (SELECT x.extname FROM pg_catalog.pg_depend dep JOIN pg_catalog.pg_extension x ON x.oid ${eq} dep.refobjid
             WHERE dep.classid ${eq} 1259::pg_catalog.oid AND dep.objid ${eq} rel.oid AND dep.objsubid ${eq} 0
               AND dep.deptype ${eq} 'e' AND dep.refclassid ${eq} 3079::pg_catalog.oid LIMIT 1),
           reads.reads
         )::pg_catalog.text AS relation
    FROM rel
    LEFT JOIN cols ON cols.attrelid ${eq} rel.oid
    LEFT JOIN parents ON parents.inhrelid ${eq} rel.oid
    LEFT JOIN keys ON keys.conrelid ${eq} rel.oid
    LEFT JOIN reads ON reads.ev_class ${eq} rel.oid
)`;
}

/** Everything an aggregate calls while it runs; 0 where it has none. https://www.postgresql.org/docs/current/catalog-pg-aggregate.html */
const AGGREGATE_FUNCTIONS = [
  'aggtransfn',
  'aggfinalfn',
  'aggcombinefn',
  'aggserialfn',
  'aggdeserialfn',
  'aggmtransfn',
  'aggminvtransfn',
  'aggmfinalfn',
]
  .map((column) => `g.${column}::pg_catalog.oid::pg_catalog.int8`)
  .join(', ');

/** Characters of a body: a longer one is not read, so nobody from whom something is hidden may call it. */
const LONGEST_BODY = 262_144;

const bounded = (body: string): string =>
  `CASE WHEN pg_catalog.length(${body}) OPERATOR(pg_catalog.<=) ${LONGEST_BODY} THEN ${body} END`;

/** One function as a JSON array; `source` and `defaults` are SQL expressions over `p`, `l`, `n`. */
function functionRow(source: string, defaults: string): string {
  return `pg_catalog.json_build_array(
    p.oid::pg_catalog.int8, n.nspname, p.proname, p.prokind, l.lanname, p.provolatile, p.proargtypes::pg_catalog.text,
    p.proargnames, p.proargmodes, p.prorettype::pg_catalog.int8, p.proretset, p.prosecdef, p.proconfig, ${source},
    (SELECT x.extname FROM pg_catalog.pg_depend dep JOIN pg_catalog.pg_extension x ON x.oid ${eq} dep.refobjid
      WHERE dep.classid ${eq} 1255::pg_catalog.oid AND dep.objid ${eq} p.oid
        AND dep.deptype ${eq} 'e' AND dep.refclassid ${eq} 3079::pg_catalog.oid LIMIT 1),
    CASE WHEN p.prokind ${eq} 'a' AND n.nspname ${ne} 'pg_catalog' THEN (
      SELECT pg_catalog.json_build_array(${AGGREGATE_FUNCTIONS})
        FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid ${eq} p.oid) END,
    pg_catalog.pg_get_userbyid(p.proowner), pg_catalog.to_json(p.proallargtypes::pg_catalog.int8[]),
    CASE WHEN p.proargdefaults IS NOT NULL AND n.nspname ${ne} 'pg_catalog' THEN ${defaults} END
  )::pg_catalog.text`;
}

const readableLanguage = `l.lanname ${eq} ANY ('{sql,plpgsql}'::pg_catalog.name[])`;

/** Schemas of temporary objects belong to one session each; they are no part of a snapshot. */
const permanentSchema = "n.nspname OPERATOR(pg_catalog.!~) '^pg_(toast_)?temp_[0-9]+$'";

export const SERVER_SQL = `
SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_database()::pg_catalog.text,
       (SELECT pg_catalog.json_agg(n.nspname ORDER BY n.nspname COLLATE pg_catalog."C")::pg_catalog.text
          FROM pg_catalog.pg_namespace n WHERE ${permanentSchema})`;

export const RELATIONS_SQL = `
WITH RECURSIVE ${relationRows(`c.relpersistence ${ne} 't' AND ${permanentSchema}`)}
SELECT relation FROM relation_rows ORDER BY oid`;

export const DEFINITIONS_SQL = `
SELECT c.oid::pg_catalog.text, pg_catalog.pg_get_viewdef(c.oid)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ${eq} c.relnamespace
 WHERE c.relkind ${eq} ANY ('{v,m}'::pg_catalog."char"[]) AND ${permanentSchema}
 ORDER BY c.oid`;

/** For one view, when reading all of them at once failed. `oid` is a number of ours, checked by the caller. */
export function definitionSql(oid: number): string {
  return `SELECT pg_catalog.pg_get_viewdef(${oid >>> 0}::pg_catalog.oid)`;
}

/**
 * `prosqlbody` (the parsed SQL-standard body) exists since PostgreSQL 14. Writing it out locks the relations it names, so it can be
 * left out: such functions have an empty `prosrc`.
 */
export function functionsSql(serverVersion: number, standardBodies = true): string {
  const body =
    standardBodies && serverVersion >= 140000
      ? 'COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)'
      : 'p.prosrc';
  const source = `CASE WHEN ${readableLanguage}
      AND n.nspname ${ne} ALL ('{pg_catalog,information_schema}'::pg_catalog.name[]) THEN ${bounded(body)} END`;
  return `
SELECT ${functionRow(source, 'pg_catalog.pg_get_expr(p.proargdefaults, 0::pg_catalog.oid)')}
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid ${eq} p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid ${eq} p.prolang
 WHERE ${permanentSchema}
 ORDER BY p.oid`;
}

export const TYPES_SQL = `
SELECT pg_catalog.json_build_array(
         t.oid::pg_catalog.int8, n.nspname, t.typname, t.typtype, t.typrelid::pg_catalog.int8,
         CASE WHEN e.oid IS NOT NULL THEN e.oid::pg_catalog.int8 END, t.typbasetype::pg_catalog.int8
       )::pg_catalog.text
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid ${eq} t.typnamespace
  LEFT JOIN pg_catalog.pg_type e ON e.oid ${eq} t.typelem AND e.typarray ${eq} t.oid
 WHERE ${permanentSchema} AND n.nspname ${ne} 'pg_toast'
 ORDER BY t.oid`;

const extensionOf = (catalog: number, object: string): string => `
         (SELECT x.extname FROM pg_catalog.pg_depend dep JOIN pg_catalog.pg_extension x ON x.oid ${eq} dep.refobjid
           WHERE dep.classid ${eq} ${catalog}::pg_catalog.oid AND dep.objid ${eq} ${object}
             AND dep.deptype ${eq} 'e' AND dep.refclassid ${eq} 3079::pg_catalog.oid LIMIT 1)`;

/** Operators outside pg_catalog; shell operators, which run nothing, are left out. */
export const OPERATORS_SQL = `
SELECT pg_catalog.json_build_array(
         n.nspname, o.oprname, o.oprcode::pg_catalog.oid::pg_catalog.int8,${extensionOf(2617, 'o.oid')},
         (SELECT pg_catalog.json_agg(s.oprcode::pg_catalog.oid::pg_catalog.int8 ORDER BY s.oid) FROM pg_catalog.pg_operator s
           WHERE (s.oid ${eq} o.oprcom OR s.oid ${eq} o.oprnegate) AND s.oprcode::pg_catalog.oid ${ne} 0::pg_catalog.oid)
       )::pg_catalog.text
  FROM pg_catalog.pg_operator o
  JOIN pg_catalog.pg_namespace n ON n.oid ${eq} o.oprnamespace
 WHERE n.nspname ${ne} 'pg_catalog' AND ${permanentSchema} AND o.oprcode::pg_catalog.oid ${ne} 0::pg_catalog.oid
 ORDER BY o.oid`;

/** Casts that came after initdb (whose objects have OIDs below 16384) and call a function. A cast has no schema. */
export const CASTS_SQL = `
SELECT pg_catalog.json_build_array(
         k.castsource::pg_catalog.int8, k.casttarget::pg_catalog.int8, k.castfunc::pg_catalog.int8,
         k.castcontext ${ne} 'e',${extensionOf(2605, 'k.oid')}
       )::pg_catalog.text
  FROM pg_catalog.pg_cast k
 WHERE k.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid AND k.castfunc ${ne} 0::pg_catalog.oid
 ORDER BY k.oid`;

/**
 * Rows of a system catalog that the session's own open transaction made: visible, and no older than its transaction id. Others do not
 * see them, so they are in no snapshot.
 */
const ownTransaction = (alias: string): string => `pg_catalog.age(${alias}.xmin) OPERATOR(pg_catalog.<=) 0`;

/** Users' objects have OIDs from FirstNormalObjectId on. An index finds them, so that `enable_seqscan = off` makes nothing look expensive, and then compiled. */
const madeByUsers = (alias: string): string => `${alias}.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid`;

/**
 * Asks a session what name resolution in it depends on. One row of seven text columns: search path (JSON), temporary schema,
 * current user, standard_conforming_strings, then the OIDs (JSON) of relations and functions that only this session sees, temporary ones and
 * those of its open transaction, and the client encoding. Asked often, in a client's own session: nothing in it depends on search_path, and it is
 * cheap to plan under any planner settings.
 */
export const SESSION_CONTEXT_SQL = `
SELECT pg_catalog.to_json(pg_catalog.current_schemas(true))::pg_catalog.text,
       (SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n WHERE n.oid ${eq} pg_catalog.pg_my_temp_schema()),
       CURRENT_USER::pg_catalog.text,
       pg_catalog.current_setting('standard_conforming_strings'),
       (SELECT pg_catalog.json_agg(c.oid::pg_catalog.int8)::pg_catalog.text FROM pg_catalog.pg_class c
         WHERE ${madeByUsers('c')} AND c.relkind ${eq} ANY (${RELATION_KINDS})
           AND (c.relnamespace ${eq} pg_catalog.pg_my_temp_schema() OR ${ownTransaction('c')})),
       (SELECT pg_catalog.json_agg(p.oid::pg_catalog.int8)::pg_catalog.text FROM pg_catalog.pg_proc p
         WHERE ${madeByUsers('p')} AND (p.pronamespace ${eq} pg_catalog.pg_my_temp_schema() OR ${ownTransaction('p')})),
       pg_catalog.current_setting('client_encoding')`;

/**
 * What the relations and functions with these OIDs are: one row of two columns, each a JSON list. They are looked up by key, so that the plan
 * costs little whatever the session's planner settings.
 */
export function sessionObjectsSql(relations: readonly Oid[], functions: readonly Oid[]): string {
  const among = (oids: readonly Oid[]): string => `'{${oids.map((oid) => oid >>> 0).join(',')}}'::pg_catalog.oid[]`;
  return `
WITH RECURSIVE ${relationRows(`c.oid ${eq} ANY (${among(relations)})`)}
SELECT (SELECT pg_catalog.json_agg(r.relation ORDER BY r.oid)::pg_catalog.text FROM relation_rows r),
       (SELECT pg_catalog.json_agg(${functionRow(`CASE WHEN ${readableLanguage} THEN ${bounded('p.prosrc')} END`, "''")} ORDER BY p.oid)::pg_catalog.text
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid ${eq} p.pronamespace
          JOIN pg_catalog.pg_language l ON l.oid ${eq} p.prolang
         WHERE p.oid ${eq} ANY (${among(functions)}))`;
}

/** The same for a session that has just begun and cannot have made anything; cheap, since every login asks it. */
export const SESSION_START_SQL = `
SELECT pg_catalog.to_json(pg_catalog.current_schemas(true))::pg_catalog.text, NULL::pg_catalog.text, CURRENT_USER::pg_catalog.text,
       pg_catalog.current_setting('standard_conforming_strings'), NULL::pg_catalog.text, NULL::pg_catalog.text,
       pg_catalog.current_setting('client_encoding')`;
