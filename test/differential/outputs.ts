import type { Choices } from './choices.ts';
import type { Expressions, Scope } from './expressions.ts';
import type { Kind } from './schema.ts';

/** Select lists: plain ones, with windows, and with groups. */
export class Outputs {
  readonly #choices: Choices;
  readonly #expressions: Expressions;

  constructor(choices: Choices, expressions: Expressions) {
    this.#choices = choices;
    this.#expressions = expressions;
  }

  /** @param strict Columns are called `c1`, `c2` … and have exactly the types of their kinds. */
  plain(
    kinds: readonly Kind[],
    scope: Scope,
    depth: number,
    strict: boolean,
  ): { readonly items: readonly string[]; readonly windows: string } {
    let windows = '';
    const items = kinds.map((kind, index) => {
      let value = this.#choices.chance(7) ? this.#window(kind, scope) : undefined;
      if (value?.endsWith('OVER named')) windows = ` WINDOW named AS (${this.#partition(scope)})`;
      value ??= this.#expressions.of(kind, scope, depth);
      return this.#item(kind, value, index, strict);
    });
    return { items, windows };
  }

  grouped(
    kinds: readonly Kind[],
    scope: Scope,
    depth: number,
    strict: boolean,
  ): { readonly items: readonly string[]; readonly groupBy: string; readonly having: string } {
    const keyed = scope.sources.find(({ key, alias }) => key !== undefined && alias !== '');
    if (keyed && this.#choices.chance(30)) {
      // The other columns of a relation depend on its primary key.
      const only: Scope = { sources: [{ ...keyed, whole: false }] };
      const items = kinds.map((kind, index) => {
        const column = this.#expressions.column(kind, only);
        const value = column?.includes('.') ? column : this.aggregate(kind, scope, 1);
        return this.#item(kind, value, index, strict);
      });
      return { items, groupBy: ` GROUP BY ${keyed.alias}.${keyed.key}`, having: '' };
    }
    const keys = new Map<Kind, string>();
    for (const kind of kinds.slice(0, this.#choices.below(3))) {
      const column = this.#expressions.column(kind, { sources: scope.sources });
      const value = this.#choices.chance(25) ? undefined : column;
      keys.set(
        kind,
        value ?? sortable(this.#expressions.cast(kind, this.#expressions.of(kind, { sources: scope.sources }, 1))),
      );
    }
    const items = kinds.map((kind, index) => {
      const key = keys.get(kind);
      const value =
        key !== undefined && this.#choices.chance(80) ? key : this.aggregate(kind, scope, Math.min(depth, 2));
      return this.#item(kind, value, index, strict);
    });
    const having = this.#choices.chance(20) ? ` HAVING ${this.#having(scope)}` : '';
    return { items, groupBy: this.#groupBy([...keys.values()]), having };
  }

  /** An aggregate that does not depend on the order of its rows. */
  aggregate(kind: Kind, scope: Scope, depth: number): string {
    const value = (wanted: Kind): string => this.#expressions.of(wanted, scope, depth);
    const of = <T>(options: readonly T[]): T => this.#choices.of(options);
    const filter = this.#choices.chance(12) ? ` FILTER (WHERE ${this.#expressions.condition(scope, 1)})` : '';
    const ordered = (call: string, one: string): string =>
      `${call.replace('?', () => `${one} ORDER BY ${sortable(one)}`)}${filter}`;
    switch (kind) {
      case 'int': {
        const whole = scope.sources.find((source) => source.whole);
        const ways = [
          () => `count(*)${filter}::integer`,
          () => `count(${value(of(['text', 'date', 'jsonb', 'int'] as const))})${filter}::integer`,
          () => `count(DISTINCT ${value(of(['text', 'date', 'mood', 'uuid', 'numeric'] as const))})${filter}::integer`,
          () => `sum(${value('int')})${filter}::integer`,
          () => `${of(['max', 'min'])}(${value('int')})${filter}`,
          () => (whole ? `count(${whole.alias})${filter}::integer` : `count(*)${filter}::integer`),
        ];
        return of(ways)();
      }
      case 'numeric':
        return of([
          () => `round(sum(${value('numeric')})${filter}, 2)`,
          () => `round(avg(${value(of(['int', 'numeric'] as const))})${filter}, 2)`,
          () => `${of(['max', 'min'])}(${value('numeric')})${filter}`,
        ])();
      case 'text':
        return of([
          () => `${of(['max', 'min'])}(${value('text')})${filter}`,
          () => {
            const one = value('text');
            return `string_agg(${one}, ',' ORDER BY ${sortable(one)})${filter}`;
          },
          () => `mode() WITHIN GROUP (ORDER BY ${sortable(value('text'))})${filter}`,
          () => `${ordered('json_agg(?)', value('text'))}::text`,
          () => `${ordered('array_agg(?)', value(of(['date', 'int', 'text'] as const)))}::text`,
          () => `percentile_disc(0.5) WITHIN GROUP (ORDER BY ${sortable(value('text'))})${filter}`,
        ])();
      case 'bool':
        return `${of(['bool_and', 'bool_or', 'every'])}(${value('bool')})${filter}`;
      case 'date':
      case 'timestamp':
      case 'mood':
        return `${of(['max', 'min'])}(${value(kind)})${filter}`;
      case 'jsonb':
        return ordered('jsonb_agg(?)', value(of(['jsonb', 'text', 'date'] as const)));
      case 'texts':
        return ordered('array_agg(?)', value('text'));
      case 'uuid':
        return `(${ordered('array_agg(?)', value('uuid'))})[1]`;
    }
  }

  #item(kind: Kind, value: string, index: number, strict: boolean): string {
    if (strict) return `${this.#expressions.cast(kind, value)} AS c${index + 1}`;
    const name = this.#choices.of(['', '', ` AS c${index + 1}`, ' AS "Two words"', ' AS id']);
    return `${value}${name}`;
  }

  /** Nothing without keys, unless an empty grouping set is asked for. */
  #groupBy(keys: readonly string[]): string {
    if (keys.length === 0) return this.#choices.of(['', ' GROUP BY ()', '']);
    const list = keys.join(', ');
    const sets = keys.map((key) => `(${key})`).join(', ');
    const way = this.#choices.of(['', '', '', 'ROLLUP', 'CUBE', 'GROUPING SETS', 'DISTINCT']);
    if (way === '') return ` GROUP BY ${list}`;
    if (way === 'DISTINCT') return ` GROUP BY DISTINCT ROLLUP (${list})`;
    return way === 'GROUPING SETS' ? ` GROUP BY GROUPING SETS (${sets}, ())` : ` GROUP BY ${way} (${list})`;
  }

  #having(scope: Scope): string {
    return `${this.aggregate('int', scope, 1)} ${this.#choices.of(['>', '<=', '<>'])} ${this.#choices.of(['1', '0', '2'])}`;
  }

