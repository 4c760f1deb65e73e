import type { Kysely } from 'kysely';
import type { SealedSecretStore } from '../identity/index.ts';
import type { ControlSchema } from './schema.ts';

/** Sealed secrets in SQLite: target credentials, and the gateway's own keys. */
export class SqliteSealedSecretStore implements SealedSecretStore {
  readonly #db: Kysely<ControlSchema>;
  readonly #clock: () => number;

  constructor(db: Kysely<ControlSchema>, clock: () => number) {
    this.#db = db;
    this.#clock = clock;
  }

  async put(name: string, sealed: Buffer): Promise<void> {
    const row = { name, sealed, changed_at: this.#clock() };
    await this.#db
      .insertInto('sealed_secrets')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ sealed, changed_at: row.changed_at }))
      .execute();
  }

  async get(name: string): Promise<Buffer | undefined> {
    const row = await this.#db
      .selectFrom('sealed_secrets')
      .select('sealed')
      .where('name', '=', name)
      .executeTakeFirst();
    return row === undefined ? undefined : Buffer.from(row.sealed);
  }

  async remove(name: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('sealed_secrets')
      .where('name', '=', name)
      .executeTakeFirstOrThrow();
    return numDeletedRows === 1n;
  }

  async list(): Promise<readonly { readonly name: string; readonly changedAt: number }[]> {
    const rows = await this.#db.selectFrom('sealed_secrets').select(['name', 'changed_at']).orderBy('name').execute();
    return rows.map((row) => ({ name: row.name, changedAt: row.changed_at }));
  }
}
