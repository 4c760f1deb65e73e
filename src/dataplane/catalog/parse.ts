import type {
  CatalogCast,
  CatalogColumn,
  CatalogFunction,
  CatalogOperator,
  CatalogParameter,
  CatalogRelation,
  CatalogType,
  Oid,
  RelationKind,
  SessionContext,
} from '../../model/catalog.ts';
import { broken, Fields, parseJson } from './fields.ts';

const RELATION_KINDS: Readonly<Record<string, RelationKind>> = {
  r: 'table',
  p: 'partitioned-table',
  v: 'view',
  m: 'materialized-view',
  f: 'foreign-table',
  S: 'sequence',
  c: 'composite-type',
};
const FUNCTION_KINDS: Readonly<Record<string, CatalogFunction['kind']>> = {
  f: 'function',
  p: 'procedure',
  a: 'aggregate',
  w: 'window',
};
const TYPE_KINDS: Readonly<Record<string, CatalogType['kind']>> = {
  b: 'base',
  c: 'composite',
  d: 'domain',
  e: 'enum',
  p: 'pseudo',
  r: 'range',
  m: 'multirange',
};
const VOLATILITIES: Readonly<Record<string, CatalogFunction['volatility']>> = {
  i: 'immutable',
  s: 'stable',
  v: 'volatile',
};

const asNumber = (value: unknown): number => {
  if (typeof value !== 'number') throw broken('expected a number in a list');
  return value;
};
const asText = (value: unknown): string => {
  if (typeof value !== 'string') throw broken('expected text in a list');
  return value;
};

function parseColumn(value: unknown): CatalogColumn {
  const fields = new Fields(JSON.stringify(value), 13);
  const column = {
    attnum: fields.number(),
    name: fields.text(),
    typeOid: fields.number(),
    typmod: fields.number(),
    typeName: fields.text(),
    baseTypeOid: fields.number(),
    baseTypeName: fields.text(),
    category: fields.text(),
  };
  const collation = fields.optionalText();
  const notNull = fields.flag();
  const generated = fields.flag();
  const generatedFrom = fields.list(asNumber).sort((a, b) => a - b);
  const firstEnumLabel = fields.optionalText();
  return {
    ...column,
    ...(collation === undefined ? {} : { collation }),
    notNull,
    generated,
    ...(generated ? { generatedFrom } : {}),
    ...(firstEnumLabel === undefined ? {} : { firstEnumLabel }),
  };
}

export function parseRelation(text: string | null | undefined, definition?: string | null): CatalogRelation {
  const fields = new Fields(text, 12);
  const oid = fields.number();
  const schema = fields.text();
  const name = fields.text();
  const kind = fields.word(RELATION_KINDS);
  const columns = fields.list(parseColumn);
  const parents = fields.list(asNumber);
  const hasRules = fields.flag();
  const hasTriggers = fields.flag();
  const primaryKey = fields.list((key) => {
    if (!Array.isArray(key)) throw broken('expected a key as an array');
    return key.map(asNumber);
  });
  const temporary = fields.flag();
  const extension = fields.optionalText();
  const reads = fields.list(asNumber).sort((a, b) => a - b);
  return {
    oid,
    schema,
    name,
    kind,
    columns,
    parents,
    ...(typeof definition === 'string' ? { definition } : {}),
    ...(reads.length > 0 ? { reads } : {}),
    hasRules,
    hasTriggers,
    primaryKey: primaryKey[0] ?? [],
    temporary,
    ...(extension === undefined ? {} : { extension }),
  };
}

