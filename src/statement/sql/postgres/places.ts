import type { Tokens } from './lexer.ts';

/** Bytes from `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The parts of the dotted name (`db.schema.table`, `t.*`) that begins at a byte offset; undefined when no name stands there. */
export function dottedName(tokens: Tokens, offset: number): readonly Range[] | undefined {
  let index = tokens.at(offset);
  if (index === undefined) return undefined;
  const parts: Range[] = [];
  for (;;) {
    const kind = tokens.kind(index);
    const start = tokens.start(index);
    if (kind !== 'word' && kind !== 'quoted' && tokens.word(index) !== '*') return undefined;
    // U&"…" UESCAPE '!'
    if (kind === 'quoted' && tokens.word(index + 1) === 'uescape' && tokens.kind(index + 2) === 'string') index += 2;
    parts.push({ start, end: tokens.end(index) });
    if (tokens.word(index + 1) !== '.') return parts;
    index += 2;
  }
}

export interface RelationPlace extends Range {
  /** Index of the first token after the reference. */
  readonly next: number;
  /** Index of the first token of the reference. */
  readonly first: number;
}

/** Where a relation reference stands, with its ONLY or `*`, without its alias. */
export function relationPlace(tokens: Tokens, offset: number, parts: number, only: boolean): RelationPlace | undefined {
  const name = dottedName(tokens, offset);
  if (name?.length !== parts) return undefined;
  const nameEnd = name[name.length - 1]?.end ?? offset;
  let first = tokens.firstFrom(offset);
  let next = tokens.firstFrom(nameEnd);
  if (only) {
    if (tokens.word(first - 1) === 'only') {
      first -= 1;
    } else if (tokens.word(first - 1) === '(' && tokens.word(first - 2) === 'only' && tokens.word(next) === ')') {
      first -= 2;
      next += 1;
    } else {
      return undefined;
    }
  } else if (tokens.word(next) === '*') {
    next += 1;
  }
  return { start: tokens.start(first), end: tokens.end(next - 1), first, next };
}

/** `TABLESAMPLE method (…) [REPEATABLE (…)]`, found from the method's name. */
export function samplePlace(tokens: Tokens, methodOffset: number, repeatable: boolean): Range | undefined {
  const method = dottedName(tokens, methodOffset);
  const first = tokens.firstFrom(methodOffset) - 1;
  if (!method || tokens.word(first) !== 'tablesample') return undefined;
  const open = tokens.firstFrom(method[method.length - 1]?.end ?? methodOffset);
  let close = tokens.word(open) === '(' ? tokens.closing(open) : undefined;
  if (close === undefined) return undefined;
  if (repeatable) {
    if (tokens.word(close + 1) !== 'repeatable' || tokens.word(close + 2) !== '(') return undefined;
    close = tokens.closing(close + 2);
    if (close === undefined) return undefined;
  }
  return { start: tokens.start(first), end: tokens.end(close) };
}

/** Byte offset right behind the `GROUP BY [DISTINCT | ALL]` to which the group item at `offset` belongs. */
export function groupByPlace(tokens: Tokens, offset: number): number | undefined {
  let depth = 0;
  for (let index = tokens.firstFrom(offset) - 1; index > 0; index--) {
    const word = tokens.word(index);
    if (word === ')') depth++;
    else if (word === '(') depth = Math.max(0, depth - 1);
    else if (depth === 0 && word === 'by' && tokens.word(index - 1) === 'group') {
      const next = tokens.word(index + 1);
      return tokens.end(next === 'distinct' || next === 'all' ? index + 1 : index);
    }
  }
  return undefined;
}

/** 1-based character position of a byte offset, as PostgreSQL reports error positions. */
export function characterPosition(bytes: Buffer, offset: number): number {
  let characters = 1;
  for (let at = 0; at < offset && at < bytes.length; at++) {
    if (((bytes[at] ?? 0) & 0xc0) !== 0x80) characters++;
  }
  return characters;
}
