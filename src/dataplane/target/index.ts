export { cancelTarget } from './cancel.ts';
export { connectTarget } from './connect.ts';
export { TargetError, type TargetErrorCode } from './errors.ts';
export { type BackendKey, type TargetOptions, type TargetSession, targetOptions } from './options.ts';
export { type QueryLimits, TargetQueries } from './queries.ts';
