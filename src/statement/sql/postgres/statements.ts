import type { SqlStatement, SqlVerb, StatementPart } from '../../../model/statement.ts';
import { changesPrivileges, definedKind, readsAllRows, writingPart } from './deed.ts';
import { Definitions } from './definitions.ts';
import { behind, type Facts } from './facts.ts';
import type { Reader } from './reader.ts';
import { OUTERMOST } from './scope.ts';
import { isGatewaySetting } from './settings.ts';
import { as, child, constant, flag, list, part, type Tree, tagged, text, words } from './tree.ts';
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
  allRows: boolean;
  object?: string;
  privileges?: boolean;
}

/** Whether a part says nothing that the whole statement does not say. */
export function samePart(a: StatementPart, b: StatementPart): boolean {
  return (
    a.verb === b.verb &&
    a.hasWhere === b.hasWhere &&
    a.allRows === b.allRows &&
    a.object === b.object &&
    a.privileges === b.privileges
  );
}

/** The statement as a part of another one. */
export function partOf({ verb, hasWhere, allRows, object, privileges }: StatementPart): StatementPart {
  return {
    verb,
    hasWhere,
    allRows,
    ...(object === undefined ? {} : { object }),
    ...(privileges === undefined ? {} : { privileges }),
  };
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
    return { verb: 'do', returnsRows: false, hasWhere: true, allRows: false };
  }
  const [tag, body] = found;
  const outline: Outline = { verb: rule.verb, returnsRows: false, hasWhere: true, allRows: false };
  reader.facts.raise(rule.effect);
  new StatementReader(reader, objects, outline).read(rule.reading, tag, body);
  return outline;
}

/** Readings of statements that are about a thing of the catalog. */
const DEFINING = /^(?:create|drop|define)/;

class StatementReader {
  readonly #reader: Reader;
  readonly #facts: Facts;
  readonly #objects: SessionObjects;
  readonly #outline: Outline;
  readonly #definitions: Definitions;

  constructor(reader: Reader, objects: SessionObjects, outline: Outline) {
    this.#reader = reader;
    this.#facts = reader.facts;
    this.#objects = objects;
    this.#outline = outline;
    this.#definitions = new Definitions(reader, outline);
  }

