import { problem } from '../contract/index.ts';

/** Milliseconds since the epoch as the API writes times. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** What every route may answer besides what it is for. */
export const failures = { '4xx': problem, '5xx': problem } as const;

/** OpenAPI security of every route that is not public. */
export const secured = [{ bearer: [] }] as const;

/** A member only when it has a value: absent and undefined differ on the wire and in our types. */
export function optional<Name extends string, Value>(name: Name, value: Value | undefined): { [key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [key in Name]?: Value };
}

/** How many pages of the store one call reads at most, when the caller may see few of their items. */
const ROUNDS = 20;

/**
 * A page of what the caller may see, out of a list that holds more. Never reads more than fits, so that `next` of the last
 * page that was read is where the caller goes on.
 */
export async function visiblePage<Item>(
  page: { readonly limit: number; readonly after?: string | undefined },
  read: (page: {
    limit: number;
    after?: string;
  }) => Promise<{ readonly items: readonly Item[]; readonly next?: string }>,
  visible: (item: Item) => boolean,
): Promise<{ items: Item[]; next?: string }> {
  const items: Item[] = [];
  let after = page.after;
  for (let round = 0; round < ROUNDS; round++) {
    const found = await read({ limit: page.limit - items.length, ...optional('after', after) });
    items.push(...found.items.filter(visible));
    after = found.next;
    if (after === undefined || items.length >= page.limit) break;
  }
  return { items, ...optional('next', after) };
}
