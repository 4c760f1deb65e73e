import type { CatalogRelation } from '../../model/catalog.ts';
import type { JsonValue } from '../../model/json.ts';
import type { Session } from '../session.ts';
import { TargetError, type TargetQueries } from '../target/index.ts';
import type { SampledColumn } from './sample.ts';

/** One statement, at the target; the gateway waits a little longer for its answer. */
export const STATEMENT_MS = 5_000;
const LOCK_MS = 1_000;

type Rows = (string | null)[][];

/** Sends the statements of one scan: each is recorded before it is sent, like anybody's, and runs in a read-only transaction of its own. */
export class ScanReader {
  readonly #session: Session;
  readonly #world: string;
  readonly #queries: TargetQueries;

  constructor(session: Session, world: string, queries: TargetQueries) {
    this.#session = session;
    this.#world = world;
    this.#queries = queries;
  }

  /**
   * The rows of one statement, and what `look` makes of them; that is recorded with its end.
   * Rejects with `TargetError`; after `ERR_TARGET_QUERY` the next statement can be sent.
   */
  async read(
    text: string,
    relation?: CatalogRelation,
    look: (rows: Rows) => readonly SampledColumn[] = () => [],
  ): Promise<{ readonly rows: Rows; readonly sampled: readonly SampledColumn[] }> {
    const stmt = await this.#recordStart(text, relation);
    const started = performance.now();
    let end: Record<string, JsonValue> = { outcome: 'error' };
    try {
      const rows = await this.#queries.query(
        `BEGIN READ ONLY; SET LOCAL statement_timeout = ${STATEMENT_MS}; SET LOCAL lock_timeout = ${LOCK_MS}; SET LOCAL search_path = pg_catalog; ${text}; COMMIT`,
      );
      const sampled = look(rows);
      end = { outcome: 'ok', sampled: rows.length, ...detected(sampled) };
      return { rows, sampled };
    } catch (error) {
      if (error instanceof TargetError && error.sqlstate !== undefined)
        end = { outcome: error.sqlstate === '57014' ? 'cancelled' : 'error', sqlstate: error.sqlstate };
      if (error instanceof TargetError && error.code === 'ERR_TARGET_QUERY') await this.#queries.query('ROLLBACK');
      throw error;
    } finally {
      const ms = Math.round(performance.now() - started);
      // No row leaves the gateway, so none is counted as delivered.
      await this.#session.record('query.end', { ends: [{ bytes: 0, ms, rows: 0, stmt, ...end }] });
    }
  }

  async #recordStart(text: string, relation: CatalogRelation | undefined): Promise<number> {
    const session = this.#session;
    const { policy, sink } = session.services;
    session.statements += 1;
    const stmt = session.statements;
    const hidden = [sink.conceal('statement', text)];
    if (relation) hidden.push(sink.conceal('tables', [`${relation.schema}.${relation.name}`]));
    await session.record(
      'query',
      {
        decision: 'forward',
        effect: 'read',
        labels: [],
        masked: 0,
        policies: [],
        policy: policy().version,
        purpose: 'label-scan',
        stmt,
        verb: 'select',
        world: this.#world,
      },
      hidden,
    );
    return stmt;
  }
}

/** How many values of which column which detector found something in; columns are counted from 0. */
function detected(sampled: readonly SampledColumn[]): Record<string, JsonValue> {
  const found = sampled.flatMap(({ hits }, column) =>
    hits.map(({ detector, values }) => ({ column, detector: detector.id, hits: values })),
  );
  return found.length === 0 ? {} : { detected: found };
}
