import { gateError } from '../../src/masking/index.ts';
import type { Message } from '../support/clients/raw-client.ts';

/** All that came back for a case: one list of messages for each step. */
export interface Answer {
  readonly steps: readonly (readonly Message[])[];
  readonly bytes: Buffer;
}

type ErrorMessage = Extract<Message, { kind: 'error-response' }>;

/** `record`, in whose shape the gateway shows a row of a masked relation. */
const RECORD = 2249;
/** Error codes of a statement that took too long on somebody's side. */
const TOO_SLOW = '57014';

export interface Comparison {
  /** Row types of relations: the same in both worlds under different numbers. */
  readonly rowTypes: ReadonlySet<number>;
  readonly ordered: boolean;
}

/** What the gateway itself said no to: its errors name it in the place of a file of the server. */
export function refusalOf(answer: Answer): string | undefined {
  for (const message of answer.steps.flat()) {
    if (message.kind !== 'error-response') continue;
    if (field(message.fields, 'F') === 'gatehouse') return field(message.fields, 'M');
  }
  return undefined;
}

export function tookTooLong(answer: Answer): boolean {
  return answer.steps
    .flat()
    .some((message) => message.kind === 'error-response' && field(message.fields, 'C') === TOO_SLOW);
}

export function failed(answer: Answer): boolean {
  return answer.steps.flat().some(({ kind }) => kind === 'error-response');
}

/**
 * Whether the answers differ only by an error that the server found in a value while it ran: which values a plan computes before it knows
 * that no row needs them is left open. https://www.postgresql.org/docs/current/sql-expressions.html#SYNTAX-EXPRESS-EVAL
 */
export function dependsOnPlan(one: Answer, other: Answer): boolean {
  return failsOnValue(one) !== failsOnValue(other) && refusalOf(one) === refusalOf(other);
}

/** Class 22 without a position: not a constant of the statement, but a value of a row. */
function failsOnValue({ steps }: Answer): boolean {
  return steps.flat().some((message) => {
    if (message.kind !== 'error-response') return false;
    return field(message.fields, 'C').startsWith('22') && field(message.fields, 'P') === '';
  });
}

/**
 * Equal to the last byte, but for the numbers of temporary tables, which every session counts for itself, and for the line of the server's
 * source in errors that the gateway gives in the server's words.
 */
export function sameBytes(one: Answer, other: Answer, temporary: (oid: number) => boolean): boolean {
  if (one.bytes.equals(other.bytes)) return true;
  const shown = ({ steps }: Answer): string =>
    readable(steps.map((step) => step.map((each) => withoutPlaces(each, temporary))));
  return shown(one) === shown(other);
}

/**
 * The answer of the masked copy as somebody masked would get it, or such an answer itself, in a form in which equal ones are equal:
 * where columns come from is left out, rows without an order are sorted.
 * @param gated Whether it came through the gateway, so that its errors hold nothing more to take out.
 */
export function comparable(answer: Answer, { rowTypes, ordered }: Comparison, gated: boolean): string {
  const steps = answer.steps.map((step) => {
    const broken = step.some(({ kind }) => kind === 'error-response');
    const shown = step
      // How far a result came before it failed depends on the plan.
      .filter(({ kind }) => !broken || (kind !== 'data-row' && kind !== 'copy-data'))
      .map((message) => neutral(message, rowTypes, gated));
    return ordered ? shown : sortedRows(shown);
  });
  return readable(steps);
}

function neutral(message: Message, rowTypes: ReadonlySet<number>, gated: boolean): Message {
  switch (message.kind) {
    case 'row-description':
      return {
        ...message,
        fields: message.fields.map((each) => ({
          ...each,
          tableOid: 0,
          columnNumber: 0,
          typeOid: rowTypes.has(each.typeOid) ? RECORD : each.typeOid,
        })),
      };
    case 'error-response':
      return withoutRoutine(gated ? message : { ...message, fields: gateError(message.fields, true) });
    case 'notice-response':
      return gated ? message : { ...message, fields: gateError(message.fields, true) };
    default:
      return message;
  }
}

function withoutPlaces(message: Message, temporary: (oid: number) => boolean): Message {
  if (message.kind === 'error-response') return withoutRoutine(message);
  if (message.kind !== 'row-description') return message;
  const fields = message.fields.map((each) => (temporary(each.tableOid) ? { ...each, tableOid: 0 } : each));
  return { ...message, fields };
}

function withoutRoutine(message: ErrorMessage): Message {
  return { ...message, fields: message.fields.filter(({ code }) => !'FLR'.includes(code)) };
}

/** Sorts rows that follow one another. */
function sortedRows(messages: readonly Message[]): readonly Message[] {
  const out: Message[] = [];
  let rows: Message[] = [];
  const flush = (): void => {
    const keyed = rows.map((row) => ({ row, key: readable(row) }));
    out.push(...keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ row }) => row));
    rows = [];
  };
  for (const message of messages) {
    if (message.kind === 'data-row' || message.kind === 'copy-data') rows.push(message);
    else {
      flush();
      out.push(message);
    }
  }
  flush();
  return out;
}

function field(fields: readonly { readonly code: string; readonly value: string }[], code: string): string {
  return fields.find((each) => each.code === code)?.value ?? '';
}

/** Every byte in a readable form. */
function readable(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    each?.type === 'Buffer' && Array.isArray(each.data) ? Buffer.from(each.data).toString('latin1') : each,
  );
}
