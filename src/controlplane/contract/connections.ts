import { z } from 'zod';
import { connectionName, count, timestamp } from './common.ts';
import { labelOrigin } from './labels.ts';

export const connection = z
  .object({
    name: connectionName,
    protocol: z.enum(['postgres']),
    endpoint: z
      .object({ host: z.string(), port: z.int(), database: z.string(), tls: z.boolean() })
      .describe('Where native clients reach it through the gateway'),
    available: z.boolean().optional().describe('Whether the target answered last time; absent when nobody asked yet'),
  })
  .meta({ id: 'Connection' });
export type Connection = z.infer<typeof connection>;
export const connectionList = z.object({ items: z.array(connection) }).meta({ id: 'ConnectionList' });
export type ConnectionList = z.infer<typeof connectionList>;

export const labelView = z
  .object({
    connection: connectionName,
    catalogVersion: z.string(),
    takenAt: timestamp,
    relations: z.array(
      z.object({
        relation: z.string().describe('Quoted as in SQL'),
        kind: z.string(),
        labels: z.array(z.string()),
        origins: z.array(labelOrigin).describe('Why the relation itself has its labels'),
        columns: z.array(
          z.object({
            name: z.string(),
            labels: z.array(z.string()),
            origins: z.array(labelOrigin).describe('Why the column has its labels; a label may have several reasons'),
            hidden: z.boolean().describe('Masked for you'),
          }),
        ),
      }),
    ),
    unlabelled: z.array(z.string()).describe('Columns that nobody labelled: schema.relation.column'),
    reviewed: z.array(z.string()).describe('Columns without a label of which a label file says that they need none'),
    problems: z.array(z.string()).describe('Labels that fit nothing, and views whose lineage is unknown'),
  })
  .meta({ id: 'LabelView' });
export type LabelView = z.infer<typeof labelView>;

export const writtenLabels = z
  .object({
    connection: connectionName,
    found: z.array(
      z.object({
        schema: z.string(),
        relation: z.string(),
        column: z.string().optional().describe('Absent: the relation itself'),
        labels: z.array(z.string()),
        source: z.string(),
      }),
    ),
    problems: z.array(z.string()),
  })
  .meta({ id: 'WrittenLabels' });
export type WrittenLabels = z.infer<typeof writtenLabels>;

export const refreshedLabels = z
  .object({
    connection: connectionName,
    before: z.string().optional().describe('Catalog version before'),
    after: z.string(),
    relations: count,
    problems: z.array(z.string()),
  })
  .meta({ id: 'RefreshedLabels' });
export type RefreshedLabels = z.infer<typeof refreshedLabels>;

export const exportedCatalog = z
  .object({
    connection: connectionName,
    version: z.string().describe('Digest of the catalog'),
    text: z
      .string()
      .describe('JSON, one object a line: schemas, relations, columns, view definitions, functions, types; no values'),
  })
  .meta({ id: 'ExportedCatalog' });
export type ExportedCatalog = z.infer<typeof exportedCatalog>;
