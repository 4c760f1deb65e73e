import { z } from 'zod';

/** Every time on the API: RFC 3339 in UTC, milliseconds. */
export const timestamp = z.iso.datetime().describe('RFC 3339, UTC');

/** How an error is told. https://www.rfc-editor.org/rfc/rfc9457 */
export const problem = z
  .object({
    type: z.string().describe('`urn:gatehouse:problem:` and the code in lower case'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What happened, why, and what to do next'),
    code: z.string().describe('Stable word for programs, e.g. `ERR_CONTROLPLANE_FORBIDDEN`'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problem>;

/** Ids as this gateway makes them; anything else cannot exist. */
export const objectId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/);

/** Connection names, as in the configuration. */
export const connectionName = z.string().min(1).max(63);

/** A connection's name in a path. */
export const connectionPath = z.strictObject({ connection: connectionName });
export const idPath = z.strictObject({ id: objectId });

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('At most this many'),
  after: z.string().min(1).max(200).optional().describe('`next` of the page before'),
};

export const next = z
  .string()
  .optional()
  .describe(
    'Pass as `after` for the next page; absent on the last one. A page may hold fewer items than asked for, even none',
  );

export const person = z
  .object({ id: z.string(), name: z.string(), kind: z.enum(['person', 'service', 'agent']) })
  .meta({ id: 'Person' });

/** Counts anywhere on the API. */
export const count = z.int().min(0);
