export type { Access } from './access.ts';
export type { StatementExplanation } from './contract/index.ts';
export { type ControlPlane, createControlPlane } from './control-plane.ts';
export { ControlError, type ControlErrorCode } from './errors.ts';
export { MetricsRegistry } from './metrics.ts';
export { openapiText, writeOpenapiFile } from './openapi.ts';
export type {
  ConnectionInfo,
  ControlPlaneOptions,
  IndexedSession,
  IndexedStatement,
  LabelRelation,
  LabelsPort,
  LedgerPort,
  Log,
  LoginIssuer,
  MetricsExposition,
  PolicyPort,
  ProposalsPort,
  ScansPort,
  SessionFilter,
  SessionIndex,
  StandingProposal,
  TokenVerifier,
  UnmaskAnswer,
} from './ports.ts';
export type { RouteFacts } from './server.ts';
