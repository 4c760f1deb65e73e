import { z } from 'zod';
import { connectionName, count, next, objectId, pageQuery, timestamp } from './common.ts';

export const requestState = z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'exhausted', 'revoked']);

const conditions = {
  uses: z.int().min(1).max(1_000).optional().describe('How often the statement may run; once when absent'),
  windowSeconds: z.int().min(1).max(31_536_000).optional().describe('How long consent holds from now on'),
  rowLimit: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional().describe('Rows that may leave in total'),
};

export const request = z
  .object({
    id: objectId,
    state: requestState,
    requester: z.object({ id: z.string(), name: z.string(), onBehalfOf: z.string().optional() }),
    connection: z.string(),
    role: z.string(),
    session: z.string(),
    statement: z.string().describe('The exact text consent is asked for; empty when it is asked for labels in any'),
    unmask: z
      .object({ labels: z.array(z.string()), seconds: count.optional(), uses: count.optional() })
      .optional()
      .describe('Consent is asked for seeing these labels unmasked: for so long, or in this statement so often'),
    bindingHash: z.string(),
    parameters: z.string().describe('SHA-256 of the bound parameters, empty without any'),
    parameterValues: z
      .array(z.string().nullable())
      .optional()
      .describe('Values of $1, $2 … as text, where the request was made with them'),
    policies: z.array(z.string()),
    why: z.string(),
    purpose: z.string(),
    tables: z.array(z.string()),
    labels: z.array(z.string()),
    approvers: z.array(z.string()).describe('One member of each of these groups has to consent'),
    quorum: count,
    createdAt: timestamp,
    expiresAt: timestamp,
    decisions: z.array(
      z.object({
        approver: z.object({ id: z.string(), name: z.string(), onBehalfOf: z.string().optional() }),
        verdict: z.enum(['approve', 'deny']),
        reason: z.string(),
        at: timestamp,
        groups: z.array(z.string()),
        ...conditions,
      }),
    ),
    grant: z
      .object({ notAfter: timestamp, uses: count, used: count, rowLimit: count.optional() })
      .optional()
      .describe('Once approved'),
    revocation: z
      .object({ by: z.object({ id: z.string(), name: z.string() }), reason: z.string(), at: timestamp })
      .optional()
      .describe('Consent was taken back'),
    mine: z.boolean().describe('You asked for it, so you cannot decide on it'),
    mayDecide: z.boolean().describe('You could approve or deny it now'),
    mayRevoke: z.boolean().describe('You could take consent back now'),
  })
  .meta({ id: 'Request' });
export type Request = z.infer<typeof request>;

export const requestQuery = z.strictObject({
  ...pageQuery,
  state: requestState.optional(),
  connection: connectionName.optional(),
  mine: z.stringbool().optional().describe('Only what you asked for'),
});
export const requestList = z.object({ items: z.array(request), next }).meta({ id: 'RequestList' });
export type RequestList = z.infer<typeof requestList>;

export const openRequest = z
  .strictObject({
    connection: connectionName,
    unmask: z
      .array(
        z
          .string()
          .regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/)
          .max(200),
      )
      .min(1)
      .max(20)
      .describe('Labels; those below them are meant too'),
    seconds: z
      .int()
      .min(1)
      .max(31_536_000)
      .optional()
      .describe('How long, from consent on; needed without a statement'),
    statement: z
      .string()
      .min(1)
      .max(50_000)
      .optional()
      .describe('In exactly this text only; for any statement when absent'),
    parameters: z
      .array(z.string().max(10_000).nullable())
      .max(100)
      .optional()
      .describe('Values of $1, $2 …, as text; null for NULL'),
    uses: z.int().min(1).max(1_000).optional().describe('How often the statement may run; once when absent'),
    searchPath: z
      .array(z.string().min(1).max(63))
      .max(50)
      .optional()
      .describe('Schemas for bare names of the statement; those of a new session when absent'),
    reason: z.string().min(1).max(2_000),
  })
  .refine(({ seconds, statement }) => seconds !== undefined || statement !== undefined, {
    message: 'either seconds or a statement is needed',
    path: ['seconds'],
  })
  .refine(
    ({ statement, parameters, uses, searchPath }) =>
      statement !== undefined || (parameters === undefined && uses === undefined && searchPath === undefined),
    { message: 'parameters, uses and searchPath belong to a statement', path: ['statement'] },
  )
  .meta({ id: 'OpenRequest' });
export type OpenRequest = z.infer<typeof openRequest>;

export const approveRequest = z
  .strictObject({ reason: z.string().min(1).max(2_000), ...conditions })
  .meta({ id: 'ApproveRequest' });
export type ApproveRequest = z.infer<typeof approveRequest>;
export const denyRequest = z.strictObject({ reason: z.string().min(1).max(2_000) }).meta({ id: 'DenyRequest' });
export const revokeRequest = z.strictObject({ reason: z.string().min(1).max(2_000) }).meta({ id: 'RevokeRequest' });
export const cancelRequest = z.strictObject({ reason: z.string().max(2_000).optional() }).meta({ id: 'CancelRequest' });
