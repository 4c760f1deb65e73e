import type {
  CatalogAttachment,
  CatalogCast,
  CatalogFunction,
  CatalogRelation,
  CatalogSnapshot,
  CatalogType,
  Oid,
} from '../../../model/catalog.ts';
import { builtInRule } from './built-ins.ts';

/** Names of one catalog snapshot, made once. */
export interface CatalogIndex {
  relation(schema: string, name: string): CatalogRelation | undefined;
  /** Functions of that name in every schema. */
  functions(name: string): readonly CatalogFunction[];
  functionByOid(oid: Oid): CatalogFunction | undefined;
  /** Some function of that name came neither with the server nor with an extension. */
  isOfUsers(schema: string, name: string): boolean;
  types(name: string): readonly CatalogType[];
  /** The snapshot lists the functions (relations) of pg_catalog too, so an unknown name is really unknown. */
  readonly knowsSystemFunctions: boolean;
  readonly knowsSystemRelations: boolean;
  /** Types that a row may be given for: row types, polymorphic ones, and those the snapshot does not know (temporary, uncommitted). */
  isComposite(type: Oid): boolean;
  isRange(type: Oid): boolean;
  /** The type of a relation's rows. */
  rowType(relation: Oid): Oid | undefined;
  /** Casts whose function does more than compiled code of the server or of an extension. */
  readonly calledCasts: readonly CatalogCast[];
  /** A type and the types that its values hold: elements, the base of a domain, fields of a row. */
  typesWithin(type: Oid): readonly Oid[];
  /** What the target runs by itself for a relation or a domain. */
  attachments(on: Oid): readonly CatalogAttachment[];
  /** The snapshot lists what is attached to relations, so that what is not listed is not there. */
  readonly knowsAttachments: boolean;
  /** Reading some relation runs code that is attached to it. */
  readonly readingRuns: boolean;
  /** Some domain has a check or a default. */
  readonly checksDomains: boolean;
  /** Partitions and inheritance children, the nearest only. */
  children(relation: Oid): readonly CatalogRelation[];
}

export function isCompiled(fn: CatalogFunction): boolean {
  return fn.language === 'c' || fn.language === 'internal';
}

/** Reads, acts or prints beyond its arguments: see `BuiltInRule`. */
export function isBuiltInWithRule(fn: CatalogFunction): boolean {
  return (fn.schema === 'pg_catalog' || isCompiled(fn)) && builtInRule(fn.name, fn.extension) !== undefined;
}

const indexes = new WeakMap<CatalogSnapshot, CatalogIndex>();

export function indexOf(catalog: CatalogSnapshot): CatalogIndex {
  const known = indexes.get(catalog);
  if (known) return known;
  const relations = new Map<string, CatalogRelation>();
  let knowsSystemRelations = false;
  for (const relation of catalog.relations.values()) {
    relations.set(`${relation.schema}\0${relation.name}`, relation);
    if (relation.schema === 'pg_catalog') knowsSystemRelations = true;
  }
  const functions = new Map<string, CatalogFunction[]>();
  const functionsByOid = new Map<Oid, CatalogFunction>();
  let knowsSystemFunctions = false;
  for (const entry of catalog.functions) {
    functionsByOid.set(entry.oid, entry);
    if (entry.schema === 'pg_catalog') knowsSystemFunctions = true;
    const same = functions.get(entry.name);
    if (same) same.push(entry);
    else functions.set(entry.name, [entry]);
  }
  const types = new Map<string, CatalogType[]>();
  for (const type of catalog.types.values()) {
    const same = types.get(type.name);
    if (same) same.push(type);
    else types.set(type.name, [type]);
  }
  const calledCasts = (catalog.casts ?? []).filter(({ implementation }) => {
    const fn = functionsByOid.get(implementation);
    return !fn || isBuiltInWithRule(fn) || (fn.schema !== 'pg_catalog' && !isCompiled(fn));
  });
  const rowTypes = new Map<Oid, Oid>();
  for (const type of catalog.types.values()) if (type.relation !== undefined) rowTypes.set(type.relation, type.oid);
  const within = new Map<Oid, readonly Oid[]>();
  const attachments = grouped(catalog.attachments ?? [], ({ on }) => [on]);
  const children = grouped([...catalog.relations.values()], ({ parents }) => parents);
  const index: CatalogIndex = {
    relation: (schema, name) => relations.get(`${schema}\0${name}`),
    functions: (name) => functions.get(name) ?? [],
    functionByOid: (oid) => functionsByOid.get(oid),
    isOfUsers: (schema, name) =>
      schema !== 'pg_catalog' &&
      schema !== 'information_schema' &&
      (functions.get(name) ?? []).some((fn) => fn.schema === schema && fn.extension === undefined),
    types: (name) => types.get(name) ?? [],
    knowsSystemFunctions,
    knowsSystemRelations,
    calledCasts,
    attachments: (on) => attachments.get(on) ?? [],
    knowsAttachments: catalog.attachments !== undefined,
    readingRuns: (catalog.attachments ?? []).some(({ events }) => events.includes('select')),
    checksDomains: (catalog.attachments ?? []).some(({ kind }) => kind === 'domain'),
    children: (relation) => children.get(relation) ?? [],
    rowType: (relation) => rowTypes.get(relation),
    isRange: (oid) => ['range', 'multirange'].includes(catalog.types.get(oid)?.kind ?? ''),
    typesWithin: (oid) => {
      const known = within.get(oid);
      if (known) return known;
      const found = new Set([oid]);
      // A set grows while it is walked.
      for (const inner of found) {
        const type = catalog.types.get(inner);
        if (type?.element !== undefined) found.add(type.element);
        if (type?.base !== undefined) found.add(type.base);
        for (const column of catalog.relations.get(type?.relation ?? 0)?.columns ?? []) found.add(column.typeOid);
      }
      const types = [...found];
      within.set(oid, types);
      return types;
    },
    isComposite: (oid) => {
      const type = catalog.types.get(oid);
      const base = type?.kind === 'domain' ? catalog.types.get(type.base ?? 0) : type;
      return !base || base.kind === 'composite' || base.kind === 'pseudo' || base.kind === 'domain';
    },
  };
  indexes.set(catalog, index);
  return index;
}

function grouped<T>(items: readonly T[], keys: (item: T) => readonly Oid[]): ReadonlyMap<Oid, readonly T[]> {
  const groups = new Map<Oid, T[]>();
  for (const item of items) {
    for (const key of keys(item)) {
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    }
  }
  return groups;
}
