import type { Choices } from './choices.ts';
import { Expressions, type Scope, type SubSelects } from './expressions.ts';
import { Outputs } from './outputs.ts';
import type { Kind } from './schema.ts';
import { type Cte, type Derived, type From, Sources } from './sources.ts';

/** A query whose answer is determined, but for the order of its rows. */
export interface Query {
  readonly sql: string;
  /** The order of the rows is determined too. */
  readonly ordered: boolean;
  /** Values of `$1`, `$2` …, all of type text. */
  readonly parameters: readonly string[];
}

interface Made {
  readonly sql: string;
  /** How many columns it has, where that is known: without, its rows cannot be put in order. */
  readonly width: number | undefined;
  readonly ordered: boolean;
}

const KINDS: readonly Kind[] = [
  ...([
    'int',
    'text',
    'text',
    'text',
    'numeric',
    'date',
    'bool',
    'jsonb',
    'texts',
    'timestamp',
    'uuid',
    'mood',
  ] as const),
];
/** Sources that one statement may have, so that joins stay small. */
const MOST_SOURCES = 7;

/** Makes queries out of decisions: the same decisions, the same query. */
export class Queries implements SubSelects, Derived {
  readonly #choices: Choices;
  readonly #expressions: Expressions;
  readonly #sources: Sources;
  readonly #outputs: Outputs;
  #ctes: readonly Cte[] = [];
  #left = MOST_SOURCES;
  #aliases = 0;

  constructor(choices: Choices) {
    this.#choices = choices;
    this.#expressions = new Expressions(choices, this);
    this.#sources = new Sources(choices, this.#expressions, this);
    this.#outputs = new Outputs(choices, this.#expressions);
  }

  /** @param parameters Whether literals may become parameters. */
  query(parameters: boolean): Query {
    this.#expressions.parameters = parameters ? [] : undefined;
    const kinds = this.#kinds(4);
    const { sql, ordered } = this.#withCtes(() => this.#statement(kinds, undefined, 3, false), 3);
    return { sql, ordered, parameters: this.#expressions.parameters ?? [] };
  }

  // What FROM lists and expressions need.

  derived(kinds: readonly Kind[], outer: Scope | undefined, depth: number): string {
    return this.#withCtes(() => this.#statement(kinds, outer, depth, true), depth).sql;
  }

  scalar(kind: Kind, scope: Scope, depth: number): string {
    if (!this.spend()) return `SELECT ${this.#expressions.literal(kind)}`;
    const from = this.#sources.from(scope, Math.min(depth, 1));
    const inner: Scope = { sources: from.sources, outer: scope };
    const where = this.#choices.chance(50) ? ` WHERE ${this.#expressions.condition(inner, 1)}` : '';
    return `SELECT ${this.#outputs.aggregate(kind, inner, 1)} FROM ${from.sql}${where}`;
  }

  column(kind: Kind, scope: Scope, depth: number): string {
    if (!this.spend()) return `SELECT ${this.#expressions.literal(kind)}`;
    const from = this.#sources.from(scope, Math.min(depth, 1));
    const inner: Scope = { sources: from.sources, outer: scope };
    const where = this.#choices.chance(60) ? ` WHERE ${this.#expressions.condition(inner, 1)}` : '';
    return `SELECT ${this.#expressions.cast(kind, this.#expressions.of(kind, inner, 1))} FROM ${from.sql}${where}`;
  }

  ctes(): readonly Cte[] {
    return this.#ctes;
  }

  spend(): boolean {
    this.#left -= 1;
    return this.#left >= 0;
  }

  freshAlias(): string {
    this.#aliases += 1;
    return this.#choices.of([`x${this.#aliases}`, `x${this.#aliases}`, `"X ${this.#aliases}"`]);
  }

  // Queries.

  #kinds(most: number): readonly Kind[] {
    return Array.from({ length: 1 + this.#choices.below(most) }, () => this.#choices.of(KINDS));
  }

  #withCtes(body: () => Made, depth: number): Made {
    const outer = this.#ctes;
    const parts: string[] = [];
    const recursive = depth > 1 && this.#choices.chance(5) && this.spend();
    if (recursive) parts.push(this.#recursive());
    while (depth > 1 && parts.length < 2 && this.#choices.chance(14) && this.spend()) parts.push(this.#cte(depth));
    const made = body();
    this.#ctes = outer;
    if (parts.length === 0) return made;
    return { ...made, sql: `WITH ${recursive ? 'RECURSIVE ' : ''}${parts.join(', ')} ${made.sql}` };
  }

  #cte(depth: number): string {
    const kinds = this.#kinds(3);
    const sql = this.derived(kinds, undefined, depth - 1);
    const name = this.#cteName(['people', 'city', 'event']);
    const columns = kinds.map((kind, index) => ({ name: `c${index + 1}`, kind }));
    this.#ctes = [...this.#ctes.filter((cte) => cte.name !== name), { name, columns }];
    return `${name} AS ${this.#choices.of(['', 'MATERIALIZED ', 'NOT MATERIALIZED '])}(${sql})`;
  }

  /** A name of its own, or the one of a relation, which it then hides. */
  #cteName(shadows: readonly string[]): string {
    const free = shadows.filter((name) => !this.#ctes.some((cte) => cte.name === name));
    this.#aliases += 1;
    return free.length > 0 && this.#choices.chance(30) ? this.#choices.of(free) : `w${this.#aliases}`;
  }

  #recursive(): string {
    const name = this.#cteName([]);
    const kind = this.#choices.of(['text', 'int', 'date'] as const);
    const from = this.#sources.from(undefined, 1);
    const first = this.#outputs.aggregate(kind, { sources: from.sources }, 1);
    this.#ctes = [
      ...this.#ctes,
      {
        name,
        columns: [
          { name: 'n', kind: 'int' },
          { name: 'v', kind },
        ],
      },
    ];
    return `${name} (n, v) AS (SELECT 1, ${this.#expressions.cast(kind, first)} FROM ${from.sql} UNION ALL SELECT n + 1, v FROM ${name} WHERE n < 3)`;
  }

