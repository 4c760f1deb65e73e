import type { CatalogAttachment, CatalogRelation, Oid, RowEvent } from '../../../model/catalog.ts';
import { builtInRule } from './built-ins.ts';
import { isCompiled } from './catalog-index.ts';
import type { Facts } from './facts.ts';
import type { Inside } from './inside.ts';
import { type Names, SYSTEM_SCHEMAS } from './names.ts';

/** NEW and OLD of a trigger or a rule. */
export interface RowOf {
  readonly relation: CatalogRelation;
  /** It shows rows that are there already, not only what the statement itself brings. */
  readonly stored: boolean;
}

/** What is made of attached code: a value that stays in a row, or a condition that says yes or no. */
type Purpose = 'value' | 'condition';

const PURPOSES: Readonly<Record<Exclude<CatalogAttachment['kind'], 'cascade'>, Purpose>> = {
  trigger: 'value',
  rule: 'value',
  default: 'value',
  generated: 'value',
  check: 'condition',
  index: 'condition',
  'partition-key': 'condition',
  policy: 'condition',
  domain: 'condition',
};

const NOUNS: Readonly<Record<Exclude<CatalogAttachment['kind'], 'cascade'>, string>> = {
  trigger: 'a trigger',
  rule: 'a rule',
  default: 'a default',
  generated: 'a generated column',
  check: 'a CHECK constraint',
  index: 'the expression of an index',
  'partition-key': 'the partition key',
  policy: 'a row-level policy',
  domain: 'a check or default of its domain',
};

/** As the server writes out what is not in pg_catalog: `OPERATOR(s.=)`, `::s.type`, `s.f(`, quoted names too. */
const NAME = '(?:"(?:[^"]|"")*"|[\\w$]+)';
const CALLS_OR_CASTS = new RegExp(`OPERATOR\\(|::\\s*${NAME}\\.|\\.\\s*${NAME}\\s*\\(`, 'i');

/** Functions that hand on what they are given; https://www.postgresql.org/docs/current/functions-admin.html, sql-notify.html */
const TELLING: ReadonlySet<string> = new Set(['pg_notify', 'set_config', 'pg_logical_emit_message']);

/**
 * Judges the code that the target runs by itself. Policies are not asked whether it may write: that is the target's own doing. They may
 * forbid what it reads and what it calls.
 */
export class Attached {
  readonly #inside: Inside;
  readonly #names: Names;

  constructor(inside: Inside, names: Names) {
    this.#inside = inside;
    this.#names = names;
  }

  fires(relation: CatalogRelation, events: readonly RowEvent[], facts: Facts): void {
    const { index } = this.#names;
    if (events.length === 0 || (!index.readingRuns && events.every((event) => event === 'select'))) return;
    for (const [reached, happening] of this.#reached(relation, events)) {
      const attached = index.attachments(reached.oid);
      const writes = [...happening].some((event) => event !== 'select');
      if (writes && reached.hasRules && !attached.some(({ kind }) => kind === 'rule'))
        this.#unread('rule', reached, facts);
      else if (writes && reached.hasTriggers && !attached.some(({ kind }) => kind === 'trigger'))
        this.#unread('trigger', reached, facts);
      for (const attachment of attached) {
        const matching = attachment.events.filter((event) => happening.has(event));
        if (matching.length > 0) this.#judge(attachment, reached, matching, facts);
      }
    }
  }

  checks(domain: Oid, facts: Facts): void {
    const type = this.#names.catalog.types.get(domain);
    for (const attachment of this.#names.index.attachments(domain)) {
      if (attachment.kind !== 'domain' || this.#isPlain(attachment)) continue;
      const body = this.#inside.attachment(attachment);
      const read =
        body && this.#inside.attached(attachment, body, { what: `The domain ${type?.schema}.${type?.name}` });
      this.#take(read, facts, 'condition', () =>
        this.#hazard('domain-check', `${type?.schema}.${type?.name}`, 'domain', facts),
      );
    }
  }

