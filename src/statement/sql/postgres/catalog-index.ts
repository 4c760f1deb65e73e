import type { CatalogFunction, CatalogRelation, CatalogSnapshot, CatalogType, Oid } from '../../../model/catalog.ts';

/** Names of one catalog snapshot, made once. */
export interface CatalogIndex {
  relation(schema: string, name: string): CatalogRelation | undefined;
  /** Functions of that name in every schema. */
  functions(name: string): readonly CatalogFunction[];
  functionByOid(oid: Oid): CatalogFunction | undefined;
  types(name: string): readonly CatalogType[];
  /** The snapshot lists the functions (relations) of pg_catalog too, so an unknown name is really unknown. */
  readonly knowsSystemFunctions: boolean;
  readonly knowsSystemRelations: boolean;
  /** Types that a row may be given for: row types, polymorphic ones, and those the snapshot does not know (temporary, uncommitted). */
  isComposite(type: Oid): boolean;
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
  const index: CatalogIndex = {
    relation: (schema, name) => relations.get(`${schema}\0${name}`),
    functions: (name) => functions.get(name) ?? [],
    functionByOid: (oid) => functionsByOid.get(oid),
    types: (name) => types.get(name) ?? [],
    knowsSystemFunctions,
    knowsSystemRelations,
    isComposite: (oid) => {
      const type = catalog.types.get(oid);
      const base = type?.kind === 'domain' ? catalog.types.get(type.base ?? 0) : type;
      return !base || base.kind === 'composite' || base.kind === 'pseudo' || base.kind === 'domain';
    },
  };
  indexes.set(catalog, index);
  return index;
}
