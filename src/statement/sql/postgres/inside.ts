import type { CatalogAttachment, CatalogFunction, CatalogRelation, Oid, RowEvent } from '../../../model/catalog.ts';
import type { AccessQuestion, Hazard, RelationSite, RelationWrite, SqlStatement } from '../../../model/statement.ts';
import type { World } from './analyser.ts';
import { Attached, type RowOf } from './attached.ts';
import type { Bodies, Body } from './bodies.ts';
import { Budget, BudgetExceeded } from './budget.ts';
import { Facts, type SiteDraft } from './facts.ts';
import { type Names, parseQualified } from './names.ts';
import { Reader } from './reader.ts';
import type { Inner, Scope } from './scope.ts';
import { partOf, readStatement, type SessionObjects } from './statements.ts';
import { tagged } from './tree.ts';
import { writesOf } from './writes.ts';

/** How deep functions may call functions before their reading is given up. */
const MAX_DEPTH = 16;
/** Steps for everything behind one statement: what takes more is not understood, but the statement is. */
const STEPS = 5_000_000;
/** Steps of the budget for a character of SQL that is parsed behind a name. */
const BYTE_COST = 4;

const NO_OBJECTS: SessionObjects = { prepared: () => undefined, cursor: () => undefined };

/** Where code is read that stands behind a name. */
export interface Place {
  /** The function it is the body of. */
  readonly fn?: CatalogFunction;
  /** What it is called in messages: `The function shop.f`. */
  readonly what: string;
  /** NEW and OLD in it. */
  readonly row?: RowOf;
  /** What it writes is the target's own doing: its values are not followed. */
  readonly attached?: true;
}

/** Common to everything that is read for one statement. */
interface Shared {
  readonly bodies: Bodies;
  readonly world: World;
  readonly budget: Budget;
  /** What functions turned out to do, by function and search path. */
  readonly known: Map<string, Facts | undefined>;
}

const views = new WeakMap<CatalogRelation, ReturnType<Inner['behindView']>>();

/** Judges SQL behind function names, inside strings and attached to relations, with the names of this moment. */
export class Inside implements Inner {
  readonly #shared: Shared;
  readonly #names: Names;
  readonly #running: ReadonlySet<unknown>;

  private constructor(shared: Shared, names: Names, running: ReadonlySet<unknown>) {
    this.#shared = shared;
    this.#names = names;
    this.#running = running;
  }

  /** For one statement. */
  static of(bodies: Bodies, names: Names, world: World): Inside {
    return new Inside({ bodies, world, budget: new Budget(STEPS), known: new Map() }, names, new Set());
  }

  meansTheSame(prepared: SqlStatement): boolean {
    this.#names.budget.spend(prepared.text.length * BYTE_COST);
    const body = this.#shared.bodies.sql(prepared.text);
    // What the protocol's Parse message prepared is the statement itself, without PREPARE around it.
    const now = body && this.#read(body, this.#names, { what: 'A prepared statement' }, 'prepared');
    if (!now) return false;
    const relations = (sites: readonly RelationSite[]): string => sites.map((site) => site.relation).join();
    return (
      relations(now.finishedSites()) === relations(prepared.sites) &&
      questionSet(now.questions) === questionSet(prepared.questions)
    );
  }

  body(fn: CatalogFunction, facts: Facts): boolean {
    return this.#bounded(() => {
      if (this.#running.has(fn.oid)) return true;
      const scope = this.#namesOf(fn);
      if (!scope) return false;
      const key = `${fn.oid} ${scope.path?.join('\0') ?? '\0'}`;
      if (!this.#shared.known.has(key)) {
        this.#shared.known.set(key, this.#function(fn, scope, { fn, what: `The function ${fn.schema}.${fn.name}` }));
      }
      return included(this.#shared.known.get(key), facts);
    });
  }

