import type { Action } from '../../../model/access.ts';
import type { CatalogFunction, CatalogRelation } from '../../../model/catalog.ts';
import type { Hazard, SqlStatement } from '../../../model/statement.ts';
import { type BuiltInRule, builtInRule, echoedColumns } from './built-ins.ts';
import type { Facts, SiteDraft } from './facts.ts';
import type { Tokens } from './lexer.ts';
import { type Names, type RelationName, relationName, SYSTEM_SCHEMAS } from './names.ts';
import { characterPosition, dottedName, groupByPlace, relationPlace, samplePlace } from './places.ts';
import { isGatewaySetting, isHarmlessSetting, isIdentitySetting, searchPathOf } from './settings.ts';
import { as, child, constant, flag, isTree, list, location, part, type Tree, tagged, text, words } from './tree.ts';

/** Names of the common table expressions that can be seen at some place. */
interface Ctes {
  readonly names: ReadonlySet<string>;
  readonly outer: Ctes | undefined;
}

/** The FROM list of one query level. */
interface Level {
  readonly outer: Level | undefined;
  readonly sites: SiteDraft[];
  readonly echoes: { readonly correlationName: string; all: boolean }[];
  /** Correlation names of pg_settings at this level: its `name` column holds no setting of the gateway. */
  readonly settingsViews: Set<string>;
  readonly joinAliases: Set<string>;
  /** Column references of this level and the levels inside it. */
  readonly references: { readonly qualifier: string | undefined; readonly name: string }[];
}

export interface Scope {
  readonly ctes: Ctes | undefined;
  readonly level: Level | undefined;
}

interface ReadOptions {
  readonly sample?: Tree;
  /** The column list of COPY … TO; empty for none. */
  readonly copyColumns?: readonly string[];
}

export const OUTERMOST: Scope = { ctes: undefined, level: undefined };

/** What the reader asks of the room around it: judging SQL that stands behind a name or inside a string. */
export interface Inner {
  /** Judges the body of a function written in SQL; false when it cannot be understood. */
  body(fn: CatalogFunction, facts: Facts): boolean;
  /** Judges SQL text that a built-in runs; false when it cannot be understood. */
  sql(text: string, facts: Facts): boolean;
  /** Judges a PL/pgSQL block; false when it can run SQL that is not written in it. */
  block(source: string, facts: Facts): boolean;
  /**
   * Whether a prepared statement's names still mean what they did: the server looks them up again when search_path or a relation
   * changes. https://www.postgresql.org/docs/current/sql-prepare.html
   */
  meansTheSame(prepared: SqlStatement): boolean;
}

export interface ReaderOptions {
  readonly facts: Facts;
  readonly names: Names;
  readonly connection: string;
  readonly inner: Inner;
  /** Absent inside function bodies: nothing there can be replaced. */
  readonly tokens: Tokens | undefined;
}

/**
 * Walks one statement's tree and writes down what it reads, writes, calls and cannot be judged. Total over node types: a node that
 * has no meaning here is walked through field by field, so that nothing inside it is missed.
 */
export class Reader {
  readonly facts: Facts;
  readonly names: Names;
  readonly connection: string;
  readonly tokens: Tokens | undefined;
  readonly inner: Inner;

  constructor(options: ReaderOptions) {
    this.facts = options.facts;
    this.names = options.names;
    this.connection = options.connection;
    this.tokens = options.tokens;
    this.inner = options.inner;
  }