  read(reading: Reading, tag: string, body: Tree): void {
    if (DEFINING.test(reading)) {
      this.#outline.object = definedKind(tag, body);
      if (changesPrivileges(tag, body)) this.#outline.privileges = true;
      if (tag.startsWith('Grant') && !flag(body, 'is_grant')) this.#outline.verb = 'revoke';
    }
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
        this.#outline.allRows = true;
        for (const relation of list(body, 'relations'))
          this.#reader.write(as(relation, 'RangeVar'), 'write', ['truncate']);
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
        if (isGatewaySetting(text(body, 'name') ?? '')) this.#reader.calls.gatewaySetting();
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
        this.#facts.stored = true;
        this.#definitions.createTable(body);
        return;
      case 'create-table-as':
        this.#facts.stored = text(body, 'objtype') === 'OBJECT_MATVIEW';
        this.#facts.keepsRows = true;
        this.#nested(part(body, 'query'));
        this.#outline.returnsRows = false;
        this.#definitions.createTableAs(body);
        return;
      case 'create-view':
        this.#facts.stored = true;
        this.#facts.keepsRows = true;
        this.#nested(part(body, 'query'));
        this.#outline.returnsRows = false;
        this.#definitions.createView(body);
        return;
      case 'create-sequence':
        this.#definitions.create(child(body, 'sequence'));
        return;
      case 'drop':
        this.#definitions.drop(body);
        return;
      case 'refresh':
        this.#reader.write(child(body, 'relation'), 'write');
        return;
      case 'maintain':
        this.#definitions.maintain(tag, body);
        return;
      case 'define-relation':
        this.#facts.stored = true;
        this.#definitions.defineRelation(body);
        return;
      case 'define':
        this.#definitions.defineAny(tag, body);
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
    if (tag === 'SelectStmt') this.#reader.outermost = body;
    this.#reader.visit({ [tag]: body }, this.#reader.around);
    if (tag === 'SelectStmt') this.#reader.calls.plainSetConfig(body, path);
    const outline = this.#outline;
    if (tag !== 'SelectStmt') {
      outline.returnsRows = child(body, 'returningClause') !== undefined || list(body, 'returningList').length > 0;
      const { hasWhere, allRows } = writingPart(tag, body);
      outline.hasWhere = hasWhere;
      outline.allRows = allRows;
      return;
    }
    outline.returnsRows = true;
    outline.allRows = readsAllRows(body);
    if (list(body, 'valuesLists').length > 0) outline.verb = 'values';
    else if (isTableCommand(body)) outline.verb = 'table';
    outline.hasWhere = part(body, 'whereClause') !== undefined || list(body, 'fromClause').length === 0;
    const into = child(body, 'intoClause') ?? child(leftmost(body), 'intoClause');
    if (into) {
      outline.returnsRows = false;
      outline.verb = 'create';
      outline.object = 'table';
      this.#facts.keepsRows = true;
      this.#definitions.create(child(into, 'rel'));
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
    const { verb } = this.#outline;
    const before = this.#facts.questions.length;
    this.#facts.raise(rule.effect);
    this.#outline.verb = rule.verb;
    this.read(rule.reading, found[0], found[1]);
    this.#facts.attribute(before, partOf(this.#outline));
    this.#outline.verb = verb;
  }

  #explain(body: Tree): void {
    this.#nested(part(body, 'query'));
    this.#outline.returnsRows = true;
    if (!as(part(body, 'query'), 'CreateTableAsStmt')) return;
    // Without ANALYZE it makes nothing.
    this.#reader.names.doubtTemporary();
    this.#reader.names.becomeUncertain();
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
      this.#outline.allRows = true;
      return;
    }
    const target = this.#reader.write(relation, 'write', ['insert']);
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
      if (name !== '') this.#facts.settings.add(name.toLowerCase());
      if (isGatewaySetting(name)) this.#reader.calls.gatewaySetting();
      if (kind === 'VAR_RESET_ALL' || name === 'search_path') names.setPath(undefined, false);
      return;
    }
    if (kind === 'VAR_SET_MULTI') {
      // TRANSACTION and SESSION CHARACTERISTICS set the transaction's mode; TRANSACTION SNAPSHOT adopts another session's.
      if (name === 'TRANSACTION SNAPSHOT') this.#reader.calls.setting('transaction_snapshot', true);
      return;
    }
    if (['role', 'session_authorization'].includes(name)) {
      if (constant(args[0]) === 'none') return;
      this.#facts.raise('change');
      this.#facts.ask('set', this.#connection(), { setting: name });
      this.#reader.calls.identity();
      names.setPath(undefined, false);
      return;
    }
    this.#reader.calls.setting(name, true);
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
    // Its own names were looked up when it was declared, but functions in it may look up others with every row.
    if (statement && this.#reader.inner.meansTheSame(statement)) this.#runs(statement);
    else if (statement) this.#missing(`names that cursor "${name}" depends on have changed; declare it again`, '0A000');
    else this.#missing(`cursor "${name}" does not exist`, '34000');
    this.#outline.returnsRows = !flag(body, 'ismove');
  }

  #missing(message: string, sqlstate: string): void {
    this.#facts.hazards.push({ code: 'unknown-name', message, applies: 'everyone', sqlstate });
  }

  #runs(statement: SqlStatement): void {
    for (const { action, resource, part: of = partOf(statement), setting } of statement.questions) {
      this.#facts.ask(action, resource, { part: of, ...(setting === undefined ? {} : { setting }) });
    }
    for (const { schema, name } of statement.functions) this.#facts.names(schema, name);
    for (const setting of statement.settings) this.#facts.settings.add(setting);
    this.#facts.behind.push(...statement.sites.map(behind));
    for (const { position: _, ...hazard } of statement.hazards) this.#facts.hazards.push(hazard);
    this.#facts.raise(statement.effect);
    this.#facts.changesCatalog ||= statement.changesCatalog;
    this.#facts.readsTemporary ||= statement.readsTemporary ?? false;
    if (statement.changesContext) this.#reader.calls.runsCode();
    // PREPARE and DECLARE return nothing themselves; what they name usually does.
    this.#outline.returnsRows = true;
    this.#outline.hasWhere = statement.hasWhere;
    this.#outline.allRows = statement.allRows;
  }
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