  /** @param strict Columns are called `c1`, `c2` … and have exactly the types of their kinds. */
  #statement(kinds: readonly Kind[], outer: Scope | undefined, depth: number, strict: boolean): Made {
    if (depth > 1 && this.#choices.chance(12)) return this.#setOperation(kinds, outer, depth, strict);
    const made = this.#select(kinds, outer, depth, strict);
    return made.ordered ? made : this.#limited(made);
  }

  #setOperation(kinds: readonly Kind[], outer: Scope | undefined, depth: number, strict: boolean): Made {
    const left = this.#select(kinds, outer, depth - 1, true);
    const right = this.#select(kinds, outer, depth - 1, true);
    const operator = this.#choices.of(['UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT', 'UNION DISTINCT', 'EXCEPT ALL']);
    const sql = `(${left.sql}) ${operator} (${right.sql})`;
    const made = { sql, width: kinds.length, ordered: false };
    return strict || this.#choices.chance(50) ? made : this.#limited(made);
  }

  /** Puts the rows in the one order that there is, and takes some of them. */
  #limited(made: Made): Made {
    if (made.width === undefined || made.width > 40 || !this.#choices.chance(45)) return made;
    const directions = ['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'];
    const order = Array.from({ length: made.width }, (_, at) => `${at + 1}${this.#choices.of(directions)}`).join(', ');
    const some = this.#choices.of([
      '',
      '',
      ' LIMIT 3',
      ' OFFSET 1 LIMIT 5',
      ' FETCH FIRST 2 ROWS WITH TIES',
      ' OFFSET 2',
    ]);
    return { sql: `${made.sql} ORDER BY ${order}${some}`, width: made.width, ordered: true };
  }

  #select(kinds: readonly Kind[], outer: Scope | undefined, depth: number, strict: boolean): Made {
    if (!this.spend() && outer === undefined && this.#choices.chance(50)) return this.#values(kinds, strict);
    if (!strict && this.#choices.chance(2)) return { sql: 'TABLE lab.people', width: undefined, ordered: false };
    const from = this.#sources.from(outer, depth);
    const scope: Scope = { sources: from.sources, ...(outer ? { outer } : {}) };
    const where = this.#choices.chance(50) ? ` WHERE ${this.#expressions.condition(scope, 2)}` : '';
    const way = this.#choices.below(10);
    if (way >= 8) return this.#grouped(kinds, scope, from, where, depth, strict);
    if (!strict && way === 7) return this.#starred(from, scope, where, depth);
    const { items, windows } = this.#outputs.plain(kinds, scope, depth, strict);
    const distinct = this.#choices.chance(12) ? 'DISTINCT ' : '';
    if (distinct === '' && this.#choices.chance(5)) return this.#distinctOn(items, from, where, windows);
    const sql = `SELECT ${distinct}${items.join(', ')} FROM ${from.sql}${where}${windows}`;
    return { sql, width: items.length, ordered: false };
  }

  #values(kinds: readonly Kind[], strict: boolean): Made {
    const row = (): string =>
      `(${kinds.map((kind) => this.#expressions.cast(kind, this.#expressions.literal(kind))).join(', ')})`;
    const sql = `VALUES ${row()}, ${row()}`;
    const names = kinds.map((_, index) => `c${index + 1}`).join(', ');
    return { sql: strict ? `SELECT * FROM (${sql}) v (${names})` : sql, width: kinds.length, ordered: false };
  }

  #starred(from: From, scope: Scope, where: string, depth: number): Made {
    const wholes = scope.sources.filter(({ alias }) => alias !== '');
    if (from.star && this.#choices.chance(60)) {
      return { sql: `SELECT * FROM ${from.sql}${where}`, width: from.star.length, ordered: false };
    }
    const source = this.#choices.of(wholes);
    const kind = this.#choices.of(KINDS);
    const more = this.#choices.chance(50) ? `, ${this.#expressions.of(kind, scope, depth - 1)}` : '';
    return { sql: `SELECT ${source.alias}.*${more} FROM ${from.sql}${where}`, width: undefined, ordered: false };
  }

  /** All columns decide the order, so which row of a group comes first is determined. */
  #distinctOn(items: readonly string[], from: From, where: string, windows: string): Made {
    const positions = items.map((_, index) => `${index + 1}`).join(', ');
    const on = this.#choices.of(['1', items.length > 1 ? '1, 2' : '1']);
    const sql = `SELECT DISTINCT ON (${on}) ${items.join(', ')} FROM ${from.sql}${where}${windows} ORDER BY ${positions}`;
    return { sql, width: items.length, ordered: true };
  }

  #grouped(kinds: readonly Kind[], scope: Scope, from: From, where: string, depth: number, strict: boolean): Made {
    const { items, groupBy, having } = this.#outputs.grouped(kinds, scope, depth, strict);
    const sql = `SELECT ${items.join(', ')} FROM ${from.sql}${where}${groupBy}${having}`;
    return { sql, width: items.length, ordered: false };
  }
}