  #partition(scope: Scope): string {
    const by = this.#expressions.of(this.#choices.of(['text', 'int', 'bool'] as const), scope, 1);
    const order = this.#expressions.of(this.#choices.of(['int', 'date', 'text'] as const), scope, 1);
    return this.#choices.of([
      `PARTITION BY ${by}`,
      `ORDER BY ${sortable(order)}`,
      `PARTITION BY ${by} ORDER BY ${sortable(order)}`,
    ]);
  }

  /** Rows that compare equal stay in one frame, so their order does not matter. */
  #window(kind: Kind, scope: Scope): string | undefined {
    const over = (): string => this.#choices.of([`(${this.#partition(scope)})`, 'named', '()']);
    const value = (): string => this.#expressions.of(kind, scope, 1);
    switch (kind) {
      case 'int':
        return `${this.#choices.of(['count(*)', 'rank()', 'dense_rank()', `max(${value()})`])} OVER ${over()}`;
      case 'text':
      case 'date':
      case 'numeric':
      case 'timestamp':
      case 'mood':
        return `${this.#choices.of(['max', 'min'])}(${value()}) OVER ${over()}`;
      case 'bool':
        return `bool_or(${value()}) OVER ${over()}`;
      default:
        return undefined;
    }
  }
}

/** A constant by itself would be a position in GROUP BY and ORDER BY, or not be allowed. */
function sortable(expression: string): string {
  return /^[\w."$ä ]*[a-z"]\.?[\w." ä]*$/i.test(expression) ? expression : `coalesce(${expression}, NULL)`;
}
