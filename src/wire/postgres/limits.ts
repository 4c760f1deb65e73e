import type { FrameLimit } from '../bytes/frame.ts';
import { BACKEND, FRONTEND } from './codes.ts';

/** The server's own limit for messages that carry no statement, value or row (PQ_SMALL_MESSAGE_LIMIT). */
const SMALL = 10_000;
const GIB = 0x40000000;

export interface FrontendSizes {
  /** Largest Query, Parse and FunctionCall in bytes. */
  readonly statement: number;
  /** Largest Bind in bytes: names, formats and all values. */
  readonly bind: number;
  /** Largest CopyData in bytes. */
  readonly copyData: number;
}

/** Body limits for a client that has logged in: every frontend message but `password`; other types are not accepted. */
export function frontendLimit(sizes: FrontendSizes): FrameLimit {
  const limits = new Map<number, number>([
    [FRONTEND.query, sizes.statement],
    [FRONTEND.parse, sizes.statement],
    [FRONTEND.functionCall, sizes.statement],
    [FRONTEND.bind, sizes.bind],
    [FRONTEND.copyData, sizes.copyData],
    [FRONTEND.copyFail, SMALL],
    [FRONTEND.describe, SMALL],
    [FRONTEND.execute, SMALL],
    [FRONTEND.close, SMALL],
    [FRONTEND.flush, 0],
    [FRONTEND.sync, 0],
    [FRONTEND.copyDone, 0],
    [FRONTEND.terminate, 0],
  ]);
  return (type) => limits.get(type) ?? -1;
}

/** Body limits before a client has logged in: password and SASL messages up to `bytes` (a token is the largest), Terminate. */
export function authenticationLimit(bytes = 65_536): FrameLimit {
  return (type) => (type === FRONTEND.password ? bytes : type === FRONTEND.terminate ? 0 : -1);
}

/**
 * Body limits for what a target sends. Rows and COPY data may be as long as the server can make them (1 GiB); messages
 * that are collected whole may have `whole` bytes (an error quoting a long statement, 1,600 described columns).
 */
export function backendLimit(whole = 16 * 1024 * 1024): FrameLimit {
  const limits = new Map<number, number>(Object.values(BACKEND).map((type) => [type, whole]));
  limits.set(BACKEND.dataRow, GIB);
  limits.set(BACKEND.copyData, GIB);
  return (type) => limits.get(type) ?? -1;
}

/** Types that a FrameScanner passes in runs. */
export function streamedByBackend(type: number): boolean {
  return type === BACKEND.dataRow || type === BACKEND.copyData;
}
