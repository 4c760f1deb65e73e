import { z } from 'zod';

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
