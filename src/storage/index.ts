export { StorageError, type StorageErrorCode } from './errors.ts';
export { createLedgerFiles } from './ledger-files.ts';
export { createSessionIndex, type SessionIndex } from './session-index.ts';
export type { SettingStore, StickyLabelStore } from './setting-store.ts';
export { openStorage, type Storage, type StorageOptions } from './storage.ts';
