/** Everything that can go wrong while a target's catalog is read. */
export type CatalogErrorCode =
  | 'ERR_DATAPLANE_CATALOG_ANSWER'
  /** An exported file that is none, or one of another version. */
  | 'ERR_DATAPLANE_CATALOG_FILE'
  /** A catalog file is none, or one of another version. */
  | 'ERR_DATAPLANE_CATALOG_FILE'
  | 'ERR_DATAPLANE_CATALOG_VERSION'
  | 'ERR_DATAPLANE_CATALOG_UNAVAILABLE'
  | 'ERR_DATAPLANE_CATALOG_CLOSED';

export class CatalogError extends Error {
  override readonly name = 'CatalogError';
  readonly code: CatalogErrorCode;

  constructor(code: CatalogErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}
