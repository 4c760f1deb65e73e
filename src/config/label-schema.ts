import { z } from 'zod';
import { LABEL_SOURCES } from '../masking/index.ts';
import { CONNECTION_NAME, LABEL } from './schema.ts';

/** What `gatehouse init` calls its copy, beside that of gatehouse.yaml. */
export const LABEL_SCHEMA_FILE = '.gatehouse.labels.schema.json';

const label = z.string().regex(LABEL);

const entry = z.union([
  label.meta({ description: 'A label: lower-case words joined by dots', examples: ['pii.contact.email'] }),
  z
    .strictObject({
      label: label.meta({ description: 'The label' }),
      source: z.enum(LABEL_SOURCES).optional().meta({
        description:
          'Where it comes from: person (when absent), comment, security-label, dbt, or a proposal that was detected, scanned or made of the name',
      }),
      by: z.string().optional().meta({ description: 'Who put it there, or accepted it' }),
      at: z
        .string()
        .regex(/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z)?$/)
        .optional()
        .meta({ description: 'When: a date, or a time in UTC' }),
      why: z.string().optional().meta({ description: 'Why' }),
      confidence: z.int().min(0).max(100).optional().meta({ description: 'How sure that was, in percent' }),
    })
    .meta({ description: 'A label with its story' }),
]);

/** The shape of a label file, for editors; `parseLabelFile` reads it, with the place of every mistake. */
export const labelFileDocument = z
  .record(
    z.string().regex(CONNECTION_NAME),
    z
      .record(
        z.string().min(1),
        z.record(z.string().min(1), z.array(entry)).meta({
          description:
            'Columns ($table: the relation itself) and their labels; an empty list says that somebody looked and nothing is sensitive',
        }),
      )
      .meta({ description: 'Relations, quoted as in SQL: shop.customers, shop."Kunden Straße"' }),
  )
  .meta({ title: 'labels/*.yaml', description: 'Which columns hold what: connection, relation, column, labels' });

/** The JSON Schema (2020-12) of label files, as published in schema/labels.schema.json. */
export function labelJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(labelFileDocument, { io: 'input', target: 'draft-2020-12' }), null, 2)}\n`;
}
