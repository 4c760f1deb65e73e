import type { Choices } from './choices.ts';
import { type Column, type Kind, TYPE } from './schema.ts';

/** Something in FROM: its alias and what can be named through it. */
export interface Source {
  /** As it is written in SQL; the empty string when columns have to be named bare. */
  readonly alias: string;
  readonly columns: readonly Column[];
  /** The alias is also the name of the whole row. */
  readonly whole: boolean;
  /** Column that tells rows apart. */
  readonly key?: string;
  /** How the columns may be qualified besides the alias: `lab.people`. */
  readonly qualified?: string;
}

export interface Scope {
  readonly sources: readonly Source[];
  readonly outer?: Scope;
}

/** Sub-selects, which the expressions need and the query generator makes. */
export interface SubSelects {
  /** A query of one column and at most one row. */
  scalar(kind: Kind, scope: Scope, depth: number): string;
  /** A query of one column. */
  column(kind: Kind, scope: Scope, depth: number): string;
}

const LITERALS: Readonly<Record<Kind, readonly string[]>> = {
  int: ['1', '0', '3', '-7', '12', 'NULL::integer'],
  numeric: ['1.00', '0.00', '3.10', '-2.50', '1500.00', 'NULL::numeric'],
  text: [
    "'a'",
    "''",
    "'***'",
    "'öl'",
    "E'it\\'s'",
    "'secret1@mail1.example'",
    "U&'\\00e4'",
    '$q$nick1$q$',
    'NULL::text',
  ],
  bool: ['true', 'false', 'NULL::boolean'],
  date: ["date '2024-02-01'", "date '1961-01-01'", "date '2024-01-31'", 'NULL::date'],
  timestamp: ["timestamp '2024-03-01 12:00'", "timestamp '2024-02-01'", 'NULL::timestamp'],
  jsonb: [`'{"n": 1}'::jsonb`, "'[]'::jsonb", "'{}'::jsonb", 'NULL::jsonb'],
  texts: ["ARRAY['all']", "'{}'::text[]", "ARRAY['a', NULL]", 'NULL::text[]'],
  uuid: ["'00000000-0000-0000-0000-000000000000'::uuid", "md5('a')::uuid", 'NULL::uuid'],
  mood: ["'glad'::lab.mood", "'odd'::lab.mood", 'NULL::lab.mood'],
};

/** Makes expressions of a wanted kind out of what a scope offers. Numbers with decimals always have two, so that equal ones look equal. */
export class Expressions {
  readonly #choices: Choices;
  readonly #queries: SubSelects;
  /** Values for `$1`, `$2` …; undefined when the statement cannot have parameters. */
  parameters: string[] | undefined;

  constructor(choices: Choices, queries: SubSelects) {
    this.#choices = choices;
    this.#queries = queries;
  }

  of(kind: Kind, scope: Scope, depth: number): string {
    const below = (count: number): number => this.#choices.below(count);
    if (depth <= 0 || below(3) === 0) return this.#leaf(kind, scope);
    const deeper = (wanted: Kind): string => this.of(wanted, scope, depth - 1);
    const general = this.#general(kind, scope, depth, deeper);
    const own = this.#own(kind, scope, deeper);
    const at = below(general.length + own.length);
    return `(${(own[at] ?? general[at - own.length] ?? (() => this.#leaf(kind, scope)))()})`;
  }

  /** A condition, mostly over columns. */
  condition(scope: Scope, depth: number): string {
    return this.of('bool', scope, Math.max(1, depth));
  }