  /** The function of a trigger; undefined when it cannot be understood. */
  triggered(fn: CatalogFunction, row: RowOf): Facts | undefined {
    let facts: Facts | undefined;
    this.#bounded(() => {
      const scope = this.#namesOf(fn);
      const what = `The trigger function ${fn.schema}.${fn.name}`;
      const attached = true;
      if (this.#running.has(fn.oid)) facts = new Facts();
      else facts = scope && this.#function(fn, scope, { fn, what, row, attached });
      return true;
    });
    return facts;
  }

  /** Statements of a rule or expressions of an attachment; undefined when they cannot be understood. */
  attached(key: CatalogAttachment, body: Body, place: Place): Facts | undefined {
    let facts: Facts | undefined;
    this.#bounded(() => {
      facts = this.#running.has(key) ? new Facts() : this.#read(body, this.#names, { ...place, attached: true }, key);
      return true;
    });
    return facts;
  }

  attachment(key: CatalogAttachment): Body | undefined {
    return this.#shared.bodies.ofAttachment(key);
  }

  sql(text: string, facts: Facts): boolean {
    return this.#bounded(() => {
      this.#names.budget.spend(text.length * BYTE_COST);
      const body = this.#tooDeep ? undefined : this.#shared.bodies.sql(text);
      if (!body?.statements.every((node) => tagged(node)?.[0] === 'SelectStmt')) return false;
      return included(this.#read(body, this.#names, { what: 'A query in a string' }, {}), facts);
    });
  }

  block(source: string, facts: Facts): boolean {
    return this.#bounded(() => {
      this.#names.budget.spend(source.length * BYTE_COST);
      const body = this.#tooDeep ? undefined : this.#shared.bodies.block(source);
      const read = body && this.#read(body, this.#names, { what: 'The block' }, {});
      return included(read, facts);
    });
  }

  fires(relation: CatalogRelation, events: readonly RowEvent[], facts: Facts): void {
    new Attached(this, this.#names).fires(relation, events, facts);
  }

  checks(domain: Oid, facts: Facts): void {
    new Attached(this, this.#names).checks(domain, facts);
  }

  behindView(view: CatalogRelation): ReturnType<Inner['behindView']> {
    const known = views.get(view);
    if (known) return known;
    views.set(view, []);
    const body = view.definition === undefined ? undefined : this.#shared.bodies.sql(view.definition);
    const facts = new Facts();
    this.#bounded(() => included(body && this.#read(body, this.#names.under([]), { what: 'A view' }, view), facts));
    const functions = facts.functions.filter(({ schema, name }) => this.#names.index.isOfUsers(schema, name));
    views.set(view, functions);
    return functions;
  }

  get #tooDeep(): boolean {
    return this.#running.size >= MAX_DEPTH;
  }

  /** Work on what stands behind names has a budget of its own; false when that is spent. */
  #bounded(work: () => boolean): boolean {
    const { budget } = this.#shared;
    const outer = this.#names.budget;
    if (outer === budget) return work();
    this.#names.budget = budget;
    const forget = this.#names.remember();
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BudgetExceeded)) throw error;
      forget();
      return false;
    } finally {
      this.#names.budget = outer;
    }
  }

  /** What names mean in its body; undefined when that cannot be told. */
  #namesOf(fn: CatalogFunction): Names | undefined {
    const { session, catalog } = this.#names;
    const user = fn.securityDefiner ? fn.owner : session.currentUser;
    if (fn.searchPath) {
      if (user === undefined && fn.searchPath.includes('$user')) return undefined;
      return this.#names.under(fn.searchPath, user);
    }
    if (user === session.currentUser) return this.#names;
    // "$user" in the session's path is another schema inside.
    const moves = user === undefined || catalog.schemas.has(user) || catalog.schemas.has(session.currentUser);
    return moves ? undefined : this.#names;
  }

  #function(fn: CatalogFunction, names: Names, place: Place): Facts | undefined {
    const source = (fn.source?.length ?? 0) + (fn.defaults?.length ?? 0);
    names.budget.spend(source * BYTE_COST);
    const body = this.#tooDeep ? undefined : this.#shared.bodies.ofFunction(fn, names.catalog);
    return body && this.#read(body, names, place, fn.oid);
  }

  /** Reads statements that have no place in the text; undefined when one of them is not understood. */
  #read(body: Body, names: Names, place: Place, running: unknown): Facts | undefined {
    if (body.needsPlainStrings && !names.plainStrings) return undefined;
    const { fn, row } = place;
    const { followValues } = this.#shared.world;
    const follows = followValues === true && place.attached === undefined;
    const writes: RelationWrite[] = [];
    const all = new Facts();
    all.speaks = body.speaks;
    const within = new Inside(this.#shared, names, new Set(this.#running).add(running));
    const around = row && aroundRow(row);
    for (const node of body.statements) {
      const facts = new Facts();
      facts.knowsParameters = fn !== undefined;
      for (const type of fn ? [...fn.argTypes, fn.returnType] : []) facts.typesMet.add(type);
      const reader = new Reader({
        ...{ facts, names, connection: this.#shared.world.connection, inner: within, tokens: undefined },
        ...(around ? { around: around.scope } : {}),
      });
      if (follows) facts.writes = followed(node, facts, names, NO_OBJECTS, fn ? 'function' : 'block');
      facts.attribute(0, partOf(readStatement(node, reader, NO_OBJECTS)));
      // Assigning to a variable casts to its type, which stands outside the statements.
      if (body.procedural) facts.meetsAnyType = true;
      for (const type of body.types) meet(type, reader, names);
      reader.calls.casts();
      if (body.procedural) facts.meetsAnyType = false;
      if (follows) facts.takeCalledWrites(node, fn !== undefined);
      if (facts.finishedHazards().some((hazard) => hazard.applies === 'everyone')) return undefined;
      // The order in which a block changes names is not followed.
      if (body.procedural && facts.changesContext) return undefined;
      if (facts.forgetsPath) names.setPath(undefined, false);
      all.include(facts);
      writes.push(...(facts.writes ?? []));
      all.hazards.push(...reads(facts, place.what, names));
    }
    if (row?.stored && around && (around.draft.rawAll || around.draft.raw.size > 0)) {
      all.hazards.push(hazardOfReading(place.what, row.relation, around.draft.rawAll ? 'all' : around.draft.raw));
    }
    if (body.seesDetails) for (const relation of all.written) all.hazards.push(hazardOfDetails(place.what, relation));
    if (fn && all.changesContext) all.forgetsPath = true;
    // Variables may hold what was read from a temporary relation.
    const loses = body.procedural && all.readsTemporary;
    if (follows) all.writes = loses ? writes.map(unfollowed) : writes;
    return all;
  }
}

