export { type ApprovalOptions, type Approvals, createApprovals, type OpenApproval } from './approvals.ts';
export { bindingHash, bindingKey, hashBound } from './binding.ts';
export { canonicalJson } from './canonical.ts';
export { ApprovalError, type ApprovalErrorCode } from './errors.ts';
export { hasSpoken, isRequester } from './people.ts';
export { type ApprovalSettings, quorumMet, type Verdict } from './rules.ts';
export type { ApprovalEntry, ApprovalFilter, ApprovalPage, ApprovalStore } from './store.ts';
export { NO_UNMASKS, Unmasks } from './unmasks.ts';
