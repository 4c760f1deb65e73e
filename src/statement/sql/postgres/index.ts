export { type AnalyserLimits, createAnalyser, type StatementAnalyser, type World } from './analyser.ts';
export { StatementError, type StatementErrorCode } from './errors.ts';
export { viewLineage } from './lineage.ts';
export { partOf, type SessionObjects } from './statements.ts';
