export type ApprovalErrorCode =
  /** There is no request with this id. */
  | 'ERR_APPROVAL_NOT_FOUND'
  /** The approver is the requester, or acts for him, or he acts for the approver. */
  | 'ERR_APPROVAL_OWN_REQUEST'
  /** The approver is in none of the groups whose consent is asked for. */
  | 'ERR_APPROVAL_NOT_AN_APPROVER'
  /** This person, or somebody who acts for the same one, has decided on this request before. */
  | 'ERR_APPROVAL_ALREADY_SPOKEN'
  /** A service or agent that acts for nobody: there is no human whose consent it would be. */
  | 'ERR_APPROVAL_NOT_A_PERSON'
  /** The request has left `pending`: it was approved, denied or cancelled. */
  | 'ERR_APPROVAL_NOT_PENDING'
  | 'ERR_APPROVAL_EXPIRED'
  /** There is no consent that could be taken back. */
  | 'ERR_APPROVAL_NOT_IN_FORCE'
  | 'ERR_APPROVAL_REASON_TOO_SHORT'
  /** Uses, window or row limit outside their bounds. */
  | 'ERR_APPROVAL_BAD_CONDITIONS'
  /** Only the requester may cancel. */
  | 'ERR_APPROVAL_NOT_REQUESTER'
  /** The requester has too many requests open. */
  | 'ERR_APPROVAL_TOO_MANY'
  /** The binding holds something canonical JSON cannot say exactly. */
  | 'ERR_APPROVAL_BAD_BINDING'
  /** The evidence could not be written, so nothing was changed. */
  | 'ERR_APPROVAL_NOT_RECORDED'
  /** The request kept changing under our hands. */
  | 'ERR_APPROVAL_CONFLICT';

/** What went wrong with an approval, why, and what to do next. */
export class ApprovalError extends Error {
  readonly code: ApprovalErrorCode;
  constructor(code: ApprovalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApprovalError';
    this.code = code;
  }
}
