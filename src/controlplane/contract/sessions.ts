import { z } from 'zod';
import { connectionName, count, next, objectId, pageQuery, person, timestamp } from './common.ts';

export const decisionWord = z.enum(['forward', 'hold', 'refuse']);

export const session = z
  .object({
    id: objectId,
    principal: person.optional().describe('Absent when it was erased'),
    onBehalfOf: z.string().optional(),
    connection: z.string(),
    client: z.string(),
    sourceIp: z.string(),
    startedAt: timestamp,
    endedAt: timestamp.optional(),
    endReason: z.string().optional(),
    live: z.boolean(),
    state: z
      .enum(['authenticating', 'idle', 'active', 'waiting-for-approval', 'closing', 'ended', 'lost'])
      .describe('`lost`: neither live nor ended in the records, e.g. after a crash'),
    statements: count,
    rows: count,
    refused: count,
    held: count.describe('Statements that needed consent, whether it was given or not'),
    waitsFor: z.string().optional().describe('The approval request that it waits for now'),
    labels: z.array(z.string()).describe('Data categories its statements touched'),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof session>;

export const statement = z
  .object({
    id: z.string(),
    at: timestamp,
    text: z.string().optional().describe('Absent when it was erased'),
    verb: z.string(),
    decision: decisionWord,
    policies: z.array(z.string()),
    code: z.string().optional().describe('Refusal code'),
    reason: z.string().optional(),
    tables: z.array(z.string()),
    labels: z.array(z.string()),
    masked: count.describe('Masked columns'),
    rows: count.optional(),
    durationMs: count.optional(),
    outcome: z.string().optional(),
    sqlstate: z.string().optional(),
    request: z.string().optional().describe('The approval request it waited for or used'),
    leaf: count.describe('Index of its record in the ledger'),
  })
  .meta({ id: 'Statement' });
export type Statement = z.infer<typeof statement>;

export const sessionQuery = z.strictObject({
  ...pageQuery,
  person: z.string().min(1).max(500).optional().describe('Principal id or name, exactly'),
  kind: z.enum(['person', 'service', 'agent']).optional(),
  onBehalfOf: z.string().min(1).max(500).optional(),
  connection: connectionName.optional(),
  text: z.string().min(1).max(500).optional().describe('Part of a statement'),
  table: z.string().min(1).max(200).optional().describe('`schema.table`, or the table alone'),
  label: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Data category, or one above it: `pii` finds `pii.contact.email`'),
  decision: decisionWord
    .optional()
    .describe('With at least one such statement; `hold` finds those that then ran with consent, too'),
  since: timestamp.optional(),
  until: timestamp.optional(),
  live: z.stringbool().optional(),
});
export type SessionQuery = z.infer<typeof sessionQuery>;

export const sessionList = z.object({ items: z.array(session), next }).meta({ id: 'SessionList' });
export type SessionList = z.infer<typeof sessionList>;

export const statementQuery = z.strictObject(pageQuery);
export const statementList = z.object({ items: z.array(statement), next }).meta({ id: 'StatementList' });
export type StatementList = z.infer<typeof statementList>;

export const killSession = z.strictObject({
  reason: z.string().min(1).max(500).describe('Told to the client, and recorded'),
});
export const killedSession = z.object({ id: objectId, ended: z.literal(true) }).meta({ id: 'KilledSession' });
export type KilledSession = z.infer<typeof killedSession>;
