import { z } from 'zod';
import type { AccessContext, AccessRequest, ResourceRef } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import { ACTIONS } from './schema.ts';
import { supposedPrincipal } from './supposed.ts';

const count = z.int().min(0);
const names = z.array(z.string().min(1));

const askerSchema = z.strictObject({
  id: z.string().min(1),
  kind: z.enum(['person', 'service', 'agent']).default('person'),
  groups: names.default([]),
  issuer: z.string().default('https://issuer.example'),
  mfa: z.boolean().default(false),
  on_behalf_of: z.string().min(1).optional(),
});

export const contextSchema = z.strictObject({
  approved: z.boolean().default(false),
  routine: z.boolean().default(false),
  rows: count.default(0),
  rows_session: count.optional(),
  rows_hour: count.optional(),
  rows_day: count.optional(),
  rows_today: count.optional(),
  verb: z.string().optional(),
  has_where: z.boolean().optional(),
  all_rows: z.boolean().optional(),
  object: z.string().optional(),
  privileges: z.boolean().optional(),
  setting: z.string().optional(),
  hour: z.int().min(0).max(23).default(12),
  weekday: z.int().min(1).max(7).default(3),
  source_ip: z.union([z.ipv4(), z.ipv6()]).optional(),
  client: z.string().optional(),
  purpose: z.string().optional(),
});

const labels = names.default([]);
const connection = z.string().min(1);
const owned = { owner: z.string().min(1).optional(), connection: connection.optional() };
const id = z.string().min(1);

/** Which keys stand in `on:` says what kind of resource it is. */
const resourceSchemas = {
  column: z.strictObject({ connection, table: id, column: id, labels, table_labels: labels }),
  table: z.strictObject({ connection, table: id, labels }),
  function: z.strictObject({ connection, function: id }),
  schema: z.strictObject({ connection, schema: id }),
  label: z.strictObject({ label: id }),
  session: z.strictObject({ session: id, ...owned }),
  recording: z.strictObject({ recording: id, ...owned }),
  request: z.strictObject({ request: id, ...owned }),
  policy: z.strictObject({ policy: id, ...owned }),
  evidence: z.strictObject({ evidence: id, ...owned }),
  ledger: z.strictObject({ ledger: id, ...owned }),
  credential: z.strictObject({ credential: id, ...owned }),
  connection: z.strictObject({ connection }),
} as const;

type ResourceKey = keyof typeof resourceSchemas;
const RESOURCE_KEYS = Object.keys(resourceSchemas) as ResourceKey[];

const resourceSchema = z.record(z.string(), z.unknown()).transform((value, report): ResourceRef => {
  const key = RESOURCE_KEYS.find((each) => each in value);
  const refuse = (message: string, path: PropertyKey[] = []): never => {
    report.addIssue({ code: 'custom', message, path: path as (string | number)[] });
    return z.NEVER;
  };
  if (!key) return refuse(`one of ${RESOURCE_KEYS.join(', ')} is needed`);
  const parsed = resourceSchemas[key].safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(issue?.message ?? 'not understood', issue?.path);
  }
  return (
    toResource(key, parsed.data) ??
    refuse('expected schema.name, quoted as in SQL where needed, as in public."Odd Name"', [key])
  );
});

const CONTROL_TYPES = {
  session: 'Session',
  recording: 'Recording',
  request: 'Request',
  policy: 'Policy',
  evidence: 'Evidence',
  ledger: 'Ledger',
  credential: 'Credential',
} as const;

function toResource(key: ResourceKey, fields: unknown): ResourceRef | undefined {
  const given = fields as Readonly<Record<string, string | undefined>>;
  const lists = fields as Readonly<Record<string, readonly string[] | undefined>>;
  const text = (name: string): string => given[name] ?? '';
  switch (key) {
    case 'connection':
      return { type: 'Connection', connection: text('connection') };
    case 'schema':
      return { type: 'Schema', connection: text('connection'), schema: text('schema') };
    case 'label':
      return { type: 'Label', label: text('label') };
    case 'table':
    case 'column':
    case 'function': {
      const [schema, name, ...more] = splitName(text(key === 'function' ? 'function' : 'table'));
      if (schema === undefined || name === undefined || more.length > 0) return undefined;
      const base = { connection: text('connection'), schema };
      if (key === 'function') return { ...base, type: 'Function', name };
      const labelled = { ...base, table: name, labels: lists['labels'] ?? [] };
      if (key === 'table') return { ...labelled, type: 'Table' };
      return { ...labelled, type: 'Column', column: text('column'), tableLabels: lists['table_labels'] ?? [] };
    }
    default:
      return {
        type: CONTROL_TYPES[key],
        id: text(key),
        ...(given['owner'] !== undefined && { owner: given['owner'] }),
        ...(given['connection'] !== undefined && { connection: given['connection'] }),
      };
  }
}

