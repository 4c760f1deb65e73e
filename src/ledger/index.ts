export { conceal } from './conceal.ts';
export { type LedgerCode, LedgerError } from './errors.ts';
export type { CheckpointPace, Ledger, LedgerStatus } from './ledger.ts';
export { type InitLedgerOptions, initLedger, type OpenLedgerOptions, openLedger } from './open.ts';
export { CHECKPOINT, KEY, VKEY } from './paths.ts';
export type { LedgerStorage, PublishedFile, SplicedFile, WriteAheadSegment } from './storage.ts';
export { type Batch, batchesOf } from './write-ahead.ts';
export { type WrittenRecord, writeOut } from './write-out.ts';
