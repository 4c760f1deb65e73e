import type { Action, ResourceRef } from '../../../model/access.ts';
import type { CatalogRelation, Oid } from '../../../model/catalog.ts';
import type {
  AccessQuestion,
  Hazard,
  RelationSite,
  RelationWrite,
  SessionObject,
  StatementEffect,
  StatementPart,
} from '../../../model/statement.ts';
import { echoedColumns } from './built-ins.ts';
import { calledWith, givenBy } from './called-writes.ts';
import type { Tokens } from './lexer.ts';
import { characterPosition, type Range } from './places.ts';

/** https://www.postgresql.org/docs/current/ddl-system-columns.html */
const SYSTEM_COLUMNS = ['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'];

/** A relation reference while its statement is still being read. */
export interface SiteDraft {
  readonly relation: CatalogRelation;
  readonly start: number;
  readonly end: number;
  readonly form: RelationSite['form'];
  readonly correlationName: string;
  readonly hasAlias: boolean;
  readonly only: boolean;
  readonly sample?: string;
  readonly sampleRange?: Range;
  readonly copyColumns?: readonly string[];
  /** See RelationSite. */
  readonly echoes?: readonly string[];
  /** A star, a whole-row reference or the like: every column can be seen. */
  /** NEW and OLD of a trigger or a rule: their columns are never named without them. */
  readonly qualifiedOnly?: boolean;
  all: boolean;
  /** For targets: columns that expressions of the statement read from the raw row. */
  readonly raw: Set<string>;
  rawAll: boolean;
}

/** A system or extension relation that may echo values of other relations and cannot be replaced. */
export interface EchoDraft {
  readonly name: string;
  readonly correlationName: string;
  all: boolean;
}

/** Everything found out about one statement (or about the body of a function) so far. */
export class Facts {
  readonly questions: AccessQuestion[] = [];
  /** The part of the statement that is being read, when it is not the statement itself. */
  part: StatementPart | undefined;
  readonly #functions = new Map<string, { readonly schema: string; readonly name: string }>();
  readonly settings = new Set<string>();
  readonly #asked = new Set<string>();
  readonly hazards: Hazard[] = [];
  readonly sites: SiteDraft[] = [];
  readonly behind: RelationSite[] = [];
  readonly echoes: EchoDraft[] = [];
  readonly qualifiers: { start: number; end: number; relation: Oid }[] = [];
  readonly repairs: { at: number; text: string; relation: Oid }[] = [];
  readonly objects: SessionObject[] = [];
  /** Every identifier that stands anywhere in an expression. */
  readonly identifiers = new Set<string>();
  /** What was named, and seen whole, before a plain select list was read; undefined when there is none. */
  #outsideList: { readonly names: ReadonlySet<string>; readonly whole: ReadonlySet<SiteDraft> } | undefined;
  /** Types named in the statement, and types of what its functions and operators take and give. */
  readonly typesNamed = new Set<Oid>();
  readonly typesMet = new Set<Oid>();
  /** Relations that function bodies read. */
  readonly relationsMet = new Set<CatalogRelation>();
  /** Relations that it writes, itself or in what it calls. */
  readonly written = new Set<CatalogRelation>();
  /** It can put what it has read into a message. */
  speaks = false;
  readonly #included = new Set<string>();
  /** Values may be of types that stand nowhere: parameters, columns of relations that are in no snapshot. */
  meetsAnyType = false;
  /** Parameters are a function's own, whose types are met already. */
  knowsParameters = false;
  effect: StatementEffect = 'session';
  changesContext = false;
  /** Once it has run, only the server knows the search path. */
  forgetsPath = false;
  changesCatalog = false;
  /** It reads temporary relations, which are in no question. */
  readsTemporary = false;
  /** It calls what looks names up only when it runs: SQL in strings and in functions. */
  late = false;
  /** It calls set_config. */
  setsConfig = false;
  /** See SqlStatement; undefined when values are not followed. */
  writes: readonly RelationWrite[] | undefined;
  /** What the functions and blocks that it runs write. */
  readonly #calledWrites: RelationWrite[] = [];
  /** Expressions of it are kept in the catalog and run later, under whatever names mean then. */
  stored = false;

  /** What it reads is kept in a relation, and may be searched, sorted and grouped there. */
  keepsRows = false;

  /** Only the plain select list of the outermost query is still unread. */
  beginPlainList(): void {
    this.#outsideList = { names: new Set(this.identifiers), whole: new Set(this.sites.filter((draft) => draft.all)) };
  }