  /** A column of the scope, or of one around it; undefined when none has that kind. */
  column(kind: Kind, scope: Scope): string | undefined {
    const found: string[] = [];
    for (let at: Scope | undefined = scope; at; at = at.outer) {
      for (const source of at.sources) {
        for (const { name, kind: of } of source.columns) {
          if (of !== kind) continue;
          if (source.alias !== '') found.push(`${source.alias}.${name}`);
          if (source.qualified !== undefined) found.push(`${source.qualified}.${name}`);
          if (at === scope && this.#alone(scope, name)) found.push(name);
        }
      }
    }
    return found.length === 0 ? undefined : this.#choices.of(found);
  }

  literal(kind: Kind): string {
    const literal = this.#choices.of(LITERALS[kind]);
    const plain = /^'([^'\\]*)'$/.exec(literal);
    if (!this.parameters || !plain || !this.#choices.chance(40)) return literal;
    this.parameters.push(plain[1] ?? '');
    return `$${this.parameters.length}::text`;
  }

  #alone(scope: Scope, name: string): boolean {
    const named = scope.sources.filter((source) => source.columns.some((column) => column.name === name));
    const twice = named[0]?.columns.filter((column) => column.name === name).length ?? 0;
    return named.length === 1 && twice === 1;
  }

  #leaf(kind: Kind, scope: Scope): string {
    const column = this.#choices.chance(15) ? undefined : this.column(kind, scope);
    return column ?? this.literal(kind);
  }

  /** The name of a whole row of this scope, or a row constructor. */
  #row(scope: Scope): string {
    const wholes = scope.sources.filter((source) => source.whole).map((source) => source.alias);
    if (wholes.length > 0 && !this.#choices.chance(20)) return this.#choices.of(wholes);
    return `ROW(${this.#leaf('text', scope)}, ${this.#leaf('int', scope)})`;
  }

  /** What there is for every kind. */
  #general(kind: Kind, scope: Scope, depth: number, deeper: (kind: Kind) => string): (() => string)[] {
    const ways = [
      () => `CASE WHEN ${deeper('bool')} THEN ${deeper(kind)} ELSE ${deeper(kind)} END`,
      () => `coalesce(${deeper(kind)}, ${this.#leaf(kind, scope)})`,
      () => `CASE ${deeper('text')} WHEN ${this.#leaf('text', scope)} THEN ${deeper(kind)} END`,
      () => `(${this.#queries.scalar(kind, scope, depth - 1)})`,
    ];
    if (kind === 'jsonb') return ways;
    return [...ways, () => `nullif(${deeper(kind)}, ${this.#leaf(kind, scope)})`];
  }

  #own(kind: Kind, scope: Scope, deeper: (kind: Kind) => string): (() => string)[] {
    const leaf = (wanted: Kind): string => this.#leaf(wanted, scope);
    const of = <T>(options: readonly T[]): T => this.#choices.of(options);
    switch (kind) {
      case 'int':
        return [
          () => `${leaf('int')} ${of(['+', '-', '*'])} ${leaf('int')}`,
          () => `length(${deeper('text')})`,
          () => `abs(${deeper('int')}) % 7`,
          () => `extract(${of(['year', 'month', 'day', 'dow'])} FROM ${deeper('date')})::integer`,
          () => `(${deeper('jsonb')} ->> 'n')::integer`,
          () => `cardinality(${deeper('texts')})`,
          () => `position(${leaf('text')} IN ${deeper('text')})`,
          () => `greatest(${deeper('int')}, ${leaf('int')})`,
          () => `${leaf('date')} - ${leaf('date')}`,
          () => `round(${deeper('numeric')})::integer`,
          () => `num_nonnulls(${leaf('text')}, ${leaf('int')}, ${leaf('date')})`,
          () => `array_position(${deeper('texts')}, ${leaf('text')})`,
          () => `ascii(${deeper('text')})`,
          () => `100 / ${leaf('int')}`,
          () => `(${deeper('text')})::integer`,
        ];
      case 'numeric':
        return [
          () => `round(${leaf('numeric')} ${of(['+', '-', '*'])} ${leaf('numeric')}, 2)`,
          () => `round(abs(${deeper('numeric')}), 2)`,
          () => `lab.vat(${deeper('numeric')})`,
          () => `${deeper('int')}::numeric(12, 2)`,
          () => `least(${deeper('numeric')}, ${leaf('numeric')})`,
        ];
      case 'text':
        return [
          () => `${deeper('text')} || ${leaf('text')}`,
          () =>
            `${of(['upper', 'lower', 'reverse', 'md5', 'btrim', 'initcap', 'quote_literal', 'quote_ident'])}(${deeper('text')})`,
          () => `${of(['left', 'right', 'repeat'])}(${deeper('text')}, 2)`,
          () => `substr(${deeper('text')}, 2, 3)`,
          () => `substring(${deeper('text')} FROM '[a-z]+')`,
          () => `replace(${deeper('text')}, ${leaf('text')}, '-')`,
          () => `split_part(${deeper('text')}, '@', ${of(['1', '2'])})`,
          () =>
            `${deeper(of(['int', 'numeric', 'date', 'bool', 'uuid', 'mood', 'timestamp', 'texts', 'jsonb'] as const))}::text`,
          () => `CAST(${deeper('text')} AS varchar(4))::text`,
          () => `${deeper('jsonb')} ->> ${of(["'who'", "'list'", "'n'", "'name'"])}`,
          () => `array_to_string(${deeper('texts')}, ',', '?')`,
          () => `(${deeper('texts')})[${of(['1', '3'])}]`,
          () => `format('%s-%L', ${deeper('text')}, ${leaf('int')})`,
          () => `concat(${deeper('text')}, ${leaf('date')}, ${leaf('bool')})`,
          () => `concat_ws('/', ${deeper('text')}, ${leaf('text')})`,
          () => `to_char(${leaf('date')}, 'YYYY Mon DD')`,
          () => `(${this.#row(scope)})::text`,
          () => `row_to_json(${this.#row(scope)})::text`,
          () => `encode(convert_to(${deeper('text')}, 'UTF8'), '${of(['hex', 'base64'])}')`,
          () => `translate(${deeper('text')}, 'aeiou', 'AEIOU')`,
          () => `regexp_replace(${deeper('text')}, '[[:digit:]]', '#', 'g')`,
          () => `overlay(${deeper('text')} PLACING 'xx' FROM 2)`,
          () => `pg_typeof(${leaf('text')})::text`,
          () => `${deeper('text')} COLLATE "C"`,
          () => `xmlserialize(CONTENT xmlelement(name e, ${leaf('text')}) AS text)`,
        ];
      case 'bool':
        return this.#conditions(scope, deeper);
      case 'date':
        return [
          () => `${deeper('date')} + ${of(['1', '30', '-365'])}`,
          () => `date_trunc('month', ${deeper('date')})::date`,
          () => `greatest(${deeper('date')}, ${leaf('date')})`,
          () => `${deeper('timestamp')}::date`,
          () => `make_date(2024, 2, 1 + abs(${leaf('int')}) % 20)`,
        ];
      case 'timestamp':
        return [
          () => `${deeper('timestamp')} + interval '${of(['1 hour', '3 days', '1 month'])}'`,
          () => `date_trunc('${of(['day', 'hour', 'year'])}', ${deeper('timestamp')})`,
          () => `${deeper('date')}::timestamp`,
        ];
      case 'jsonb':
        return [
          () => `jsonb_build_object('k', ${deeper('text')}, 'n', ${leaf('int')})`,
          () => `to_jsonb(${this.#row(scope)})`,
          () => `to_jsonb(${deeper(of(['text', 'int', 'date', 'texts', 'bool', 'numeric'] as const))})`,
          () => `jsonb_build_array(${leaf('text')}, ${leaf('date')}, ${this.#row(scope)})`,
          () => `${deeper('jsonb')} -> ${of(["'n'", "'list'", "'who'"])}`,
          () => `to_jsonb(${this.#row(scope)}) #> '{${of(['name', 'email', 'id', 'extra,who'])}}'`,
          () => `jsonb_strip_nulls(${deeper('jsonb')})`,
          () => `row_to_json(${this.#row(scope)})::jsonb - 'id'`,
        ];
      case 'texts':
        return [
          () => `ARRAY[${deeper('text')}, ${leaf('text')}]`,
          () => `string_to_array(${deeper('text')}, ${of(["' '", "'@'", 'NULL'])})`,
          () => `array_append(${deeper('texts')}, ${leaf('text')})`,
          () => `regexp_split_to_array(${deeper('text')}, '[aeiou]')`,
          () => `ARRAY(${this.#queries.column('text', scope, 1)} ORDER BY 1)`,
          () => `(${deeper('texts')})[1:2]`,
        ];
      case 'uuid':
        return [() => `md5(${deeper('text')})::uuid`];
      case 'mood':
        return [() => `greatest(${deeper('mood')}, ${leaf('mood')})`, () => `enum_first(${leaf('mood')})`];
    }
  }

  #conditions(scope: Scope, deeper: (kind: Kind) => string): (() => string)[] {
    const leaf = (wanted: Kind): string => this.#leaf(wanted, scope);
    const of = <T>(options: readonly T[]): T => this.#choices.of(options);
    const kind = (): Kind =>
      of(['text', 'int', 'text', 'date', 'numeric', 'timestamp', 'uuid', 'mood', 'texts', 'jsonb', 'bool'] as const);
    const compared = (): string => {
      const one = kind();
      return `${deeper(one)} ${of(['=', '<>', '<', '>=', 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM'])} ${leaf(one)}`;
    };
    return [
      compared,
      compared,
      () => `${deeper(kind())} IS ${of(['NOT NULL', 'NULL'])}`,
      () => `${deeper('text')} ${of(['LIKE', 'NOT LIKE', 'ILIKE'])} ${of(["'%a%'", "'p%'", "'%@%'", "'***'"])}`,
      () => `${deeper('text')} ${of(['~', '!~', '~*'])} ${of(["'^[a-m]'", "'[0-9]'", "'secret'"])}`,
      () => `(${deeper('bool')} ${of(['AND', 'OR'])} ${leaf('bool')})`,
      () => `NOT (${deeper('bool')})`,
      () => `${deeper('int')} BETWEEN ${of(['', 'SYMMETRIC '])}${leaf('int')} AND ${leaf('int')}`,
      () => `${deeper('text')} IN (${leaf('text')}, ${leaf('text')}, ${leaf('text')})`,
      () => {
        const one = of(['text', 'int', 'date'] as const);
        return `${leaf(one)} ${of(['IN', 'NOT IN'])} (${this.#queries.column(one, scope, 1)})`;
      },
      () => `${of(['', 'NOT '])}EXISTS (${this.#queries.column('int', scope, 1)})`,
      () => `${leaf('text')} = ${of(['ANY', 'ALL'])} (${deeper('texts')})`,
      () => `${leaf('int')} > ${of(['ANY', 'ALL'])} (${this.#queries.column('int', scope, 1)})`,
      () => `${deeper('texts')} ${of(['@>', '&&', '<@'])} ${leaf('texts')}`,
      () => `${deeper('jsonb')} ${of(['@>', '='])} ${leaf('jsonb')}`,
      () => `jsonb_exists(${deeper('jsonb')}, 'who')`,
      () => `${this.#row(scope)} IS ${of(['NULL', 'NOT NULL'])}`,
      () => `(${leaf('text')}, ${leaf('int')}) ${of(['=', '<', '>='])} (${leaf('text')}, ${leaf('int')})`,
      () => `(${deeper('bool')}) IS ${of(['TRUE', 'NOT FALSE', 'UNKNOWN'])}`,
      () => `starts_with(${deeper('text')}, ${leaf('text')})`,
      () => `(${leaf('date')}, ${leaf('date')}) OVERLAPS (${leaf('date')}, ${leaf('date')})`,
    ];
  }

  /** A cast that gives exactly this kind's type. */
  cast(kind: Kind, expression: string): string {
    return `(${expression})::${TYPE[kind]}`;
  }
}
