export type { Asker, DecideOptions } from './asker.ts';
export { PolicyError, type PolicyErrorCode } from './errors.ts';
export { type ExplainedQuestion, type Explanation, explanationText, type QuotedPolicy } from './explain.ts';
export { type LoadedPolicies, type LoadOptions, loadPolicySet, type PolicyFile, type PolicyProblem } from './load.ts';
export type { Policy } from './policy.ts';
export type { ColumnRef, PolicySet } from './policy-set.ts';
export {
  type PolicyTestResult,
  type PolicyTestRun,
  runPolicyTests,
  type StatementAnswer,
  type StatementAnswerer,
} from './policy-tests.ts';
export { ACTIONS, CONTROL_ACTIONS, DATA_ACTIONS, SCHEMA_TEXT } from './schema.ts';
export { starterPolicies, starterPolicyTests } from './starter.ts';
export { type Supposed, supposedPrincipal } from './supposed.ts';
export { circumstances, contextSchema, requestOf, type WrittenQuestion, writtenQuestionSchema } from './test-case.ts';
export { principalInWords, resourceInWords } from './words.ts';
