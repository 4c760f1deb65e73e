import { z } from 'zod';
import type {
  CatalogAttachment,
  CatalogCast,
  CatalogColumn,
  CatalogFunction,
  CatalogOperator,
  CatalogRelation,
  CatalogSnapshot,
  CatalogType,
} from '../../model/catalog.ts';
import { CatalogError } from './errors.ts';

const FORMAT = 1;
const oid = z.int().min(0).max(0xffff_ffff);
const name = z.string();
const flag = z.boolean();

const column = z.strictObject({
  attnum: z.int(),
  name,
  typeOid: oid,
  typmod: z.int(),
  typeName: name,
  baseTypeOid: oid,
  baseTypeName: name,
  category: name,
  collation: name.optional(),
  notNull: flag,
  generated: flag,
  generatedFrom: z.array(z.int()).optional(),
  firstEnumLabel: name.optional(),
});
const relation = z.strictObject({
  oid,
  schema: name,
  name,
  kind: z.enum([
    'table',
    'partitioned-table',
    'view',
    'materialized-view',
    'foreign-table',
    'sequence',
    'composite-type',
  ]),
  columns: z.array(column),
  parents: z.array(oid),
  definition: z.string().optional(),
  reads: z.array(oid).optional(),
  hasRules: flag,
  hasTriggers: flag,
  primaryKey: z.array(z.int()),
  temporary: flag,
  extension: name.optional(),
});
const fn = z.strictObject({
  oid,
  schema: name,
  name,
  kind: z.enum(['function', 'procedure', 'aggregate', 'window']),
  language: name,
  volatility: z.enum(['immutable', 'stable', 'volatile']),
  argTypes: z.array(oid),
  argNames: z.array(name),
  returnType: oid,
  returnsSet: flag,
  securityDefiner: flag,
  searchPath: z.array(name).optional(),
  owner: name.optional(),
  parameters: z
    .array(z.strictObject({ mode: z.enum(['in', 'out', 'inout', 'variadic', 'table']), name: z.string(), type: oid }))
    .optional(),
  source: z.string().optional(),
  defaults: z.string().optional(),
  extension: name.optional(),
  support: z.array(oid).optional(),
});
const operator = z.strictObject({
  schema: name,
  name,
  implementation: oid,
  substitutes: z.array(oid).optional(),
  extension: name.optional(),
});
const cast = z.strictObject({
  source: oid,
  target: oid,
  implementation: oid,
  implicit: flag.optional(),
  extension: name.optional(),
});
const type = z.strictObject({
  oid,
  schema: name,
  name,
  kind: z.enum(['base', 'composite', 'domain', 'enum', 'pseudo', 'range', 'multirange']),
  relation: oid.optional(),
  element: oid.optional(),
  base: oid.optional(),
});
const rowEvent = z.enum(['select', 'insert', 'update', 'delete', 'truncate']);
const attachment = z.strictObject({
  kind: z.enum([
    ...(['trigger', 'rule', 'default', 'generated', 'check', 'index'] as const),
    ...(['partition-key', 'policy', 'domain', 'cascade'] as const),
  ]),
  on: oid,
  events: z.array(rowEvent),
  function: oid.optional(),
  text: z.string().optional(),
  to: oid.optional(),
  becomes: rowEvent.optional(),
});
const file = z.strictObject({
  gatehouse_catalog: z.literal(FORMAT),
  connection: name,
  database: name,
  serverVersion: z.int(),
  version: name,
  schemas: z.array(name),
  relations: z.array(relation),
  functions: z.array(fn),
  operators: z.array(operator).optional(),
  casts: z.array(cast).optional(),
  types: z.array(type),
  attachments: z.array(attachment).optional(),
});

/**
 * A catalog as a file that can be committed: JSON, one object a line, in an order that does not change by itself. No row and no statistics
 * are in it; definitions of views, bodies of functions and what is attached to relations are, with the constants in them.
 */
