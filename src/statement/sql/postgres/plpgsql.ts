import type { CatalogFunction, CatalogSnapshot, Oid } from '../../../model/catalog.ts';
import { Tokens } from './lexer.ts';
import { flag, isTree, list, number, text } from './tree.ts';

/**
 * Statements of PL/pgSQL that run nothing but the SQL written in them. Whatever runs SQL made at run time (EXECUTE, OPEN … FOR EXECUTE,
 * RETURN QUERY EXECUTE) or ends transactions is missing on purpose. https://www.postgresql.org/docs/current/plpgsql.html
 */
const STATIC_STATEMENTS = new Set(
  `block assign if case loop while fori fors forc foreach_a exit return return_next return_query raise assert execsql perform call
  getdiag open fetch close`
    .split(/\s+/)
    .map((name) => `PLpgSQL_stmt_${name}`),
);

/** What a block or the body of a function in PL/pgSQL is made of. */
export interface Block {
  /** All SQL in it, as statements of their own. */
  readonly sql: readonly string[];
  /** Types of its variables, as written. */
  readonly types: readonly string[];
  /** It can put what it has read into a message: RAISE with values, ASSERT with a message. */
  readonly speaks: boolean;
  /** It looks at the DETAIL of errors, which repeats rows. https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-ERROR-TRAPPING-DIAGNOSTICS */
  readonly seesDetails: boolean;
}

/** Reads the tree that libpg_query makes; undefined when the block can run SQL that is not written in it. */
export function blockOf(tree: unknown): Block | undefined {
  const sql: string[] = [];
  const types: string[] = [];
  let speaks = false;
  let seesDetails = false;
  const walk = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.every(walk);
    if (!isTree(value)) return true;
    for (const key in value) {
      if (key === 'dynquery' || (key.startsWith('PLpgSQL_stmt_') && !STATIC_STATEMENTS.has(key))) return false;
      const inner = value[key];
      if (isTree(inner)) {
        if (key === 'PLpgSQL_stmt_raise') speaks ||= list(inner, 'params').length + list(inner, 'options').length > 0;
        else if (key === 'PLpgSQL_stmt_assert') speaks ||= inner['message'] !== undefined;
        else if (key === 'PLpgSQL_stmt_getdiag' && flag(inner, 'is_stacked'))
          seesDetails ||= JSON.stringify(inner).includes('PG_EXCEPTION_DETAIL');
        else if (key === 'PLpgSQL_type') types.push(text(inner, 'typname') ?? '');
      }
      if (key === 'PLpgSQL_expr') {
        const statement = isTree(inner) ? asStatement(text(inner, 'query'), number(inner, 'parseMode')) : undefined;
        if (statement === undefined) return false;
        sql.push(statement);
      } else if (!walk(inner)) {
        return false;
      }
    }
    return true;
  };
  return isTree(tree) && walk(tree) ? { sql, types, speaks, seesDetails } : undefined;
}

/** RawParseMode of the server: 0 a statement, 2 an expression, 3 to 5 an assignment with one to three names on its left. */
function asStatement(query: string | undefined, mode: number | undefined): string | undefined {
  if (query === undefined) return undefined;
  switch (mode ?? 0) {
    case 0:
      return query;
    case 2:
      return `SELECT ${query}`;
    case 3:
    case 4:
    case 5:
      return assignment(query);
    default:
      return undefined;
  }
}

/** `target := value` as a query that reads the value, and the target where it holds subscripts. */
function assignment(query: string): string | undefined {
  const tokens = new Tokens(Buffer.from(query, 'utf8'));
  let depth = 0;
  let subscripts = false;
  for (let index = 0; index < tokens.length; index++) {
    const word = tokens.word(index);
    if (word === '[') subscripts = true;
    if (word === '(' || word === '[') depth++;
    else if (word === ')' || word === ']') depth--;
    else if (depth === 0 && (word === ':' || word === '=')) {
      const after = word === ':' && tokens.word(index + 1) === '=' ? tokens.end(index + 1) : tokens.end(index);
      const left = tokens.bytes.toString('utf8', 0, tokens.start(index));
      const value = tokens.bytes.toString('utf8', after);
      return subscripts ? `SELECT ${left}, ${value}` : `SELECT ${value}`;
    }
  }
  return undefined;
}

/** A dollar quote that the text does not hold. */
export function dollarQuoted(source: string): string {
  let quote = '$body$';
  for (let attempt = 0; source.includes(quote.slice(0, -1)); attempt++) quote = `$body${attempt}$`;
  return `${quote}${source}${quote}`;
}

/**
 * A CREATE statement around a body, from which the parser learns what variables the body has. Types matter only as far as the grammar
 * of PL/pgSQL asks for them: whether something is a row, an array, a cursor.
 */
export function declared(fn: CatalogFunction, source: string, catalog: CatalogSnapshot): string {
  const parameters = (fn.parameters ?? []).map(({ mode, name, type }) => {
    const word = { in: '', out: 'OUT ', inout: 'INOUT ', variadic: 'VARIADIC ', table: 'OUT ' }[mode];
    return `${word}${name === '' ? '' : `"${name.replaceAll('"', '""')}" `}${shape(type, catalog)}`;
  });
  const gives = (fn.parameters ?? []).some(({ mode }) => ['out', 'inout', 'table'].includes(mode));
  const type = fn.returnsSet
    ? `SETOF ${gives ? 'record' : shape(fn.returnType, catalog)}`
    : gives
      ? undefined
      : shape(fn.returnType, catalog);
  const returns = fn.kind === 'procedure' || type === undefined ? '' : `RETURNS ${type} `;
  const kind = fn.kind === 'procedure' ? 'PROCEDURE' : 'FUNCTION';
  return `CREATE ${kind} f(${parameters.join(', ')}) ${returns}LANGUAGE plpgsql AS ${dollarQuoted(withoutRowTypes(source))}`;
}

const SPECIAL: ReadonlySet<string> = new Set(['trigger', 'event_trigger', 'void', 'record', 'refcursor']);

function shape(oid: Oid, catalog: CatalogSnapshot): string {
  const type = catalog.types.get(oid);
  if (type?.schema === 'pg_catalog' && SPECIAL.has(type.name)) return type.name;
  if (type?.element !== undefined) return 'text[]';
  // The parser takes a type that it does not know for one of rows.
  if (type?.kind === 'composite') return '"row of a relation"';
  return 'text';
}

/** `r t%ROWTYPE` is `r t`, which the parser knows for a row. The word stays behind for the one column that may be called so. */
function withoutRowTypes(source: string): string {
  if (!/%\s*rowtype/i.test(source)) return source;
  const tokens = new Tokens(Buffer.from(source, 'utf8'));
  const pieces: string[] = [];
  let from = 0;
  for (let index = 0; index + 1 < tokens.length; index++) {
    if (tokens.word(index) !== '%' || tokens.word(index + 1) !== 'rowtype' || tokens.kind(index + 1) !== 'word')
      continue;
    pieces.push(tokens.bytes.toString('utf8', from, tokens.start(index)));
    from = tokens.end(index + 1);
  }
  return pieces.join(' ') + tokens.bytes.toString('utf8', from);
}

/** A column of this name would be missed where `%rowtype` was taken out of an expression. */
export const ROW_TYPE_WORD = 'rowtype';
