import { createHash } from 'node:crypto';
import type { CatalogSnapshot, SessionContext } from '../../../model/catalog.ts';
import type { OpaqueStatement, Script, SqlStatement } from '../../../model/statement.ts';
import { Bodies } from './bodies.ts';
import { BudgetExceeded } from './budget.ts';
import { StatementError } from './errors.ts';
import { Facts } from './facts.ts';
import { fingerprint } from './fingerprint.ts';
import { Grammar } from './grammar.ts';
import { grammarError } from './grammar-errors.ts';
import { followed, Inside } from './inside.ts';
import { Tokens } from './lexer.ts';
import { Names } from './names.ts';
import { nesting } from './nesting.ts';
import { Reader } from './reader.ts';
import { type Outline, partOf, readStatement, type SessionObjects, samePart } from './statements.ts';
import { number, part, type Tree } from './tree.ts';

export interface World {
  readonly catalog: CatalogSnapshot;
  readonly session: SessionContext;
  /** Name of the connection, as policies know it. */
  readonly connection: string;
  readonly objects: SessionObjects;
  /** Say what may flow into written values (`SqlStatement.writes`): for principals from whom something is hidden. */
  readonly followValues?: boolean;
}

export interface StatementAnalyser {
  /**
   * Parses, resolves names against catalog and session, classifies. Total: what cannot be understood comes back as opaque. Effects of
   * one statement of the script on names (SET search_path, CREATE TEMP …) are followed for the next ones.
   */
  analyse(text: string, world: World): Script | OpaqueStatement;
}

export interface AnalyserLimits {
  /** UTF-8 bytes of a script; 1 MiB by default. */
  readonly maxBytes?: number;
  /** Nesting and operator chains, as `nesting` counts them; 1000 by default. */
  readonly maxDepth?: number;
}

/** Loads the grammar. Throws StatementError when it is missing or a limit makes no sense. */
export async function createAnalyser(limits: AnalyserLimits = {}): Promise<StatementAnalyser> {
  const { maxBytes = 1_048_576, maxDepth = 1000 } = limits;
  if (!(maxBytes > 0) || !(maxDepth > 0)) {
    throw new StatementError('ERR_STATEMENT_BAD_LIMIT', 'Limits of a statement must be positive numbers.');
  }
  return new PostgresAnalyser(await Grammar.load(), await Grammar.load(), maxBytes, maxDepth);
}

/** The grammar behind an analyser made by `createAnalyser`, for what else reads SQL in this room. */
export function grammarOf(analyser: StatementAnalyser): PostgresAnalyser | undefined {
  return analyser instanceof PostgresAnalyser ? analyser : undefined;
}

export class PostgresAnalyser implements StatementAnalyser {
  readonly grammar: Grammar;
  readonly #bodies: Bodies;
  readonly #maxBytes: number;
  readonly #maxDepth: number;

  constructor(grammar: Grammar, procedural: Grammar, maxBytes: number, maxDepth: number) {
    this.grammar = grammar;
    this.#bodies = new Bodies({ grammar, procedural, maxBytes, maxDepth });
    this.#maxBytes = maxBytes;
    this.#maxDepth = maxDepth;
  }

  analyse(text: string, world: World): Script | OpaqueStatement {
    try {
      return this.#analyse(text, world);
    } catch (error) {
      if (error instanceof BudgetExceeded) {
        return opaque(text, 'too-large', 'The statement names too many things to be judged. Split it.', '54001');
      }
      return opaque(
        text,
        'parser-failure',
        'The gateway could not judge this statement, so it is not forwarded.',
        '54001',
      );
    }
  }

