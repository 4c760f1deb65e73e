import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { ApprovalError, type ApprovalErrorCode } from '../approval/index.ts';
import type { Problem } from './contract/index.ts';
import { ControlError, type ControlErrorCode } from './errors.ts';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Too slow',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  429: 'Too many',
  431: 'Headers too large',
  500: 'Internal error',
  503: 'Unavailable',
};

/** The status each rule of the approval room answers with; a new code does not compile until it has one. */
const approvalStatus: Readonly<Record<ApprovalErrorCode, number>> = {
  ERR_APPROVAL_NOT_FOUND: 404,
  ERR_APPROVAL_OWN_REQUEST: 403,
  ERR_APPROVAL_NOT_AN_APPROVER: 403,
  ERR_APPROVAL_NOT_REQUESTER: 403,
  ERR_APPROVAL_ALREADY_SPOKEN: 409,
  ERR_APPROVAL_NOT_A_PERSON: 403,
  ERR_APPROVAL_NOT_PENDING: 409,
  ERR_APPROVAL_NOT_IN_FORCE: 409,
  ERR_APPROVAL_EXPIRED: 409,
  ERR_APPROVAL_CONFLICT: 409,
  ERR_APPROVAL_REASON_TOO_SHORT: 400,
  ERR_APPROVAL_BAD_CONDITIONS: 400,
  ERR_APPROVAL_BAD_BINDING: 400,
  ERR_APPROVAL_TOO_MANY: 429,
  ERR_APPROVAL_NOT_RECORDED: 503,
};

export function problemOf(status: number, code: string, detail: string): Problem {
  return {
    type: `urn:gatehouse:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
  };
}

export interface Answer {
  readonly problem: Problem;
  readonly retryAfterSeconds?: number;
  /** A mistake of ours, to be logged. */
  readonly unexpected: boolean;
}

/** Any error as an answer that gives nothing away. */
export function answerOf(error: unknown): Answer {
  if (error instanceof ControlError) {
    return {
      problem: problemOf(error.status, error.code, error.message),
      unexpected: error.status >= 500,
      ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    };
  }
  if (error instanceof ApprovalError) {
    const status = approvalStatus[error.code];
    return { problem: problemOf(status, error.code, error.message), unexpected: status >= 500 };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const what = error.validation
      .slice(0, 5)
      .map(
        (issue) =>
          `${error.validationContext ?? 'request'}${issue.instancePath.replaceAll('/', '.')}: ${issue.message}`,
      )
      .join('; ');
    return bad('ERR_CONTROLPLANE_BAD_REQUEST', 400, `The request does not fit the API: ${what}. See /openapi.json.`);
  }
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (status === 413) {
    return bad('ERR_CONTROLPLANE_TOO_LARGE', 413, 'The body is larger than 64 KiB, which nothing here needs.');
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return bad(
      'ERR_CONTROLPLANE_BAD_REQUEST',
      status,
      'The request could not be read. See /openapi.json for its form.',
    );
  }
  return {
    problem: problemOf(
      500,
      'ERR_CONTROLPLANE_INTERNAL',
      'The gateway made a mistake; nothing was changed that its ledger does not show. Tell its operator the time of this answer.',
    ),
    unexpected: true,
  };
}

function bad(code: ControlErrorCode, status: number, detail: string): Answer {
  return { problem: problemOf(status, code, detail), unexpected: false };
}
