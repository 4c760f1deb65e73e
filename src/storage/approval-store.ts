import { type Kysely, type Selectable, sql } from 'kysely';
import type { ApprovalEntry, ApprovalFilter, ApprovalPage, ApprovalStore } from '../approval/index.ts';
import type { ApprovalRequest, ApprovalState } from '../model/approval.ts';
import { StorageError } from './errors.ts';
import type { ControlSchema } from './schema.ts';

type Row = Selectable<ControlSchema['approvals']>;

/** Approval requests in SQLite. Every change is one statement, so it is atomic over all processes and lost by no crash. */
export class SqliteApprovalStore implements ApprovalStore {
  readonly #db: Kysely<ControlSchema>;

  constructor(db: Kysely<ControlSchema>) {
    this.#db = db;
  }

  async create(entry: ApprovalEntry, key: string): Promise<ApprovalEntry> {
    for (;;) {
      const { numInsertedOrUpdatedRows } = await this.#db
        .insertInto('approvals')
        .values({ ...columnsOf(entry.request), binding_key: key, revision: entry.revision, leaf: entry.leaf })
        // A literal, not a parameter: SQLite has to recognise the partial index.
        .onConflict((conflict) =>
          conflict.columns(['requester', 'binding_key']).where('state', '=', sql.lit('pending')).doNothing(),
        )
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows === 1n) return entry;
      const pending = await this.findPending(entry.request.binding.requester, key);
      // Gone again between the two statements: then there is room for ours.
      if (pending !== undefined) return pending;
    }
  }

  async get(id: string): Promise<ApprovalEntry | undefined> {
    const row = await this.#db.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : entryOf(row);
  }

  async list(
    filter: ApprovalFilter,
    page: ApprovalPage,
  ): Promise<{ items: readonly ApprovalRequest[]; next?: string }> {
    const limit = Math.min(500, Math.max(1, Math.trunc(page.limit)));
    let query = this.#db.selectFrom('approvals').selectAll();
    if (filter.state !== undefined) query = query.where('state', '=', filter.state);
    if (filter.requester !== undefined) query = query.where('requester', '=', filter.requester);
    if (filter.resource !== undefined) query = query.where('resource', '=', filter.resource);
    if (filter.session !== undefined) query = query.where('session', '=', filter.session);
    if (page.after !== undefined) {
      const [time, id] = splitCursor(page.after);
      query = query.where(sql<boolean>`(created_at, id) < (${time}, ${id})`);
    }
    const rows = await query
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute();
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: shown.map((row) => entryOf(row).request),
      ...(rows.length > limit && last !== undefined ? { next: `${last.created_at}.${last.id}` } : {}),
    };
  }

  async findPending(requester: string, key: string): Promise<ApprovalEntry | undefined> {
    const row = await this.#db
      .selectFrom('approvals')
      .selectAll()
      .where('requester', '=', requester)
      .where('binding_key', '=', key)
      .where('state', '=', 'pending')
      .executeTakeFirst();
    return row === undefined ? undefined : entryOf(row);
  }

  async findUsable(requester: string, resource: string, key: string, now: number): Promise<readonly ApprovalEntry[]> {
    const rows = await this.#db
      .selectFrom('approvals')
      .selectAll()
      .where('binding_key', '=', key)
      .where('state', '=', 'approved')
      .where('requester', '=', requester)
      .where('resource', '=', resource)
      .where('not_after', '>=', now)
      .whereRef('used', '<', 'uses')
      .orderBy('not_after')
      .limit(20)
      .execute();
    return rows.map(entryOf);
  }

  async replace(revision: number, next: ApprovalRequest, leaf: number): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('approvals')
      .set({ ...columnsOf(next), revision: revision + 1, leaf })
      .where('id', '=', next.id)
      .where('revision', '=', revision)
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  }

  async consume(id: string, now: number): Promise<ApprovalEntry | undefined> {
    const row = await this.#db
      .updateTable('approvals')
      .set({
        used: sql<number>`used + 1`,
        state: sql<string>`CASE WHEN used + 1 >= uses THEN 'exhausted' ELSE state END`,
        revision: sql<number>`revision + 1`,
      })
      .where('id', '=', id)
      .where('state', '=', 'approved')
      .where('not_after', '>=', now)
      .whereRef('used', '<', 'uses')
      .returningAll()
      .executeTakeFirst();
    return row === undefined ? undefined : entryOf(row);
  }

  async due(now: number, limit: number): Promise<readonly ApprovalEntry[]> {
    const rows = await this.#db
      .selectFrom('approvals')
      .selectAll()
      .where((or) =>
        or.or([
          or.and([or('state', '=', 'pending'), or('expires_at', '<=', now)]),
          or.and([or('state', '=', 'approved'), or('not_after', '<', now)]),
        ]),
      )
      .limit(limit)
      .execute();
    return rows.map(entryOf);
  }
}

function columnsOf(request: ApprovalRequest): Omit<Row, 'binding_key' | 'revision' | 'leaf'> {
  const { id, state, createdAt, expiresAt, grant, session, ...rest } = request;
  return {
    id,
    state,
    requester: request.binding.requester,
    resource: request.binding.resource,
    session,
    created_at: createdAt,
    expires_at: expiresAt,
    not_after: grant?.notAfter ?? null,
    uses: grant?.uses ?? null,
    used: grant?.used ?? null,
    row_limit: grant?.rowLimit ?? null,
    body: JSON.stringify(rest),
  };
}

function entryOf(row: Row): ApprovalEntry {
  const body = JSON.parse(row.body) as Omit<ApprovalRequest, 'id' | 'state' | 'session' | 'createdAt' | 'expiresAt'>;
  if (body.binding.requester !== row.requester || body.binding.resource !== row.resource) {
    throw new StorageError(
      'ERR_STORAGE_CORRUPT',
      `Approval request ${row.id} in the state database contradicts itself. Restore a backup of the state folder.`,
    );
  }
  const grant =
    row.not_after === null || row.uses === null || row.used === null
      ? undefined
      : {
          notAfter: row.not_after,
          uses: row.uses,
          used: row.used,
          ...(row.row_limit === null ? {} : { rowLimit: row.row_limit }),
        };
  return {
    request: {
      ...body,
      id: row.id,
      state: row.state as ApprovalState,
      session: row.session,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      ...(grant === undefined ? {} : { grant }),
    },
    revision: row.revision,
    leaf: row.leaf,
  };
}

function splitCursor(cursor: string): [number, string] {
  const dot = cursor.indexOf('.');
  const time = Number(cursor.slice(0, dot));
  return Number.isSafeInteger(time) && dot > 0 ? [time, cursor.slice(dot + 1)] : [0, ''];
}