export function parseFunction(text: string | null | undefined): CatalogFunction {
  const fields = new Fields(text, 19);
  const head = {
    oid: fields.number(),
    schema: fields.text(),
    name: fields.text(),
    kind: fields.word(FUNCTION_KINDS),
    language: fields.text(),
    volatility: fields.word(VOLATILITIES),
  };
  const argTypes = fields
    .text()
    .split(' ')
    .filter((oid) => oid !== '')
    .map(Number);
  const names = fields.list(asText);
  const modes = fields.list(asText);
  const argNames = modes.length === 0 ? names : names.filter((_, index) => /^[ibv]$/.test(modes[index] ?? ''));
  const returnType = fields.number();
  const returnsSet = fields.flag();
  const securityDefiner = fields.flag();
  const settings = fields.list(asText);
  const source = fields.optionalText();
  const extension = fields.optionalText();
  const support = [...new Set(fields.list(asNumber))].filter((oid) => oid !== 0);
  const owner = fields.text();
  const allTypes = fields.list(asNumber);
  const defaults = fields.optionalText();
  const parameters = (allTypes.length === 0 ? argTypes : allTypes).map((type, index) => ({
    mode: parameterMode(modes[index] ?? 'i'),
    name: names[index] ?? '',
    type,
  }));
  // Its text or the names in it would be read by other rules than the session's.
  const readsOtherwise = settings.some((setting) =>
    /^(?:standard_conforming_strings|role|session_authorization)=/i.test(setting),
  );
  const searchPath = settings.find((setting) => /^search_path=/i.test(setting))?.slice('search_path='.length);
  return {
    ...head,
    argTypes,
    argNames,
    returnType,
    returnsSet,
    securityDefiner,
    ...(searchPath === undefined ? {} : { searchPath: splitNames(searchPath) }),
    ...(securityDefiner ? { owner } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(defaults === undefined ? {} : { defaults }),
    // An empty body is that of a function written in the SQL-standard form, where the real body was not readable.
    ...(source === undefined || source === '' || readsOtherwise ? {} : { source }),
    ...(extension === undefined ? {} : { extension }),
    ...(support.length === 0 ? {} : { support }),
  };
}

const PARAMETER_MODES: Readonly<Record<string, CatalogParameter['mode']>> = {
  i: 'in',
  o: 'out',
  b: 'inout',
  v: 'variadic',
  t: 'table',
};

function parameterMode(letter: string): CatalogParameter['mode'] {
  const mode = Object.hasOwn(PARAMETER_MODES, letter) ? PARAMETER_MODES[letter] : undefined;
  if (mode === undefined) throw broken(`unknown mode of a parameter ${JSON.stringify(letter)}`);
  return mode;
}

export function parseOperator(text: string | null | undefined): CatalogOperator {
  const fields = new Fields(text, 5);
  const operator = { schema: fields.text(), name: fields.text(), implementation: fields.number() };
  const extension = fields.optionalText();
  const substitutes = fields.list(asNumber);
  return {
    ...operator,
    ...(substitutes.length === 0 ? {} : { substitutes }),
    ...(extension === undefined ? {} : { extension }),
  };
}

export function parseCast(text: string | null | undefined): CatalogCast {
  const fields = new Fields(text, 5);
  const cast = {
    source: fields.number(),
    target: fields.number(),
    implementation: fields.number(),
    implicit: fields.flag(),
  };
  const extension = fields.optionalText();
  return { ...cast, ...(extension === undefined ? {} : { extension }) };
}

export function parseType(text: string | null | undefined): CatalogType {
  const fields = new Fields(text, 7);
  const head = {
    oid: fields.number(),
    schema: fields.text(),
    name: fields.text(),
    kind: fields.word(TYPE_KINDS),
  };
  const relation = fields.number();
  const element = fields.next();
  const base = fields.number();
  return {
    ...head,
    ...(relation === 0 ? {} : { relation }),
    ...(typeof element === 'number' ? { element } : {}),
    ...(base === 0 ? {} : { base }),
  };
}

export function parseOid(text: string | null | undefined): Oid {
  const oid = Number(text);
  if (text === null || text === undefined || !Number.isInteger(oid) || oid < 0 || oid > 0xffff_ffff) {
    throw broken('expected an object identifier');
  }
  return oid;
}

export function parseNames(text: string | null | undefined): string[] {
  const names = parseJson(text ?? '');
  if (!Array.isArray(names)) throw broken('expected an array of names');
  return names.map(asText);
}

/** A list of identifiers as `SplitIdentifierString` of the server reads it: folded to lower case unless quoted. */
export function splitNames(text: string): string[] {
  return [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)/g)]
    .map(
      ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? (plain ?? '').replace(/[A-Z]/g, (c) => c.toLowerCase()),
    )
    .filter((name) => name !== '');
}

/** The OIDs in the answer to `SESSION_CONTEXT_SQL`; undefined when this session sees nothing that others do not. */
export function ownObjects(
  rows: readonly (readonly (string | null)[])[],
): { readonly relations: readonly Oid[]; readonly functions: readonly Oid[] } | undefined {
  const [relations, functions] = [rows[0]?.[4], rows[0]?.[5]].map(parseOids);
  return relations || functions ? { relations: relations ?? [], functions: functions ?? [] } : undefined;
}

function parseOids(text: string | null | undefined): Oid[] | undefined {
  if (typeof text !== 'string') return undefined;
  const oids = parseJson(text);
  if (!Array.isArray(oids)) throw broken('expected an array of object identifiers');
  return oids.map((oid) => parseOid(typeof oid === 'number' ? String(oid) : null));
}

/**
 * Reads the answer to `SESSION_CONTEXT_SQL`, and to `sessionObjectsSql` where there is something to ask about.
 * @throws CatalogError ERR_DATAPLANE_CATALOG_ANSWER when they have another shape.
 */
export function parseSessionContext(
  rows: readonly (readonly (string | null)[])[],
  objects: readonly (readonly (string | null)[])[] = [[null, null]],
): SessionContext {
  const row = rows[0];
  if (rows.length !== 1 || row?.length !== 7) throw broken('expected one row of seven columns');
  const own = objects[0];
  if (objects.length !== 1 || own?.length !== 2) throw broken('expected one row of two columns');
  const [path, temporarySchema, currentUser, conforming, , , encoding] = row;
  const [relations, functions] = own;
  if (typeof currentUser !== 'string') throw broken('expected a user name');
  const isTemporary = ({ schema }: { readonly schema: string }): boolean => schema === temporarySchema;
  const ownRelations = typeof relations === 'string' ? parseNames(relations).map((text) => parseRelation(text)) : [];
  const ownFunctions = typeof functions === 'string' ? parseNames(functions).map(parseFunction) : [];
  const uncommitted = ownRelations.filter((relation) => !isTemporary(relation));
  const uncommittedFunctions = ownFunctions.filter((fn) => !isTemporary(fn));
  return {
    searchPath: parseNames(path),
    ...(typeof temporarySchema === 'string' ? { temporarySchema } : {}),
    temporary: ownRelations.filter(isTemporary),
    temporaryFunctions: ownFunctions.filter(isTemporary),
    ...(uncommitted.length > 0 || uncommittedFunctions.length > 0 ? { uncommitted, uncommittedFunctions } : {}),
    currentUser,
    standardConformingStrings: conforming === 'on',
    ...(typeof encoding === 'string' ? { clientEncoding: encoding } : {}),
  };
}
