import type { CatalogAttachment, CatalogFunction, CatalogSnapshot } from '../../../model/catalog.ts';
import type { Grammar } from './grammar.ts';
import { Tokens } from './lexer.ts';
import { nesting } from './nesting.ts';
import { blockOf, declared, dollarQuoted, ROW_TYPE_WORD } from './plpgsql.ts';
import { as, list, part, tagged } from './tree.ts';

/** Code that stands behind a name, parsed. */
export interface Body {
  readonly statements: readonly unknown[];
  /** It holds backslashes in plain strings: understood only while standard_conforming_strings is on. */
  readonly needsPlainStrings: boolean;
  /** In PL/pgSQL. */
  readonly procedural: boolean;
  /** See Block. */
  readonly types: readonly string[];
  readonly speaks: boolean;
  readonly seesDetails: boolean;
}

/** What PL/pgSQL may hold: statements that change no names. */
const BLOCK_STATEMENTS = new Set([
  ...['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'CallStmt'],
  ...['TruncateStmt', 'LockStmt', 'NotifyStmt', 'RefreshMatViewStmt'],
]);

/** Bytes of source whose trees are kept, about fifty times as many in memory. */
const KEPT_BYTES = 1_048_576;

export interface BodiesOptions {
  readonly grammar: Grammar;
  /** PL/pgSQL has a parser of its own, which gets an instance of its own. */
  readonly procedural: Grammar;
  readonly maxBytes: number;
  readonly maxDepth: number;
}

/**
 * Parses what stands behind names. What belongs to a catalog (objects of a snapshot, which never change) is parsed once; also that it
 * cannot be parsed is remembered, since a text that breaks a parser costs that parser.
 */
export class Bodies {
  readonly #options: BodiesOptions;
  readonly #known = new Map<object, { readonly body: Body | undefined; readonly bytes: number }>();
  #bytes = 0;

  constructor(options: BodiesOptions) {
    this.#options = options;
  }

  /** The body of a function in SQL or PL/pgSQL; undefined when it is not known or not understood. */
  ofFunction(fn: CatalogFunction, catalog: CatalogSnapshot): Body | undefined {
    const { source, defaults } = fn;
    if (source === undefined || (fn.language !== 'sql' && fn.language !== 'plpgsql') || defaults === '')
      return undefined;
    return this.#once(fn, source.length + (defaults?.length ?? 0), () => {
      const body = fn.language === 'sql' ? this.sql(source) : this.#block(source, declared(fn, source, catalog));
      const omitted = defaults === undefined ? [] : this.#statements(`SELECT ${defaults}`);
      return body && omitted && { ...body, statements: [...omitted, ...body.statements] };
    });
  }

  /** The expressions, or the CREATE statement, of what is attached to a relation or a domain. */
  ofAttachment(attachment: CatalogAttachment): Body | undefined {
    const { kind, text } = attachment;
    if (text === undefined) return undefined;
    return this.#once(attachment, text.length, () => {
      const whole = kind === 'trigger' || kind === 'rule';
      const body = this.sql(whole ? text : `SELECT ${text}`);
      if (!body) return undefined;
      // The server keeps the tree, so the session's settings change nothing.
      const read = { ...body, needsPlainStrings: false };
      return whole ? { ...read, statements: body.statements.flatMap(partsOfDefinition) } : read;
    });
  }

  sql(source: string): Body | undefined {
    const statements = this.#statements(source);
    if (!statements) return undefined;
    return { ...plain(statements), needsPlainStrings: new Tokens(Buffer.from(source, 'utf8')).backslashInPlainString };
  }

  /** A DO block. */
  block(source: string): Body | undefined {
    return this.#block(source, `DO LANGUAGE plpgsql ${dollarQuoted(source)}`);
  }

  #block(source: string, wrapped: string): Body | undefined {
    const tokens = this.#tokens(source);
    const block = tokens && blockOf(this.#options.procedural.parsePlpgsql(wrapped));
    if (!block) return undefined;
    const statements: unknown[] = [];
    for (const text of block.sql) {
      const some = this.#statements(text);
      if (!some?.every((node) => BLOCK_STATEMENTS.has(tagged(node)?.[0] ?? ''))) return undefined;
      statements.push(...some);
    }
    if (/%\s*rowtype/i.test(source)) statements.push(...(this.#statements(`SELECT ${ROW_TYPE_WORD}`) ?? []));
    const { types, speaks, seesDetails } = block;
    const needsPlainStrings = tokens.backslashInPlainString;
    return { statements, needsPlainStrings, procedural: true, types, speaks, seesDetails };
  }

  #tokens(source: string): Tokens | undefined {
    const { maxBytes, maxDepth } = this.#options;
    if (source.includes('\0') || source.length > maxBytes) return undefined;
    const tokens = new Tokens(Buffer.from(source, 'utf8'));
    return nesting(tokens) > maxDepth ? undefined : tokens;
  }

  #statements(source: string): readonly unknown[] | undefined {
    if (!this.#tokens(source)) return undefined;
    if (/^\s*(BEGIN\s+ATOMIC|RETURN)\b/i.test(source)) {
      const parsed = this.#options.grammar.parse(`CREATE FUNCTION f() RETURNS void LANGUAGE sql ${source}`);
      const body = parsed.ok
        ? part(as(part(parsed.statements[0], 'stmt'), 'CreateFunctionStmt'), 'sql_body')
        : undefined;
      return body === undefined ? undefined : bodyParts(body);
    }
    const parsed = this.#options.grammar.parse(source);
    return parsed.ok ? parsed.statements.map((raw) => part(raw, 'stmt')) : undefined;
  }

  #once(key: object, bytes: number, parse: () => Body | undefined): Body | undefined {
    const known = this.#known.get(key);
    if (known) return known.body;
    const body = parse();
    this.#known.set(key, { body, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#known) {
      if (this.#bytes <= KEPT_BYTES) break;
      this.#known.delete(oldest);
      this.#bytes -= entry.bytes;
    }
    return body;
  }
}

function plain(statements: readonly unknown[]): Body {
  return { statements, needsPlainStrings: false, procedural: false, types: [], speaks: false, seesDetails: false };
}

/** The statements of BEGIN ATOMIC … END (a list of lists), or the expression of RETURN as a query. */
function bodyParts(body: unknown): readonly unknown[] {
  const node = tagged(body);
  if (node?.[0] === 'List') {
    const items = part(node[1], 'items');
    return Array.isArray(items) ? items.flatMap(bodyParts) : [];
  }
  if (node?.[0] === 'ReturnStmt') return [queryOf(part(node[1], 'returnval'))];
  return [body];
}

/** The condition of CREATE TRIGGER; condition and actions of CREATE RULE. */
function partsOfDefinition(statement: unknown): readonly unknown[] {
  const condition =
    part(as(statement, 'CreateTrigStmt'), 'whenClause') ?? part(as(statement, 'RuleStmt'), 'whereClause');
  const actions = list(as(statement, 'RuleStmt'), 'actions');
  return condition === undefined ? actions : [queryOf(condition), ...actions];
}

function queryOf(expression: unknown): unknown {
  return {
    SelectStmt: { targetList: [{ ResTarget: { val: expression } }], limitOption: 'LIMIT_OPTION_DEFAULT' },
  };
}
