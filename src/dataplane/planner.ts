import { judgeWrites, substitute, type WriteGuard } from '../masking/index.ts';
import type { CatalogRelation, Oid, SessionContext } from '../model/catalog.ts';
import type { JsonObject } from '../model/json.ts';
import type { Principal } from '../model/principal.ts';
import type { Disclosure, RecordSink } from '../model/record.ts';
import type { Refusal } from '../model/refusal.ts';
import type { AccessQuestion, OpaqueStatement, RelationSite, Script, SqlStatement } from '../model/statement.ts';
import { partOf, type SessionObjects, type StatementAnalyser } from '../statement/sql/postgres/index.ts';
import { ClearFieldsOf } from './clear-fields.ts';
import { refusal } from './errors.ts';
import type { Plan, Planned, PlannedStatement } from './plan.ts';
import type { PolicyPort } from './services.ts';
import type { View } from './view.ts';

/** Statements of system catalogs and of EXPLAIN/SHOW produce rows that are nobody's data. */
const NOT_COUNTED: ReadonlySet<string> = new Set(['explain', 'show']);
const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema']);

/** Longest statement text kept in a record; longer ones are kept by digest and their first part. */
const RECORDED_TEXT = 16_384;

export interface PlanInput {
  readonly text: string;
  readonly view: View;
  readonly session: SessionContext;
  readonly contextVersion: number;
  readonly objects: SessionObjects;
  readonly principal: Principal;
  /** The transaction has failed: the target answers nothing but its end. */
  readonly failed?: boolean;
}

const NO_GUARDS: { readonly guards: readonly (WriteGuard | undefined)[] } = { guards: [] };

/**
 * Text → plan: analyse, complete the questions with labels, substitute what is hidden. Total: whatever is not understood comes back as
 * a refusal.
 */
export class Planner {
  readonly #analyser: StatementAnalyser;
  readonly #sink: RecordSink;
  readonly #clearFields = new ClearFieldsOf();

  constructor(analyser: StatementAnalyser, sink: RecordSink) {
    this.#analyser = analyser;
    this.#sink = sink;
  }

