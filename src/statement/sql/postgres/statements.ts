import type { SqlStatement, SqlVerb } from '../../../model/statement.ts';
import { behind, type Facts } from './facts.ts';
import { type RelationName, relationName } from './names.ts';
import { OUTERMOST, type Reader } from './reader.ts';
import { isGatewaySetting } from './settings.ts';
import { as, child, constant, flag, isTree, list, part, type Tree, tagged, text, words } from './tree.ts';
import { type Reading, verbRule } from './verbs.ts';

/** Statements behind names: what EXECUTE and FETCH are judged as. */
export interface SessionObjects {
  prepared(name: string): SqlStatement | undefined;
  cursor(name: string): SqlStatement | undefined;
}

/** What is known of a statement beyond its facts. */
export interface Outline {
  verb: SqlVerb;
  returnsRows: boolean;
  hasWhere: boolean;
}

/** Reads one statement node into the reader's facts. */
export function readStatement(node: unknown, reader: Reader, objects: SessionObjects): Outline {
  const found = tagged(node);
  const rule = found && verbRule(found[0]);
  if (!found || !rule) {
    reader.facts.hazards.push({
      code: 'unknown-statement',
      message: 'The gateway does not know this kind of statement, so it is not forwarded.',
      applies: 'everyone',
      sqlstate: '0A000',
    });
    reader.facts.raise('change');
    return { verb: 'do', returnsRows: false, hasWhere: true };
  }
  const [tag, body] = found;
  const outline: Outline = { verb: rule.verb, returnsRows: false, hasWhere: true };
  reader.facts.raise(rule.effect);
  new StatementReader(reader, objects, outline).read(rule.reading, tag, body);
  return outline;
}

/** Definitions that cannot lead to hidden columns by themselves: functions are judged when they are called. */
const INNOCENT_DEFINITIONS = new Set([
  'CreateSchemaStmt',
  'CreateEnumStmt',
  'CompositeTypeStmt',
  'CreateRangeStmt',
  'AlterEnumStmt',
  'CreateFunctionStmt',
  'AlterFunctionStmt',
  'CommentStmt',
  'CheckPointStmt',
]);

class StatementReader {
  readonly #reader: Reader;
  readonly #facts: Facts;
  readonly #objects: SessionObjects;
  readonly #outline: Outline;

  constructor(reader: Reader, objects: SessionObjects, outline: Outline) {
    this.#reader = reader;
    this.#facts = reader.facts;
    this.#objects = objects;
    this.#outline = outline;
  }

  read(reading: Reading, tag: string, body: Tree): void {
    switch (reading) {
      case 'query':
        this.#query(tag, body);
        return;
      case 'explain':
        this.#explain(body);
        return;
      case 'copy':
        this.#copy(body);
        return;
      case 'truncate':
        for (const relation of list(body, 'relations')) this.#reader.write(as(relation, 'RangeVar'), 'write');
        return;
      case 'lock':
        this.#lock(body);
        return;
      case 'transaction':
        this.#transaction(body);
        return;
      case 'set':
        this.#set(body);
        return;
      case 'show': {
        this.#outline.returnsRows = true;
        if (isGatewaySetting(text(body, 'name') ?? '')) this.#reader.gatewaySetting();
        return;
      }
      case 'discard':
        this.#discard(body);
        return;
      case 'prepare':
        this.#named('prepared-statement', 'create', text(body, 'name'));
        this.#nested(part(body, 'query'));
        this.#outline.returnsRows = false;
        return;
      case 'execute':
        this.#execute(body);
        return;
      case 'deallocate': {
        const name = text(body, 'name');
        this.#named('prepared-statement', name === undefined ? 'remove-all' : 'remove', name);
        return;
      }
      case 'declare':
        this.#named('cursor', 'create', text(body, 'portalname'));
        this.#nested(part(body, 'query'));
        this.#outline.returnsRows = false;
        return;
      case 'fetch':
        this.#fetch(body);
        return;
      case 'close': {
        const name = text(body, 'portalname');
        this.#named('cursor', name === undefined ? 'remove-all' : 'remove', name);
        return;
      }
      case 'session':
        return;
      case 'create-table':
        this.#createTable(body);
        return;
      case 'create-table-as':
        this.#createTableAs(body);
        return;
      case 'create-view':
        this.#createView(body);
        return;
      case 'create-sequence':
        this.#create(child(body, 'sequence'));
        return;
      case 'drop':
        this.#drop(body);
        return;
      case 'refresh':
        this.#reader.write(child(body, 'relation'), 'write');
        return;
      case 'maintain':
        this.#maintain(tag, body);
        return;
      case 'define-relation':
        this.#defineRelation(body);
        return;
      case 'define':
        this.#define(body);
        if (!INNOCENT_DEFINITIONS.has(tag) || list(body, 'schemaElts').length > 0) this.#outOfSight();
        return;
      case 'call':
        this.#reader.visit(part(body, 'funccall'), OUTERMOST);
        this.#facts.raise('change');
        this.#outline.returnsRows = true;
        return;
      case 'do':
        this.#block(body);
        return;
      case 'exec':
        this.#facts.ask('exec', this.#connection());
        return;
    }
  }

