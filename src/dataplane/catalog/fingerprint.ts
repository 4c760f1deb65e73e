import type { Oid } from '../../model/catalog.ts';
import type { Query } from './read.ts';

/*
 * Numbers that change whenever something of users' making is created, altered or dropped: what a catalog row is about, and the transaction
 * that wrote it (`xmin`). Of pg_class it is what the row says instead: TRUNCATE, REFRESH and the like write it anew and change no name (a
 * renamed relation has a renamed row type). Temporary relations are left out, each session is asked about its own. Objects of the system
 * begin below 16384 (FirstNormalObjectId), those of its own scripts, like information_schema, at 12000.
 * https://www.postgresql.org/docs/18/ddl-system-columns.html
 */
const TEMPORARY = "ARRAY(SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')";
const TEMPORARY_SCHEMAS = "ARRAY(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_')";
/** Indexes and TOAST tables are nothing that a statement names. */
const NAMED = "relkind = ANY ('{r,p,v,m,f,S,c}') AND relpersistence <> 't'";

interface Watched {
  readonly catalog: string;
  readonly key: string;
  /** What tells this state of a row from another one, as int8; its transaction when absent. */
  readonly state?: string;
  readonly where: string;
  /** Leaves temporary relations out, where they could be met. */
  readonly lasting?: string;
  /** The column that says which relation the row belongs to, or the one mark that all rows share. */
  readonly of: { readonly relation: string } | { readonly mark: 'code' | 'schemas' };
  /** Finds the rows of the relations in an array by an index, where `relation` has none. */
  readonly among?: (oids: string) => string;
}

const WATCHED: readonly Watched[] = [
  { catalog: 'pg_namespace', key: 'oid', where: "nspname !~ '^pg_(toast_)?temp_'", of: { mark: 'schemas' } },
  {
    catalog: 'pg_class',
    key: 'oid',
    state: "pg_catalog.hashtext(pg_catalog.concat_ws(' ', relnamespace, relkind, relname, relrowsecurity))::int8",
    where: `oid >= 12000 AND ${NAMED}`,
    of: { relation: 'oid' },
  },
  {
    catalog: 'pg_attribute',
    key: '(attrelid::int8 << 16) | (attnum::int8 & 65535)',
    where: `attnum > 0 AND attrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND ${NAMED})`,
    of: { relation: 'attrelid' },
  },
  {
    catalog: 'pg_rewrite',
    key: 'oid',
    where: 'true',
    lasting: `ev_class <> ALL (${TEMPORARY})`,
    of: { relation: 'ev_class' },
  },
  {
    catalog: 'pg_trigger',
    key: 'oid',
    where: 'NOT tgisinternal',
    lasting: `tgrelid <> ALL (${TEMPORARY})`,
    of: { relation: 'tgrelid' },
  },
  {
    catalog: 'pg_inherits',
    key: '(inhrelid::int8 << 32) | inhparent::int8',
    where: 'true',
    lasting: `inhrelid <> ALL (${TEMPORARY})`,
    of: { relation: 'inhrelid' },
  },
  { catalog: 'pg_policy', key: 'oid', where: 'true', of: { relation: 'polrelid' } },
  {
    catalog: 'pg_attrdef',
    key: 'oid',
    where: 'true',
    lasting: `adrelid <> ALL (${TEMPORARY})`,
    of: { relation: 'adrelid' },
  },
  {
    catalog: 'pg_constraint',
    key: 'oid',
    where: 'oid >= 12000 AND conrelid <> 0',
    lasting: `conrelid <> ALL (${TEMPORARY})`,
    of: { relation: 'conrelid' },
  },
  {
    // Of an index only what it runs: expressions and conditions.
    catalog: 'pg_index',
    key: 'indexrelid',
    where: '(indexprs IS NOT NULL OR indpred IS NOT NULL)',
    lasting: `indrelid <> ALL (${TEMPORARY})`,
    of: { relation: 'indrelid' },
  },
  { catalog: 'pg_foreign_table', key: 'ftrelid', where: 'true', of: { relation: 'ftrelid' } },
  {
    catalog: 'pg_type',
    key: 'oid',
    where: 'oid >= 16384 AND typrelid <> 0',
    lasting: `typnamespace <> ALL (${TEMPORARY_SCHEMAS})`,
    of: { relation: 'typrelid' },
    among: (oids) => `oid IN (SELECT reltype FROM pg_catalog.pg_class WHERE oid = ANY (${oids}))`,
  },
  {
    // Arrays follow their elements.
    catalog: 'pg_type',
    key: 'oid',
    where: "oid >= 16384 AND typrelid = 0 AND typcategory <> 'A'",
    lasting: `typnamespace <> ALL (${TEMPORARY_SCHEMAS})`,
    of: { mark: 'code' },
  },
  {
    // Checks of domains.
    catalog: 'pg_constraint',
    key: 'oid',
    where: 'oid >= 12000 AND contypid <> 0',
    lasting: `contypid NOT IN (SELECT oid FROM pg_catalog.pg_type WHERE typnamespace = ANY (${TEMPORARY_SCHEMAS}))`,
    of: { mark: 'code' },
  },
  {
    catalog: 'pg_proc',
    key: 'oid',
    where: 'oid >= 12000',
    lasting: `pronamespace <> ALL (${TEMPORARY_SCHEMAS})`,
    of: { mark: 'code' },
  },
  { catalog: 'pg_operator', key: 'oid', where: 'oid >= 12000', of: { mark: 'code' } },
  { catalog: 'pg_cast', key: 'oid', where: 'oid >= 12000', of: { mark: 'code' } },
  { catalog: 'pg_foreign_server', key: 'oid', where: 'true', of: { mark: 'code' } },
  {
    // Members of extensions (pg_extension), by the index on what is depended on.
    catalog: 'pg_depend',
    key: '(classid::int8 << 32) | objid::int8',
    where: "refclassid = 3079 AND deptype = 'e'",
    of: { mark: 'code' },
  },
];

