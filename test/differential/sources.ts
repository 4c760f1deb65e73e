import type { Choices } from './choices.ts';
import type { Expressions, Scope, Source } from './expressions.ts';
import { type Column, type Kind, RELATIONS, type Relation } from './schema.ts';

/** A FROM list: its text, what can be named through it, and the columns that a star shows where that is certain. */
export interface From {
  readonly sql: string;
  readonly sources: readonly Source[];
  readonly star: readonly Column[] | undefined;
}

/** A common table expression that can be named. */
export interface Cte {
  readonly name: string;
  readonly columns: readonly Column[];
}

/** What FROM lists need of the query generator. */
export interface Derived {
  /** A query whose columns have the given kinds and are called `c1`, `c2` … */
  derived(kinds: readonly Kind[], outer: Scope | undefined, depth: number): string;
  ctes(): readonly Cte[];
  /** Counts a source; false when the statement has enough of them. */
  spend(): boolean;
  freshAlias(): string;
}

const KINDS: readonly Kind[] = [
  'int',
  'text',
  'numeric',
  'date',
  'bool',
  'jsonb',
  'texts',
  'timestamp',
  'uuid',
  'mood',
];

export class Sources {
  readonly #choices: Choices;
  readonly #expressions: Expressions;
  readonly #queries: Derived;

  constructor(choices: Choices, expressions: Expressions, queries: Derived) {
    this.#choices = choices;
    this.#expressions = expressions;
    this.#queries = queries;
  }

  from(outer: Scope | undefined, depth: number): From {
    let from = this.#item(outer, depth, []);
    const extra = this.#choices.below(depth > 1 ? 3 : 2);
    for (let count = 0; count < extra && this.#queries.spend(); count++) {
      from = this.#joined(from, outer, depth);
    }
    if (this.#choices.chance(20) && this.#queries.spend()) from = this.#lateral(from, outer, depth);
    return from;
  }

  #joined(left: From, outer: Scope | undefined, depth: number): From {
    const right = this.#item(
      outer,
      depth,
      left.sources.map(({ alias }) => alias),
    );
    const sources = [...left.sources, ...right.sources];
    const star = left.star && right.star ? [...left.star, ...right.star] : undefined;
    const kind = this.#choices.of(['JOIN', 'LEFT JOIN', 'JOIN', 'RIGHT JOIN', 'FULL JOIN', 'LEFT JOIN', 'CROSS JOIN']);
    if (kind === 'CROSS JOIN') return { sql: `${left.sql} CROSS JOIN ${right.sql}`, sources, star };
    const shared = this.#shared(left, right);
    if (shared.length > 0 && this.#choices.chance(20)) {
      return { sql: `${left.sql} ${kind} ${right.sql} USING (${this.#choices.of(shared)})`, sources, star: undefined };
    }
    if (shared.length > 0 && this.#choices.chance(8)) {
      return { sql: `${left.sql} NATURAL ${kind} ${right.sql}`, sources, star: undefined };
    }
    const on =
      this.#equality(left, right, outer) ??
      (kind === 'FULL JOIN' ? 'false' : this.#expressions.condition({ sources, ...(outer ? { outer } : {}) }, 1));
    return { sql: `${left.sql} ${kind} ${right.sql} ON ${on}`, sources, star };
  }

