import type { FunctionRule } from '../../../model/built-in-rules.ts';
import type { CatalogFunction, Oid } from '../../../model/catalog.ts';
import { builtInRule, queriesOf } from './built-ins.ts';
import { isBuiltInWithRule, isCompiled } from './catalog-index.ts';
import { type Facts, tableResource } from './facts.ts';
import type { Tokens } from './lexer.ts';
import { type Names, parseQualified, SYSTEM_SCHEMAS } from './names.ts';
import { hasColumn, type Inner, type ReaderOptions, type Scope } from './scope.ts';
import { isGatewaySetting, isHarmlessSetting, isIdentitySetting, searchPathOf } from './settings.ts';
import { as, child, constant, list, part, type Tree, words } from './tree.ts';

/** https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT */
const FIRST_USER_OID = 16_384;
/** `anything || text`, quote_literal(anything): built-ins written in SQL that cast to text. */
const TEXT_OID = 25;

/** What a statement calls: functions, the functions behind operators and attributes, and the settings they read and change. */
export class Calls {
  readonly #facts: Facts;
  readonly #names: Names;
  readonly #connection: string;
  readonly #tokens: Tokens | undefined;
  readonly #inner: Inner;

  constructor({ facts, names, connection, tokens, inner }: ReaderOptions) {
    this.#facts = facts;
    this.#names = names;
    this.#connection = connection;
    this.#tokens = tokens;
    this.#inner = inner;
  }