const sum = ({ key, state = 'xmin::text::int8' }: Watched): string =>
  `pg_catalog.concat_ws('/', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashint8extended((${key})::int8, ${state})))`;

const all = ({ where, lasting }: Watched): string => (lasting === undefined ? where : `${where} AND ${lasting}`);

const SNAPSHOT = 'CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_snapshot()::text END';

/** One row: the fingerprint, and the snapshot it was taken in, where equal snapshots see the same rows (which those of a standby need not). */
export const FINGERPRINT_SQL = `SELECT pg_catalog.concat_ws(' ', ${WATCHED.map(
  (watched, n) => `(SELECT ${sum(watched)} FROM pg_catalog.${watched.catalog} t${n} WHERE ${all(watched)})`,
).join(', ')}), ${SNAPSHOT}`;

export const SNAPSHOT_SQL = 'SELECT pg_catalog.pg_current_snapshot()::text';

/** Parts of a fingerprint: by oid of a relation, `schemas`, and `code` for whatever statements call or are computed with. */
export type Marks = ReadonlyMap<string, string>;

/** What a catalog was like at one moment, and what tells which of its parts are the same at another one. */
export interface CatalogBasis {
  readonly fingerprint: string;
  readonly marks: Marks;
}

/** The fingerprint is read first: whoever finds it unchanged finds the marks unchanged. */
export async function readBasis(query: Query): Promise<CatalogBasis> {
  const fingerprint = (await query(FINGERPRINT_SQL))[0]?.[0] ?? '';
  return { fingerprint, marks: marksOf(await query(marksSql(undefined))) };
}

/** What the catalog says of some relations, and of relations that have one of some names. */
export interface CatalogPart {
  /** `code`, `schemas`, and the relations that were asked about and are there. */
  readonly marks: Marks;
  /** Relations with one of the names, in whatever schema. */
  readonly named: readonly { readonly oid: Oid; readonly name: string }[];
  /** What inherits from a relation that was asked about, directly. */
  readonly children: readonly { readonly oid: Oid; readonly parent: Oid }[];
}

export interface FoundPart {
  readonly part: CatalogPart;
  /** In which it was found; undefined where equal snapshots may see different rows. */
  readonly snapshot: string | undefined;
}

/** One statement, so one moment. Everything is found by an index, so the cost hardly depends on the size of the catalog. */
export async function readPart(query: Query, oids: Iterable<Oid>, names: Iterable<string>): Promise<FoundPart> {
  const list = `'{${[...oids].map((oid) => oid >>> 0).join(',')}}'::pg_catalog.oid[]`;
  const texts = `ARRAY[${[...names].map(literal).join(', ')}]::pg_catalog.name[]`;
  const rows = await query(`${marksSql(list)}
    UNION ALL SELECT 'named', relname::text, oid::int8 FROM pg_catalog.pg_class WHERE relname = ANY (${texts}) AND oid >= 12000 AND ${NAMED}
    UNION ALL SELECT 'child', inhparent::text, inhrelid::int8 FROM pg_catalog.pg_inherits WHERE inhparent = ANY (${list})
    UNION ALL SELECT 'snapshot', ${SNAPSHOT}, NULL`);
  const found = (what: string) =>
    rows.flatMap(([mark, of, oid]) => (mark === what ? [{ of: of ?? '', oid: Number(oid) }] : []));
  const part = {
    marks: marksOf(rows),
    named: found('named').map(({ of, oid }) => ({ oid, name: of })),
    children: found('child').map(({ of, oid }) => ({ oid, parent: Number(of) })),
  };
  return { part, snapshot: rows.find(([mark]) => mark === 'snapshot')?.[1] ?? undefined };
}

/** Rows of mark, part of it, and the number of the part. */
function marksSql(oids: string | undefined): string {
  return WATCHED.map((watched, n) => {
    const from = `FROM pg_catalog.${watched.catalog} t${n} WHERE`;
    if ('mark' in watched.of)
      return `SELECT '${watched.of.mark}' AS mark, ${sum(watched)} AS part, ${n}::int8 AS number ${from} ${all(watched)}`;
    const { relation } = watched.of;
    const among = watched.among ?? ((array: string) => `${relation} = ANY (${array})`);
    const where = oids === undefined ? all(watched) : `${watched.where} AND ${among(oids)}`;
    return `SELECT ${relation}::text, ${sum(watched)}, ${n}::int8 ${from} ${where} GROUP BY ${relation}`;
  }).join(' UNION ALL ');
}

function marksOf(rows: readonly (readonly (string | null)[])[]): Marks {
  const parts = new Map<string, string[]>();
  for (const [mark, part, number] of rows) {
    if (mark === 'named' || mark === 'child' || mark === 'snapshot') continue;
    const of = parts.get(mark ?? '') ?? [];
    of[Number(number)] = part ?? '';
    parts.set(mark ?? '', of);
  }
  return new Map([...parts].map(([mark, of]) => [mark, of.join(' ')]));
}

/** A name from the catalog or the grammar, written so that no setting decides what a quote or backslash in it means. */
function literal(text: string): string {
  return `pg_catalog.convert_from(pg_catalog.decode('${Buffer.from(text).toString('hex')}', 'hex'), 'UTF8')`;
}
