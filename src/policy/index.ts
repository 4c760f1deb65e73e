export type { Asker, DecideOptions } from './asker.ts';
export { PolicyError, type PolicyErrorCode } from './errors.ts';
export type { ExplainedQuestion, Explanation, QuotedPolicy } from './explain.ts';
export { type LoadedPolicies, type LoadOptions, loadPolicySet, type PolicyFile, type PolicyProblem } from './load.ts';
export type { Policy } from './policy.ts';
export type { ColumnRef, PolicySet } from './policy-set.ts';
export { ACTIONS, CONTROL_ACTIONS, DATA_ACTIONS, SCHEMA_TEXT } from './schema.ts';
export { principalInWords, resourceInWords } from './words.ts';