  /** What happens to other relations with it: partitions and children, what stands under a view, what foreign keys change. */
  #reached(
    relation: CatalogRelation,
    events: readonly RowEvent[],
  ): ReadonlyMap<CatalogRelation, ReadonlySet<RowEvent>> {
    const { index, catalog, budget } = this.#names;
    const found = new Map<CatalogRelation, Set<RowEvent>>();
    const waiting: [CatalogRelation | undefined, RowEvent][] = events.map((event) => [relation, event]);
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const [reached, event] = next;
      if (!reached || SYSTEM_SCHEMAS.has(reached.schema)) continue;
      const known = found.get(reached) ?? new Set();
      if (known.has(event)) continue;
      found.set(reached, known.add(event));
      budget.spend(1);
      const children = index.children(reached.oid);
      for (const child of children) waiting.push([child, event]);
      if (children.length > 0 && event === 'update' && reached.kind === 'partitioned-table') {
        // A row that moves to another partition is deleted and inserted.
        waiting.push([reached, 'delete'], [reached, 'insert']);
      }
      if (reached.kind === 'view') {
        for (const oid of reached.reads ?? []) {
          waiting.push([catalog.relations.get(oid), event], [catalog.relations.get(oid), 'select']);
        }
      }
      for (const { kind, events: by, to, becomes } of index.attachments(reached.oid)) {
        if (kind === 'cascade' && becomes && by.includes(event))
          waiting.push([catalog.relations.get(to ?? 0), becomes]);
      }
    }
    return found;
  }

  #judge(attachment: CatalogAttachment, relation: CatalogRelation, events: readonly RowEvent[], facts: Facts): void {
    const { kind } = attachment;
    if (kind === 'cascade' || this.#isPlain(attachment)) return;
    const row: RowOf = { relation, stored: events.some((event) => event !== 'insert') };
    const refuse = (): void => this.#unread(kind, relation, facts);
    if (kind === 'trigger') {
      this.#trigger(attachment, row, facts, refuse);
      if (attachment.text === '') return;
    }
    const body = this.#inside.attachment(attachment);
    const what = `${NOUNS[kind].replace(/^./, (letter) => letter.toUpperCase())} of ${relation.schema}.${relation.name}`;
    const place = kind === 'rule' || kind === 'trigger' ? { what, row } : { what };
    const read = body && this.#inside.attached(attachment, body, place);
    this.#take(read, facts, kind === 'trigger' ? 'condition' : PURPOSES[kind], refuse);
  }

  #trigger(attachment: CatalogAttachment, row: RowOf, facts: Facts, refuse: () => void): void {
    const fn = this.#names.index.functionByOid(attachment.function ?? 0);
    if (!fn) {
      refuse();
      return;
    }
    if (this.#names.index.isOfUsers(fn.schema, fn.name)) facts.names(fn.schema, fn.name);
    if (isCompiled(fn)) return;
    facts.late = true;
    const read = this.#inside.triggered(fn, row);
    this.#take(read, facts, 'value', refuse);
  }

  /** Takes over what concerns the statement. */
  #take(read: Facts | undefined, facts: Facts, purpose: Purpose, refuse: () => void): void {
    if (!read) {
      refuse();
      return;
    }
    for (const { schema, name } of read.functions) {
      if (this.#names.index.isOfUsers(schema, name)) facts.names(schema, name);
    }
    facts.forgetsPath ||= read.forgetsPath;
    facts.changesContext ||= read.changesContext;
    facts.late ||= read.late;
    const hazards = read.finishedHazards();
    if (hazards.some(({ applies }) => applies !== 'hidden-here')) refuse();
    // The answer of a condition shows no more than the condition of a view does.
    if (purpose === 'condition' && !this.#tells(read)) return;
    for (const hazard of hazards) if (hazard.applies === 'hidden-here') facts.hazards.push(hazard);
    for (const { action, resource } of read.questions) {
      if (action === 'read') facts.ask('read', resource, { unlessForbidden: true });
    }
  }

  #tells(read: Facts): boolean {
    return (
      read.speaks ||
      read.questions.some(({ action }) => action === 'write') ||
      read.functions.some(({ schema, name }) => schema === 'pg_catalog' && TELLING.has(name))
    );
  }

  #unread(kind: Exclude<CatalogAttachment['kind'], 'cascade'>, relation: CatalogRelation, facts: Facts): void {
    const code = kind === 'trigger' || kind === 'rule' ? `${kind}-on-target` : 'attached-code';
    this.#hazard(code, `${relation.schema}.${relation.name}`, kind, facts);
  }

  #hazard(code: string, name: string, kind: Exclude<CatalogAttachment['kind'], 'cascade'>, facts: Facts): void {
    facts.hazards.push({
      code,
      message: `Using ${name} runs ${NOUNS[kind]} that could show masked data: it calls code that is not understood. Ask for access to the unmasked data.`,
      applies: 'hidden-anywhere',
    });
  }

  /** Nothing in it runs code of users' making, or built-ins that do more than compute. */
  #isPlain({ kind, text }: CatalogAttachment): boolean {
    if (kind === 'trigger' || kind === 'rule' || text === undefined || this.#names.index.calledCasts.length > 0)
      return false;
    if (CALLS_OR_CASTS.test(text)) return false;
    return [...text.matchAll(/([\w$]+)"?\s*\(/g)].every(([, name]) => {
      const rule = builtInRule(name ?? '');
      return rule === undefined || rule.treatment === 'sequence';
    });
  }
}