  /** `c.f` calls the function f(c) when c is a row and has no such column. */
  attribute(name: string): void {
    for (const fn of this.#names.index.functions(name)) {
      if (SYSTEM_SCHEMAS.has(fn.schema)) continue;
      if (fn.argTypes.length === 0 || !this.#names.index.isComposite(fn.argTypes[0] ?? 0)) continue;
      this.#facts.names(fn.schema, fn.name);
      this.#callUser(fn);
    }
  }

  // Functions and operators.

  operator(name: readonly string[]): void {
    if (name.length === 0) return;
    const operator = name[name.length - 1] ?? '';
    const schema = name.length > 1 ? name[name.length - 2] : undefined;
    if (operator === '||') this.#facts.typesNamed.add(TEXT_OID);
    if (schema === 'pg_catalog') return;
    const operators = this.#names.catalog.operators;
    const path = this.#names.path;
    const found = operators?.filter(
      (candidate) =>
        candidate.name === operator &&
        (schema !== undefined ? candidate.schema === schema : !path || path.includes(candidate.schema)),
    );
    // One that is named with its schema and not in the snapshot is temporary, or new.
    if (schema !== undefined && !found?.length) this.#userOperator(`${schema}.${operator}`);
    for (const candidate of found ?? []) {
      const implementations = [candidate.implementation, ...(candidate.substitutes ?? [])];
      if (!implementations.every((oid) => this.#runs(oid))) this.#userOperator(`${candidate.schema}.${operator}`);
    }
  }

  /** A function that runs without being named. False when it is not known, or is a built-in that does more than compute. */
  #runs(oid: Oid): boolean {
    const fn = this.#names.index.functionByOid(oid);
    if (!fn || isBuiltInWithRule(fn)) return false;
    if (this.#names.index.isOfUsers(fn.schema, fn.name)) this.#facts.names(fn.schema, fn.name);
    this.#callUser(fn);
    return true;
  }

  /** A type that stands in the statement. A cast written as a call, `coin(x)`, runs a function only when one has that name. */
  typeNamed(name: readonly string[]): void {
    const { index } = this.#names;
    if (index.calledCasts.length === 0 && !index.checksDomains) return;
    const schema = name[name.length - 2];
    for (const type of index.types(name[name.length - 1] ?? '')) {
      if (schema === undefined || type.schema === schema) this.#facts.typesNamed.add(type.oid);
    }
  }

  /**
   * Casts that run a function. The gateway does not know the types of expressions, so a cast counts as called when values of its types
   * can be in the statement at all: a type of the user's gets there only by a column, a function or operator, or its name.
   * https://www.postgresql.org/docs/current/sql-createcast.html
   */
  casts(): void {
    const { index } = this.#names;
    if (index.calledCasts.length === 0 && !index.checksDomains) return;
    const named = new Set([...this.#facts.typesNamed].flatMap((oid) => index.typesWithin(oid)));
    const present = new Set(named);
    for (const oid of this.#facts.typesMet) for (const type of index.typesWithin(oid)) present.add(type);
    if (index.checksDomains) this.#domains(named);
    if (index.calledCasts.length === 0) return;
    const relations = [...this.#facts.sites.map(({ relation }) => relation), ...this.#facts.relationsMet];
    for (const relation of relations) {
      const row = index.rowType(relation.oid);
      for (const type of row === undefined ? [] : index.typesWithin(row)) present.add(type);
      for (const column of relation.columns) {
        for (const type of index.typesWithin(column.typeOid)) present.add(type);
      }
    }
    const anyType = this.#facts.meetsAnyType || [...present].some((type) => index.isRange(type));
    const met = (type: Oid): boolean => anyType || type < FIRST_USER_OID || present.has(type);
    for (const cast of index.calledCasts) {
      const wanted = cast.implicit === false ? named.has(cast.target) : met(cast.target);
      if (!wanted || !met(cast.source) || this.#runs(cast.implementation)) continue;
      this.#facts.hazards.push({
        code: 'user-cast',
        message: 'A cast in this statement runs code that could show masked data. Cast to a built-in type.',
        applies: 'hidden-anywhere',
      });
    }
  }

  /** A value becomes one of a domain by a cast, in a function or a variable, in a column that is written, and in a view's expression. */
  #domains(named: ReadonlySet<Oid>): void {
    const { index } = this.#names;
    const columns = [...this.#facts.sites.map(({ relation }) => relation), ...this.#facts.relationsMet]
      .filter((relation) => relation.kind === 'view' || this.#facts.written.has(relation))
      .flatMap((relation) => relation.columns.map(({ typeOid }) => typeOid));
    const becoming = new Set(named);
    for (const type of [...this.#facts.typesMet, ...columns]) {
      for (const inner of index.typesWithin(type)) becoming.add(inner);
    }
    for (const type of becoming) this.#inner.checks(type, this.#facts);
  }

  /** A temporary relation that is written: its columns may be of any type while the session has not been asked for them. */
  writesTemporary(name: string): void {
    const known = this.#names.session.temporary.find((relation) => relation.name === name);
    const types = known
      ? known.columns.map(({ typeOid }) => typeOid)
      : [...this.#names.catalog.types.values()].filter(({ kind }) => kind === 'domain').map(({ oid }) => oid);
    if (this.#names.index.checksDomains) for (const type of types) this.#facts.typesMet.add(type);
  }

  #userOperator(operator: string): void {
    this.#facts.hazards.push({
      code: 'user-operator',
      message: `The operator ${operator} runs code that could show masked data. Use a built-in operator.`,
      applies: 'hidden-anywhere',
    });
  }

  call(funcname: readonly string[], args: readonly unknown[], offset: number, scope: Scope): void {
    const name = funcname[funcname.length - 1] ?? '';
    const schema = funcname[funcname.length - 2];
    const candidates = this.#candidates(name, schema);
    const builtIn =
      schema === undefined
        ? !this.#names.index.knowsSystemFunctions || candidates.some((fn) => fn.schema === 'pg_catalog')
        : SYSTEM_SCHEMAS.has(schema);
    const native = candidates.some(
      (fn) => fn.extension !== undefined || fn.language === 'c' || fn.language === 'internal',
    );
    if (builtIn && schema === undefined) this.#facts.names('pg_catalog', name);
    else if (schema !== undefined && candidates.length === 0) this.#facts.names(schema, name);
    for (const fn of candidates) this.#facts.names(fn.schema, fn.name);
    if (builtIn && /^quote_(literal|nullable)$/.test(name)) this.#facts.typesNamed.add(TEXT_OID);
    if (builtIn || native) {
      if (name === 'set_config') this.#setConfig(args, scope);
      else if (name === 'current_setting') this.#currentSetting(args, scope);
      const rule =
        candidates.map((fn) => builtInRule(name, fn.extension)).find((found) => found !== undefined) ??
        builtInRule(name);
      const home = schema ?? candidates.find((fn) => fn.extension !== undefined)?.schema ?? 'pg_catalog';
      if (rule) this.#builtIn({ schema: home, name }, rule, args);
    }
    for (const fn of candidates) {
      this.#callUser(fn);
    }
    if (candidates.length === 0 && (!builtIn || this.#names.index.knowsSystemFunctions)) {
      this.#unknownFunction(name, schema, offset, scope);
    }
  }

  #candidates(name: string, schema: string | undefined): readonly CatalogFunction[] {
    if (schema !== undefined && this.#names.isTemporarySchema(schema)) {
      return this.#names.session.temporaryFunctions.filter((fn) => fn.name === name);
    }
    const all = this.#names.index.functions(name);
    const path = this.#names.path;
    if (schema !== undefined) return all.filter((fn) => fn.schema === schema);
    return path ? all.filter((fn) => fn.schema === 'pg_catalog' || path.includes(fn.schema)) : all;
  }

  /** A name that is no function may still be a column (`email(c)`) or a type (`text(x)`); anything else is new to the snapshot. */
  #unknownFunction(name: string, schema: string | undefined, offset: number, scope: Scope): void {
    // Nobody adds functions to pg_catalog; the grammar writes some of its own words so (EXTRACT), whatever the server's version.
    if (schema !== undefined && SYSTEM_SCHEMAS.has(schema)) return;
    for (let level = scope.level; level; level = level.outer) {
      if (level.sites.some((site) => hasColumn(site, name))) return;
    }
    if (this.#names.index.types(name).some((type) => schema === undefined || type.schema === schema)) return;
    this.#facts.hazardAt(this.#tokens, offset, {
      code: 'unknown-function',
      message: `function ${schema === undefined ? '' : `${schema}.`}${name} is not known to the gateway. Check its name, or try again in a moment.`,
      applies: 'hidden-anywhere',
      sqlstate: '42883',
    });
  }

  readonly #called = new Set<number>();

  #callUser(fn: CatalogFunction): void {
    if (SYSTEM_SCHEMAS.has(fn.schema) || this.#called.has(fn.oid)) return;
    this.#called.add(fn.oid);
    for (const type of [...fn.argTypes, fn.returnType]) this.#facts.typesMet.add(type);
    const { defaults } = fn;
    // Whether a call leaves arguments out is not looked at: types decide which function it means. What has a body reads them with it.
    if (defaults !== undefined && fn.source === undefined)
      if (defaults === '' || !this.#inner.sql(`SELECT ${defaults}`, this.#facts)) this.#opaqueFunction(fn);
    const compiled = isCompiled(fn);
    this.#facts.late ||= !compiled;
    if (compiled && (fn.kind !== 'aggregate' || (fn.extension !== undefined && !fn.support))) return;
    if (fn.kind === 'aggregate' && fn.support) {
      for (const oid of fn.support) {
        if (!this.#runs(oid) && this.#names.index.knowsSystemFunctions) this.#opaqueFunction(fn);
      }
      return;
    }
    if (this.#inner.body(fn, this.#facts)) {
      // Whoever writes a policy reads the list of functions, not their bodies: what is not plain SQL needs leave.
      if (fn.language !== 'sql') this.#askCall(fn);
      return;
    }
    this.#opaqueFunction(fn);
  }

  #askCall({ schema, name }: CatalogFunction): void {
    this.#facts.ask('call', { type: 'Function', connection: this.#connection, schema, name });
  }

  #opaqueFunction(fn: CatalogFunction): void {
    this.#facts.raise('change');
    this.runsCode();
    this.#askCall(fn);
    const why = ['sql', 'plpgsql'].includes(fn.language)
      ? 'what it runs is not all written in it'
      : 'what it runs cannot be read';
    this.#facts.hazards.push({
      code: 'opaque-function',
      message: `The function ${fn.schema}.${fn.name} (${fn.language}) could show masked data: ${why}. Ask for access to the unmasked data.`,
      applies: 'hidden-anywhere',
    });
  }

  /** Code that nobody read may have changed any setting; the server has looked up the statement's own names before it runs. */
  runsCode(): void {
    this.#facts.changesContext = true;
    this.#facts.forgetsPath = true;
  }

  #builtIn(fn: { schema: string; name: string }, rule: FunctionRule, args: readonly unknown[]): void {
    const { name } = fn;
    const call = (): void => {
      this.#facts.raise('change');
      this.#facts.ask('call', { type: 'Function', connection: this.#connection, ...fn });
    };
    const hazard = (code: string): void => {
      this.#facts.hazards.push({
        code,
        message: `${name} ${rule.why}, which could show masked data. Write the query directly, or ask for access to the unmasked data.`,
        applies: 'hidden-anywhere',
      });
    };
    switch (rule.treatment) {
      case 'allowed':
        return;
      case 'call':
        call();
        return;
      case 'refused-and-call':
        call();
        hazard('server-access');
        return;
      case 'refused':
        hazard('reads-around');
        return;
      case 'sequence':
        this.#sequence(args[0]);
        return;
      case 'judged': {
        this.#facts.late = true;
        const given = args.map((argument) => (isNumber(argument) ? undefined : (constant(argument) ?? null)));
        const understood = queriesOf(name, given)?.every((sql) => this.#inner.sql(sql, this.#facts)) ?? false;
        if (!understood) hazard('dynamic-sql');
        return;
      }
    }
  }

  #sequence(argument: unknown): void {
    const name = constant(argument);
    const parsed = typeof name === 'string' ? parseQualified(name) : undefined;
    const resolved = parsed && this.#names.resolve(parsed);
    if (resolved?.kind === 'temporary') return;
    this.#facts.raise('change');
    if (resolved?.kind === 'relation')
      this.#facts.ask('write', tableResource(this.#connection, resolved.relation.schema, resolved.relation.name));
    else if (resolved?.kind === 'new')
      this.#facts.ask('write', tableResource(this.#connection, resolved.schema, resolved.name));
    else this.#facts.ask('write', { type: 'Connection', connection: this.#connection });
  }