  ask(
    action: Action,
    resource: ResourceRef,
    about: Pick<AccessQuestion, 'part' | 'setting' | 'unlessForbidden'> = {},
  ): void {
    const { setting, part = this.part, unlessForbidden } = about;
    const key = JSON.stringify([action, resource, part ?? null, setting ?? null, unlessForbidden ?? false]);
    if (this.#asked.has(key)) return;
    this.#asked.add(key);
    this.questions.push({
      action,
      resource,
      ...(part === undefined ? {} : { part }),
      ...(setting === undefined ? {} : { setting }),
      ...(unlessForbidden ? { unlessForbidden } : {}),
    });
  }

  /** Questions from the one numbered `from` on were raised by this part, unless a part inside it did. */
  attribute(from: number, part: StatementPart): void {
    for (const [index, question] of this.questions.entries()) {
      if (index >= from && question.part === undefined) this.questions[index] = { ...question, part };
    }
  }

  /** A function that the statement names. */
  names(schema: string, name: string): void {
    this.#functions.set(JSON.stringify([schema, name]), { schema, name });
  }

  get functions(): readonly { readonly schema: string; readonly name: string }[] {
    return [...this.#functions.values()];
  }

  /** One hazard of a kind is enough to refuse the statement; its position is that of the first place. */
  hazardAt(tokens: Tokens | undefined, offset: number, hazard: Hazard): void {
    if (this.hazards.some((known) => known.code === hazard.code && known.applies === hazard.applies)) return;
    this.hazards.push(tokens ? { ...hazard, position: characterPosition(tokens.bytes, offset) } : hazard);
  }

  /** `change` wins over `read`, `read` over `session`. */
  raise(effect: StatementEffect): void {
    if (effect === 'change' || this.effect === 'session') this.effect = effect;
  }

  /** Takes over what another statement or a function body does when this one runs it. */
  include(inner: Facts): void {
    for (const { action, resource, ...about } of inner.questions) this.ask(action, resource, about);
    for (const { schema, name } of inner.functions) this.names(schema, name);
    for (const setting of inner.settings) this.settings.add(setting);
    for (const hazard of inner.finishedHazards()) {
      if (this.#first(hazardKey(hazard))) this.hazards.push(hazard);
    }
    for (const site of inner.finishedSites()) {
      if (this.#first(siteKey(site))) this.behind.push(behind(site));
    }
    for (const relation of inner.written) this.written.add(relation);
    this.speaks ||= inner.speaks;
    // What a body gives back is cast to what its function returns.
    for (const type of [...inner.typesNamed, ...inner.typesMet]) this.typesMet.add(type);
    for (const relation of inner.relationsMet) this.relationsMet.add(relation);
    for (const { relation } of inner.sites) this.relationsMet.add(relation);
    this.meetsAnyType ||= inner.meetsAnyType;
    this.raise(inner.effect);
    this.changesContext ||= inner.changesContext;
    this.forgetsPath ||= inner.forgetsPath;
    this.changesCatalog ||= inner.changesCatalog;
    this.readsTemporary ||= inner.readsTemporary;
    this.late ||= inner.late;
    this.setsConfig ||= inner.setsConfig;
    this.#calledWrites.push(...(inner.writes ?? []));
  }

  /** Which argument goes where is not followed: into what a function writes, anything of the statement that calls it may flow. */
  takeCalledWrites(node: unknown, inFunction: boolean): void {
    if (this.#calledWrites.length === 0) return;
    const given = givenBy(node, this.finishedSites(), this.readsTemporary, inFunction);
    this.writes = [...(this.writes ?? []), ...this.#calledWrites.map((write) => calledWith(write, given))];
  }

  /** Many functions may call the same ones. */
  #first(key: string): boolean {
    if (this.#included.has(key)) return false;
    this.#included.add(key);
    return true;
  }

  /** What it reads by itself, not through what it calls. */
  ownSites(): RelationSite[] {
    return this.sites.map((draft) => this.#finish(draft));
  }

  finishedSites(): RelationSite[] {
    const sites = [...this.sites.map((draft) => this.#finish(draft)), ...this.behind];
    return this.keepsRows ? sites.map(({ filtered: _, ...site }) => site) : sites;
  }

  #finish(draft: SiteDraft): RelationSite {
    const { relation } = draft;
    const own = new Set<string>();
    for (const column of relation.columns) {
      if (this.identifiers.has(column.name)) own.add(column.name);
    }
    const stored = relation.kind !== 'view' && relation.kind !== 'sequence';
    const columns = draft.form === 'target' ? (draft.rawAll ? 'all' : draft.raw) : draft.all ? 'all' : own;
    const outside = this.#outsideList;
    const filtered =
      draft.form === 'copy'
        ? new Set<string>() // COPY t TO has no condition
        : outside === undefined || draft.form === 'target'
          ? undefined
          : outside.whole.has(draft)
            ? 'all'
            : new Set(relation.columns.map(({ name }) => name).filter((name) => outside.names.has(name)));
    return {
      relation: relation.oid,
      start: draft.start,
      end: draft.end,
      form: draft.form,
      correlationName: draft.correlationName,
      hasAlias: draft.hasAlias,
      only: draft.only,
      ...(draft.sample === undefined ? {} : { sample: draft.sample }),
      ...(draft.sampleRange === undefined ? {} : { sampleRange: draft.sampleRange }),
      ...(draft.copyColumns === undefined ? {} : { copyColumns: draft.copyColumns }),
      systemColumns: stored ? SYSTEM_COLUMNS.filter((name) => this.identifiers.has(name) && !own.has(name)) : [],
      columns,
      ...(filtered === undefined ? {} : { filtered }),
      ...(draft.echoes?.some((column) => draft.all || own.has(column)) ? { echoes: draft.echoes } : {}),
    };
  }

  /** The hazards found on the way and those that follow from how targets and echoing views are used. */
  finishedHazards(): Hazard[] {
    const hazards = [...this.hazards];
    if (this.stored && (this.late || this.setsConfig)) {
      hazards.push({
        code: 'stored-call',
        message:
          'What is kept in a view, a default or a rule runs later, when names may mean something else; it may not call functions written in SQL, functions that run SQL, or set_config.',
        applies: 'hidden-anywhere',
      });
    }
    if (this.late && this.setsConfig) {
      hazards.push({
        code: 'late-names',
        message:
          'The statement calls set_config beside functions that look names up while it runs. Send set_config as a statement of its own.',
        applies: 'hidden-anywhere',
      });
    }
    for (const draft of this.sites) {
      if (draft.form !== 'target' || (!draft.rawAll && draft.raw.size === 0)) continue;
      hazards.push({
        code: 'raw-target-column',
        message:
          `This statement writes to ${draft.relation.schema}.${draft.relation.name} and uses columns of it in an expression ` +
          'that you may only see masked. Leave them out of WHERE, RETURNING and the right-hand sides.',
        applies: 'hidden-here',
        relations: [draft.relation.oid],
        ...(draft.rawAll ? {} : { columns: draft.raw }),
      });
    }
    for (const draft of this.sites) {
      const { echoes } = this.#finish(draft);
      // Inside a function nothing can be replaced.
      if (echoes && draft.form === 'behind') hazards.push(echoHazard(draft.relation.name, echoes));
    }
    for (const echo of this.echoes) {
      const columns = echoedColumns(echo.name);
      if (columns === undefined) continue;
      if (columns !== 'all' && !echo.all && !columns.some((column) => this.identifiers.has(column))) continue;
      hazards.push(echoHazard(echo.name, columns));
    }
    return hazards;
  }
}

function hazardKey({ code, message, relations, columns }: Hazard): string {
  return JSON.stringify([code, message, relations ?? null, columns ? [...columns] : null]);
}

function siteKey({ relation, columns, correlationName, hasAlias, only }: RelationSite): string {
  return JSON.stringify([relation, columns === 'all' ? columns : [...columns], correlationName, hasAlias, only]);
}

function echoHazard(relation: string, columns: readonly string[] | 'all'): Hazard {
  return {
    code: 'echoing-relation',
    message: `${relation} shows values or statements of other relations, which may hold what is masked for you. Leave ${
      columns === 'all' ? 'it' : columns.join(', ')
    } out, or ask for access to the unmasked data.`,
    applies: 'hidden-anywhere',
  };
}

/** A site of a statement that is run by name: same relation and columns, no text here. */
export function behind(site: RelationSite): RelationSite {
  return {
    relation: site.relation,
    start: 0,
    end: 0,
    form: 'behind',
    correlationName: site.correlationName,
    hasAlias: site.hasAlias,
    only: site.only,
    systemColumns: [],
    columns: site.columns,
  };
}

export function tableResource(connection: string, schema: string, table: string) {
  return { type: 'Table', connection, schema, table, labels: [] } as const;
}
