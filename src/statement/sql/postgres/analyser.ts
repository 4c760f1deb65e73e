import { createHash } from 'node:crypto';
import type { CatalogFunction, CatalogSnapshot, SessionContext } from '../../../model/catalog.ts';
import type {
  AccessQuestion,
  OpaqueStatement,
  RelationSite,
  RelationWrite,
  Script,
  SqlStatement,
} from '../../../model/statement.ts';
import { BudgetExceeded } from './budget.ts';
import { StatementError } from './errors.ts';
import { Facts } from './facts.ts';
import { fingerprint } from './fingerprint.ts';
import { Grammar } from './grammar.ts';
import { grammarError } from './grammar-errors.ts';
import { Tokens } from './lexer.ts';
import { Names } from './names.ts';
import { nesting } from './nesting.ts';
import { sqlOfBlock } from './plpgsql.ts';
import { Reader } from './reader.ts';
import type { Inner } from './scope.ts';
import { type Outline, partOf, readStatement, type SessionObjects, samePart } from './statements.ts';
import { as, number, part, type Tree, tagged } from './tree.ts';
import { writesOf } from './writes.ts';

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

/** What a PL/pgSQL block may hold: statements that change no names. */
const BLOCK_STATEMENTS = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

/** Steps of the budget for a character of SQL that is parsed behind a name. */
const BYTE_COST = 4;

/** How deep functions may call functions before their reading is given up. */
const MAX_FUNCTION_DEPTH = 16;

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
  /** PL/pgSQL has a parser of its own, which gets an instance of its own. */
  readonly #procedural: Grammar;
  readonly #maxBytes: number;
  readonly #maxDepth: number;

  constructor(grammar: Grammar, procedural: Grammar, maxBytes: number, maxDepth: number) {
    this.grammar = grammar;
    this.#procedural = procedural;
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
    const inner = this.#inner(names, world, new Set());
    const reader = new Reader({ facts, names, connection: world.connection, inner, tokens });
    const node = part(raw, 'stmt');
    if (world.followValues) facts.writes = followed(node, facts, names, objects, undefined);
    const outline = readStatement(node, reader, objects);
    reader.calls.casts();
    if (world.followValues) facts.takeCalledWrites(node, false);
    if (facts.forgetsPath) names.setPath(undefined, false);
    return finished(facts, outline, own, start, end, fingerprint(tokens, start, end));
  }

  /** Judges SQL behind function names and inside strings with the names of this moment. */
  #inner(names: Names, world: World, running: ReadonlySet<number>): Inner {
    const within = new Set(running).add(-1 - running.size);
    const tooDeep = running.size >= MAX_FUNCTION_DEPTH;
    return {
      meansTheSame: (prepared) => this.#meansTheSame(prepared, names, world),
      body: (fn, facts) => {
        if (running.has(fn.oid)) return true;
        const nodes = tooDeep ? undefined : this.#bodyStatements(fn.source ?? '', names);
        if (!nodes) return false;
        const scope = fn.searchPath ? names.under(fn.searchPath) : names;
        const read = this.#readInside(nodes, scope, world, new Set(running).add(fn.oid), fn);
        if (read?.changesContext) facts.forgetsPath = true;
        return included(read, facts);
      },
      sql: (text, facts) => {
        const nodes = tooDeep ? undefined : this.#bodyStatements(text, names);
        if (!nodes?.every((node) => tagged(node)?.[0] === 'SelectStmt')) return false;
        return included(this.#readInside(nodes, names, world, within), facts);
      },
      block: (source, facts) => {
        // Assigning to a variable casts to its type, which stands outside the block's queries.
        const casts = names.index.calledCasts.some(({ implicit }) => implicit !== false);
        const queries = tooDeep || casts ? undefined : this.#blockQueries(source, names);
        const nodes = queries?.map((query) => this.#bodyStatements(query, names));
        if (!nodes?.every((some) => some?.every((node) => BLOCK_STATEMENTS.has(tagged(node)?.[0] ?? '')))) return false;
        const read = this.#readInside(
          nodes.flatMap((some) => some ?? []),
          names,
          world,
          within,
        );
        // The order in which a block changes names is not followed.
        if (read?.changesContext) return false;
        return included(read, facts);
      },
    };
  }

  #meansTheSame(prepared: SqlStatement, names: Names, world: World): boolean {
    const nodes = this.#bodyStatements(prepared.text, names, true);
    // What the protocol's Parse message prepared is the statement itself, without PREPARE around it.
    const now = nodes && this.#readInside(nodes, names, world, new Set([-1]));
    if (!now) return false;
    const relations = (sites: readonly RelationSite[]): string => sites.map((site) => site.relation).join();
    const sitesNow = now.finishedSites();
    return (
      relations(sitesNow) === relations(prepared.sites) &&
      questionSet(now.questions) === questionSet(prepared.questions)
    );
  }

  /** Reads statements that have no place in the text; undefined when one of them is not understood. */
  #readInside(
    nodes: readonly unknown[],
    names: Names,
    world: World,
    running: ReadonlySet<number>,
    fn?: CatalogFunction,
  ): Facts | undefined {
    const all = new Facts();
    const writes: RelationWrite[] = [];
    for (const node of nodes) {
      const facts = new Facts();
      facts.knowsParameters = fn !== undefined;
      for (const type of fn ? [...fn.argTypes, fn.returnType] : []) facts.typesMet.add(type);
      const inner = this.#inner(names, world, running);
      const reader = new Reader({ facts, names, connection: world.connection, inner, tokens: undefined });
      const inside = fn ? 'function' : 'block';
      if (world.followValues) facts.writes = followed(node, facts, names, NO_OBJECTS, inside);
      facts.attribute(0, partOf(readStatement(node, reader, NO_OBJECTS)));
      reader.calls.casts();
      if (world.followValues) facts.takeCalledWrites(node, fn !== undefined);
      if (facts.forgetsPath) names.setPath(undefined, false);
      if (facts.finishedHazards().some((hazard) => hazard.applies === 'everyone')) return undefined;
      all.include(facts);
      writes.push(...(facts.writes ?? []));
      all.hazards.push(...functionReads(facts));
    }
    if (world.followValues) all.writes = writes;
    return all;
  }

  #blockQueries(source: string, names: Names): readonly string[] | undefined {
    names.budget.spend(source.length * BYTE_COST);
    let quote = '$block$';
    for (let attempt = 0; source.includes(quote.slice(0, -1)); attempt++) quote = `$block${attempt}$`;
    const tree = this.#procedural.parsePlpgsql(`DO LANGUAGE plpgsql ${quote}${source}${quote}`);
    return tree === undefined ? undefined : sqlOfBlock(tree);
  }

  #bodyStatements(source: string, names: Names, plainStrings = names.plainStrings): readonly unknown[] | undefined {
    names.budget.spend(source.length * BYTE_COST);
    if (source.includes('\0') || source.length > this.#maxBytes) return undefined;
    const tokens = new Tokens(Buffer.from(source, 'utf8'));
    if (nesting(tokens) > this.#maxDepth || (tokens.backslashInPlainString && !plainStrings)) return undefined;
    if (/^\s*(BEGIN\s+ATOMIC|RETURN)\b/i.test(source)) {
      const parsed = this.grammar.parse(`CREATE FUNCTION f() RETURNS void LANGUAGE sql ${source}`);
      const body = parsed.ok
        ? part(as(part(parsed.statements[0], 'stmt'), 'CreateFunctionStmt'), 'sql_body')
        : undefined;
      return body === undefined ? undefined : bodyParts(body);
    }
    const parsed = this.grammar.parse(source);
    return parsed.ok ? parsed.statements.map((raw) => part(raw, 'stmt')) : undefined;
  }
}

