import { z } from 'zod';
import { connectionName, count } from './common.ts';

const names = z.array(z.string());
const policy = z.object({
  id: z.string(),
  effect: z.enum(['permit', 'forbid']),
  file: z.string(),
  line: count,
  text: z.string(),
  reason: z.string().optional(),
});

export const explainRequest = z
  .strictObject({
    statement: z.string().min(1).max(50_000),
    as: z
      .strictObject({
        id: z.string().min(1).max(500),
        kind: z.enum(['person', 'service', 'agent']).default('person'),
        groups: z.array(z.string().min(1).max(200)).max(200).default([]),
        issuer: z.string().max(500).default(''),
        onBehalfOf: z.string().min(1).max(500).optional(),
        mfa: z.boolean().default(false),
      })
      .optional()
      .describe('Somebody else than the caller'),
    searchPath: names.max(50).optional().describe('Schemas for bare names; public when absent'),
    approved: z.boolean().optional().describe('As if consent had been given'),
  })
  .meta({ id: 'ExplainRequest' });
export type ExplainRequest = z.input<typeof explainRequest>;

export const statementExplanation = z
  .object({
    connection: connectionName,
    policies: z.string().describe('Version of the policies'),
    world: z.string().describe('Version of catalog and labels'),
    text: z.string(),
    forwarded: z.string().describe('What the target would get'),
    changed: z.boolean(),
    refusal: z
      .object({
        code: z.string(),
        message: z.string(),
        detail: z.string().optional(),
        hint: z.string().optional(),
        position: count.optional(),
      })
      .optional()
      .describe('Why no policy is asked'),
    statements: z.array(
      z.object({
        text: z.string(),
        verb: z.string(),
        effect: z.enum(['session', 'read', 'change']),
        hasWhere: z.boolean(),
        allRows: z.boolean(),
        object: z.string().optional(),
        privileges: z.boolean(),
        reads: z.array(
          z.object({
            relation: z.string(),
            columns: names.describe('What it can see; * for all'),
            conditions: names.describe('What may decide which rows come, how they are grouped or sorted'),
          }),
        ),
        writes: names,
        functions: names,
        settings: names,
        decision: z.object({
          effect: z.enum(['forward', 'hold', 'refuse']),
          policies: names,
          reason: z.string().optional(),
          approvers: names.optional(),
          quorum: count.optional(),
          rows: z
            .object({ most: count, beyond: z.enum(['hold', 'refuse']), reason: z.string(), policies: names })
            .optional()
            .describe('Rows that may leave, and what happens to the next'),
        }),
        questions: z.array(
          z.object({
            words: z.string(),
            part: z.string().optional().describe('Verb of the part that raises it'),
            effect: z.enum(['allow', 'hold', 'refuse']),
            policies: z.array(policy),
            missing: names,
            candidates: z.array(policy),
            overruled: z.array(policy).describe('Permits that the forbids above overrule'),
          }),
        ),
        columns: z.array(
          z.object({
            column: z.string(),
            labels: names,
            masked: z.boolean(),
            mask: z.string().optional(),
            requests: names.optional().describe('By whose consent it is visible'),
            policies: z.array(policy),
            missing: names,
            overruled: z.array(policy),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'StatementExplanation' });
export type StatementExplanation = z.infer<typeof statementExplanation>;
