import type { Action } from '../../../model/access.ts';
import type { CatalogRelation, RowEvent } from '../../../model/catalog.ts';
import { echoedColumns } from './built-ins.ts';
import { Calls } from './calls.ts';
import { writingPart } from './deed.ts';
import { type Facts, type SiteDraft, tableResource } from './facts.ts';
import { repairGroupBy } from './group-by.ts';
import { laterWord } from './later-words.ts';
import type { Tokens } from './lexer.ts';
import { type Names, type RelationName, relationName } from './names.ts';
import { dottedName, relationPlace, samplePlace } from './places.ts';
import {
  type Ctes,
  hasColumn,
  type Inner,
  type Level,
  OUTERMOST,
  type ReaderOptions,
  type Scope,
  seeWhole,
} from './scope.ts';
import { as, child, constant, flag, isTree, list, location, part, type Tree, tagged, text, words } from './tree.ts';

const EVENTS: Readonly<Record<string, readonly RowEvent[]>> = {
  UpdateStmt: ['update'],
  DeleteStmt: ['delete'],
  MergeStmt: ['insert', 'update', 'delete'],
};

interface ReadOptions {
  readonly sample?: Tree;
  /** The column list of COPY … TO; empty for none. */
  readonly copyColumns?: readonly string[];
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
  readonly calls: Calls;
  /** What stands around the statement. */
  readonly around: Scope;
  /** The query whose rows the statement is about, when it is nothing but a query. */
  outermost: Tree | undefined;

  constructor(options: ReaderOptions) {
    this.facts = options.facts;
    this.names = options.names;
    this.connection = options.connection;
    this.tokens = options.tokens;
    this.inner = options.inner;
    this.around = options.around ?? OUTERMOST;
    this.calls = new Calls(options);
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
    else if (Array.isArray(part(value, 'names'))) this.#node('TypeName', value, scope);
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
    const name = laterWord(tag, body, this.names.catalog.serverVersion);
    if (name !== undefined) {
      this.facts.identifiers.add(name);
      this.calls.call([name], [], location(body), scope);
    }
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
      case 'ParamRef':
        if (!this.facts.knowsParameters) this.facts.meetsAnyType = true;
        return;
      case 'TypeName':
        this.calls.typeNamed(words(list(body, 'names')));
        this.fields(body, scope);
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
        this.calls.call(words(list(body, 'funcname')), list(body, 'args'), location(body), scope);
        this.fields(body, scope);
        return;
      case 'A_Expr':
        for (const operator of operatorsOf(body)) this.calls.operator(operator);
        this.visit(part(body, 'lexpr'), scope);
        this.visit(part(body, 'rexpr'), scope);
        return;
      case 'SubLink':
        this.calls.operator(words(list(body, 'operName')));
        if (part(body, 'testexpr') !== undefined && !part(body, 'operName')) this.calls.operator(['=']);
        this.visit(part(body, 'testexpr'), scope);
        this.visit(part(body, 'subselect'), scope);
        return;
      case 'SortBy':
        this.calls.operator(words(list(body, 'useOp')));
        this.visit(part(body, 'node'), scope);
        return;
      case 'A_Indirection':
        this.#indirection(body, scope);
        return;
      case 'CaseExpr':
        // CASE x WHEN y looks `=` up by name, as x = y does.
        if (part(body, 'arg') !== undefined) this.calls.operator(['=']);
        this.fields(body, scope);
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
    if (inside.level && !isLoneRelation(list(body, 'fromClause'))) inside.level.settingsViews.clear();
    const setting = inside.level?.settingsViews.size === 1 ? comparedName(part(body, 'whereClause')) : undefined;
    if (inside.level && setting !== undefined) inside.level.settingName = setting;
    for (const key in body) {
      if (['withClause', 'fromClause', 'intoClause', 'targetList'].includes(key)) continue;
      const value = body[key];
      if (typeof value === 'object') this.visit(value, inside);
    }
    if (body === this.outermost && isPlainList(body)) this.facts.beginPlainList();
    this.visit(part(body, 'targetList'), inside);
    if (inside.level && this.tokens) repairGroupBy(body, inside.level, this.facts, this.tokens);
  }