  // Settings.

  #currentSetting(args: readonly unknown[], scope: Scope): void {
    const name = constant(args[0]);
    if (typeof name === 'string') {
      if (isGatewaySetting(name)) this.gatewaySetting();
      return;
    }
    const fields = list(as(args[0], 'ColumnRef'), 'fields');
    const [qualifier, column] = words(fields);
    // Only at the query's own level: further out another `name` may stand between.
    if (fields.length === 2 && column === 'name' && scope.level?.settingsViews.has(qualifier ?? '')) return;
    this.#computedSetting();
  }

  #computedSetting(): void {
    this.#facts.hazards.push({
      code: 'computed-setting',
      message:
        'The name of the setting is computed, so the gateway cannot tell which one it is. Write it as a constant.',
      applies: 'hidden-anywhere',
    });
  }

  gatewaySetting(): void {
    this.#facts.hazards.push({
      code: 'gateway-setting',
      message: 'Settings that begin with "gatehouse" belong to the gateway. Leave them alone.',
      applies: 'everyone',
      sqlstate: '42501',
    });
  }

  #setConfig(args: readonly unknown[], scope: Scope): void {
    const fields = words(list(as(args[0], 'ColumnRef'), 'fields'));
    const ofRow = fields.length === 1 && fields[0] === 'name' ? scope.level?.settingName : undefined;
    const name = ofRow ?? constant(args[0]);
    this.#facts.changesContext = true;
    this.#facts.setsConfig = true;
    if (typeof name !== 'string') {
      this.#computedSetting();
      this.#facts.raise('change');
      this.#facts.ask('set', { type: 'Connection', connection: this.#connection });
      this.#names.setPath(undefined, false);
      return;
    }
    this.setting(name, true);
    // Whether and how often a call runs is known only for the plainest query; `plainSetConfig` follows those.
    if (name.toLowerCase() === 'search_path') this.#names.setPath(undefined, false);
  }

  /** `SELECT set_config('search_path', 'a, b', false)` and nothing else: as good as SET. */
  plainSetConfig(select: Tree, before: readonly string[] | undefined): void {
    const plain = Object.keys(select).every((key) => ['targetList', 'limitOption', 'op'].includes(key));
    const calls = list(select, 'targetList').map((item) => as(part(as(item, 'ResTarget'), 'val'), 'FuncCall'));
    const [call] = calls;
    if (!plain || calls.length !== 1 || !call) return;
    const name = words(list(call, 'funcname'));
    const [setting, value, local] = list(call, 'args').map(constant);
    if (name[name.length - 1] !== 'set_config' || setting?.toLowerCase() !== 'search_path' || typeof value !== 'string')
      return;
    if (
      name.length > 1
        ? name[0] !== 'pg_catalog'
        : this.#candidates('set_config', undefined).some((fn) => fn.schema !== 'pg_catalog')
    )
      return;
    if (local !== 'true' && local !== 'false') return;
    this.#names.setPath(before, false);
    this.#names.setPath(searchPathOf(value), local === 'true');
  }

  /** A setting that is changed; `hidden-anywhere` for those that change who the session is. */
  setting(name: string, changed: boolean): void {
    if (isGatewaySetting(name)) {
      this.gatewaySetting();
      return;
    }
    if (changed && name.toLowerCase() === 'standard_conforming_strings') this.#names.doubtPlainStrings();
    if (!changed) return;
    const setting = name.toLowerCase();
    if (isHarmlessSetting(name)) {
      this.#facts.settings.add(setting);
      return;
    }
    this.#facts.raise('change');
    this.#facts.ask('set', { type: 'Connection', connection: this.#connection }, { setting });
    if (isIdentitySetting(name)) this.identity();
  }

  identity(): void {
    this.#facts.hazards.push({
      code: 'changes-identity',
      message:
        'Acting as another role changes what the target shows; the gateway does not follow that for masked data.',
      applies: 'hidden-anywhere',
    });
  }
}

function isNumber(value: unknown): boolean {
  return child(as(value, 'A_Const'), 'ival') !== undefined;
}
