import { type Detector, detectInText, gateError, witness } from '../../../masking/index.ts';
import type { Refusal } from '../../../model/refusal.ts';
import type { SqlVerb } from '../../../model/statement.ts';
import type { Field, NoticeField } from '../../../wire/postgres/index.ts';
import type { Detection } from '../../detection.ts';
import { refusal } from '../../errors.ts';
import type { Plan } from '../../plan.ts';
import type { Session } from '../../session.ts';
import { copyColumns, detectInPlace, type ResultColumns } from './detected-result.ts';
import type { Run } from './expectation.ts';
import type { SessionNames } from './session-names.ts';

/** Judges what the target says besides rows, before it leaves: descriptions of columns, errors and notices, values in other messages. */
export class ResultGate {
  readonly #session: Session;
  readonly #names: SessionNames;
  /** Result columns by plan, for rows that come with a later message. */
  readonly #described = new WeakMap<Plan, readonly Field[]>();

  constructor(session: Session, names: SessionNames) {
    this.#session = session;
    this.#names = names;
  }

  /** Result columns as the target describes them, before any row: `stale` needs a look at the catalog first. */
  witness(fields: readonly Field[], plan: Plan | undefined): 'ok' | 'stale' | 'violation' {
    const { temporary } = this.#names.context;
    const view = plan?.view ?? this.#names.view();
    const origins = fields.map(({ tableOid, columnNumber }) => ({ tableOid, attnum: columnNumber }));
    // A result of a relation that the plan does not know: its names meant something else than the catalog said.
    if (plan && origins.some(({ tableOid }) => this.#isForeign(tableOid, plan))) return 'stale';
    const verdict = witness(origins, view.hidden, view.world.catalog, temporary);
    if (verdict !== 'stale') return verdict;
    const now = this.#names.view();
    return witness(origins, now.hidden, now.world.catalog, temporary);
  }

  #isForeign(tableOid: number, plan: Plan): boolean {
    if (tableOid === 0 || plan.relations === undefined || plan.relations.has(tableOid)) return false;
    const schema = plan.view.world.catalog.relations.get(tableOid)?.schema;
    if (schema === 'pg_catalog' || schema === 'information_schema') return false; // no sites are kept of these
    return !this.#names.context.temporary.some(({ oid }) => oid === tableOid);
  }

  /** Fields of an error or a notice as they may leave, positions mapped back to the client's text. */
  fields(fields: readonly NoticeField[], plan: Plan | undefined): readonly NoticeField[] {
    const hidden = (plan?.view ?? this.#names.view()).hidden.size > 0;
    const gated = this.#detectInFields(hidden ? gateError(fields, hidden, computesRows(plan)) : fields);
    if (!plan?.changed) return gated;
    return gated.map((field) =>
      field.code === 'P' ? { code: 'P', value: String(plan.originalPosition(Number(field.value))) } : field,
    );
  }

  /** Errors and notices echo values: message, detail, hint, context, and the texts of internal queries. */
  #detectInFields(fields: readonly NoticeField[]): readonly NoticeField[] {
    const { detection } = this;
    if (detection === undefined) return fields;
    let changed = false;
    const gated = fields.map((field) => {
      if (!'MDHWq'.includes(field.code)) return field;
      const { text } = detectInText(detection.set, detection.actionOf, field.value);
      if (text !== field.value) changed = true;
      return text === field.value ? field : { code: field.code, value: text };
    });
    return changed ? gated : fields;
  }

  /** What looks at values as they leave; undefined when nothing does, and then no byte of them is read. */
  get detection(): Detection | undefined {
    return this.#session.detection();
  }

  /** Columns as the target described them for this plan. */
  described(plan: Plan, fields: readonly Field[]): void {
    this.#described.set(plan, fields);
  }

  /** What is known of the columns of rows whose description was asked for with an earlier message. */
  columnsOf(run: Run): ResultColumns {
    return { fields: this.#described.get(run.plan) ?? [] };
  }

  copyColumns(run: Run, binary: boolean): ResultColumns {
    return copyColumns(run, binary);
  }

  /** The refusal that ends a result in which a detector found what may not leave. */
  detectedRefusal(found: Detector): Refusal {
    this.#session.services.metrics.count('detected_refusals_total');
    return refusal('value-detected', `gatehouse: the result holds a value that may not leave: ${found.title}`, {
      detail: 'It was masked, and the rows behind it were not delivered.',
      hint: `Leave the column out, or ask for the right to see ${found.label}.`,
    });
  }

  /** Looks at a message that is no row, from `from` on, and masks in place. */
  detectInPlace(bytes: Buffer, from: number): void {
    const { detection } = this;
    if (detection !== undefined) detectInPlace(detection, bytes, from);
  }
}

/** Statements that compute no rows: what they name stands in their text, unless they read relations (CREATE TABLE … AS). */
const NAMING: ReadonlySet<SqlVerb> = new Set<SqlVerb>([
  ...(['alter', 'comment', 'create', 'drop', 'grant', 'revoke', 'security-label'] as const),
  ...(['reset', 'set', 'show', 'discard', 'deallocate', 'close', 'listen', 'unlisten'] as const),
  ...(['begin', 'savepoint', 'release', 'rollback', 'rollback-to'] as const),
]);

function computesRows(plan: Plan | undefined): boolean {
  if (plan === undefined) return true;
  return !plan.script.statements.every(
    ({ verb, sites }) => NAMING.has(verb) && sites.every(({ form }) => form === 'target'),
  );
}