  #insert(body: Tree, scope: Scope): void {
    const inside = this.#enter(scope, child(body, 'withClause'));
    const around = this.facts.part;
    this.facts.part = writingPart('InsertStmt', body);
    const replaces = child(body, 'onConflictClause') !== undefined;
    const target = this.write(child(body, 'relation'), 'write', replaces ? ['insert', 'update'] : ['insert'], true);
    for (const column of list(body, 'cols')) this.visit(list(as(column, 'ResTarget'), 'indirection'), inside);
    this.visit(part(body, 'selectStmt'), { ctes: inside.ctes, level: scope.level });
    if (target) inside.level?.sites.push(target);
    this.visit(part(body, 'onConflictClause'), inside);
    this.visit(part(body, 'returningClause'), inside);
    this.visit(part(body, 'returningList'), inside);
    this.facts.part = around;
  }

  #change(tag: string, body: Tree, scope: Scope): void {
    const inside = this.#enter(scope, child(body, 'withClause'));
    const around = this.facts.part;
    this.facts.part = writingPart(tag, body);
    const target = this.write(child(body, 'relation'), 'write', EVENTS[tag] ?? [], true);
    if (target) inside.level?.sites.push(target);
    this.visit(
      body[tag === 'MergeStmt' ? 'sourceRelation' : tag === 'DeleteStmt' ? 'usingClause' : 'fromClause'],
      inside,
    );
    inside.level?.settingsViews.clear();
    for (const key in body) {
      if (['withClause', 'relation', 'sourceRelation', 'usingClause', 'fromClause'].includes(key)) continue;
      const value = body[key];
      if (typeof value === 'object') this.visit(value, inside);
    }
    this.facts.part = around;
  }

  #join(body: Tree, scope: Scope): void {
    for (const key of ['alias', 'join_using_alias']) {
      const alias = text(child(body, key), 'aliasname');
      if (alias !== undefined) scope.level?.joinAliases.add(alias);
    }
    this.fields(body, scope);
    if (flag(body, 'isNatural')) this.#seeAll(scope.level);
    if (flag(body, 'isNatural') || part(body, 'usingClause') !== undefined) this.calls.operator(['=']);
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
    const resolved = this.#resolve(name, location(rangeVar), 'read', how.copyColumns === undefined);
    const correlationName = text(alias, 'aliasname') ?? name.name;
    if (resolved?.kind === 'temporary') this.facts.readsTemporary = true;
    if (resolved?.kind !== 'relation' && resolved?.kind !== 'system') this.facts.meetsAnyType = true;
    if (resolved?.kind === 'system') {
      const view = this.names.index.relation(resolved.schema, resolved.name);
      const echoed = echoedColumns(resolved.name);
      if (view && Array.isArray(echoed)) this.#site(rangeVar, view, correlationName, how, scope.level, echoed);
      else this.#system(resolved.name, correlationName, scope.level);
      return;
    }
    if (resolved?.kind === 'new') {
      this.facts.ask('read', tableResource(this.connection, resolved.schema, resolved.name));
      return;
    }
    if (resolved?.kind !== 'relation') return;
    const { relation } = resolved;
    this.facts.ask('read', tableResource(this.connection, relation.schema, relation.name));
    this.inner.fires(relation, ['select'], this.facts);
    if (relation.kind === 'view') {
      for (const { schema, name } of this.inner.behindView(relation)) this.facts.names(schema, name);
    }
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

  /**
   * A relation that is written or otherwise acted on. Returns its draft when it is one of the catalog's. `pointed`: when it is not there, the
   * server says where its name stands, which it does where it analyses the statement, and not where it only looks up a relation.
   */
  write(
    rangeVar: Tree | undefined,
    action: 'write' | 'define' | 'read',
    events: readonly RowEvent[] = [],
    pointed = false,
  ): SiteDraft | undefined {
    if (!rangeVar) return undefined;
    const name = relationName(rangeVar);
    const resolved = this.#resolve(name, location(rangeVar), action, pointed);
    if (resolved?.kind !== 'relation' && resolved?.kind !== 'system') this.facts.meetsAnyType = true;
    if (resolved?.kind === 'temporary') {
      this.facts.raise('session');
      this.facts.readsTemporary = true; // RETURNING
      this.calls.writesTemporary(name.name);
      return undefined;
    }
    this.facts.raise(action === 'read' ? 'read' : 'change');
    if (resolved?.kind === 'system' || resolved?.kind === 'new') {
      this.facts.ask(action, tableResource(this.connection, resolved.schema, resolved.name));
      return undefined;
    }
    if (resolved?.kind !== 'relation') return undefined;
    const { relation } = resolved;
    this.facts.ask(action, tableResource(this.connection, relation.schema, relation.name));
    if (action === 'write') this.facts.written.add(relation);
    this.inner.fires(relation, events, this.facts);
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

  #resolve(name: RelationName, offset: number, action: Action, pointed: boolean) {
    const resolved = this.names.resolve(name);
    const shown = [name.catalog, name.schema, name.name].filter((part) => part !== undefined).join('.');
    if (this.names.catalogUncertain && resolved.kind !== 'temporary' && resolved.kind !== 'system') {
      this.facts.hazardAt(this.tokens, offset, {
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
          schema === undefined
            ? { type: 'Connection', connection: this.connection }
            : tableResource(this.connection, schema, name.name),
        );
      }
      const { schema } = name;
      const nowhere = !pointed && schema !== undefined && !this.names.catalog.schemas.has(schema);
      this.facts.hazardAt(pointed ? this.tokens : undefined, offset, {
        code: 'undefined-relation',
        message: nowhere ? `schema "${schema}" does not exist` : `relation "${shown}" does not exist`,
        applies: this.names.catalogUncertain ? 'hidden-anywhere' : 'everyone',
        sqlstate: nowhere ? '3F000' : '42P01',
      });
      return undefined;
    }
    if (resolved.kind === 'other-database') {
      this.facts.hazardAt(this.tokens, offset, {
        code: 'other-database',
        message: `cross-database references are not implemented: "${shown}"`,
        applies: 'everyone',
        sqlstate: '0A000',
      });
      return undefined;
    }
    if (resolved.kind === 'unknown-path') {
      this.facts.hazardAt(this.tokens, offset, {
        code: 'unknown-search-path',
        message: `"${shown}" depends on a search_path set earlier in the same script. Send the statements one by one, or name the schema.`,
        applies: 'everyone',
      });
      return undefined;
    }
    return resolved;
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
    if (name !== undefined && qualifier !== undefined) this.calls.attribute(name);
  }

  #refer(site: SiteDraft, qualifier: string | undefined, name: string | undefined): void {
    const target = site.form === 'target';
    const mine = qualifier === site.correlationName || (target && (qualifier === 'old' || qualifier === 'new'));
    if (name === undefined) {
      if (mine) seeWhole(site);
    } else if (qualifier === undefined) {
      if (name === site.correlationName) seeWhole(site);
      if (target && !site.qualifiedOnly && hasColumn(site, name)) site.raw.add(name);
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
      this.calls.attribute(word);
    }
    this.visit(part(body, 'arg'), scope);
    for (const item of list(body, 'indirection')) {
      if (as(item, 'A_Indices')) this.visit(item, scope);
    }
  }
}

