import type { HiddenRelations, MaskedRelation } from '../../model/mask.ts';
import type { Refusal } from '../../model/refusal.ts';
import type { ColumnWrite, RelationWrite, Script, SqlStatement } from '../../model/statement.ts';
import { likenessWithin } from './elements.ts';
import { type HiddenColumn, matters, type ParameterPlace, WriteGuard } from './guard.ts';
import { hasMark } from './marks.ts';
import { recogniserOf } from './recogniser.ts';
import { derivedRefusal, likenessRefusal, type Place, unfollowedRefusal } from './refusals.ts';

/**
 * Judges what the statements of a script write for a principal from whom these relations' columns are hidden: no mask may take the place
 * of a value. Values that are not in the text are left to a guard per statement; undefined where there is nothing to guard.
 * @param copies Whether masked values may be written into columns that are not hidden.
 */
export function judgeWrites(
  script: Script,
  hidden: HiddenRelations,
  copies: 'refuse' | 'allow',
): { readonly refusal: Refusal } | { readonly guards: readonly (WriteGuard | undefined)[] } {
  const judgement = new Judgement(script, hidden, copies);
  const guards: (WriteGuard | undefined)[] = [];
  for (const statement of script.statements) {
    const judged = judgement.statement(statement);
    if (judged && 'code' in judged) return { refusal: judged };
    guards.push(judged);
  }
  return { guards };
}

class Judgement {
  readonly #script: Script;
  readonly #hidden: HiddenRelations;
  readonly #marks: boolean;

  constructor(script: Script, hidden: HiddenRelations, copies: 'refuse' | 'allow') {
    this.#script = script;
    this.#hidden = hidden;
    this.#marks = copies === 'refuse';
  }

  statement({ writes = [] }: SqlStatement): WriteGuard | Refusal | undefined {
    const parameters: ParameterPlace[] = [];
    let copy: ConstructorParameters<typeof WriteGuard>[1];
    for (const write of writes) {
      const masked = write.relation === undefined ? undefined : this.#hidden.get(write.relation);
      for (const column of write.columns) {
        const columns = hiddenColumns(masked, column.column);
        const refusal = this.#column(write, column, columns);
        if (refusal) return refusal;
        for (const { number, whole } of column.parameters) {
          if (columns.length === 0 && !this.#marks) continue;
          parameters.push({ ...place(write, column, columns), number, whole, overwrites: write.overwrites, columns });
        }
      }
      if (!write.copy) continue;
      const columns = hiddenColumns(masked, undefined);
      if (columns.length > 0 || this.#marks) copy = { data: write.copy, relation: write.name, hidden: columns };
    }
    return parameters.length > 0 || copy ? new WriteGuard(parameters, copy, this.#marks) : undefined;
  }

  #column(write: RelationWrite, column: ColumnWrite, columns: readonly HiddenColumn[]): Refusal | undefined {
    const where = place(write, column, columns);
    if (where.hidden || this.#marks) {
      const source = this.#maskedSource(column);
      if (source !== undefined) return derivedRefusal(where, source);
    }
    if (where.hidden && column.unfollowed) return unfollowedRefusal(where);
    for (const { value, whole, offset } of column.constants) {
      const within = likenessWithin(value);
      const likeness = columns
        .flatMap(({ recognise }) => [recognise(value), whole ? undefined : within(recognise)])
        .find((found) => found !== undefined && matters(found, whole, write.overwrites));
      const found = likeness ?? ((where.hidden || this.#marks) && hasMark(value) ? 'mark' : undefined);
      if (found) return likenessRefusal(where, found, this.#position(offset));
    }
    return undefined;
  }

  /** The first masked column that the value may derive from. */
  #maskedSource({ sources }: ColumnWrite): string | undefined {
    for (const [oid, columns] of sources) {
      const masked = this.#hidden.get(oid);
      if (!masked) continue;
      const name = [...masked.expressions.keys()].find((column) => columns === 'all' || columns.has(column));
      if (name !== undefined) return `column "${name}" of ${masked.relation.schema}.${masked.relation.name}`;
    }
    return undefined;
  }

  #position(offset: number | undefined): number | undefined {
    if (offset === undefined) return undefined;
    return [...Buffer.from(this.#script.text).subarray(0, offset).toString()].length + 1;
  }
}

function place(write: RelationWrite, { column }: ColumnWrite, columns: readonly HiddenColumn[]): Place {
  return { relation: write.name, column, hidden: columns.length > 0 };
}

const known = new WeakMap<MaskedRelation, ReadonlyMap<string, HiddenColumn>>();

function allHidden(masked: MaskedRelation): ReadonlyMap<string, HiddenColumn> {
  let columns = known.get(masked);
  if (!columns) {
    const found = new Map<string, HiddenColumn>();
    for (const column of masked.relation.columns) {
      const mask = masked.masks.get(column.name);
      if (mask) found.set(column.name, { column, recognise: recogniserOf(column, mask.kind, mask.labels) });
    }
    columns = found;
    known.set(masked, columns);
  }
  return columns;
}

/** The hidden columns that a value may go into. */
function hiddenColumns(masked: MaskedRelation | undefined, column: string | undefined): readonly HiddenColumn[] {
  if (!masked) return [];
  const all = allHidden(masked);
  if (column === undefined) return [...all.values()];
  const one = all.get(column);
  return one ? [one] : [];
}
