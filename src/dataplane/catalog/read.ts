import { createHash } from 'node:crypto';
import type { CatalogRelation, CatalogSnapshot, CatalogType, Oid, SessionContext } from '../../model/catalog.ts';
import { parseAttachment, readAttachments } from './attachments.ts';
import { CatalogError } from './errors.ts';
import {
  ownObjects,
  parseCast,
  parseFunction,
  parseNames,
  parseOid,
  parseOperator,
  parseRelation,
  parseSessionContext,
  parseType,
} from './parse.ts';
import {
  CASTS_SQL,
  DEFINITIONS_SQL,
  definitionSql,
  functionsSql,
  OPERATORS_SQL,
  RELATIONS_SQL,
  SERVER_SQL,
  SESSION_CONTEXT_SQL,
  sessionObjectsSql,
  TYPES_SQL,
} from './sql.ts';

/** Sends one SQL statement and gives its rows, every value in text form. MUST reject when the server answers with an error. */
export type Query = (sql: string) => Promise<(string | null)[][]>;

/** PostgreSQL 13 is the oldest release whose catalogs the queries know. */
const OLDEST = 130000;

/**
 * Reads everything name resolution and masking need to know of a database, as it is at one moment. Nothing but `query` is used;
 * the connection must not be inside a transaction, and is not afterwards either.
 * @param connection Name of the connection, kept in the snapshot.
 * @throws CatalogError when the server is too old or answers in another shape; whatever `query` rejects with otherwise.
 */
export async function readCatalog(
  query: Query,
  connection: string,
  now: () => number = Date.now,
): Promise<CatalogSnapshot> {
  await query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    // With an empty path the server writes every name in a definition with its schema, except those of pg_catalog.
    await query("SET LOCAL search_path = ''");
    await query("SET LOCAL statement_timeout = '60s'");
    await query("SET LOCAL lock_timeout = '2s'");
    await query('SET LOCAL quote_all_identifiers = off');
    await query('SET LOCAL jit = off'); // compiling these queries takes longer than running them
    const takenAt = now();
    const [server] = await query(SERVER_SQL);
    const serverVersion = Number(server?.[0]);
    if (!(serverVersion >= OLDEST)) {
      throw new CatalogError(
        'ERR_DATAPLANE_CATALOG_VERSION',
        `the target's server_version_num is ${server?.[0]}; PostgreSQL 13 or later is needed`,
      );
    }
    const database = server?.[1] ?? '';
    const schemas = parseNames(server?.[2]);
    const relationRows = await query(RELATIONS_SQL);
    const functionRows = await readFunctions(query, serverVersion);
    const typeRows = await query(TYPES_SQL);
    const operatorRows = await query(OPERATORS_SQL);
    const castRows = await query(CASTS_SQL);
    const definitions = await readDefinitions(query);
    const attached = await readAttachments(query);
    await query('COMMIT');

    const digest = createHash('sha256');
    const add = (...texts: string[]): void => {
      for (const text of texts) digest.update(`${Buffer.byteLength(text)}:`).update(text);
    };
    add(database, String(serverVersion), JSON.stringify(schemas));
    const relations = new Map<Oid, CatalogRelation>();
    for (const [text] of relationRows) {
      const bare = parseRelation(text);
      const definition = definitions.get(bare.oid);
      relations.set(bare.oid, definition === undefined ? bare : { ...bare, definition });
      add(text ?? '', definition ?? '');
    }
    const types = new Map<Oid, CatalogType>();
    for (const [text] of typeRows) {
      const type = parseType(text);
      types.set(type.oid, type);
      add(text ?? '');
    }
    const functions = functionRows.map(([text]) => {
      add(text ?? '');
      return parseFunction(text);
    });
    const operators = operatorRows.map(([text]) => {
      add('operator', text ?? '');
      return parseOperator(text);
    });
    const casts = castRows.map(([text]) => {
      add('cast', text ?? '');
      return parseCast(text);
    });
    const attachments = attached.map((text) => {
      add('attachment', text);
      return parseAttachment(text);
    });
    return {
      connection,
      database,
      serverVersion,
      version: `sha256:${digest.digest('hex')}`,
      takenAt,
      relations,
      functions,
      operators,
      casts,
      types,
      attachments,
      schemas: new Set(schemas),
    };
  } catch (error) {
    await query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Functions; without their SQL-standard bodies when a relation that one of them names is locked. A body that is not known is not trusted. */
async function readFunctions(query: Query, serverVersion: number): Promise<(string | null)[][]> {
  await query('SAVEPOINT functions');
  try {
    return await query(functionsSql(serverVersion));
  } catch {
    await query('ROLLBACK TO SAVEPOINT functions');
    return query(functionsSql(serverVersion, false));
  }
}

/**
 * Definitions of all views. A definition that cannot be read (a view being dropped, or locked for longer than lock_timeout) is left
 * out: its lineage is unknown then, which counts as the strictest.
 */
async function readDefinitions(query: Query): Promise<ReadonlyMap<Oid, string>> {
  const definitions = new Map<Oid, string>();
  const keep = (oid: Oid, text: string | null | undefined): void => {
    if (text) definitions.set(oid, text);
  };
  await query('SAVEPOINT definitions');
  try {
    for (const [oid, text] of await query(DEFINITIONS_SQL)) keep(parseOid(oid), text);
    return definitions;
  } catch {
    await query('ROLLBACK TO SAVEPOINT definitions');
  }
  const views = await query(
    `SELECT c.oid::pg_catalog.text FROM pg_catalog.pg_class c
      WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{v,m}'::pg_catalog."char"[]) ORDER BY c.oid`,
  );
  await query("SET LOCAL lock_timeout = '100ms'");
  for (const [view] of views) {
    const oid = parseOid(view);
    await query('SAVEPOINT definition');
    try {
      const [row] = await query(definitionSql(oid));
      keep(oid, row?.[0]);
      await query('RELEASE SAVEPOINT definition');
    } catch {
      await query('ROLLBACK TO SAVEPOINT definition');
    }
  }
  return definitions;
}

/** Asks a session what its name resolution depends on; rejects when it does not answer. Nothing else may be asked in between. */
export async function readSessionContext(query: Query): Promise<SessionContext> {
  const rows = await query(SESSION_CONTEXT_SQL);
  const own = ownObjects(rows);
  return parseSessionContext(rows, own && (await query(sessionObjectsSql(own.relations, own.functions))));
}