  /** Names that stand exactly once on either side. */
  #shared(left: From, right: From): readonly string[] {
    const count = (from: From, name: string): number =>
      from.sources.flatMap(({ columns }) => columns).filter((column) => column.name === name).length;
    const names = new Set(right.sources.flatMap(({ columns }) => columns.map(({ name }) => name)));
    return [...names].filter((name) => count(left, name) === 1 && count(right, name) === 1);
  }

  #equality(left: From, right: From, outer: Scope | undefined): string | undefined {
    if (this.#choices.chance(15)) return undefined;
    const kind = this.#choices.of(['int', 'int', 'text', 'int', 'date', 'uuid'] as const);
    const around = outer ? { outer } : {};
    const one = this.#expressions.column(kind, { sources: left.sources, ...around });
    const other = this.#expressions.column(kind, { sources: right.sources.filter(({ alias }) => alias !== '') });
    // A bare name may stand on both sides.
    return one?.includes('.') && other?.includes('.') ? `${one} = ${other}` : undefined;
  }

  /** Something behind a comma, which sees what stands before it. */
  #lateral(left: From, outer: Scope | undefined, depth: number): From {
    const scope: Scope = { sources: left.sources, ...(outer ? { outer } : {}) };
    const alias = this.#queries.freshAlias();
    const made = this.#function(scope, alias) ?? this.#select(scope, alias, depth, 'LATERAL ');
    const joiner = this.#choices.of([', ', ' CROSS JOIN ']);
    const star = left.star && made.star ? [...left.star, ...made.star] : undefined;
    return { sql: `${left.sql}${joiner}${made.sql}`, sources: [...left.sources, ...made.sources], star };
  }

  #function(scope: Scope, alias: string): From | undefined {
    const value = (kind: Kind): string => this.#expressions.of(kind, scope, 1);
    const made = (sql: string, columns: readonly Column[]): From => ({
      sql,
      sources: [{ alias, columns, whole: columns.length > 1 }],
      star: columns,
    });
    switch (this.#choices.below(8)) {
      case 1:
        return made(`unnest(${value('texts')}) AS ${alias} (v)`, [{ name: 'v', kind: 'text' }]);
      case 2:
        return made(`generate_series(1, ${this.#choices.of(['2', '3'])}) AS ${alias} (n)`, [
          { name: 'n', kind: 'int' },
        ]);
      case 3:
        return made(`jsonb_to_record(${value('jsonb')}) AS ${alias} (n text, who text)`, [
          { name: 'n', kind: 'text' },
          { name: 'who', kind: 'text' },
        ]);
      case 4:
        return made(`regexp_split_to_table(${value('text')}, ' ') AS ${alias} (v)`, [{ name: 'v', kind: 'text' }]);
      case 5:
        return made(`LATERAL (VALUES (${value('int')}, ${value('text')}), (2, ${value('text')})) AS ${alias} (n, v)`, [
          { name: 'n', kind: 'int' },
          { name: 'v', kind: 'text' },
        ]);
      default:
        return undefined;
    }
  }

  #item(outer: Scope | undefined, depth: number, taken: readonly string[]): From {
    const ctes = this.#queries.ctes();
    const way = this.#choices.below(10);
    if (ctes.length > 0 && way >= 6) return this.#cte(this.#choices.of(ctes));
    if (depth > 0 && way === 5) return this.#select(outer, this.#queries.freshAlias(), depth, '');
    return this.#relation(this.#choices.of(RELATIONS), taken);
  }

  #cte(cte: Cte): From {
    const alias = this.#queries.freshAlias();
    return {
      sql: `${cte.name} ${alias}`,
      sources: [{ alias, columns: cte.columns, whole: true }],
      star: cte.columns,
    };
  }

  #select(outer: Scope | undefined, alias: string, depth: number, lateral: string): From {
    const kinds = Array.from({ length: 1 + this.#choices.below(3) }, () => this.#choices.of(KINDS));
    const sql = this.#queries.derived(kinds, outer, depth - 1);
    const renamed = this.#choices.chance(20);
    const columns = kinds.map((kind, index) => ({ name: `${renamed ? 'd' : 'c'}${index + 1}`, kind }));
    const names = renamed ? ` (${columns.map(({ name }) => name).join(', ')})` : '';
    return {
      sql: `${lateral}(${sql}) AS ${alias}${names}`,
      sources: [{ alias, columns, whole: true }],
      star: columns,
    };
  }

  #relation(relation: Relation, taken: readonly string[]): From {
    const shadowed = this.#queries.ctes().some(({ name }) => name === relation.name);
    const path = !shadowed && this.#choices.chance(30);
    let name = path ? relation.name : `lab.${relation.name}`;
    if (relation.parent && this.#choices.chance(25))
      name = this.#choices.of([`ONLY ${name}`, `ONLY (${name})`, `${name} *`]);
    const bare = !taken.includes(relation.name) && this.#choices.chance(20);
    const alias = bare ? relation.name : this.#queries.freshAlias();
    let { columns } = relation;
    let written = bare ? '' : `${this.#choices.of([' ', ' AS '])}${alias}`;
    if (!bare && this.#choices.chance(10)) {
      const renamed = columns.slice(0, 2).map(({ kind }, index) => ({ name: `r${index + 1}`, kind }));
      columns = [...renamed, ...columns.slice(2)];
      written += ` (${renamed.map((column) => column.name).join(', ')})`;
    }
    if (relation.table && this.#choices.chance(5)) {
      written += this.#choices.of([' TABLESAMPLE BERNOULLI (100)', ' TABLESAMPLE system (100) REPEATABLE (7)']);
    }
    const keyed = relation.key !== undefined && columns === relation.columns ? { key: relation.key } : {};
    const qualified = bare && !path ? { qualified: `lab.${relation.name}` } : {};
    return {
      sql: `${name}${written}`,
      // The row of a table carries the table's own names, the one of what stands for it those of the alias: docs/limits.md.
      sources: [{ alias, columns, whole: columns === relation.columns, ...keyed, ...qualified }],
      star: columns,
    };
  }
}