  #analyse(text: string, world: World): Script | OpaqueStatement {
    if (text.includes('\0')) {
      return opaque(
        text,
        'nul-byte',
        'The statement holds a NUL byte, which may hide a part of it. Remove it.',
        '22021',
      );
    }
    if (!text.isWellFormed()) {
      return opaque(text, 'encoding', 'The statement is not valid Unicode text. Send it as UTF-8.', '22021');
    }
    const bytes = Buffer.from(text, 'utf8');
    if (bytes.length > this.#maxBytes) {
      return opaque(
        text,
        'too-large',
        `The statement has ${bytes.length} bytes; the gateway takes at most ${this.#maxBytes}. Split it, or use COPY … FROM STDIN or parameters for bulk data.`,
        '54000',
      );
    }
    const tokens = new Tokens(bytes);
    if (tokens.backslashInPlainString && !world.session.standardConformingStrings) {
      return opaque(
        text,
        'syntax',
        "With standard_conforming_strings off, a backslash in a plain string could hide a part of the statement. Use E'…' strings or switch it on.",
        '42601',
      );
    }
    if (nesting(tokens) > this.#maxDepth) {
      return opaque(
        text,
        'too-deep',
        `The statement is nested more than ${this.#maxDepth} levels deep. Simplify it.`,
        '54001',
      );
    }
    const parsed = this.grammar.parse(text);
    if (!parsed.ok) {
      if (!parsed.syntax) return opaque(text, 'parser-failure', parsed.message, '54001');
      const { sqlstate, hint } = grammarError(parsed.message, text, parsed.position);
      return {
        ...opaque(text, 'syntax', parsed.message, sqlstate),
        ...(parsed.position > 0 ? { position: parsed.position } : {}),
        ...(hint === undefined ? {} : { hint }),
      };
    }
    const names = new Names(world.catalog, world.session);
    const objects = new ScriptObjects(world.objects);
    const statements: SqlStatement[] = [];
    for (const raw of parsed.statements) {
      const statement = this.#statement(raw, text, tokens, names, world, objects);
      objects.follow(statement);
      statements.push(statement);
    }
    if (statements.length === 0) statements.push(emptyStatement(text, bytes.length));
    return { text, statements };
  }

  #statement(
    raw: Tree,
    text: string,
    tokens: Tokens,
    names: Names,
    world: World,
    objects: SessionObjects,
  ): SqlStatement {
    const from = number(raw, 'stmt_location') ?? 0;
    const length = number(raw, 'stmt_len') ?? tokens.bytes.length - from;
    const [start, end] = trimmed(tokens.bytes, from, from + length);
    const own = start === 0 && end === tokens.bytes.length ? text : tokens.bytes.toString('utf8', start, end);
    const facts = new Facts();
    const inner = Inside.of(this.#bodies, names, world);
    const reader = new Reader({ facts, names, connection: world.connection, inner, tokens });
    const node = part(raw, 'stmt');
    if (world.followValues) facts.writes = followed(node, facts, names, objects, undefined);
    const outline = readStatement(node, reader, objects);
    reader.calls.casts();
    if (world.followValues) facts.takeCalledWrites(node, false);
    if (facts.forgetsPath) names.setPath(undefined, false);
    return finished(facts, outline, own, start, end, fingerprint(tokens, start, end));
  }
}

/** Prepared statements and cursors as the script's own statements make and remove them. */
class ScriptObjects implements SessionObjects {
  readonly #session: SessionObjects;
  readonly #made = {
    'prepared-statement': new Map<string, SqlStatement | undefined>(),
    cursor: new Map<string, SqlStatement | undefined>(),
  };
  readonly #forgotten = { 'prepared-statement': false, cursor: false };

  constructor(session: SessionObjects) {
    this.#session = session;
  }

  prepared(name: string): SqlStatement | undefined {
    return this.#find('prepared-statement', name, () => this.#session.prepared(name));
  }

  cursor(name: string): SqlStatement | undefined {
    return this.#find('cursor', name, () => this.#session.cursor(name));
  }

  #find(
    kind: 'prepared-statement' | 'cursor',
    name: string,
    otherwise: () => SqlStatement | undefined,
  ): SqlStatement | undefined {
    if (this.#made[kind].has(name)) return this.#made[kind].get(name);
    return this.#forgotten[kind] ? undefined : otherwise();
  }

  follow(statement: SqlStatement): void {
    for (const { kind, act, name } of statement.objects) {
      if (act === 'create') this.#made[kind].set(name, statement);
      else if (act === 'remove') this.#made[kind].set(name, undefined);
      else if (act === 'remove-all') {
        this.#made[kind].clear();
        this.#forgotten[kind] = true;
      }
    }
  }
}

function finished(
  facts: Facts,
  outline: Outline,
  text: string,
  start: number,
  end: number,
  fingerprint: string,
): SqlStatement {
  return {
    kind: 'sql',
    effect: facts.effect,
    start,
    end,
    text,
    fingerprint,
    questions: facts.questions.map(({ part, ...question }) =>
      part === undefined || samePart(part, outline) ? question : { ...question, part },
    ),
    sites: facts.finishedSites(),
    qualifiers: facts.qualifiers,
    repairs: facts.repairs,
    hazards: facts.finishedHazards(),
    ...(facts.writes === undefined ? {} : { writes: facts.writes }),
    objects: facts.objects,
    returnsRows: outline.returnsRows,
    changesContext: facts.changesContext,
    changesCatalog: facts.changesCatalog,
    readsTemporary: facts.readsTemporary,
    ...partOf(outline),
    functions: facts.functions,
    settings: [...facts.settings],
  };
}

function emptyStatement(text: string, size: number): SqlStatement {
  const facts = new Facts();
  return finished(
    facts,
    { verb: 'empty', returnsRows: false, hasWhere: true, allRows: false },
    text,
    0,
    size,
    createHash('sha256').digest('hex'),
  );
}

function trimmed(bytes: Buffer, from: number, to: number): [number, number] {
  const isSpace = (byte: number | undefined): boolean => byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13);
  let start = from;
  let end = to;
  while (start < end && isSpace(bytes[start])) start++;
  while (end > start && isSpace(bytes[end - 1])) end--;
  return [start, end];
}

function opaque(text: string, why: OpaqueStatement['why'], message: string, sqlstate: string): OpaqueStatement {
  return { kind: 'opaque', text, why, message, sqlstate };
}