/** The statements of BEGIN ATOMIC … END (a list of lists), or the expression of RETURN as a query. */
function bodyParts(body: unknown): readonly unknown[] {
  const node = tagged(body);
  if (node?.[0] === 'List') {
    const items = part(node[1], 'items');
    return Array.isArray(items) ? items.flatMap(bodyParts) : [];
  }
  if (node?.[0] === 'ReturnStmt') {
    return [
      {
        SelectStmt: {
          targetList: [{ ResTarget: { val: part(node[1], 'returnval') } }],
          limitOption: 'LIMIT_OPTION_DEFAULT',
        },
      },
    ];
  }
  return [body];
}

function questionSet(questions: readonly AccessQuestion[]): string {
  return questions
    .map(({ action, resource }) => JSON.stringify([action, resource]))
    .sort()
    .join();
}

function included(inner: Facts | undefined, outer: Facts): boolean {
  if (inner) outer.include(inner);
  return inner !== undefined;
}

/** What a function or a query in a string reads is seen by the statement as it really is. */
function functionReads(facts: Facts) {
  return facts.finishedSites().map((site) => ({
    code: 'function-reads',
    message: 'A function or a query in a string reads columns that are masked for you. Query the relation directly.',
    applies: 'hidden-here' as const,
    relations: [site.relation],
    ...(site.columns === 'all' ? {} : { columns: site.columns }),
  }));
}

function followed(
  node: unknown,
  facts: Facts,
  names: Names,
  objects: SessionObjects,
  within: 'function' | 'block' | undefined,
): readonly RelationWrite[] {
  const onUnfollowed = () => {
    facts.hazards.push({
      code: 'unknown-name',
      message: 'what is hidden from you has changed since the statement was prepared; prepare it again',
      applies: 'everyone',
      sqlstate: '0A000',
    });
  };
  return writesOf(node, { names, prepared: (name) => objects.prepared(name), within, onUnfollowed });
}

const NO_OBJECTS: SessionObjects = { prepared: () => undefined, cursor: () => undefined };

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
