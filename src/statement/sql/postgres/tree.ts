/**
 * The parse tree as libpg_query prints it: PostgreSQL's own nodes as JSON. A node in a general position is `{ "SelectStmt": {…} }`;
 * in a position of fixed type only the fields stand there.
 */
export type Tree = { readonly [field: string]: unknown };

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Name and fields of a tagged node. */
export function tagged(value: unknown): readonly [string, Tree] | undefined {
  if (!isTree(value)) return undefined;
  for (const key in value) {
    const code = key.charCodeAt(0);
    if (code < 65 || code > 90) return undefined;
    const body = value[key];
    return isTree(body) ? [key, body] : undefined;
  }
  return undefined;
}

/** The fields of `value` when it is a node of that type, whichever way it stands. */
export function as(value: unknown, tag: string): Tree | undefined {
  const node = tagged(value);
  return node?.[0] === tag ? node[1] : undefined;
}

export function part(tree: Tree | undefined, field: string): unknown {
  return tree?.[field];
}

export function text(tree: Tree | undefined, field: string): string | undefined {
  const value = tree?.[field];
  return typeof value === 'string' ? value : undefined;
}

export function number(tree: Tree | undefined, field: string): number | undefined {
  const value = tree?.[field];
  return typeof value === 'number' ? value : undefined;
}

export function flag(tree: Tree | undefined, field: string): boolean {
  return tree?.[field] === true;
}

export function child(tree: Tree | undefined, field: string): Tree | undefined {
  const value = tree?.[field];
  return isTree(value) ? value : undefined;
}

export function list(tree: Tree | undefined, field: string): readonly unknown[] {
  const value = tree?.[field];
  return Array.isArray(value) ? value : [];
}

/** Byte offset of a node. The printer leaves out zeros; -1 means unknown. */
export function location(tree: Tree | undefined): number {
  return number(tree, 'location') ?? 0;
}

/** The words of a list of `String` nodes; other nodes (`A_Star`, subscripts) are left out. */
export function words(items: readonly unknown[]): string[] {
  const result: string[] = [];
  for (const item of items) {
    const word = text(as(item, 'String'), 'sval');
    if (word !== undefined) result.push(word);
  }
  return result;
}

/** Value of a constant: text of a string, number or boolean literal; `null` for NULL; undefined when it is not a constant. */
export function constant(value: unknown): string | null | undefined {
  const cast = as(value, 'TypeCast');
  if (cast) return constant(part(cast, 'arg'));
  const node = as(value, 'A_Const');
  if (!node) return undefined;
  if (flag(node, 'isnull')) return null;
  const string = child(node, 'sval');
  if (string) return text(string, 'sval') ?? '';
  const float = child(node, 'fval');
  if (float) return text(float, 'fval') ?? '0';
  const bool = child(node, 'boolval');
  if (bool) return flag(bool, 'boolval') ? 'true' : 'false';
  const integer = child(node, 'ival');
  if (integer) return String(part(integer, 'ival') ?? 0);
  return undefined;
}
