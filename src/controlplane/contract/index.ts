export * from './common.ts';
export * from './connections.ts';
export * from './explain.ts';
export * from './identity.ts';
export * from './operations.ts';
export { paths } from './paths.ts';
export * from './pseudonyms.ts';
export * from './requests.ts';
export * from './sessions.ts';
