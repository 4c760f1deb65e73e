import type { Tokens } from './lexer.ts';

/** Words that make the grammar's tree one step deeper each time they are repeated in one expression. */
const CHAINING = new Set([
  'not',
  'is',
  'isnull',
  'notnull',
  'collate',
  'at',
  'like',
  'ilike',
  'similar',
  'between',
  'in',
  'escape',
  'operator',
]);
/** Words between whose sides expressions cannot chain. */
const PARTING = new Set([
  'and',
  'or',
  'where',
  'from',
  'on',
  'when',
  'then',
  'else',
  'having',
  'select',
  'set',
  'values',
  'group',
  'order',
  'limit',
  'window',
]);
const SPREADING = new Set(['join', 'union', 'intersect', 'except']);

/**
 * An upper bound of how deep the parse tree of a text can get, from its tokens alone: brackets and CASE open a level, operators
 * chain within one. The grammar's stack is finite; what is deeper than the limit never reaches it.
 */
export function nesting(tokens: Tokens): number {
  let deepest = 0;
  /** Depth reached by the levels outside the current one. */
  const outside: number[] = [];
  let base = 0;
  let chain = 0;
  let spread = 0;
  for (let index = 0; index < tokens.length; index++) {
    const kind = tokens.kind(index);
    if (kind === 'string' || kind === 'number' || kind === 'quoted' || kind === 'parameter') continue;
    const word = tokens.word(index);
    if (kind === 'operator') {
      chain++;
    } else if (word === '(' || word === '[' || word === 'case') {
      outside.push(base, chain, spread);
      base += chain + spread + 1;
      chain = 0;
      spread = 0;
    } else if (word === ')' || word === ']' || word === 'end') {
      if (outside.length > 0) {
        spread = outside.pop() ?? 0;
        chain = outside.pop() ?? 0;
        base = outside.pop() ?? 0;
      }
    } else if (word === ',') {
      chain = 0;
    } else if (word === ';') {
      outside.length = 0;
      base = 0;
      chain = 0;
      spread = 0;
    } else if (kind === 'word') {
      if (CHAINING.has(word)) chain++;
      else if (PARTING.has(word)) chain = 0;
      else if (SPREADING.has(word)) spread++;
    }
    if (base + chain + spread > deepest) deepest = base + chain + spread;
  }
  return deepest;
}
