import { z } from 'zod';
import { connectionName, count, objectId, timestamp } from './common.ts';

/** One reason why a column or relation has a label. */
export const labelOrigin = z
  .object({
    label: z.string(),
    source: z
      .enum([
        'person',
        'comment',
        'security-label',
        'dbt',
        'detected',
        'scanned',
        'name',
        'inherited',
        'renamed',
        'unknown-lineage',
        'built-in',
      ])
      .describe(
        'As a label file says it; or inherited, renamed (the labelled name is gone), unknown-lineage (a view that may show anything), built-in',
      ),
    from: z.string().optional().describe('The column or relation that hands an inherited label on'),
    by: z.string().optional().describe('Who accepted it; shown to whoever may view or manage the connection'),
    at: z.string().optional().describe('When, as the label file says it'),
    why: z.string().optional().describe('Why; shown to whoever may view or manage the connection'),
    confidence: z.int().min(0).max(100).optional().describe('Percent'),
    file: z.string().optional(),
    line: z.int().optional(),
  })
  .meta({ id: 'LabelOrigin' });
export type LabelOrigin = z.infer<typeof labelOrigin>;

const evidence = z.object({
  source: z.enum(['detected', 'scanned', 'name']),
  detector: z.string().describe('The detector; for a name the word it holds'),
  hits: count.describe('Values that it found'),
  rows: count.describe('Rows that were looked at'),
});

export const labelProposal = z
  .object({
    id: z.string(),
    connection: connectionName,
    schema: z.string(),
    relation: z.string(),
    column: z.string(),
    label: z.string(),
    state: z.enum(['open', 'accepted', 'dismissed']),
    confidence: z.int().min(0).max(100).describe('Percent'),
    evidence: z.array(evidence),
    firstSeen: timestamp,
    lastSeen: timestamp,
    exists: z.boolean().describe('The column is there'),
    inForce: z.boolean().describe('The column carries the label'),
    decision: z.object({ at: timestamp, by: z.string(), reason: z.string() }).optional(),
  })
  .meta({ id: 'LabelProposal' });
export type LabelProposal = z.infer<typeof labelProposal>;

export const proposalQuery = z.strictObject({
  connection: connectionName.optional(),
  state: z
    .enum(['open', 'accepted', 'dismissed', 'all'])
    .default('open')
    .describe('open: also what was accepted and is not in force'),
  confidence: z.coerce.number().int().min(0).max(100).default(0).describe('At least so sure, in percent'),
  limit: z.coerce.number().int().min(1).max(1000).default(200).describe('At most this many, the surest first'),
});

export const proposalList = z
  .object({ items: z.array(labelProposal), total: count.describe('How many there are') })
  .meta({ id: 'LabelProposalList' });

export const startScan = z.strictObject({
  schema: z.string().min(1).max(63).optional().describe('Tables of this schema only'),
  table: z.string().min(1).max(63).optional().describe('This table only; needs schema'),
  sample: z.int().min(1).max(10_000).default(1_000).describe('Rows of each table that are looked at'),
});

export const labelScan = z
  .object({
    connection: connectionName,
    session: z.string().describe('Its session, by which it is found in the ledger and can be ended'),
    state: z.enum(['running', 'done', 'ended', 'failed']),
    startedAt: timestamp,
    endedAt: timestamp.optional(),
    tables: count.describe('Tables with columns that nobody labelled'),
    scanned: count.describe('Of these, read so far'),
    current: z.string().optional().describe('The table that is read now'),
    columns: count.describe('Columns that were looked at'),
    values: count.describe('Values that detectors read'),
    proposed: count.describe('Labels that something speaks for'),
    problems: z.array(z.string()).describe('What could not be read, and why'),
  })
  .meta({ id: 'LabelScan' });
export type LabelScan = z.infer<typeof labelScan>;

const proposalIds = z.array(objectId).min(1).max(200);
const reason = z.string().trim().min(3).max(500);
const fileHash = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const acceptProposals = z.strictObject({
  ids: proposalIds,
  reason,
  file: z.string().min(1).max(200).optional().describe('The label file that the labels are written into'),
  from: fileHash.optional().describe('Of that file before'),
  to: fileHash.optional().describe('And after'),
});

export const dismissProposals = z.strictObject({ ids: proposalIds, reason });
export const decidedProposals = z.object({ items: z.array(labelProposal) }).meta({ id: 'DecidedLabelProposals' });
