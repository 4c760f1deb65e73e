export { CatalogCache, type CatalogCacheOptions, type CatalogChange, type RefreshReason } from './cache.ts';
export { CatalogError, type CatalogErrorCode } from './errors.ts';
export { catalogText, parseCatalogText } from './exchange.ts';
export type { CatalogBasis, CatalogPart } from './fingerprint.ts';
export { functionsNamed, relationNamed } from './names.ts';
export { parseSessionContext } from './parse.ts';
export { type Query, readCatalog, readSessionContext } from './read.ts';
export { SESSION_START_SQL } from './sql.ts';
export { CatalogParts, CatalogWatch } from './watch.ts';
