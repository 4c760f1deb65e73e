export { type DemoOptions, runDemo } from './demo.ts';
export { DemoError, type DemoErrorCode } from './errors.ts';
