import type { CatalogSnapshot, Oid } from '../../../model/catalog.ts';
import type { SqlVerb } from '../../../model/statement.ts';
import type { CatalogBasis, CatalogPart } from '../../catalog/index.ts';
import type { Plan, PlannedStatement } from '../../plan.ts';

/** What a statement's meaning depends on in the target's catalog. */
export interface Reach {
  /** Relations it reads or writes, what views among them read, and what inherits from them. */
  readonly oids: ReadonlySet<Oid>;
  /** Names by which it calls them: another relation of such a name could be meant instead. */
  readonly names: ReadonlySet<string>;
  /** It may run code that looks up names while rows come; otherwise all are looked up before the first. */
  readonly late: boolean;
}

/** Verbs that read rows, or show or keep something of them. */
const READING: ReadonlySet<SqlVerb> = new Set([
  ...(['select', 'values', 'table', 'insert', 'update', 'delete', 'merge', 'copy-to', 'explain'] as const),
  ...(['execute', 'declare', 'fetch', 'move', 'create', 'call', 'do'] as const),
]);

const reaches = new WeakMap<PlannedStatement, Reach | 'nothing'>();

/** Undefined when nothing is hidden, or the statement reads nothing that users made: then no change can show what it should not. */
export function reachOf(
  plan: Plan,
  planned: PlannedStatement,
  temporaryReads: () => readonly Oid[],
): Reach | undefined {
  if (plan.view.hidden.size === 0) return undefined;
  let reach = reaches.get(planned);
  if (reach === undefined) {
    reach = findReach(plan.view.world.catalog, planned, temporaryReads) ?? 'nothing';
    reaches.set(planned, reach);
  }
  return reach === 'nothing' ? undefined : reach;
}

function findReach(
  catalog: CatalogSnapshot,
  { statement }: PlannedStatement,
  temporaryReads: () => readonly Oid[],
): Reach | undefined {
  if (!READING.has(statement.verb)) return undefined;
  const { sites, functions, objects } = statement;
  const uses = objects.some(({ act }) => act === 'use');
  const calls = functions.some(({ schema }) => schema !== 'pg_catalog' && schema !== 'information_schema');
  const temporary = statement.readsTemporary === true;
  if (sites.length === 0 && !uses && !calls && !temporary) return undefined;
  const oids = new Set<Oid>();
  const names = new Set<string>();
  const add = (oid: Oid): void => {
    if (oids.has(oid)) return;
    oids.add(oid);
    for (const read of catalog.relations.get(oid)?.reads ?? []) add(read);
    for (const child of childrenOf(catalog, oid)) add(child);
  };
  for (const { relation } of sites) {
    add(relation);
    const named = catalog.relations.get(relation);
    if (named) names.add(named.name);
  }
  if (temporary) for (const oid of temporaryReads()) add(oid);
  const views = [...oids].some((oid) => catalog.relations.get(oid)?.kind === 'view');
  const behind = sites.some(({ form }) => form === 'behind');
  return { oids, names, late: uses || calls || temporary || views || behind || runsUnnamedCode(catalog) };
}

/** Operators and casts of users' making run without being named. */
function runsUnnamedCode({ operators, casts }: CatalogSnapshot): boolean {
  return [operators, casts].some((made) => made === undefined || made.some(({ extension }) => extension === undefined));
}

const families = new WeakMap<CatalogSnapshot, ReadonlyMap<Oid, readonly Oid[]>>();

function childrenOf(catalog: CatalogSnapshot, parent: Oid): readonly Oid[] {
  let family = families.get(catalog);
  if (!family) {
    const made = new Map<Oid, Oid[]>();
    for (const { oid, parents } of catalog.relations.values()) {
      for (const each of parents) made.set(each, [...(made.get(each) ?? []), oid]);
    }
    family = made;
    families.set(catalog, family);
  }
  return family.get(parent) ?? [];
}

/**
 * Whether the catalog says of all that a statement reaches what it said when the statement was planned. `own`: relations that the
 * session's open transaction made or changed; nobody else can change them, nor see them as they are.
 * @returns with `same`, relations that inherit from what it reaches and did not then.
 */
export function compareReach(
  reach: Reach,
  basis: CatalogBasis,
  part: CatalogPart,
  own: ReadonlySet<Oid>,
): 'changed' | { readonly newChildren: readonly Oid[] } {
  const equal = (mark: string) => part.marks.get(mark) === basis.marks.get(mark);
  if (!equal('code') || !equal('schemas')) return 'changed';
  for (const oid of reach.oids) if (!own.has(oid) && !equal(`${oid}`)) return 'changed';
  for (const { oid, name } of part.named) {
    if (reach.names.has(name) && !basis.marks.has(`${oid}`) && !own.has(oid)) return 'changed';
  }
  const children = part.children.filter(({ oid, parent }) => reach.oids.has(parent) && !reach.oids.has(oid));
  return { newChildren: children.map(({ oid }) => oid).filter((oid) => !own.has(oid)) };
}
