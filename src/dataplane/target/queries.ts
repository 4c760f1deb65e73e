import { backendLimit, frontend, type NoticeField, parseBackend, WireError } from '../../wire/postgres/index.ts';
import { connectTarget } from './connect.ts';
import { said, TargetError, where } from './errors.ts';
import { FrameChannel, notPostgres } from './frame-channel.ts';
import type { BackendKey, TargetOptions, TargetSession } from './options.ts';

export interface QueryLimits {
  /** Rows of one query, all its statements together. */
  readonly maxRows: number;
  /** Bytes of one query's rows on the wire. */
  readonly maxBytes: number;
  /** Milliseconds for one query. */
  readonly timeoutMs: number;
}

const DEFAULT_LIMITS: QueryLimits = { maxRows: 2_000_000, maxBytes: 512 * 1024 * 1024, timeoutMs: 120_000 };

/**
 * The gateway's own questions to a target (its catalog, a session's settings), on a connection of their own: simple
 * queries, one after the other, text results. After a broken limit or protocol the connection is closed for good.
 */
export class TargetQueries {
  readonly #session: TargetSession;
  readonly #options: TargetOptions;
  readonly #limits: QueryLimits;
  readonly #channel: FrameChannel;
  #last: Promise<unknown> = Promise.resolve();
  #failure: TargetError | undefined;

  /** Connects with UTF-8 as the client's encoding. Rejects with `TargetError`. */
  static async connect(options: TargetOptions, limits: Partial<QueryLimits> = {}): Promise<TargetQueries> {
    const startupParameters = { ...options.startupParameters, client_encoding: 'UTF8' };
    const session = await connectTarget({ ...options, startupParameters });
    return new TargetQueries(session, options, { ...DEFAULT_LIMITS, ...limits });
  }

  private constructor(session: TargetSession, options: TargetOptions, limits: QueryLimits) {
    this.#session = session;
    this.#options = options;
    this.#limits = limits;
    this.#channel = new FrameChannel(session.socket, options.address, backendLimit(limits.maxBytes), session.leftOver);
  }

  /** ParameterStatus of the login. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#session.parameters;
  }

  /** For `cancelTarget`. */
  get backendKey(): BackendKey | undefined {
    return this.#session.backendKey;
  }

  /** False once the connection is closed or broken. */
  get usable(): boolean {
    return this.#failure === undefined && !this.#session.socket.destroyed;
  }

  /** The rows of every statement in `text`, in order. Rejects with `TargetError`: `ERR_TARGET_QUERY` leaves the session usable. */
  query(text: string): Promise<(string | null)[][]> {
    const result = this.#last.then(() => this.#run(text));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Says goodbye and closes; what still waits is rejected. */
  close(): void {
    this.#failure ??= new TargetError(
      'ERR_TARGET_LOST',
      `the gateway closed its connection to ${where(this.#options.address)}.`,
    );
    this.#channel.write(frontend.terminate());
    this.#session.socket.destroySoon();
  }

  async #run(text: string): Promise<(string | null)[][]> {
    if (this.#failure) throw this.#failure;
    const timer = setTimeout(() => {
      const seconds = this.#limits.timeoutMs / 1000;
      this.#break(
        new TargetError(
          'ERR_TARGET_TIMEOUT',
          `${where(this.#options.address)} did not answer a question of the gateway within ${seconds} s. Check the server's load and locks.`,
        ),
      );
    }, this.#limits.timeoutMs);
    try {
      this.#channel.write(frontend.query(text));
      return await this.#readResult();
    } catch (error) {
      if (error instanceof TargetError && error.code === 'ERR_TARGET_QUERY') throw error;
      throw this.#break(error instanceof WireError ? notPostgres(this.#options.address, error) : error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readResult(): Promise<(string | null)[][]> {
    const rows: (string | null)[][] = [];
    let bytes = 0;
    let error: TargetError | undefined;
    for (;;) {
      const frame = await this.#channel.next();
      const message = parseBackend(frame);
      switch (message.kind) {
        case 'data-row':
          bytes += frame.bytes.length;
          if (rows.length >= this.#limits.maxRows || bytes > this.#limits.maxBytes) throw this.#tooMuch();
          rows.push(message.values.map((value) => (value === null ? null : value.toString('utf8'))));
          break;
        case 'error-response':
          if (isFatal(message.fields)) throw this.#ended(message.fields);
          error ??= this.#queryError(message.fields);
          break;
        case 'ready-for-query':
          if (error) throw error;
          return rows;
        case 'copy-in':
          this.#channel.write(frontend.copyFail('the gateway sends no data'));
          break;
        case 'row-description':
        case 'command-complete':
        case 'empty-query':
        case 'notice-response':
        case 'notification':
        case 'parameter-status':
        case 'copy-out':
        case 'copy-data':
        case 'copy-done':
          break;
        default:
          throw new TargetError(
            'ERR_TARGET_PROTOCOL',
            `${where(this.#options.address)} answered a query with ${message.kind}, as no PostgreSQL server does.`,
          );
      }
    }
  }

  #queryError(fields: readonly NoticeField[]): TargetError {
    const { text, sqlstate } = said(fields);
    return new TargetError(
      'ERR_TARGET_QUERY',
      `${where(this.#options.address)} answered a question of the gateway with an error: ${text}.`,
      { sqlstate },
    );
  }

  #ended(fields: readonly NoticeField[]): TargetError {
    const { text, sqlstate } = said(fields);
    return new TargetError('ERR_TARGET_LOST', `${where(this.#options.address)} ended the connection: ${text}.`, {
      sqlstate,
    });
  }

  #tooMuch(): TargetError {
    const { maxRows, maxBytes } = this.#limits;
    return new TargetError(
      'ERR_TARGET_TOO_MUCH',
      `${where(this.#options.address)} answered a question of the gateway with more than ${maxRows} rows or ${maxBytes} bytes.`,
    );
  }

  #break(error: unknown): unknown {
    this.#failure ??=
      error instanceof TargetError
        ? error
        : new TargetError('ERR_TARGET_LOST', `the connection to ${where(this.#options.address)} broke.`, {
            cause: error,
          });
    this.#session.socket.destroy(this.#failure);
    return this.#failure;
  }
}

/** After FATAL and PANIC the server closes the connection without another word. */
function isFatal(fields: readonly NoticeField[]): boolean {
  const severity = fields.find((field) => field.code === 'V')?.value;
  return severity === 'FATAL' || severity === 'PANIC';
}
