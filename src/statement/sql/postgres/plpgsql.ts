import { Tokens } from './lexer.ts';
import { isTree, number, text } from './tree.ts';

/**
 * Statements of PL/pgSQL that run nothing but the SQL written in them. Whatever runs SQL made at run time (EXECUTE, OPEN … FOR EXECUTE,
 * RETURN QUERY EXECUTE) is missing on purpose. https://www.postgresql.org/docs/current/plpgsql.html
 */
const STATIC_STATEMENTS = new Set(
  `block assign if case loop while fori fors forc foreach_a exit return return_next return_query raise assert execsql perform
  getdiag open fetch close`
    .split(/\s+/)
    .map((name) => `PLpgSQL_stmt_${name}`),
);

/**
 * All SQL inside the tree that libpg_query makes of a PL/pgSQL block, as statements of their own; undefined when the block can run
 * SQL that is not written in it.
 */
export function sqlOfBlock(tree: unknown): readonly string[] | undefined {
  const found: string[] = [];
  const walk = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.every(walk);
    if (!isTree(value)) return true;
    for (const key in value) {
      if (key === 'dynquery' || (key.startsWith('PLpgSQL_stmt_') && !STATIC_STATEMENTS.has(key))) return false;
      const inner = value[key];
      if (key === 'PLpgSQL_expr') {
        const sql = isTree(inner) ? asStatement(text(inner, 'query'), number(inner, 'parseMode')) : undefined;
        if (sql === undefined) return false;
        found.push(sql);
      } else if (!walk(inner)) {
        return false;
      }
    }
    return true;
  };
  return walk(tree) ? found : undefined;
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

/** `target := value` as a query that reads both sides: the target may hold subscripts. */
function assignment(query: string): string | undefined {
  const tokens = new Tokens(Buffer.from(query, 'utf8'));
  let depth = 0;
  for (let index = 0; index < tokens.length; index++) {
    const word = tokens.word(index);
    if (word === '(' || word === '[') depth++;
    else if (word === ')' || word === ']') depth--;
    else if (depth === 0 && (word === ':' || word === '=')) {
      const after = word === ':' && tokens.word(index + 1) === '=' ? tokens.end(index + 1) : tokens.end(index);
      const left = tokens.bytes.toString('utf8', 0, tokens.start(index));
      return `SELECT ${left}, ${tokens.bytes.toString('utf8', after)}`;
    }
  }
  return undefined;
}
