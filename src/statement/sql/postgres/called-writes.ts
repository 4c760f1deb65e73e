import type { Oid } from '../../../model/catalog.ts';
import type { ColumnWrite, RelationSite, RelationWrite, WrittenConstant } from '../../../model/statement.ts';
import { as, constant, isTree, number } from './tree.ts';

/** All that a statement could give to a function it calls. */
export type Given = Omit<ColumnWrite, 'column'>;

/** @param inFunction The statement stands in a function itself: its own arguments are among what it gives. */
export function givenBy(
  node: unknown,
  sites: readonly RelationSite[],
  readsTemporary: boolean,
  inFunction: boolean,
): Given {
  const constants: WrittenConstant[] = [];
  const parameters = new Map<number, { number: number; whole: boolean }>();
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) walk(item);
      return;
    }
    if (!isTree(value)) return;
    const literal = constant(value);
    const parameter = as(value, 'ParamRef');
    if (typeof literal === 'string') constants.push({ value: literal, whole: false });
    else if (parameter) {
      const index = number(parameter, 'number') ?? 0;
      parameters.set(index, { number: index, whole: false });
    } else {
      for (const key in value) walk(value[key]);
    }
  };
  walk(node);
  const sources = new Map<Oid, 'all' | ReadonlySet<string>>();
  for (const { relation, form, columns } of sites) {
    // What a function reads by itself is judged by itself.
    if (form !== 'target' && form !== 'behind') add(sources, relation, columns);
  }
  return {
    sources,
    unfollowed: readsTemporary,
    constants,
    parameters: inFunction ? [] : [...parameters.values()],
    fromArguments: inFunction,
  };
}

/** What a function writes when it is called with any of that. */
export function calledWith(write: RelationWrite, given: Given): RelationWrite {
  const columns = write.columns.map((column): ColumnWrite => {
    const own = column.constants.map(({ value, whole }) => ({ value, whole }));
    if (!column.fromArguments) return { ...column, constants: own };
    const sources = new Map(column.sources);
    for (const [relation, columns] of given.sources) add(sources, relation, columns);
    return {
      column: column.column,
      sources,
      unfollowed: column.unfollowed || given.unfollowed,
      constants: [...own, ...given.constants],
      parameters: given.parameters,
      fromArguments: given.fromArguments,
    };
  });
  return { ...write, columns };
}

function add(
  sources: Map<Oid, 'all' | ReadonlySet<string>>,
  relation: Oid,
  columns: 'all' | ReadonlySet<string>,
): void {
  const known = sources.get(relation);
  sources.set(relation, known === 'all' || columns === 'all' ? 'all' : new Set([...(known ?? []), ...columns]));
}