/** The constant in `name = 'x'`, when that is the whole condition. */
function comparedName(condition: unknown): string | undefined {
  const compared = as(condition, 'A_Expr');
  if (!compared || text(compared, 'kind') !== 'AEXPR_OP' || words(list(compared, 'name')).join('.') !== '=')
    return undefined;
  const fields = list(as(part(compared, 'lexpr'), 'ColumnRef'), 'fields');
  if (fields.length !== 1 || words(fields)[0] !== 'name') return undefined;
  return constant(part(compared, 'rexpr')) ?? undefined;
}

/** One relation with its own column names and nothing beside it: `alias.column` can then mean nothing else. */
function isLoneRelation(from: readonly unknown[]): boolean {
  const relation = as(from[0], 'RangeVar');
  return from.length === 1 && relation !== undefined && list(child(relation, 'alias'), 'colnames').length === 0;
}

/** Operators behind an expression; BETWEEN is written with words and looks two up. */
function operatorsOf(body: Tree): readonly (readonly string[])[] {
  switch (text(body, 'kind')) {
    case 'AEXPR_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
      return [['>='], ['<=']];
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_NOT_BETWEEN_SYM':
      return [['<'], ['>']];
    default:
      return [words(list(body, 'name'))];
  }
}

/** Columns and stars only, which nothing sorts or groups by position or by their new names. */
function isPlainList(select: Tree): boolean {
  if (['groupClause', 'distinctClause'].some((clause) => part(select, clause) !== undefined)) return false;
  const renamed = new Set<string>();
  for (const item of list(select, 'targetList')) {
    const target = as(item, 'ResTarget');
    const column = as(part(target, 'val'), 'ColumnRef');
    if (!column) return false;
    const name = target && text(target, 'name');
    if (name !== undefined && name !== words(list(column, 'fields')).at(-1)) renamed.add(name);
  }
  return list(select, 'sortClause').every((item) => {
    const by = part(as(item, 'SortBy'), 'node');
    const fields = words(list(as(by, 'ColumnRef'), 'fields'));
    return as(by, 'A_Const') === undefined && !(fields.length === 1 && renamed.has(fields[0] ?? ''));
  });
}
