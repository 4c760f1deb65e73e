import { createRequire } from 'node:module';
import { StatementError } from './errors.ts';
import { isTree, list, type Tree } from './tree.ts';

/** What the emscripten build of libpg_query offers. https://github.com/pganalyze/libpg_query */
interface GrammarModule {
  _malloc(size: number): number;
  _free(pointer: number): void;
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
  _wasm_parse_plpgsql(text: number): number;
  _wasm_free_string(text: number): void;
  lengthBytesUTF8(text: string): number;
  stringToUTF8(text: string, pointer: number, size: number): void;
  UTF8ToString(pointer: number): string;
  getValue(pointer: number, type: 'i32'): number;
}

export type Parsed =
  | { readonly ok: true; readonly statements: readonly Tree[] }
  | {
      readonly ok: false;
      readonly syntax: true;
      readonly message: string /** 1-based, characters. */;
      readonly position: number;
    }
  | { readonly ok: false; readonly syntax: false; readonly message: string };

const require = createRequire(import.meta.url);

/** Instances kept ready, so that a broken one can be replaced without waiting. */
const SPARES = 2;

/**
 * The server's own grammar. A hostile text can overflow the stack inside the WebAssembly instance and leave it broken for every
 * later parse, so anything that is not a plain syntax error ends the instance; a spare takes its place at once and a new spare is
 * made behind the scenes. Without a spare left, parsing fails closed until one is there.
 */
export class Grammar {
  readonly #create: () => Promise<GrammarModule>;
  #spares: GrammarModule[] = [];
  #current: GrammarModule | undefined;
  #making = 0;

  private constructor(create: () => Promise<GrammarModule>) {
    this.#create = create;
  }

  /** Loads the grammar. Throws ERR_STATEMENT_GRAMMAR_UNAVAILABLE when the package is missing or broken. */
  static async load(): Promise<Grammar> {
    try {
      const create: unknown = require('libpg-query/wasm/libpg-query.js');
      if (typeof create !== 'function') throw new TypeError('libpg-query exports no factory');
      const grammar = new Grammar(create as () => Promise<GrammarModule>);
      grammar.#current = await grammar.#create();
      grammar.#replenish();
      return grammar;
    } catch (cause) {
      throw new StatementError(
        'ERR_STATEMENT_GRAMMAR_UNAVAILABLE',
        'The PostgreSQL grammar (libpg-query) could not be loaded; no statement can be understood without it. Reinstall the package.',
        { cause },
      );
    }
  }

  /** Parses a whole script. Never throws. The text must be well-formed, free of NUL and within the caller's limits. */
  parse(text: string): Parsed {
    const parsed = this.#guarded((grammar) => parseWith(grammar, text));
    return parsed ?? { ok: false, syntax: false, message: 'The SQL parser failed on this statement.' };
  }

  /** The PL/pgSQL tree of a CREATE FUNCTION or DO statement; undefined when it cannot be parsed. */
  parsePlpgsql(text: string): unknown {
    const json = this.#guarded((grammar) =>
      stringFrom(grammar, text, (pointer) => grammar._wasm_parse_plpgsql(pointer)),
    );
    if (!json?.startsWith('{')) return undefined;
    try {
      return JSON.parse(json);
    } catch {
      return undefined;
    }
  }

  #guarded<T>(use: (grammar: GrammarModule) => T): T | undefined {
    const grammar = this.#current ?? this.#spares.pop();
    this.#current = grammar;
    if (!grammar) {
      this.#replenish();
      return undefined;
    }
    try {
      return use(grammar);
    } catch {
      this.#current = this.#spares.pop();
      this.#replenish();
      return undefined;
    }
  }

  #replenish(): void {
    while (this.#spares.length + this.#making < SPARES) {
      this.#making++;
      this.#create().then(
        (spare) => {
          this.#making--;
          this.#spares.push(spare);
        },
        () => {
          this.#making--;
        },
      );
    }
  }
}

function withText<T>(grammar: GrammarModule, text: string, use: (pointer: number) => T): T {
  const size = grammar.lengthBytesUTF8(text) + 1;
  const pointer = grammar._malloc(size);
  if (!pointer) throw new RangeError('out of memory');
  grammar.stringToUTF8(text, pointer, size);
  const result = use(pointer);
  grammar._free(pointer);
  return result;
}

function stringFrom(grammar: GrammarModule, text: string, call: (pointer: number) => number): string {
  return withText(grammar, text, (pointer) => {
    const result = call(pointer);
    if (!result) throw new RangeError('no result');
    const value = grammar.UTF8ToString(result);
    grammar._wasm_free_string(result);
    return value;
  });
}

/** PgQueryParseResult { char *tree; char *stderr; PgQueryError *error }; PgQueryError { message, funcname, filename, lineno, cursorpos, … }. */
function parseWith(grammar: GrammarModule, text: string): Parsed {
  return withText(grammar, text, (pointer) => {
    const result = grammar._wasm_parse_query_raw(pointer);
    if (!result) throw new RangeError('no result');
    const error = grammar.getValue(result + 8, 'i32');
    let parsed: Parsed;
    if (error) {
      const message = grammar.UTF8ToString(grammar.getValue(error, 'i32'));
      parsed = { ok: false, syntax: true, message, position: grammar.getValue(error + 16, 'i32') };
    } else {
      const tree: unknown = JSON.parse(grammar.UTF8ToString(grammar.getValue(result, 'i32')));
      const statements = isTree(tree) ? list(tree, 'stmts').filter(isTree) : [];
      parsed = { ok: true, statements };
    }
    grammar._wasm_free_parse_result(result);
    return parsed;
  });
}