  plan(input: PlanInput, policy: PolicyPort): Planned {
    const { view, text } = input;
    const analysed = this.#analyser.analyse(text, {
      catalog: view.world.catalog,
      session: input.session,
      connection: view.world.connection,
      objects: input.objects,
      followValues: view.hidden.size > 0,
    });
    if ('kind' in analysed) return { refusal: opaqueRefusal(analysed), text };
    const refuse = (refused: Refusal): Planned => ({
      refusal: input.failed && !ends(analysed) ? FAILED : refused,
      text,
    });
    if (view.hidden.size > 0 && readsWhatItMakes(analysed)) return refuse(OWN_TEMPORARY);
    const substituted = substitute(analysed, view.hidden, view.world.catalog);
    if ('refusal' in substituted) return refuse(substituted.refusal);
    const judged = view.hidden.size > 0 ? judgeWrites(analysed, view.hidden, view.copies) : NO_GUARDS;
    if ('refusal' in judged) return refuse(judged.refusal);
    const statements = analysed.statements.map((statement, index) =>
      this.#planStatement(statement, judged.guards[index], input, policy),
    );
    const plan: Plan = {
      text,
      forwarded: substituted.text,
      changed: substituted.changed,
      script: analysed,
      statements,
      view,
      contextVersion: input.contextVersion,
      searchPath: input.session.searchPath,
      witnessed: view.hidden.size > 0 && analysed.statements.some((statement) => statement.returnsRows),
      relations: relationsOf(analysed),
      changesContext: analysed.statements.some((statement) => statement.changesContext),
      changesCatalog: analysed.statements.some((statement) => statement.changesCatalog),
      originalPosition: (position) => substituted.originalPosition(position),
    };
    return { plan };
  }

  #planStatement(
    statement: SqlStatement,
    guard: WriteGuard | undefined,
    input: PlanInput,
    policy: PolicyPort,
  ): PlannedStatement {
    const { world, hidden } = input.view;
    const labels = new Set<string>();
    const tables = new Set<string>();
    const questions: AccessQuestion[] = [];
    let masked = 0;
    const consents = new Set<string>();
    // Temporary relations hold rows of others, and functions may give any.
    let userRelations = statement.readsTemporary === true;
    for (const question of statement.questions.flatMap((each) => withWhole(each, statement))) {
      if (question.resource.type !== 'Table') {
        if (question.action === 'call') userRelations = true;
        questions.push(question);
        continue;
      }
      const { schema, table } = question.resource;
      const tableLabels = world.labels.tableLabels(schema, table);
      for (const label of tableLabels) labels.add(label);
      tables.add(`${schema}.${table}`);
      if (!SYSTEM_SCHEMAS.has(schema)) userRelations = true;
      questions.push({ ...question, resource: { ...question.resource, labels: tableLabels } });
    }
    for (const site of statement.sites) {
      const relation = world.catalog.relations.get(site.relation);
      const relationLabels = world.labels.relations.get(site.relation);
      if (!relation || !relationLabels) continue;
      for (const [column, columnLabels] of relationLabels.columns) {
        if (!maySee(site, column)) continue;
        for (const label of columnLabels) labels.add(label);
        const isMasked = hidden.get(site.relation)?.expressions.has(column) ?? false;
        const question = columnQuestion(world.connection, relation, column, columnLabels, relationLabels.table);
        if (isMasked) {
          masked += 1;
          const filtered = site.filtered ?? site.columns;
          if (filtered === 'all' || filtered.has(column)) questions.push({ ...question, action: 'filter' });
          continue;
        }
        questions.push(question);
        const consented = input.view.consented.get(site.relation)?.get(column);
        for (const request of consented ?? []) consents.add(request);
        // A mask cannot change while rows stream: the statement stops where it would.
        if (policy.rowsDecideUnmask && !consented) questions.push({ action: 'unmask', resource: question.resource });
      }
    }
    if (statement.readsTemporary) questions.push(temporaryQuestion(world.connection));
    questions.push(...unpermitted(world.connection, statement));
    const sorted = { labels: [...labels].sort(), tables: [...tables].sort() };
    const requests = [...consents].sort();
    const fields = clearFields(statement, sorted.labels, masked, policy.version, world.version, requests);
    return {
      statement,
      questions,
      circumstances: partOf(statement),
      asker: policy.prepare(input.principal, questions),
      tables: sorted.tables,
      labels: sorted.labels,
      consents: requests,
      masked,
      countsRows: statement.returnsRows && userRelations && !NOT_COUNTED.has(statement.verb),
      guard,
      ...this.#clearFields.of(fields),
      hidden: this.#commitments(statement, sorted.tables),
    };
  }

  #commitments(statement: SqlStatement, tables: readonly string[]): readonly Disclosure[] {
    const text =
      statement.text.length <= RECORDED_TEXT
        ? statement.text
        : `${statement.text.slice(0, RECORDED_TEXT)}… (${statement.text.length} characters)`;
    const disclosures = [this.#sink.conceal('statement', text.toWellFormed())];
    if (tables.length > 0) disclosures.push(this.#sink.conceal('tables', tables));
    return disclosures;
  }
}

function relationsOf(script: Script): ReadonlySet<Oid> | undefined {
  // EXECUTE, FETCH and CALL give results of statements that stand elsewhere; temporary relations have no site.
  if (
    script.statements.some(
      ({ objects, verb, readsTemporary }) => objects.length > 0 || verb === 'call' || readsTemporary,
    )
  )
    return undefined;
  return new Set(script.statements.flatMap(({ sites }) => sites.map(({ relation }) => relation)));
}

function maySee(site: RelationSite, column: string): boolean {
  return site.columns === 'all' || site.columns.has(column);
}

