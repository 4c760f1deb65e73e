import type {
  CatalogColumn,
  CatalogFunction,
  CatalogRelation,
  CatalogSnapshot,
  CatalogType,
  RelationKind,
  SessionContext,
} from '../../../src/model/catalog.ts';
import type { OpaqueStatement, Script, SqlStatement } from '../../../src/model/statement.ts';
import {
  createAnalyser,
  type SessionObjects,
  type StatementAnalyser,
  type World,
} from '../../../src/statement/sql/postgres/index.ts';

/** `name type` or `name` (then text); `!name` marks a primary-key column. */
function column(written: string, index: number): CatalogColumn {
  const [name = '', typeName = 'text'] = written.replace('!', '').split(' ');
  return {
    attnum: index + 1,
    name,
    typeOid: 25,
    typmod: -1,
    typeName,
    baseTypeOid: 25,
    baseTypeName: typeName,
    category: 'S',
    notNull: false,
    generated: false,
  };
}

let nextOid = 20_000;

export function relation(
  qualified: string,
  columns: string,
  more: Partial<CatalogRelation> & { kind?: RelationKind } = {},
): CatalogRelation {
  const [schema = 'shop', name = ''] = qualified.split('.');
  const written = columns.split(',').map((item) => item.trim());
  return {
    oid: nextOid++,
    schema,
    name,
    kind: 'table',
    columns: written.map(column),
    parents: [],
    hasRules: false,
    hasTriggers: false,
    primaryKey: written.flatMap((item, index) => (item.startsWith('!') ? [index + 1] : [])),
    temporary: false,
    ...more,
  };
}

export function fn(qualified: string, more: Partial<CatalogFunction> = {}): CatalogFunction {
  const [schema = 'shop', name = ''] = qualified.split('.');
  return {
    oid: nextOid++,
    schema,
    name,
    kind: 'function',
    language: schema === 'pg_catalog' ? 'internal' : 'sql',
    volatility: 'stable',
    argTypes: [],
    argNames: [],
    returnType: 25,
    returnsSet: false,
    securityDefiner: false,
    ...more,
  };
}

const BUILT_INS =
  `count sum min max upper lower now set_config current_setting query_to_xml table_to_xml pg_read_file nextval
  setval generate_series pg_get_viewdef format_type pg_table_is_visible row_to_json version pg_terminate_backend coalesce unnest
  current_schema pg_sleep to_json json_each_text first_value database_to_xml ts_stat ts_rewrite`
    .split(/\s+/)
    .map((name) => fn(`pg_catalog.${name}`));

export const customers = relation('shop.customers', '!id integer, name, email, country, prefs json');
export const orders = relation('shop.orders', '!id integer, customer_id integer, total numeric');
export const publicOrders = relation('public.orders', '!id integer, note');
export const people = relation('shop.People Table', '!Id integer, E-Mail');
export const audited = relation('shop.audited', '!id integer, note', { hasTriggers: true });
export const contacts = relation('shop.contacts', 'id integer, display', {
  kind: 'view',
  definition:
    " SELECT c.id,\n    ((c.name || ' <'::text) || c.email) || '>'::text AS display\n   FROM shop.customers c;",
});
export const ticketSequence = relation('shop.tickets', 'last_value bigint', { kind: 'sequence' });
const systemRelations = ['pg_class', 'pg_attribute', 'pg_stats', 'pg_stat_activity', 'pg_settings', 'pg_authid'].map(
  (name) => relation(`pg_catalog.${name}`, name === 'pg_stat_activity' ? 'pid integer, state, query' : 'oid oid, name'),
);

const CUSTOMERS_ROW = 90_001;

