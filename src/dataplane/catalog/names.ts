import type { CatalogFunction, CatalogRelation, CatalogSnapshot } from '../../model/catalog.ts';

interface Names {
  readonly relations: ReadonlyMap<string, CatalogRelation>;
  readonly functions: ReadonlyMap<string, readonly CatalogFunction[]>;
}

const indexes = new WeakMap<CatalogSnapshot, Names>();

/** A NUL can stand in no name of PostgreSQL. */
const key = (schema: string, name: string): string => `${schema}\0${name}`;

function namesOf(catalog: CatalogSnapshot): Names {
  const known = indexes.get(catalog);
  if (known) return known;
  const relations = new Map<string, CatalogRelation>();
  for (const relation of catalog.relations.values()) relations.set(key(relation.schema, relation.name), relation);
  const functions = new Map<string, CatalogFunction[]>();
  for (const candidate of catalog.functions) {
    const same = functions.get(key(candidate.schema, candidate.name));
    if (same) same.push(candidate);
    else functions.set(key(candidate.schema, candidate.name), [candidate]);
  }
  const names = { relations, functions };
  indexes.set(catalog, names);
  return names;
}

/** The relation of exactly this name, as stored (not folded). */
export function relationNamed(catalog: CatalogSnapshot, schema: string, name: string): CatalogRelation | undefined {
  return namesOf(catalog).relations.get(key(schema, name));
}

/** All functions that share the name. */
export function functionsNamed(catalog: CatalogSnapshot, schema: string, name: string): readonly CatalogFunction[] {
  return namesOf(catalog).functions.get(key(schema, name)) ?? [];
}
