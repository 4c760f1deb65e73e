export type PolicyErrorCode = 'ERR_POLICY_ENGINE' | 'ERR_POLICY_CONTEXT' | 'ERR_POLICY_SCHEMA';

/** Something is broken (not: somebody may not). A "no" is an ordinary `Decision`. */
export class PolicyError extends Error {
  readonly code: PolicyErrorCode;

  constructor(code: PolicyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PolicyError';
    this.code = code;
  }
}