export const customerEmail = fn('shop.customer_email', { source: 'SELECT email FROM shop.customers WHERE id = $1' });
export const orderTotal = fn('shop.order_total', { source: 'SELECT total FROM shop.orders WHERE id = $1' });
export const viaPath = fn('shop.via_path', { source: 'SELECT email FROM customers', searchPath: ['shop'] });
export const atomic = fn('shop.atomic', {
  source: 'BEGIN ATOMIC\n SELECT customers.email\n    FROM shop.customers;\nEND',
});
export const returning = fn('shop.returning_one', { source: 'RETURN 1' });
export const recursive = fn('shop.again', { source: 'SELECT shop.again()' });
export const opaqueFunction = fn('shop.run_report', {
  language: 'plpgsql',
  source: 'BEGIN RETURN QUERY EXECUTE q; END',
});
export const ownUpper = fn('shop.upper', { language: 'plpgsql', source: 'BEGIN EXECUTE q; RETURN 1; END' });
export const rowFunction = fn('shop.domain_of', {
  language: 'plpgsql',
  argTypes: [CUSTOMERS_ROW],
  source: 'BEGIN EXECUTE q; END',
});
export const extensionFunction = fn('public.similarity', { language: 'c', extension: 'pg_trgm' });
export const extensionSql = fn('public.distance', {
  extension: 'earthdistance',
  source: 'SELECT total FROM shop.orders',
});
export const extensionBlock = fn('public.partition_data', {
  language: 'plpgsql',
  extension: 'pg_partman',
  source: 'BEGIN EXECUTE q; END',
});
export const userAggregate = fn('shop.collect', { kind: 'aggregate', language: 'internal' });
export const knownAggregate = fn('shop.join_up', { kind: 'aggregate', language: 'internal', support: [ownUpper.oid] });
export const extensionAggregate = fn('public.first', { kind: 'aggregate', language: 'internal', extension: 'x' });
export const crosstab = fn('public.crosstab', { language: 'c', extension: 'tablefunc' });
export const xpathTable = fn('public.xpath_table', { language: 'c', extension: 'xml2' });
export const dblinkFunction = fn('public.dblink', { language: 'c', extension: 'dblink' });
export const withDefault = fn('shop.with_default', { source: 'SELECT $1', defaults: 'shop.customer_email(1)' });
export const plainDefault = fn('shop.plain_default', { source: 'SELECT $1', defaults: "'x'::text, now()" });
export const unreadDefault = fn('shop.unread_default', { source: 'SELECT $1', defaults: '?' });
export const procedure = fn('shop.tidy', { kind: 'procedure', language: 'plpgsql', source: 'BEGIN END' });

export const catalog: CatalogSnapshot = {
  connection: 'shop',
  database: 'shopdb',
  serverVersion: 150000,
  version: '1',
  takenAt: 0,
  relations: new Map(
    [customers, orders, publicOrders, people, audited, contacts, ticketSequence, ...systemRelations].map((item) => [
      item.oid,
      item,
    ]),
  ),
  functions: [
    ...BUILT_INS,
    customerEmail,
    orderTotal,
    viaPath,
    atomic,
    returning,
    recursive,
    opaqueFunction,
    ownUpper,
    rowFunction,
    extensionFunction,
    dblinkFunction,
    crosstab,
    xpathTable,
    extensionSql,
    extensionBlock,
    userAggregate,
    knownAggregate,
    extensionAggregate,
    withDefault,
    plainDefault,
    unreadDefault,
    procedure,
  ],
  operators: [{ schema: 'shop', name: '=~=', implementation: opaqueFunction.oid }],
  types: new Map<number, CatalogType>([
    [
      CUSTOMERS_ROW,
      { oid: CUSTOMERS_ROW, schema: 'shop', name: 'customers', kind: 'composite', relation: customers.oid },
    ],
    [25, { oid: 25, schema: 'pg_catalog', name: 'text', kind: 'base' }],
  ]),
  schemas: new Set(['pg_catalog', 'information_schema', 'public', 'shop']),
};

export const session: SessionContext = {
  searchPath: ['pg_catalog', 'public'],
  temporary: [],
  temporaryFunctions: [],
  currentUser: 'ann',
  standardConformingStrings: true,
  idle: true,
};

export const noObjects: SessionObjects = { prepared: () => undefined, cursor: () => undefined };

let analyser: Promise<StatementAnalyser> | undefined;
export function sharedAnalyser(): Promise<StatementAnalyser> {
  analyser ??= createAnalyser();
  return analyser;
}

export async function analysed(text: string, world: Partial<World> = {}): Promise<Script | OpaqueStatement> {
  return (await sharedAnalyser()).analyse(text, { catalog, session, connection: 'shop', objects: noObjects, ...world });
}

/** The statements of a script that must be understood. */
export async function statements(text: string, world: Partial<World> = {}): Promise<readonly SqlStatement[]> {
  const script = await analysed(text, world);
  if ('kind' in script) throw new Error(`opaque (${script.why}): ${script.message}`);
  return script.statements;
}

/** The last statement of a script. */
export async function statement(text: string, world: Partial<World> = {}): Promise<SqlStatement> {
  const last = (await statements(text, world)).at(-1);
  if (!last) throw new Error('no statement');
  return last;
}

/** Names of the relations that a statement reads or writes, in order: `shop.customers`. */
export function sitesOf({ sites }: SqlStatement): string[] {
  return sites.map((site) => {
    const found = catalog.relations.get(site.relation);
    return `${found?.schema}.${found?.name}`;
  });
}

/** `read shop.orders`, `call shop.f`, `set`. */
export function questionsOf({ questions }: SqlStatement): string[] {
  return questions.map(({ action, resource }) => {
    if (resource.type === 'Table') return `${action} ${resource.schema}.${resource.table}`;
    if (resource.type === 'Function') return `${action} ${resource.schema}.${resource.name}`;
    if (resource.type === 'Schema') return `${action} ${resource.schema}`;
    return action;
  });
}

/** `code applies`. */
export function hazardsOf({ hazards }: SqlStatement): string[] {
  return hazards.map((hazard) => `${hazard.code} ${hazard.applies}`);
}
