import { z } from 'zod';
import { configDocument } from './schema.ts';

export const SCHEMA_ADDRESS = 'https://raw.githubusercontent.com/gatehouse/gatehouse/main/schema/gatehouse.schema.json';

/** The JSON Schema (2020-12) of gatehouse.yaml for editors, as published in schema/gatehouse.schema.json. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configDocument, { io: 'input', target: 'draft-2020-12' });
  return `${JSON.stringify(schema, null, 2)}\n`;
}
