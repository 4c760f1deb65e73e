import { z } from 'zod';
import { count, timestamp } from './common.ts';

export const ledgerStatus = z
  .object({
    origin: z.string(),
    size: count.describe('Leaves that are on stable storage'),
    publishedSize: count.describe('Leaves the last checkpoint covers'),
    rootHash: z.string().describe('Of the last checkpoint, base64'),
    checkpointAt: timestamp.optional(),
    verifierKey: z.string().describe('C2SP vkey'),
    failing: z.string().optional().describe('Why nothing can be recorded, when nothing can'),
  })
  .meta({ id: 'LedgerStatus' });
export type LedgerStatus = z.infer<typeof ledgerStatus>;

export const policyStatus = z
  .object({ version: z.string(), loadedAt: timestamp.optional(), refused: z.string().optional() })
  .meta({ id: 'PolicyStatus' });
export type PolicyStatus = z.infer<typeof policyStatus>;

export const health = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });
export const readiness = z
  .object({ ready: z.boolean(), checks: z.record(z.string(), z.boolean()) })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof readiness>;