/** Column labels restrict further; a permit on the table is enough to read its columns unless a policy forbids. */
function columnQuestion(
  connection: string,
  relation: CatalogRelation,
  column: string,
  labels: readonly string[],
  tableLabels: readonly string[],
): AccessQuestion {
  return {
    action: 'read',
    resource: {
      type: 'Column',
      connection,
      schema: relation.schema,
      table: relation.name,
      column,
      labels,
      tableLabels,
    },
    unlessForbidden: true,
  };
}

/**
 * A question of a part of the statement is asked of that part and of the statement as it is called: a forbid about either speaks,
 * and a permit has to allow both.
 */
function withWhole(question: AccessQuestion, statement: SqlStatement): readonly AccessQuestion[] {
  const { part, ...rest } = question;
  if (part === undefined) return [question];
  return part.verb === statement.verb ? [question] : [question, { ...rest, part: { ...part, verb: statement.verb } }];
}

/** What nobody needs leave for, and a policy may forbid: functions that only compute, settings that shape the session's own answers. */
function unpermitted(connection: string, statement: SqlStatement): readonly AccessQuestion[] {
  return [
    ...statement.functions.map(
      ({ schema, name }): AccessQuestion => ({
        action: 'call',
        resource: { type: 'Function', connection, schema, name },
        unlessForbidden: true,
      }),
    ),
    ...statement.settings.map(
      (setting): AccessQuestion => ({
        action: 'set',
        resource: { type: 'Connection', connection },
        unlessForbidden: true,
        setting,
      }),
    ),
  ];
}

/** Nobody needs leave to read what his own session made, but a policy that bounds what leaves the connection bounds that too. */
function temporaryQuestion(connection: string): AccessQuestion {
  const resource = { type: 'Table', connection, schema: 'pg_temp', table: '*', labels: [] } as const;
  return { action: 'read', resource, unlessForbidden: true };
}

function clearFields(
  statement: SqlStatement,
  labels: readonly string[],
  masked: number,
  policyVersion: string,
  worldVersion: string,
  consents: readonly string[],
): JsonObject {
  return {
    effect: statement.effect,
    fingerprint: statement.fingerprint,
    labels,
    masked,
    policy: policyVersion,
    ...(consents.length === 0 ? {} : { unmasked_by: consents }),
    verb: statement.verb,
    world: worldVersion,
  };
}

const MAKES_RELATIONS: ReadonlySet<string> = new Set(['create', 'select', 'explain', 'execute', 'call', 'do']);
const OWN_TEMPORARY = refusal(
  'statement-opaque',
  'gatehouse: this query string makes a temporary relation and shows what is in one; what its columns are is known only afterwards',
  { sqlstate: '0A000', hint: 'Send the statements one by one.' },
);

/** As the target says it: names made in a failed transaction are gone, and nobody needs to hear that first. */
const FAILED = refusal(
  'statement-opaque',
  'current transaction is aborted, commands ignored until end of transaction block',
  { sqlstate: '25P02' },
);
const ENDS: ReadonlySet<string> = new Set(['commit', 'rollback', 'rollback-to', 'prepare-transaction']);

function ends({ statements: [first] }: Script): boolean {
  return first !== undefined && ENDS.has(first.verb);
}

/** The metadata witness could not tell the columns of a relation that came to be within the query string from hidden ones. */
function readsWhatItMakes({ statements }: Script): boolean {
  const made = statements.findIndex(({ verb, changesContext }) => changesContext && MAKES_RELATIONS.has(verb));
  return (
    made >= 0 && statements.slice(made + 1).some(({ readsTemporary, returnsRows }) => readsTemporary && returnsRows)
  );
}

function opaqueRefusal(statement: OpaqueStatement) {
  return refusal(
    statement.why === 'too-large' || statement.why === 'too-deep' ? 'statement-too-large' : 'statement-opaque',
    statement.message,
    {
      sqlstate: statement.sqlstate,
      ...(statement.position === undefined ? {} : { position: statement.position }),
      ...(statement.hint === undefined ? {} : { hint: statement.hint }),
    },
  );
}

export type { Script };
