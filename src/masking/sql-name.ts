/** A relation's name as a person writes it in SQL; `schema` is absent when only one part was written. */
export interface RelationName {
  readonly schema?: string;
  readonly name: string;
}

/** Always quoted, so that no word of the grammar and no capital letter changes its meaning. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** An SQL string constant that reads the same whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/**
 * Reads one SQL identifier: quoted as it stands, unquoted folded to lower case (ASCII letters only, as the server folds in UTF-8).
 * https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 * @returns The name and where it ends, or `undefined` when none begins at `at`.
 */
function identifierAt(text: string, at: number): { name: string; end: number } | undefined {
  const quoted = /"((?:[^"\0]|"")+)"/y;
  quoted.lastIndex = at;
  const inQuotes = quoted.exec(text);
  if (inQuotes?.[1] !== undefined) return { name: inQuotes[1].replaceAll('""', '"'), end: quoted.lastIndex };
  const plain = /[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy;
  plain.lastIndex = at;
  const word = plain.exec(text);
  if (!word) return undefined;
  return { name: word[0].replace(/[A-Z]/g, (letter) => letter.toLowerCase()), end: plain.lastIndex };
}

/** `shop.customers`, `shop."Kunden Straße"`, `"a.b"."c""d"`; `undefined` for anything else, three parts included. */
export function parseRelationName(text: string): RelationName | undefined {
  const first = identifierAt(text, 0);
  if (!first) return undefined;
  if (first.end === text.length) return { name: first.name };
  if (text[first.end] !== '.') return undefined;
  const second = identifierAt(text, first.end + 1);
  if (second?.end !== text.length) return undefined;
  return { schema: first.name, name: second.name };
}

/** One identifier alone; `undefined` when the text is not one. */
export function parseIdentifier(text: string): string | undefined {
  const only = identifierAt(text, 0);
  return only?.end === text.length ? only.name : undefined;
}
