import { list, type Tree, text, words } from './tree.ts';

/**
 * Words that the gateway's grammar knows and an older server does not: there they are ordinary names of functions, perhaps of users'.
 * https://www.postgresql.org/docs/current/sql-keywords-appendix.html
 */
const SINCE: Readonly<Record<string, number>> = {
  json_array: 160000,
  json_arrayagg: 160000,
  json_object: 160000,
  json_objectagg: 160000,
  system_user: 160000,
  json: 170000,
  json_exists: 170000,
  json_query: 170000,
  json_scalar: 170000,
  json_serialize: 170000,
  json_table: 170000,
  json_value: 170000,
  merge_action: 170000,
};

const WORDS: Readonly<Record<string, string>> = {
  JsonArrayAgg: 'json_arrayagg',
  JsonArrayConstructor: 'json_array',
  JsonArrayQueryConstructor: 'json_array',
  JsonObjectAgg: 'json_objectagg',
  JsonObjectConstructor: 'json_object',
  JsonParseExpr: 'json',
  JsonScalarExpr: 'json_scalar',
  JsonSerializeExpr: 'json_serialize',
  JsonTable: 'json_table',
  MergeSupportFunc: 'merge_action',
};

/** The name that this node is for a server of that version; undefined when both read it alike. */
export function laterWord(tag: string, body: Tree, serverVersion: number): string | undefined {
  if (serverVersion >= 170000) return undefined;
  const word = wordOf(tag, body);
  return word !== undefined && serverVersion < (SINCE[word] ?? 0) ? word : undefined;
}

function wordOf(tag: string, body: Tree): string | undefined {
  if (tag === 'JsonFuncExpr') return text(body, 'op')?.replace(/_OP$/, '').toLowerCase();
  if (tag !== 'FuncCall') return WORDS[tag];
  // The grammar names the built-in behind a word with its schema.
  const [schema, name = ''] = words(list(body, 'funcname'));
  return schema === 'pg_catalog' && (name === 'json_object' || name === 'system_user') ? name : undefined;
}