/** `shop."Kunden.Straße"` → `shop`, `Kunden.Straße`; nothing when it is not a dotted name. */
function splitName(name: string): string[] {
  if (!/^(?:"(?:[^"]|"")+"|[^".]+)(?:\.(?:"(?:[^"]|"")+"|[^".]+))*$/.test(name)) return [];
  return (name.match(/"(?:[^"]|"")+"|[^".]+/g) ?? []).map((part) =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part,
  );
}

const questionFields = {
  as: askerSchema,
  action: z.enum(ACTIONS as [(typeof ACTIONS)[number], ...(typeof ACTIONS)[number][]]),
  on: resourceSchema,
  context: contextSchema.prefault({}),
};

/** `as`, `action`, `on` and `context` as people write them: in policy tests and on the command line of `policy explain`. */
export const writtenQuestionSchema = z.strictObject(questionFields);
export type WrittenQuestion = z.infer<typeof writtenQuestionSchema>;

const expectations = {
  expect: z.enum(['allow', 'deny', 'hold']),
  /** Rows that may leave in total before the answer changes. */
  rows: z.union([count, z.literal('unlimited')]).optional(),
  /** What the answer is for one row more. */
  beyond: z.enum(['deny', 'hold']).optional(),
  /** Ids of all policies that decide. */
  policies: names.optional(),
};

/** A test of one question. */
export const testCaseSchema = z.strictObject({ name: z.string().min(1), ...questionFields, ...expectations });
export type TestCase = z.infer<typeof testCaseSchema>;

/** A test of a whole statement, on the catalog of a connection. */
export const statementCaseSchema = z.strictObject({
  name: z.string().min(1),
  as: askerSchema,
  statement: z.string().min(1),
  connection,
  search_path: names.default(['public']),
  context: contextSchema.prefault({}),
  ...expectations,
  /** Exactly these labelled columns are masked: `schema.relation.column`. */
  masked: names.optional(),
});
export type StatementCase = z.infer<typeof statementCaseSchema>;

/** A request made of a written question. */
export function requestOf({ as, action, on, context }: WrittenQuestion): AccessRequest {
  return { principal: askerOf(as), questions: [{ action, resource: on }], context: circumstances(context) };
}

export function askerOf({ on_behalf_of: onBehalfOf, ...who }: z.infer<typeof askerSchema>): Principal {
  return supposedPrincipal({ ...who, onBehalfOf });
}

/** Longer spans count at least what the shorter ones do. */
export function circumstances(context: z.infer<typeof contextSchema>): AccessContext {
  const rowsHour = context.rows_hour ?? context.rows;
  return {
    approved: context.approved,
    routine: context.routine,
    rows: context.rows,
    rowsSession: context.rows_session ?? context.rows,
    rowsHour,
    rowsDay: context.rows_day ?? context.rows_today ?? rowsHour,
    ...(context.verb !== undefined && { verb: context.verb }),
    ...(context.has_where !== undefined && { hasWhere: context.has_where }),
    ...(context.all_rows !== undefined && { allRows: context.all_rows }),
    ...(context.object !== undefined && { object: context.object }),
    ...(context.privileges !== undefined && { privileges: context.privileges }),
    ...(context.setting !== undefined && { setting: context.setting }),
    hour: context.hour,
    weekday: context.weekday,
    ...(context.source_ip !== undefined && { sourceIp: context.source_ip }),
    ...(context.client !== undefined && { client: context.client }),
    ...(context.purpose !== undefined && { purpose: context.purpose }),
  };
}