/** Where each value that the statement writes may come from; within a function or a block names may be arguments or variables. */
export function followed(
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

function unfollowed(write: RelationWrite): RelationWrite {
  const columns = write.columns.map((column) => (column.fromArguments ? { ...column, unfollowed: true } : column));
  return { ...write, columns };
}

/** NEW and OLD, as a query level around the statements of a trigger or a rule. */
function aroundRow({ relation }: RowOf): { readonly scope: Scope; readonly draft: SiteDraft } {
  const draft: SiteDraft = {
    ...{ relation, start: 0, end: 0, form: 'target', correlationName: 'new', hasAlias: true, only: false },
    ...{ qualifiedOnly: true, all: false, raw: new Set(), rawAll: false },
  };
  const level = {
    ...{ outer: undefined, sites: [draft], echoes: [], settingsViews: new Set<string>() },
    ...{ joinAliases: new Set<string>(), references: [] },
  };
  return { scope: { ctes: undefined, level }, draft };
}

/** The type of a variable, as it is declared. */
function meet(written: string, reader: Reader, names: Names): void {
  const copied = /^(.*)\.[^.]+%\s*type$/is.exec(written)?.[1];
  const name = parseQualified(copied ?? written.replace(/(?:\s*\[\d*\]|\s*\(.*\))*\s*$/s, ''));
  if (!name) return;
  if (copied === undefined) {
    reader.calls.typeNamed(name.schema === undefined ? [name.name] : [name.schema, name.name]);
    return;
  }
  const resolved = names.resolve(name);
  if (resolved.kind === 'relation') reader.facts.relationsMet.add(resolved.relation);
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

const INSTEAD = 'Query the relation directly, or ask for access to the unmasked data.';

/** What code behind a name reads is seen by the statement as it really is. */
function reads(facts: Facts, what: string, names: Names): readonly Hazard[] {
  return facts.ownSites().flatMap((site) => {
    const relation = names.catalog.relations.get(site.relation);
    const nothing = site.columns !== 'all' && site.columns.size === 0;
    return relation && !nothing ? [hazardOfReading(what, relation, site.columns)] : [];
  });
}

function hazardOfReading(what: string, relation: CatalogRelation, columns: 'all' | ReadonlySet<string>): Hazard {
  return {
    code: 'function-reads',
    message: `${what} reads columns that are masked for you ({columns} of ${relation.schema}.${relation.name}). ${INSTEAD}`,
    applies: 'hidden-here',
    relations: [relation.oid],
    ...(columns === 'all' ? {} : { columns }),
  };
}

function hazardOfDetails(what: string, relation: CatalogRelation): Hazard {
  return {
    code: 'function-reads',
    message: `${what} looks at the details of errors, which repeat rows with columns that are masked for you ({columns} of ${relation.schema}.${relation.name}). Ask for access to the unmasked data.`,
    applies: 'hidden-here',
    relations: [relation.oid],
  };
}
