import type { Facts } from './facts.ts';
import { type RelationName, relationName } from './names.ts';
import type { Reader } from './reader.ts';
import { OUTERMOST } from './scope.ts';
import { isGatewaySetting } from './settings.ts';
import type { Outline } from './statements.ts';
import { as, child, flag, isTree, list, part, type Tree, tagged, text, words } from './tree.ts';

/** Definitions that cannot lead to hidden columns by themselves: functions are judged when they are called. */
const INNOCENT_DEFINITIONS = new Set([
  'CreateSchemaStmt',
  'CreateEnumStmt',
  'CompositeTypeStmt',
  'AlterEnumStmt',
  'CreateFunctionStmt',
  'CommentStmt',
  'CheckPointStmt',
]);

/** What RENAME gives another relation name; columns, constraints, triggers and the like are renamed within one. */
const RELATION_TYPES = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
]);

/** Statements that change the catalog, or make what lives in the session only. */
export class Definitions {
  readonly #reader: Reader;
  readonly #facts: Facts;
  readonly #outline: Outline;

  constructor(reader: Reader, outline: Outline) {
    this.#reader = reader;
    this.#facts = reader.facts;
    this.#outline = outline;
  }

  #connection() {
    return { type: 'Connection', connection: this.#reader.connection } as const;
  }

  /** A relation that comes into being: only in the session, or in the catalog. */
  create(rangeVar: Tree | undefined, onCommit?: string): void {
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
    const existing = schema === undefined ? undefined : names.resolve({ ...name, schema });
    if (schema === undefined) this.#facts.ask('define', this.#connection());
    else
      this.#facts.ask('define', {
        type: 'Table',
        connection: this.#reader.connection,
        schema,
        table: name.name,
        labels: [],
      });
    // IF NOT EXISTS leaves what is there; without it the target refuses the whole script.
    if (existing?.kind !== 'relation') names.add(schema, name.name);
  }

  createTable(body: Tree): void {
    for (const parent of list(body, 'inhRelations')) this.#defineOn(as(parent, 'RangeVar'));
    for (const element of list(body, 'tableElts')) this.#element(element);
    this.#reader.visit(part(body, 'partspec'), OUTERMOST);
    this.#reader.visit(part(body, 'partbound'), OUTERMOST);
    this.create(child(body, 'relation'), text(body, 'oncommit'));
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

  createTableAs(body: Tree): void {
    const into = child(body, 'into');
    this.create(child(into, 'rel'), text(into, 'onCommit'));
  }

  createView(body: Tree): void {
    const view = child(body, 'view');
    const replaced = flag(body, 'replace') ? this.#reader.names.resolve(relationName(view ?? {})) : undefined;
    if (replaced?.kind === 'relation') this.#defineOn(view);
    this.create(view);
  }

  drop(body: Tree): void {
    const type = text(body, 'removeType') ?? '';
    const names = this.#reader.names;
    if (text(body, 'behavior') === 'DROP_CASCADE') names.doubtTemporary();
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

  maintain(tag: string, body: Tree): void {
    if (tag === 'VacuumStmt' && !flag(body, 'is_vacuumcmd')) this.#outline.verb = 'analyze';
    const relations = [
      ...list(body, 'rels').map((item) => child(as(item, 'VacuumRelation'), 'relation')),
      child(body, 'relation'),
    ].filter(isTree);
    // An index is no relation of the snapshot.
    const ofIndex = tag === 'ReindexStmt' && text(body, 'kind') === 'REINDEX_OBJECT_INDEX';
    if (!ofIndex) for (const relation of relations) this.#reader.write(relation, 'define');
    if (relations.length > 0 && !ofIndex) return;
    this.#facts.raise('change');
    this.#facts.ask('define', this.#connection());
  }

  defineRelation(body: Tree): void {
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
    const cascades = list(body, 'cmds').some((item) => text(as(item, 'AlterTableCmd'), 'behavior') === 'DROP_CASCADE');
    if (cascades) names.doubtTemporary();
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
    } else if (text(body, 'newname') !== undefined && RELATION_TYPES.has(text(body, 'renameType') ?? '')) {
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
    // SET … FROM CURRENT would put the gateway's keys into the catalog.
    if (node?.[0] === 'VariableSetStmt' && isGatewaySetting(text(inner, 'name') ?? ''))
      this.#reader.calls.gatewaySetting();
    for (const key in inner) this.#expressions(inner[key]);
  }

  /** A definition that is not about one relation. */
  defineAny(tag: string, body: Tree): void {
    this.#define(body);
    const innocent = INNOCENT_DEFINITIONS.has(tag) && list(body, 'schemaElts').length === 0;
    if (!innocent || this.#replacesFunction(tag, body)) this.#outOfSight();
  }

  /** Defaults, rules and the like call a function by its identity, so a new body runs where nobody judged it. */
  #replacesFunction(tag: string, body: Tree): boolean {
    if (tag !== 'CreateFunctionStmt' || !flag(body, 'replace')) return false;
    const name = words(list(body, 'funcname'));
    const known = this.#reader.names.index.functions(name[name.length - 1] ?? '');
    return name.length === 1 ? known.length > 0 : known.some((fn) => fn.schema === name[name.length - 2]);
  }

  /** Changes to the catalog that are not about one relation. */
  #define(body: Tree): void {
    this.#facts.raise('change');
    this.#facts.changesCatalog = true;
    this.#facts.changesContext = true;
    this.#facts.ask('define', this.#definedIn(body));
    // The body of a function is judged when it is called, however it is written.
    const { sql_body: _, ...definition } = body;
    this.#expressions(definition);
    this.#reader.names.becomeUncertain();
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