  visit(value: unknown, scope: Scope): void {
    this.names.budget.spend(1);
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item, scope);
      return;
    }
    if (!isTree(value)) return;
    const node = tagged(value);
    if (node) this.#node(node[0], node[1], scope);
    else if (typeof part(value, 'relname') === 'string') this.read(value, scope);
    else if (typeof part(value, 'limitOption') === 'string') this.#select(value, scope);
    else if (Array.isArray(part(value, 'funcname'))) this.#node('FuncCall', value, scope);
    else this.fields(value, scope);
  }

  /** Everything inside a node of no special meaning. */
  fields(body: Tree, scope: Scope): void {
    for (const key in body) {
      const value = body[key];
      if (typeof value === 'object') this.visit(value, scope);
    }
  }

  #node(tag: string, body: Tree, scope: Scope): void {
    switch (tag) {
      case 'A_Const':
        return;
      case 'String': {
        const word = text(body, 'sval');
        if (word !== undefined) this.facts.identifiers.add(word);
        return;
      }
      case 'ColumnRef':
        this.#column(body, scope);
        return;
      case 'RangeVar':
        this.read(body, scope);
        return;
      case 'RangeTableSample':
        this.#sampled(body, scope);
        return;
      case 'SelectStmt':
        this.#select(body, scope);
        return;
      case 'InsertStmt':
        this.#insert(body, scope);
        return;
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        this.#change(tag, body, scope);
        return;
      case 'JoinExpr':
        this.#join(body, scope);
        return;
      case 'FuncCall':
        this.#call(words(list(body, 'funcname')), list(body, 'args'), location(body), scope);
        this.fields(body, scope);
        return;
      case 'A_Expr':
        this.#operator(words(list(body, 'name')));
        this.visit(part(body, 'lexpr'), scope);
        this.visit(part(body, 'rexpr'), scope);
        return;
      case 'SubLink':
        this.#operator(words(list(body, 'operName')));
        this.visit(part(body, 'testexpr'), scope);
        this.visit(part(body, 'subselect'), scope);
        return;
      case 'SortBy':
        this.#operator(words(list(body, 'useOp')));
        this.visit(part(body, 'node'), scope);
        return;
      case 'A_Indirection':
        this.#indirection(body, scope);
        return;
      case 'LockingClause':
        // FOR UPDATE OF names correlation names, not relations.
        return;
      default:
        this.fields(body, scope);
    }
  }

  // Query levels.

  #enter(scope: Scope, withClause: Tree | undefined): Scope {
    const ctes = withClause ? this.#with(withClause, scope) : scope.ctes;
    const level: Level = {
      outer: scope.level,
      sites: [],
      echoes: [],
      settingsViews: new Set(),
      joinAliases: new Set(),
      references: [],
    };
    return { ctes, level };
  }

  /** https://www.postgresql.org/docs/current/queries-with.html: without RECURSIVE a query sees the ones before it only. */
  #with(clause: Tree, scope: Scope): Ctes | undefined {
    const queries = list(clause, 'ctes').map((item) => as(item, 'CommonTableExpr'));
    const names = queries.map((query) => text(query, 'ctename') ?? '');
    if (flag(clause, 'recursive')) {
      const all: Ctes = { names: new Set(names), outer: scope.ctes };
      for (const query of queries) if (query) this.fields(query, { ctes: all, level: scope.level });
      return all;
    }
    let own = scope.ctes;
    queries.forEach((query, index) => {
      if (query) this.fields(query, { ctes: own, level: scope.level });
      own = { names: new Set([names[index] ?? '']), outer: own };
    });
    return own;
  }

  #select(body: Tree, scope: Scope): void {
    const inside = this.#enter(scope, child(body, 'withClause'));
    this.visit(part(body, 'fromClause'), inside);
    for (const key in body) {
      if (key === 'withClause' || key === 'fromClause' || key === 'intoClause') continue;
      const value = body[key];
      if (typeof value === 'object') this.visit(value, inside);
    }
    if (inside.level) this.#repairGroupBy(body, inside.level);
  }

  #insert(body: Tree, scope: Scope): void {
    const inside = this.#enter(scope, child(body, 'withClause'));
    const target = this.write(child(body, 'relation'), 'write');
    for (const column of list(body, 'cols')) this.visit(list(as(column, 'ResTarget'), 'indirection'), inside);
    this.visit(part(body, 'selectStmt'), { ctes: inside.ctes, level: scope.level });
    if (target) inside.level?.sites.push(target);
    this.visit(part(body, 'onConflictClause'), inside);
    this.visit(part(body, 'returningClause'), inside);
    this.visit(part(body, 'returningList'), inside);
  }

  #change(tag: string, body: Tree, scope: Scope): void {
    const inside = this.#enter(scope, child(body, 'withClause'));
    const target = this.write(child(body, 'relation'), 'write');
    if (target) inside.level?.sites.push(target);
    this.visit(
      body[tag === 'MergeStmt' ? 'sourceRelation' : tag === 'DeleteStmt' ? 'usingClause' : 'fromClause'],
      inside,
    );
    for (const key in body) {
      if (['withClause', 'relation', 'sourceRelation', 'usingClause', 'fromClause'].includes(key)) continue;
      const value = body[key];
      if (typeof value === 'object') this.visit(value, inside);
    }
  }

  #join(body: Tree, scope: Scope): void {
    for (const key of ['alias', 'join_using_alias']) {
      const alias = text(child(body, key), 'aliasname');
      if (alias !== undefined) scope.level?.joinAliases.add(alias);
    }
    this.fields(body, scope);
    if (flag(body, 'isNatural')) this.#seeAll(scope.level);
  }

  #seeAll(level: Level | undefined): void {
    for (const site of level?.sites ?? []) seeWhole(site);
    for (const echo of level?.echoes ?? []) echo.all = true;
  }

  // Relations.

  #isCte(name: RelationName, ctes: Ctes | undefined): boolean {
    if (name.schema !== undefined || name.catalog !== undefined) return false;
    for (let at = ctes; at; at = at.outer) {
      this.names.budget.spend(1);
      if (at.names.has(name.name)) return true;
    }
    return false;
  }

  #sampled(body: Tree, scope: Scope): void {
    const rangeVar = as(part(body, 'relation'), 'RangeVar');
    if (rangeVar) this.read(rangeVar, scope, { sample: body });
    else this.visit(part(body, 'relation'), scope);
    this.visit(part(body, 'args'), scope);
    this.visit(part(body, 'repeatable'), scope);
  }

  /** A relation that is read: in FROM, TABLE, COPY … TO. */
  read(rangeVar: Tree, scope: Scope, how: ReadOptions = {}): void {
    const name = relationName(rangeVar);
    const alias = child(rangeVar, 'alias');
    this.facts.raise('read');
    if (this.#isCte(name, scope.ctes)) return;
    const resolved = this.#resolve(name, location(rangeVar), 'read');
    const correlationName = text(alias, 'aliasname') ?? name.name;
    if (resolved?.kind === 'system') {
      const view = this.names.index.relation(resolved.schema, resolved.name);
      const echoed = echoedColumns(resolved.name);
      if (view && Array.isArray(echoed)) this.#site(rangeVar, view, correlationName, how, scope.level, echoed);
      else this.#system(resolved.name, correlationName, scope.level);
      return;
    }
    if (resolved?.kind === 'new') {
      this.facts.ask('read', this.#table(resolved.schema, resolved.name));
      return;
    }
    if (resolved?.kind !== 'relation') return;
    const { relation } = resolved;
    this.facts.ask('read', this.#table(relation.schema, relation.name));
    const echoed = relation.extension === undefined ? undefined : echoedColumns(relation.name);
    if (echoed === 'all') this.#system(relation.name, correlationName, scope.level);
    this.#site(rangeVar, relation, correlationName, how, scope.level, Array.isArray(echoed) ? echoed : undefined);
  }

  #site(
    rangeVar: Tree,
    relation: CatalogRelation,
    correlationName: string,
    how: ReadOptions,
    level: Level | undefined,
    echoes: readonly string[] | undefined,
  ): void {
    const draft = this.#draft(rangeVar, relation, correlationName, how);
    const site = echoes ? { ...draft, echoes } : draft;
    this.facts.sites.push(site);
    level?.sites.push(site);
    if (list(child(rangeVar, 'alias'), 'colnames').length > 0) site.all = true;
  }

  #system(name: string, correlationName: string, level: Level | undefined): void {
    if (name === 'pg_settings') level?.settingsViews.add(correlationName);
    const echo = { name, correlationName, all: false };
    this.facts.echoes.push(echo);
    level?.echoes.push(echo);
  }

  #draft(rangeVar: Tree, relation: SiteDraft['relation'], correlationName: string, how: ReadOptions): SiteDraft {
    const only = !flag(rangeVar, 'inh');
    const base = {
      relation,
      correlationName,
      hasAlias: child(rangeVar, 'alias') !== undefined,
      only,
      all: false,
      raw: new Set<string>(),
      rawAll: false,
    };
    if (!this.tokens) return { ...base, start: 0, end: 0, form: 'behind' };
    const name = relationName(rangeVar);
    const parts = 1 + (name.schema === undefined ? 0 : 1) + (name.catalog === undefined ? 0 : 1);
    const place = relationPlace(this.tokens, location(rangeVar), parts, only);
    if (!place) {
      this.#unplaceable(relation.oid);
      return { ...base, start: 0, end: 0, form: 'behind' };
    }
    if (how.copyColumns) {
      const listed = how.copyColumns.length > 0;
      const close = listed ? this.tokens.closing(place.next) : place.next - 1;
      if (close === undefined || this.tokens.word(place.first - 1) !== 'copy') this.#unplaceable(relation.oid);
      const end = this.tokens.end(close ?? place.next - 1);
      const all = !listed;
      return { ...base, all, start: place.start, end, form: 'copy', copyColumns: how.copyColumns };
    }
    if (this.tokens.word(place.first - 1) === 'table') {
      return { ...base, all: true, start: this.tokens.start(place.first - 1), end: place.end, form: 'table-command' };
    }
    if (!how.sample) return { ...base, start: place.start, end: place.end, form: 'from' };
    const sampleRange = samplePlace(this.tokens, location(how.sample), part(how.sample, 'repeatable') !== undefined);
    const simple = [...list(how.sample, 'args'), part(how.sample, 'repeatable')].every(
      (value) => value === undefined || constant(value) !== undefined || as(value, 'ParamRef') !== undefined,
    );
    if (!sampleRange || !simple) {
      this.#unplaceable(relation.oid);
      return { ...base, start: place.start, end: place.end, form: 'from' };
    }
    const sample = this.tokens.bytes.toString('utf8', sampleRange.start, sampleRange.end);
    return { ...base, start: place.start, end: place.end, form: 'from', sample, sampleRange };
  }

  #unplaceable(relation: number): void {
    this.facts.hazards.push({
      code: 'unplaceable-reference',
      message: 'A relation with masked columns stands in a form that cannot be masked. Write it as a plain FROM item.',
      applies: 'hidden-here',
      relations: [relation],
    });
  }

  /** A relation that is written or otherwise acted on. Returns its draft when it is one of the catalog's. */
  write(rangeVar: Tree | undefined, action: 'write' | 'define' | 'read'): SiteDraft | undefined {
    if (!rangeVar) return undefined;
    const name = relationName(rangeVar);
    const resolved = this.#resolve(name, location(rangeVar), action);
    if (resolved?.kind === 'temporary') {
      this.facts.raise('session');
      return undefined;
    }
    this.facts.raise(action === 'read' ? 'read' : 'change');
    if (resolved?.kind === 'system' || resolved?.kind === 'new') {
      this.facts.ask(action, this.#table(resolved.schema, resolved.name));
      return undefined;
    }
    if (resolved?.kind !== 'relation') return undefined;
    const { relation } = resolved;
    this.facts.ask(action, this.#table(relation.schema, relation.name));
    if (action === 'write' && (relation.hasTriggers || relation.hasRules)) {
      this.facts.hazards.push({
        code: relation.hasRules ? 'rule-on-target' : 'trigger-on-target',
        message: `Writing to ${relation.schema}.${relation.name} runs ${relation.hasRules ? 'rules' : 'triggers'} that may show masked data. Ask for access to the unmasked data.`,
        applies: 'hidden-anywhere',
      });
    }
    const place = this.tokens && dottedName(this.tokens, location(rangeVar));
    const draft: SiteDraft = {
      relation,
      start: place?.[0]?.start ?? 0,
      end: place?.[place.length - 1]?.end ?? 0,
      form: 'target',
      correlationName: text(child(rangeVar, 'alias'), 'aliasname') ?? name.name,
      hasAlias: child(rangeVar, 'alias') !== undefined,
      only: !flag(rangeVar, 'inh'),
      all: false,
      raw: new Set(),
      rawAll: false,
    };
    this.facts.sites.push(draft);
    return draft;
  }

  #table(schema: string, table: string) {
    return { type: 'Table', connection: this.connection, schema, table, labels: [] } as const;
  }

  #resolve(name: RelationName, offset: number, action: Action) {
    const resolved = this.names.resolve(name);
    const shown = [name.catalog, name.schema, name.name].filter((part) => part !== undefined).join('.');
    if (this.names.catalogUncertain && resolved.kind !== 'temporary' && resolved.kind !== 'system') {
      this.#hazardAt(offset, {
        code: 'catalog-changed',
        message: 'An earlier statement of the same script changes the catalog. Send the statements one by one.',
        applies: 'hidden-anywhere',
      });
    }
    if (resolved.kind === 'undefined') {
      if (this.names.catalogUncertain) {
        const schema = name.schema ?? this.names.creationSchema();
        this.facts.ask(
          action,
          schema === undefined ? { type: 'Connection', connection: this.connection } : this.#table(schema, name.name),
        );
      }
      this.#hazardAt(offset, {
        code: 'undefined-relation',
        message: `relation "${shown}" does not exist`,
        applies: this.names.catalogUncertain ? 'hidden-anywhere' : 'everyone',
        sqlstate: '42P01',
      });
      return undefined;
    }
    if (resolved.kind === 'other-database') {
      this.#hazardAt(offset, {
        code: 'other-database',
        message: `cross-database references are not implemented: "${shown}"`,
        applies: 'everyone',
        sqlstate: '0A000',
      });
      return undefined;
    }
    if (resolved.kind === 'unknown-path') {
      this.#hazardAt(offset, {
        code: 'unknown-search-path',
        message: `"${shown}" depends on a search_path set earlier in the same script. Send the statements one by one, or name the schema.`,
        applies: 'everyone',
      });
      return undefined;
    }
    return resolved;
  }

  /** One hazard of a kind is enough to refuse the statement; its position is that of the first place. */
  #hazardAt(offset: number, hazard: Hazard): void {
    if (this.facts.hazards.some((known) => known.code === hazard.code && known.applies === hazard.applies)) return;
    const position = this.tokens && characterPosition(this.tokens.bytes, offset);
    this.facts.hazards.push(position === undefined ? hazard : { ...hazard, position });
  }

  // Columns.

  #column(body: Tree, scope: Scope): void {
    const fields = list(body, 'fields');
    const names = words(fields);
    for (const name of names) this.facts.identifiers.add(name);
    const star = as(fields[fields.length - 1], 'A_Star') !== undefined;
    const name = star ? undefined : names[names.length - 1];
    const qualifier = names[names.length - (star ? 1 : 2)];
    if (star && qualifier === undefined) {
      this.#seeAll(scope.level);
      return;
    }
    for (let level = scope.level; level; level = level.outer) {
      this.names.budget.spend(1 + level.sites.length + level.echoes.length);
      if (name !== undefined) level.references.push({ qualifier, name });
      if (star && qualifier !== undefined && level.joinAliases.has(qualifier)) this.#seeAll(level);
      if (qualifier === undefined && name !== undefined && level.joinAliases.has(name)) this.#seeAll(level);
      for (const echo of level.echoes) {
        if (star ? echo.correlationName === qualifier : qualifier === undefined && echo.correlationName === name)
          echo.all = true;
      }
      for (const site of level.sites) this.#refer(site, qualifier, name);
    }
    if (names.length >= (star ? 2 : 3)) this.#qualifier(body, names, star, scope);
    if (name !== undefined && qualifier !== undefined) this.#attribute(name);
  }

  #refer(site: SiteDraft, qualifier: string | undefined, name: string | undefined): void {
    const target = site.form === 'target';
    const mine = qualifier === site.correlationName || (target && (qualifier === 'old' || qualifier === 'new'));
    if (name === undefined) {
      if (mine) seeWhole(site);
    } else if (qualifier === undefined) {
      if (name === site.correlationName) seeWhole(site);
      if (target && hasColumn(site, name)) site.raw.add(name);
      if (target && (name === 'old' || name === 'new')) site.rawAll = true;
    } else if (mine && target) {
      if (hasColumn(site, name)) site.raw.add(name);
    }
  }

  /** `schema.table.column`: the schema has to go when the table becomes a derived table. */
  #qualifier(body: Tree, names: readonly string[], star: boolean, scope: Scope): void {
    if (!this.tokens) return;
    const table = names[names.length - (star ? 1 : 2)];
    const schema = names[names.length - (star ? 2 : 3)];
    for (let level = scope.level; level; level = level.outer) {
      const site = level.sites.find(
        (candidate) =>
          candidate.form !== 'target' &&
          !candidate.hasAlias &&
          candidate.relation.name === table &&
          candidate.relation.schema === schema,
      );
      if (!site) continue;
      const parts = dottedName(this.tokens, location(body));
      const tablePart = parts?.[names.length - (star ? 1 : 2)];
      if (!parts || !tablePart) this.#unplaceable(site.relation.oid);
      else this.facts.qualifiers.push({ start: location(body), end: tablePart.start, relation: site.relation.oid });
      return;
    }
  }

  #indirection(body: Tree, scope: Scope): void {
    for (const word of words(list(body, 'indirection'))) {
      this.facts.identifiers.add(word);
      this.#attribute(word);
    }
    this.visit(part(body, 'arg'), scope);
    for (const item of list(body, 'indirection')) {
      if (as(item, 'A_Indices')) this.visit(item, scope);
    }
  }

  /** `c.f` calls the function f(c) when c is a row and has no such column. */
  #attribute(name: string): void {
    for (const fn of this.names.index.functions(name)) {
      if (SYSTEM_SCHEMAS.has(fn.schema) || fn.extension !== undefined) continue;
      if (fn.argTypes.length === 0 || !this.names.index.isComposite(fn.argTypes[0] ?? 0)) continue;
      this.#callUser(fn);
    }
  }

  /**
   * GROUP BY all primary-key columns lets PostgreSQL select the table's other columns; a derived table has no primary key, so the
   * columns in use are grouped by as well. https://www.postgresql.org/docs/current/sql-select.html#SQL-GROUPBY
   */
  #repairGroupBy(body: Tree, level: Level): void {
    const items = list(body, 'groupClause');
    if (items.length === 0 || !this.tokens || level.joinAliases.size > 0) return;
    const targets = list(body, 'targetList');
    const grouped = items.map((item) => {
      const number = constant(item);
      const target = typeof number === 'string' ? part(as(targets[Number(number) - 1], 'ResTarget'), 'val') : item;
      const column = as(target, 'ColumnRef');
      const names = words(list(column, 'fields'));
      return column ? { qualifier: names[names.length - 2], name: names[names.length - 1] ?? '' } : undefined;
    });
    const first = tagged(items[0])?.[1];
    const offset = items.map((item) => location(tagged(item)?.[1])).find((at) => at > 0) ?? location(first);
    for (const site of level.sites) {
      const key = site.relation.columns.filter((column) => site.relation.primaryKey.includes(column.attnum));
      if (key.length === 0 || site.form === 'target') continue;
      const belongs = (reference: { qualifier: string | undefined; name: string }): boolean =>
        reference.qualifier === site.correlationName ||
        (reference.qualifier === undefined &&
          level.sites.filter((other) => hasColumn(other, reference.name)).length === 1);
      const isGrouped = (column: string): boolean =>
        grouped.some((item) => item !== undefined && item.name === column && belongs(item));
      if (!key.every((column) => isGrouped(column.name))) continue;
      const used = new Set(level.references.filter(belongs).map((reference) => reference.name));
      const missing = site.relation.columns.filter(
        (column) =>
          (site.all || used.has(column.name)) && !isGrouped(column.name) && !UNGROUPABLE.has(column.baseTypeName),
      );
      if (missing.length === 0) continue;
      const at = groupByPlace(this.tokens, offset);
      if (at === undefined) continue;
      const addition = missing.map((column) => `${quoted(site.correlationName)}.${quoted(column.name)}`).join(', ');
      this.facts.repairs.push({ at, text: ` ${addition},`, relation: site.relation.oid });
    }
  }

  // Functions and operators.

  #operator(name: readonly string[]): void {
    if (name.length === 0) return;
    const operator = name[name.length - 1] ?? '';
    const schema = name.length > 1 ? name[name.length - 2] : undefined;
    if (schema === 'pg_catalog') return;
    const operators = this.names.catalog.operators;
    if (!operators) {
      if (schema !== undefined) this.#userOperator(`${schema}.${operator}`);
      return;
    }
    const path = this.names.path;
    for (const candidate of operators) {
      if (candidate.name !== operator || candidate.extension !== undefined) continue;
      if (schema !== undefined ? candidate.schema !== schema : path && !path.includes(candidate.schema)) continue;
      const fn = this.names.index.functionByOid(candidate.implementation);
      if (fn) this.#callUser(fn);
      else this.#userOperator(`${candidate.schema}.${operator}`);
    }
  }

  #userOperator(operator: string): void {
    this.facts.hazards.push({
      code: 'user-operator',
      message: `The operator ${operator} runs code that could show masked data. Use a built-in operator.`,
      applies: 'hidden-anywhere',
    });
  }

  #call(funcname: readonly string[], args: readonly unknown[], offset: number, scope: Scope): void {
    const name = funcname[funcname.length - 1] ?? '';
    const schema = funcname[funcname.length - 2];
    const candidates = this.#candidates(name, schema);
    const builtIn =
      schema === undefined
        ? !this.names.index.knowsSystemFunctions || candidates.some((fn) => fn.schema === 'pg_catalog')
        : SYSTEM_SCHEMAS.has(schema);
    const native = candidates.some(
      (fn) => fn.extension !== undefined || fn.language === 'c' || fn.language === 'internal',
    );
    if (builtIn || native) {
      if (name === 'set_config') this.#setConfig(args);
      else if (name === 'current_setting') this.#currentSetting(args, scope);
      const rule = builtInRule(name);
      const home = schema ?? candidates.find((fn) => fn.extension !== undefined)?.schema ?? 'pg_catalog';
      if (rule) this.#builtIn({ schema: home, name }, rule, args);
    }
    for (const fn of candidates) {
      if (SYSTEM_SCHEMAS.has(fn.schema) || fn.extension !== undefined) continue;
      if ((fn.language === 'c' || fn.language === 'internal') && fn.kind !== 'aggregate') continue;
      this.#callUser(fn);
    }
    if (candidates.length === 0 && (!builtIn || this.names.index.knowsSystemFunctions)) {
      this.#unknownFunction(name, schema, offset, scope);
    }
  }

  #candidates(name: string, schema: string | undefined): readonly CatalogFunction[] {
    if (schema !== undefined && this.names.isTemporarySchema(schema)) {
      return this.names.session.temporaryFunctions.filter((fn) => fn.name === name);
    }
    const all = this.names.index.functions(name);
    const path = this.names.path;
    if (schema !== undefined) return all.filter((fn) => fn.schema === schema);
    return path ? all.filter((fn) => fn.schema === 'pg_catalog' || path.includes(fn.schema)) : all;
  }

  /** A name that is no function may still be a column (`email(c)`) or a type (`text(x)`); anything else is new to the snapshot. */
  #unknownFunction(name: string, schema: string | undefined, offset: number, scope: Scope): void {
    for (let level = scope.level; level; level = level.outer) {
      if (level.sites.some((site) => hasColumn(site, name))) return;
    }
    if (this.names.index.types(name).some((type) => schema === undefined || type.schema === schema)) return;
    this.#hazardAt(offset, {
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
    if (fn.extension !== undefined && builtInRule(fn.name) === undefined) return;
    if (fn.kind === 'aggregate' && fn.support) {
      for (const oid of fn.support) {
        const support = this.names.index.functionByOid(oid);
        if (support) this.#callUser(support);
        else if (this.names.index.knowsSystemFunctions) this.#opaqueFunction(fn);
      }
      return;
    }
    if (fn.kind !== 'aggregate' && (fn.language === 'c' || fn.language === 'internal')) return;
    if (fn.language === 'sql' && fn.source !== undefined && this.inner.body(fn, this.facts)) return;
    this.#opaqueFunction(fn);
  }

  #opaqueFunction(fn: CatalogFunction): void {
    this.facts.raise('change');
    this.runsCode();
    this.facts.ask('call', { type: 'Function', connection: this.connection, schema: fn.schema, name: fn.name });
    this.facts.hazards.push({
      code: 'opaque-function',
      message: `The function ${fn.schema}.${fn.name} (${fn.language}) could show masked data. Ask for access to the unmasked data.`,
      applies: 'hidden-anywhere',
    });
  }

  /** Code that nobody read may have changed any setting. */
  runsCode(): void {
    this.facts.changesContext = true;
    this.names.setPath(undefined, false);
  }

  #builtIn(fn: { schema: string; name: string }, rule: BuiltInRule, args: readonly unknown[]): void {
    const { name } = fn;
    const call = (): void => {
      this.facts.raise('change');
      this.facts.ask('call', { type: 'Function', connection: this.connection, ...fn });
    };
    const hazard = (code: string): void => {
      this.facts.hazards.push({
        code,
        message: `${name} ${rule.why}, which could show masked data. Write the query directly, or ask for access to the unmasked data.`,
        applies: 'hidden-anywhere',
      });
    };
    switch (rule.kind) {
      case 'administers':
        call();
        return;
      case 'acts':
        call();
        hazard('server-access');
        return;
      case 'reads-around':
        hazard('reads-around');
        return;
      case 'sequence':
        this.#sequence(args[0]);
        return;
      case 'prints-relation': {
        const relation = constant(args[0]);
        const understood = typeof relation === 'string' && this.inner.sql(`TABLE ${relation}`, this.facts);
        if (!understood) hazard('dynamic-sql');
        return;
      }
      case 'runs-sql': {
        const texts = rule.sql(args.map((argument) => (isNumber(argument) ? undefined : (constant(argument) ?? null))));
        const understood = texts?.every((sql) => this.inner.sql(sql, this.facts)) ?? false;
        if (!understood) hazard('dynamic-sql');
        return;
      }
    }
  }

  #sequence(argument: unknown): void {
    const name = constant(argument);
    const parsed = typeof name === 'string' ? parseQualified(name) : undefined;
    const resolved = parsed && this.names.resolve(parsed);
    if (resolved?.kind === 'temporary') return;
    this.facts.raise('change');
    if (resolved?.kind === 'relation')
      this.facts.ask('write', this.#table(resolved.relation.schema, resolved.relation.name));
    else if (resolved?.kind === 'new') this.facts.ask('write', this.#table(resolved.schema, resolved.name));
    else this.facts.ask('write', { type: 'Connection', connection: this.connection });
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
    if (fields.length === 2 && qualifier !== undefined && column === 'name') {
      for (let level = scope.level; level; level = level.outer) {
        if (level.sites.some((site) => site.correlationName === qualifier)) break;
        if (level.settingsViews.has(qualifier)) return;
      }
    }
    this.#computedSetting();
  }

  #computedSetting(): void {
    this.facts.hazards.push({
      code: 'computed-setting',
      message:
        'The name of the setting is computed, so the gateway cannot tell which one it is. Write it as a constant.',
      applies: 'hidden-anywhere',
    });
  }

  gatewaySetting(): void {
    this.facts.hazards.push({
      code: 'gateway-setting',
      message: 'Settings that begin with "gatehouse" belong to the gateway. Leave them alone.',
      applies: 'everyone',
      sqlstate: '42501',
    });
  }

  #setConfig(args: readonly unknown[]): void {
    const name = constant(args[0]);
    this.facts.changesContext = true;
    if (typeof name !== 'string') {
      this.#computedSetting();
      this.facts.raise('change');
      this.facts.ask('set', { type: 'Connection', connection: this.connection });
      this.names.setPath(undefined, false);
      return;
    }
    this.setting(name, true);
    // Whether and how often a call runs is known only for the plainest query; `plainSetConfig` follows those.
    if (name.toLowerCase() === 'search_path') this.names.setPath(undefined, false);
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
    this.names.setPath(before, false);
    this.names.setPath(searchPathOf(value), local === 'true');
  }

  /** A setting that is changed; `hidden-anywhere` for those that change who the session is. */
  setting(name: string, changed: boolean): void {
    if (isGatewaySetting(name)) {
      this.gatewaySetting();
      return;
    }
    if (changed && name.toLowerCase() === 'standard_conforming_strings') this.names.doubtPlainStrings();
    if (!changed || isHarmlessSetting(name)) return;
    this.facts.raise('change');
    this.facts.ask('set', { type: 'Connection', connection: this.connection });
    if (isIdentitySetting(name)) this.identity();
  }

  identity(): void {
    this.facts.hazards.push({
      code: 'changes-identity',
      message:
        'Acting as another role changes what the target shows; the gateway does not follow that for masked data.',
      applies: 'hidden-anywhere',
    });
  }
}

/** Types without a default equality operator: GROUP BY refuses them. */
const UNGROUPABLE = new Set(['json', 'xml', 'point', 'box', 'polygon', 'path', 'line', 'circle', 'lseg']);

function seeWhole(site: SiteDraft): void {
  if (site.form === 'target') site.rawAll = true;
  else site.all = true;
}

function isNumber(value: unknown): boolean {
  return child(as(value, 'A_Const'), 'ival') !== undefined;
}

function hasColumn(site: SiteDraft, name: string): boolean {
  return site.relation.columns.some((column) => column.name === name);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The text form of a relation name, as regclass reads it. */
export function parseQualified(value: string): RelationName | undefined {
  const parts: string[] = [];
  const part = /\s*(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s*(\.|$)/y;
  for (;;) {
    const match = part.exec(value);
    if (!match) return undefined;
    parts.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] ?? '').toLowerCase());
    if (match[3] !== '.') break;
  }
  const name = parts[parts.length - 1];
  if (name === undefined || parts.length > 3) return undefined;
  return { name, schema: parts[parts.length - 2], catalog: parts[parts.length - 3] };
}
