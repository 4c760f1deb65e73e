import type { Kysely, Selectable } from 'kysely';
import { type CredentialStore, IdentityError, type StoredCredential } from '../identity/index.ts';
import type { Principal } from '../model/principal.ts';
import type { ControlSchema } from './schema.ts';

type Row = Selectable<ControlSchema['credentials']>;

/** Session credentials in SQLite; only their SCRAM verifiers, never a secret. */
export class SqliteCredentialStore implements CredentialStore {
  readonly #db: Kysely<ControlSchema>;

  constructor(db: Kysely<ControlSchema>) {
    this.#db = db;
  }

  async put(credential: StoredCredential): Promise<void> {
    const { principal, verifier } = credential;
    const { numInsertedOrUpdatedRows } = await this.#db
      .insertInto('credentials')
      .values({
        id: credential.id,
        principal_id: principal.id,
        principal: JSON.stringify(principal),
        salt: verifier.salt,
        iterations: verifier.iterations,
        stored_key: verifier.storedKey,
        server_key: verifier.serverKey,
        issued_at: credential.issuedAt,
        expires_at: credential.expiresAt,
        revoked_at: credential.revokedAt ?? null,
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows !== 1n) {
      throw new IdentityError(
        'ERR_IDENTITY_CREDENTIAL_EXISTS',
        `there is a session credential ${credential.id} already`,
      );
    }
  }

  async get(id: string): Promise<StoredCredential | undefined> {
    const row = await this.#db.selectFrom('credentials').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : credentialOf(row);
  }

  async revoke(id: string, at: number): Promise<StoredCredential | undefined> {
    await this.#db
      .updateTable('credentials')
      .set({ revoked_at: at })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .execute();
    return this.get(id);
  }

  async listFor(principalId: string): Promise<readonly StoredCredential[]> {
    const rows = await this.#db
      .selectFrom('credentials')
      .selectAll()
      .where('principal_id', '=', principalId)
      .orderBy('issued_at', 'desc')
      .orderBy('id')
      .execute();
    return rows.map(credentialOf);
  }

  async prune(before: number): Promise<number> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('credentials')
      .where('expires_at', '<', before)
      .executeTakeFirstOrThrow();
    return Number(numDeletedRows);
  }
}

function credentialOf(row: Row): StoredCredential {
  return {
    id: row.id,
    principal: JSON.parse(row.principal) as Principal,
    verifier: {
      salt: Buffer.from(row.salt),
      iterations: row.iterations,
      storedKey: Buffer.from(row.stored_key),
      serverKey: Buffer.from(row.server_key),
    },
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
  };
}