  #connection() {
    return { type: 'Connection', connection: this.#reader.connection } as const;
  }

  #function(name: string) {
    return { type: 'Function', connection: this.#reader.connection, schema: 'pg_catalog', name } as const;
  }

  #dynamic(what: string): void {
    this.#facts.hazards.push({
      code: 'dynamic-sql',
      message: `${what} can run statements that the gateway does not see, so it could show masked data. Write the statements directly, or ask for access to the unmasked data.`,
      applies: 'hidden-anywhere',
    });
  }

  /** A block whose SQL stands in it is judged as that SQL; any other needs policy's `call` as well. */
  #block(body: Tree): void {
    const options = new Map(
      list(body, 'args').map((item) => {
        const option = as(item, 'DefElem');
        return [text(option, 'defname'), text(as(part(option, 'arg'), 'String'), 'sval')] as const;
      }),
    );
    const source = options.get('as');
    const plpgsql = (options.get('language') ?? 'plpgsql') === 'plpgsql';
    if (plpgsql && source !== undefined && this.#reader.inner.block(source, this.#facts)) return;
    this.#facts.ask('call', this.#function('do'));
    this.#dynamic('A DO block');
  }

  // Queries.

  #query(tag: string, body: Tree): void {
    const path = this.#reader.names.path;
    this.#reader.visit({ [tag]: body }, OUTERMOST);
    if (tag === 'SelectStmt') this.#reader.plainSetConfig(body, path);
    const outline = this.#outline;
    if (tag !== 'SelectStmt') {
      outline.returnsRows = child(body, 'returningClause') !== undefined || list(body, 'returningList').length > 0;
      if (tag === 'UpdateStmt' || tag === 'DeleteStmt') outline.hasWhere = part(body, 'whereClause') !== undefined;
      return;
    }
    outline.returnsRows = true;
    if (list(body, 'valuesLists').length > 0) outline.verb = 'values';
    else if (isTableCommand(body)) outline.verb = 'table';
    outline.hasWhere = part(body, 'whereClause') !== undefined || list(body, 'fromClause').length === 0;
    const into = child(body, 'intoClause') ?? child(leftmost(body), 'intoClause');
    if (into) {
      outline.returnsRows = false;
      outline.verb = 'create';
      this.#create(child(into, 'rel'));
    }
  }

  /** A statement inside another one: EXPLAIN, PREPARE, DECLARE, COPY (query). */
  #nested(node: unknown): void {
    const found = tagged(node);
    const rule = found && verbRule(found[0]);
    if (!found || !rule) {
      this.#reader.visit(node, OUTERMOST);
      return;
    }
    const verb = this.#outline.verb;
    this.#facts.raise(rule.effect);
    this.read(rule.reading, found[0], found[1]);
    this.#outline.verb = verb;
  }

  #explain(body: Tree): void {
    this.#nested(part(body, 'query'));
    this.#outline.returnsRows = true;
  }

  #copy(body: Tree): void {
    const relation = child(body, 'relation');
    const file = text(body, 'filename');
    const out = !flag(body, 'is_from');
    this.#outline.verb = flag(body, 'is_program') ? 'copy-program' : out ? 'copy-to' : 'copy-from';
    if (file !== undefined) {
      this.#facts.raise('change');
      this.#facts.ask('exec', this.#connection());
      this.#facts.hazards.push({
        code: 'server-file',
        message:
          "COPY to or from files and programs of the server leaves the gateway's sight. Use COPY … TO STDOUT or FROM STDIN.",
        applies: 'hidden-anywhere',
      });
    }
    if (!relation) {
      this.#nested(part(body, 'query'));
      this.#outline.returnsRows = file === undefined;
      return;
    }
    const columns = words(list(body, 'attlist'));
    if (out) {
      for (const column of columns) this.#facts.identifiers.add(column);
      this.#reader.read(relation, OUTERMOST, { copyColumns: columns });
      this.#outline.returnsRows = file === undefined;
      this.#outline.hasWhere = false;
      return;
    }
    const target = this.#reader.write(relation, 'write');
    const level = {
      outer: undefined,
      sites: target ? [target] : [],
      echoes: [],
      settingsViews: new Set<string>(),
      joinAliases: new Set<string>(),
      references: [],
    };
    this.#reader.visit(part(body, 'whereClause'), { ctes: undefined, level });
  }

  #lock(body: Tree): void {
    // ACCESS SHARE and ROW SHARE are what reading takes. https://www.postgresql.org/docs/current/explicit-locking.html
    const mode = Number(part(body, 'mode') ?? 8);
    for (const relation of list(body, 'relations'))
      this.#reader.write(as(relation, 'RangeVar'), mode <= 2 ? 'read' : 'write');
  }

  // Session.

  #transaction(body: Tree): void {
    const kinds: Readonly<Record<string, SqlVerb>> = {
      TRANS_STMT_BEGIN: 'begin',
      TRANS_STMT_START: 'begin',
      TRANS_STMT_COMMIT: 'commit',
      TRANS_STMT_ROLLBACK: 'rollback',
      TRANS_STMT_SAVEPOINT: 'savepoint',
      TRANS_STMT_RELEASE: 'release',
      TRANS_STMT_ROLLBACK_TO: 'rollback-to',
      TRANS_STMT_PREPARE: 'prepare-transaction',
    };
    const verb = kinds[text(body, 'kind') ?? ''];
    this.#facts.changesContext = true;
    if (!verb || verb === 'prepare-transaction') {
      this.#facts.raise('change');
      this.#facts.ask('set', this.#connection());
      if (!verb) this.#facts.changesCatalog = true;
    }
    this.#outline.verb = verb ?? 'commit';
    if (verb === 'begin') this.#reader.names.begin();
    else if (verb === 'commit') this.#reader.names.commit();
    else if (verb === 'rollback' || verb === 'prepare-transaction') this.#reader.names.rollback();
    else if (verb === 'rollback-to') this.#reader.names.rollbackToSavepoint();
  }

  #set(body: Tree): void {
    const kind = text(body, 'kind') ?? '';
    const name = text(body, 'name') ?? '';
    const args = list(body, 'args');
    const names = this.#reader.names;
    this.#facts.changesContext = true;
    const resets = kind === 'VAR_RESET' || kind === 'VAR_RESET_ALL' || kind === 'VAR_SET_DEFAULT';
    if (resets) {
      this.#outline.verb = kind === 'VAR_SET_DEFAULT' ? 'set' : 'reset';
      if (isGatewaySetting(name)) this.#reader.gatewaySetting();
      if (kind === 'VAR_RESET_ALL' || name === 'search_path') names.setPath(undefined, false);
      return;
    }
    if (kind === 'VAR_SET_MULTI') {
      // TRANSACTION and SESSION CHARACTERISTICS set the transaction's mode; TRANSACTION SNAPSHOT adopts another session's.
      if (name === 'TRANSACTION SNAPSHOT') this.#reader.setting('transaction_snapshot', true);
      return;
    }
    if (['role', 'session_authorization'].includes(name)) {
      if (constant(args[0]) === 'none') return;
      this.#facts.raise('change');
      this.#facts.ask('set', this.#connection());
      this.#reader.identity();
      names.setPath(undefined, false);
      return;
    }
    this.#reader.setting(name, true);
    if (name === 'search_path') {
      const schemas = args.map(constant);
      const known = kind === 'VAR_SET_VALUE' && schemas.every((schema) => typeof schema === 'string');
      names.setPath(known ? schemas.filter((schema) => typeof schema === 'string') : undefined, flag(body, 'is_local'));
    }
  }

  #discard(body: Tree): void {
    this.#facts.changesContext = true;
    const target = text(body, 'target') ?? 'DISCARD_ALL';
    if (target === 'DISCARD_ALL') {
      this.#named('prepared-statement', 'remove-all', undefined);
      this.#named('cursor', 'remove-all', undefined);
      this.#reader.names.setPath(undefined, false);
    }
    if (target === 'DISCARD_ALL' || target === 'DISCARD_TEMP') {
      for (const relation of this.#reader.names.session.temporary) this.#reader.names.dropTemporary(relation.name);
    }
  }

  #named(
    kind: 'prepared-statement' | 'cursor',
    act: 'create' | 'use' | 'remove' | 'remove-all',
    name: string | undefined,
  ): void {
    this.#facts.objects.push({ kind, act, name: name ?? '' });
  }

  #execute(body: Tree): void {
    const name = text(body, 'name') ?? '';
    this.#named('prepared-statement', 'use', name);
    this.#reader.visit(part(body, 'params'), OUTERMOST);
    const statement = this.#objects.prepared(name);
    if (statement && this.#reader.inner.meansTheSame(statement)) this.#runs(statement);
    else if (statement)
      this.#missing(`cached plan of "${name}" depends on names that have changed; prepare it again`, '0A000');
    else this.#missing(`prepared statement "${name}" does not exist`, '26000');
  }

  #fetch(body: Tree): void {
    const name = text(body, 'portalname') ?? '';
    this.#named('cursor', 'use', name);
    if (flag(body, 'ismove')) this.#outline.verb = 'move';
    const statement = this.#objects.cursor(name);
    if (statement) this.#runs(statement);
    else this.#missing(`cursor "${name}" does not exist`, '34000');
    this.#outline.returnsRows = !flag(body, 'ismove');
  }

  #missing(message: string, sqlstate: string): void {
    this.#facts.hazards.push({ code: 'unknown-name', message, applies: 'everyone', sqlstate });
  }

  #runs(statement: SqlStatement): void {
    for (const { action, resource } of statement.questions) this.#facts.ask(action, resource);
    this.#facts.behind.push(...statement.sites.map(behind));
    for (const { position: _, ...hazard } of statement.hazards) this.#facts.hazards.push(hazard);
    this.#facts.raise(statement.effect);
    this.#facts.changesCatalog ||= statement.changesCatalog;
    if (statement.changesContext) this.#reader.runsCode();
    // PREPARE and DECLARE return nothing themselves; what they name usually does.
    this.#outline.returnsRows = true;
    this.#outline.hasWhere = statement.hasWhere;
  }

  // Definitions.

  /** A relation that comes into being: only in the session, or in the catalog. */
  #create(rangeVar: Tree | undefined, onCommit?: string): void {
    const name = relationName(rangeVar ?? {});
    const names = this.#reader.names;
    if (isTemporary(rangeVar, name, names.session.temporarySchema)) {
      this.#facts.changesContext = true;
      names.addTemporary(name.name, onCommit === 'ONCOMMIT_DROP');
      return;
    }
    this.#facts.raise('change');
    this.#facts.changesCatalog = true;
    const schema = name.schema ?? names.creationSchema();
    if (schema === undefined) this.#facts.ask('define', this.#connection());
    else
      this.#facts.ask('define', {
        type: 'Table',
        connection: this.#reader.connection,
        schema,
        table: name.name,
        labels: [],
      });
    names.add(schema, name.name);
  }

  #createTable(body: Tree): void {
    for (const parent of list(body, 'inhRelations')) this.#defineOn(as(parent, 'RangeVar'));
    for (const element of list(body, 'tableElts')) this.#element(element);
    this.#reader.visit(part(body, 'partspec'), OUTERMOST);
    this.#reader.visit(part(body, 'partbound'), OUTERMOST);
    this.#create(child(body, 'relation'), text(body, 'oncommit'));
  }

  /** Column definitions and constraints: expressions are read, relations they mention give no data. */
  #element(element: unknown): void {
    const column = as(element, 'ColumnDef');
    if (column) {
      for (const constraint of list(column, 'constraints')) this.#element(constraint);
      return;
    }
    const constraint = as(element, 'Constraint');
    if (constraint) this.#reader.visit([part(constraint, 'raw_expr'), part(constraint, 'exclusions')], OUTERMOST);
  }

  #createTableAs(body: Tree): void {
    const into = child(body, 'into');
    this.#nested(part(body, 'query'));
    this.#outline.returnsRows = false;
    this.#create(child(into, 'rel'), text(into, 'onCommit'));
  }

  #createView(body: Tree): void {
    const view = child(body, 'view');
    this.#nested(part(body, 'query'));
    this.#outline.returnsRows = false;
    const replaced = flag(body, 'replace') ? this.#reader.names.resolve(relationName(view ?? {})) : undefined;
    if (replaced?.kind === 'relation') this.#defineOn(view);
    this.#create(view);
  }

  #drop(body: Tree): void {
    const type = text(body, 'removeType') ?? '';
    const names = this.#reader.names;
    const relations = [
      'OBJECT_TABLE',
      'OBJECT_VIEW',
      'OBJECT_MATVIEW',
      'OBJECT_SEQUENCE',
      'OBJECT_FOREIGN_TABLE',
      'OBJECT_INDEX',
    ];
    if (!relations.includes(type)) {
      this.#define(body);
      return;
    }
    for (const item of list(body, 'objects')) {
      const parts = words(list(as(item, 'List'), 'items'));
      const name: RelationName = {
        name: parts[parts.length - 1] ?? '',
        schema: parts[parts.length - 2],
        catalog: parts[parts.length - 3],
      };
      const resolved = names.resolve(name);
      this.#facts.changesContext = true;
      if (resolved.kind === 'temporary') {
        names.dropTemporary(name.name);
        continue;
      }
      if (
        type === 'OBJECT_INDEX' &&
        resolved.kind === 'undefined' &&
        name.schema === undefined &&
        names.session.temporary.length > 0
      ) {
        // An index is no relation of the snapshot; it may belong to a temporary table.
        this.#facts.ask('define', this.#connection());
        continue;
      }
      this.#facts.raise('change');
      this.#facts.changesCatalog = true;
      if (resolved.kind === 'relation' || resolved.kind === 'new' || resolved.kind === 'system') {
        const schema = resolved.kind === 'relation' ? resolved.relation.schema : resolved.schema;
        this.#facts.ask('define', {
          type: 'Table',
          connection: this.#reader.connection,
          schema,
          table: name.name,
          labels: [],
        });
        names.drop(schema, name.name);
      } else if (!flag(body, 'missing_ok') || name.schema === undefined) {
        this.#facts.ask('define', this.#connection());
      } else {
        this.#facts.ask('define', { type: 'Schema', connection: this.#reader.connection, schema: name.schema });
      }
    }
  }

  #maintain(tag: string, body: Tree): void {
    if (tag === 'VacuumStmt' && !flag(body, 'is_vacuumcmd')) this.#outline.verb = 'analyze';
    const relations = [
      ...list(body, 'rels').map((item) => child(as(item, 'VacuumRelation'), 'relation')),
      child(body, 'relation'),
    ].filter(isTree);
    for (const relation of relations) this.#reader.write(relation, 'define');
    if (relations.length > 0) return;
    this.#facts.raise('change');
    this.#facts.ask('define', this.#connection());
  }

  #defineRelation(body: Tree): void {
    const relation = child(body, 'relation') ?? child(body, 'table') ?? child(body, 'sequence');
    if (!relation) {
      this.#define(body);
      return;
    }
    const name = relationName(relation);
    const names = this.#reader.names;
    const resolved = names.resolve(name);
    if (resolved.kind === 'undefined') {
      // An index, or something made outside the snapshot.
      this.#define(body);
      return;
    }
    this.#defineOn(relation);
    this.#facts.changesContext = true;
    for (const key in body) {
      if (!['relation', 'table', 'sequence'].includes(key)) this.#expressions(body[key]);
    }
    const triggerFunction = words(list(body, 'funcname'));
    if (triggerFunction.length > 0) {
      this.#reader.visit({ FuncCall: { funcname: list(body, 'funcname') } }, OUTERMOST);
    }
    if (resolved.kind !== 'temporary') {
      this.#facts.changesCatalog = true;
      names.becomeUncertain();
    } else if (text(body, 'newname') !== undefined || text(body, 'newschema') !== undefined) {
      names.dropTemporary(name.name);
      names.addTemporary(text(body, 'newname') ?? name.name);
    }
  }

  /**
   * Indexes, generated columns, rules, new column types and the like work on the raw columns, and error messages, statistics or new
   * columns show what they find.
   */
  #defineOn(relation: Tree | undefined): void {
    const draft = this.#reader.write(relation, 'define');
    if (!draft) return;
    this.#facts.hazards.push({
      code: 'defines-on-masked',
      message: `The definition of ${draft.relation.schema}.${draft.relation.name} works on columns that are masked for you. Ask for access to the unmasked data.`,
      applies: 'hidden-here',
      relations: [draft.relation.oid],
    });
  }

  /** Expressions inside a definition; relations and columns that it merely names give no data. */
  #expressions(value: unknown): void {
    if (Array.isArray(value)) {
      for (const item of value) this.#expressions(item);
      return;
    }
    if (!isTree(value)) return;
    const node = tagged(value);
    if (
      node &&
      ['FuncCall', 'SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'A_Expr', 'SubLink'].includes(
        node[0],
      )
    ) {
      this.#reader.visit(value, OUTERMOST);
      return;
    }
    const inner = node ? node[1] : value;
    for (const key in inner) this.#expressions(inner[key]);
  }

  /** Changes to the catalog that are not about one relation. */
  #define(body: Tree): void {
    this.#facts.raise('change');
    this.#facts.changesCatalog = true;
    this.#facts.changesContext = true;
    this.#facts.ask('define', this.#definedIn(body));
    this.#reader.names.becomeUncertain();
    this.#expressions(body);
  }

  #outOfSight(): void {
    this.#facts.hazards.push({
      code: 'defines-out-of-sight',
      message: 'This definition could open a way around masked columns. Ask for access to the unmasked data.',
      applies: 'hidden-anywhere',
    });
  }

  #definedIn(body: Tree) {
    const schema = text(body, 'schemaname') ?? schemaOf(body);
    return schema === undefined
      ? this.#connection()
      : ({ type: 'Schema', connection: this.#reader.connection, schema } as const);
  }
}

/** Schema of the object that a definition names, where the tree says it. */
function schemaOf(body: Tree): string | undefined {
  for (const key of ['funcname', 'typeName', 'domainname', 'defnames']) {
    const names = words(list(body, key));
    if (names.length === 2) return names[0];
  }
  return undefined;
}

function isTemporary(rangeVar: Tree | undefined, name: RelationName, temporarySchema: string | undefined): boolean {
  return (
    text(rangeVar, 'relpersistence') === 't' ||
    name.schema === 'pg_temp' ||
    (name.schema !== undefined && name.schema === temporarySchema)
  );
}

function leftmost(select: Tree): Tree | undefined {
  let at = child(select, 'larg');
  while (child(at, 'larg')) at = child(at, 'larg');
  return at;
}

/** `TABLE t`: the grammar makes it a SELECT whose star stands nowhere. */
function isTableCommand(select: Tree): boolean {
  const target = as(list(select, 'targetList')[0], 'ResTarget');
  return target !== undefined && part(target, 'location') === -1;
}