export function catalogText(catalog: CatalogSnapshot): string {
  const { connection, database, serverVersion, version, relations, functions } = catalog;
  const { operators, casts, types, attachments } = catalog;
  const head = { gatehouse_catalog: FORMAT, connection, database, serverVersion, version };
  const named = ({ schema, name: own }: { readonly schema: string; readonly name: string }): string =>
    JSON.stringify([schema, own]);
  const lists: readonly (readonly [string, readonly object[] | undefined])[] = [
    ['relations', sorted([...relations.values()], named)],
    ['functions', sorted(functions, (each) => `${named(each)} ${each.argTypes.join(' ')}`)],
    ['operators', operators && sorted(operators, (each) => `${named(each)} ${each.implementation}`)],
    ['casts', casts && sorted(casts, ({ source, target }) => `${source} ${target}`)],
    ['types', sorted([...types.values()], named)],
    ['attachments', attachments && sorted(attachments, (each) => JSON.stringify(each))],
  ];
  const members = [
    ...Object.entries(head).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`),
    `"schemas": ${JSON.stringify([...catalog.schemas].sort())}`,
    ...lists.flatMap(([key, list]) =>
      list === undefined ? [] : [`"${key}": [\n${list.map((each) => JSON.stringify(each)).join(',\n')}\n]`],
    ),
  ];
  return `{\n${members.join(',\n')}\n}\n`;
}

/** @throws CatalogError ERR_DATAPLANE_CATALOG_FILE when it is none, or one of another version. */
export function parseCatalogText(text: string): CatalogSnapshot {
  const read = file.safeParse(json(text));
  if (!read.success) {
    const [issue] = read.error.issues;
    throw broken(`${issue?.path.join('.') || 'the document'}: ${issue?.message}`);
  }
  const { connection, database, serverVersion, version, schemas, functions, operators, casts, attachments } = read.data;
  return {
    ...{ connection, database, serverVersion, version, takenAt: 0 },
    relations: byOid(read.data.relations.map(given<CatalogRelation>)),
    functions: functions.map(given<CatalogFunction>),
    ...(operators === undefined ? {} : { operators: operators.map(given<CatalogOperator>) }),
    ...(casts === undefined ? {} : { casts: casts.map(given<CatalogCast>) }),
    types: byOid(read.data.types.map(given<CatalogType>)),
    ...(attachments === undefined ? {} : { attachments: attachments.map(given<CatalogAttachment>) }),
    schemas: new Set(schemas),
  };
}

/** Fails to compile when a shape above does not name exactly the members of its type: a file would then lose some. */
type Same<Shape, Type> = [keyof Shape, keyof Type] extends [keyof Type, keyof Shape] ? true : never;
const complete: readonly [
  Same<z.infer<typeof column>, CatalogColumn>,
  Same<z.infer<typeof relation>, CatalogRelation>,
  Same<z.infer<typeof fn>, CatalogFunction>,
  Same<z.infer<typeof operator>, CatalogOperator>,
  Same<z.infer<typeof cast>, CatalogCast>,
  Same<z.infer<typeof type>, CatalogType>,
  Same<z.infer<typeof attachment>, CatalogAttachment>,
] = [true, true, true, true, true, true, true];
void complete;

/** What was read says `undefined` where nothing stood; to our types an absent member is absent. */
function given<T extends object>(read: { readonly [K in keyof T]: unknown }): T {
  return JSON.parse(JSON.stringify(read)) as T;
}

function byOid<T extends { readonly oid: number }>(list: readonly T[]): ReadonlyMap<number, T> {
  return new Map(list.map((each) => [each.oid, each]));
}

function sorted<T>(list: readonly T[], key: (item: T) => string): readonly T[] {
  return list
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw broken('it is no JSON', cause);
  }
}

function broken(what: string, cause?: unknown): CatalogError {
  return new CatalogError(
    'ERR_DATAPLANE_CATALOG_FILE',
    `this is no catalog file of this version of gatehouse (${what}); write it anew with: gatehouse catalog export CONNECTION`,
    { cause },
  );
}
