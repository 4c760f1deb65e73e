import type { Kysely } from 'kysely';
import type { JsonValue } from '../model/json.ts';
import type { ControlSchema } from './schema.ts';

/** Small values the gateway keeps about itself, e.g. the origin its ledger was created with. Nothing secret in the clear. */
export interface SettingStore {
  get(name: string): Promise<Buffer | undefined>;
  put(name: string, value: Buffer): Promise<void>;
  /** Keeps `value` only if there is none yet; gives the one that is kept. Atomic over processes. */
  putIfAbsent(name: string, value: Buffer): Promise<Buffer>;
}

/** Labels that were seen once and stay until somebody takes them away, one document per connection. */
export interface StickyLabelStore {
  get(connection: string): Promise<JsonValue | undefined>;
  put(connection: string, labels: JsonValue): Promise<void>;
}

export class SqliteSettingStore implements SettingStore {
  readonly #db: Kysely<ControlSchema>;
  readonly #clock: () => number;

  constructor(db: Kysely<ControlSchema>, clock: () => number) {
    this.#db = db;
    this.#clock = clock;
  }

  async get(name: string): Promise<Buffer | undefined> {
    const row = await this.#db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst();
    return row === undefined ? undefined : Buffer.from(row.value);
  }

  async put(name: string, value: Buffer): Promise<void> {
    const changed_at = this.#clock();
    await this.#db
      .insertInto('settings')
      .values({ name, value, changed_at })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, changed_at }))
      .execute();
  }

  async putIfAbsent(name: string, value: Buffer): Promise<Buffer> {
    const row = await this.#db
      .insertInto('settings')
      .values({ name, value, changed_at: this.#clock() })
      // Writing the old value over itself is what makes RETURNING give it.
      .onConflict((conflict) => conflict.column('name').doUpdateSet((row) => ({ value: row.ref('settings.value') })))
      .returning('value')
      .executeTakeFirstOrThrow();
    return Buffer.from(row.value);
  }
}

export class SqliteStickyLabelStore implements StickyLabelStore {
  readonly #db: Kysely<ControlSchema>;
  readonly #clock: () => number;

  constructor(db: Kysely<ControlSchema>, clock: () => number) {
    this.#db = db;
    this.#clock = clock;
  }

  async get(connection: string): Promise<JsonValue | undefined> {
    const row = await this.#db
      .selectFrom('sticky_labels')
      .select('body')
      .where('connection', '=', connection)
      .executeTakeFirst();
    return row === undefined ? undefined : (JSON.parse(row.body) as JsonValue);
  }

  async put(connection: string, labels: JsonValue): Promise<void> {
    const row = { body: JSON.stringify(labels), changed_at: this.#clock() };
    await this.#db
      .insertInto('sticky_labels')
      .values({ connection, ...row })
      .onConflict((conflict) => conflict.column('connection').doUpdateSet(row))
      .execute();
  }
}
