import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { problem } from '../controlplane/contract/index.ts';
import { isLoopbackHost } from '../model/loopback.ts';
import { CliError, type CliErrorCode } from './errors.ts';

const ANSWER_WITHIN_MS = 30_000;
const LARGEST_ANSWER = 64 * 1024 * 1024;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The control API. Answers are checked against the contract: a gateway of another version is an error, not a surprise. */
export class ApiClient {
  readonly server: string;
  readonly #bearer: string | undefined;

  /** @throws CliError ERR_CLI_USAGE when what proves the caller would cross a network in clear */
  constructor(server: string, bearer?: string) {
    if (bearer !== undefined) assertPrivate(server);
    this.server = server;
    this.#bearer = bearer;
  }

  /** @throws CliError — unreachable, not authenticated, denied, or what the gateway says. */
  async get<Schema extends z.ZodType>(schema: Schema, path: string, query: Query = {}): Promise<z.infer<Schema>> {
    const url = new URL(this.server + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return this.#checked(schema, await this.#fetch(url, 'GET'));
  }

  async post<Schema extends z.ZodType>(schema: Schema, path: string, body: unknown = {}): Promise<z.infer<Schema>> {
    return this.#checked(schema, await this.#fetch(new URL(this.server + path), 'POST', JSON.stringify(body)));
  }

  async delete<Schema extends z.ZodType>(schema: Schema, path: string): Promise<z.infer<Schema>> {
    return this.#checked(schema, await this.#fetch(new URL(this.server + path), 'DELETE'));
  }

  /** Bytes as they are; `undefined` when there is nothing at that path. */
  async bytes(path: string): Promise<Buffer | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return Buffer.from(await (await this.#fetch(new URL(this.server + path), 'GET')).arrayBuffer());
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        if (!(error instanceof ApiError) || error.status !== 429 || attempt === 5) throw error;
        await sleep(200 * attempt);
      }
    }
  }

  async #fetch(url: URL, method: string, body?: string): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        headers: {
          ...(this.#bearer === undefined ? {} : { authorization: `Bearer ${this.#bearer}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
        redirect: 'error', // a token must not follow a redirect to somewhere else
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch (error) {
      throw new CliError(
        'ERR_CLI_UNREACHABLE',
        `no answer from the gateway at ${this.server} (${reasonOf(error)})`,
        'Is it running, and is this its control address? Another one: --server URL or GATEHOUSE_URL.',
        { cause: error },
      );
    }
    if (response.ok) return response;
    throw await apiError(response, this.server);
  }

  async #checked<Schema extends z.ZodType>(schema: Schema, response: Response): Promise<z.infer<Schema>> {
    const length = Number(response.headers.get('content-length') ?? 0);
    const text = length > LARGEST_ANSWER ? '' : await response.text();
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new CliError(
        'ERR_CLI_FAILED',
        `${this.server} did not answer with JSON: is it a gateway’s control address?`,
      );
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new CliError(
      'ERR_CLI_FAILED',
      `the answer of ${this.server} does not fit this version of gatehouse (${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message})`,
      'Use the command of the same version as the gateway.',
    );
  }
}

/** What the gateway said no with. */
export class ApiError extends CliError {
  readonly status: number;

  constructor(code: CliErrorCode, status: number, message: string, hint?: string) {
    super(code, message, hint);
    this.status = status;
  }
}

async function apiError(response: Response, server: string): Promise<ApiError> {
  const { status } = response;
  let detail = `${server} answered ${status}`;
  try {
    const told = problem.parse(JSON.parse(await response.text()));
    detail = told.detail;
  } catch {
    // Not the gateway's own error (a proxy in between, perhaps): the status has to do.
  }
  if (status === 401) return new ApiError('ERR_CLI_NOT_AUTHENTICATED', status, detail, 'Run: gatehouse login');
  if (status === 403) return new ApiError('ERR_CLI_DENIED', status, detail);
  return new ApiError('ERR_CLI_FAILED', status, detail);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `nothing for ${ANSWER_WITHIN_MS / 1000} s`;
  const { cause } = error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : error.message;
}

/** The gateway refuses tokens that came in clear, but by then somebody on the way has read them. */
function assertPrivate(server: string): void {
  const { protocol, hostname } = new URL(server);
  if (protocol === 'https:' || isLoopbackHost(hostname)) return;
  throw new CliError(
    'ERR_CLI_USAGE',
    `${server} is another machine, and http would show your credential to everybody on the way`,
    `Use https://${new URL(server).host}, or an ssh tunnel to it.`,
  );
}
