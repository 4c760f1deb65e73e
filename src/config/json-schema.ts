import { z } from 'zod';
import { configDocument } from './schema.ts';

/** What `gatehouse init` calls its copy: editors find it without a network, in the version of this gateway. */
export const SCHEMA_FILE = '.gatehouse.schema.json';

/** The JSON Schema (2020-12) of gatehouse.yaml for editors, as published in schema/gatehouse.schema.json. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configDocument, { io: 'input', target: 'draft-2020-12' });
  return `${JSON.stringify(schema, null, 2)}\n`;
}
