import type { FormatCode } from './frontend-message.ts';

/** One column of a RowDescription. */
export interface Field {
  readonly name: string;
  /** OID of the table the column comes from, 0 when it is not simply a column. */
  readonly tableOid: number;
  /** `pg_attribute.attnum` in that table, 0 when it is not simply a column; negative for system columns. */
  readonly columnNumber: number;
  readonly typeOid: number;
  /** `pg_type.typlen`: bytes, negative for variable-width types. */
  readonly typeSize: number;
  /** -1 when the type has none. */
  readonly typeModifier: number;
  readonly format: FormatCode;
}

/** One field of an ErrorResponse or NoticeResponse: https://www.postgresql.org/docs/18/protocol-error-fields.html */
export interface NoticeField {
  /** One ASCII letter, e.g. `S` severity, `C` SQLSTATE, `M` message. */
  readonly code: string;
  readonly value: string;
}

/** `I` idle, `T` in a transaction, `E` in a failed one. */
export type TransactionStatus = 'I' | 'T' | 'E';

export type AuthenticationMessage =
  | { readonly kind: 'authentication'; readonly method: 'ok' }
  | { readonly kind: 'authentication'; readonly method: 'cleartext' }
  | { readonly kind: 'authentication'; readonly method: 'md5'; readonly salt: Buffer }
  | { readonly kind: 'authentication'; readonly method: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'authentication'; readonly method: 'sasl-continue'; readonly data: Buffer }
  | { readonly kind: 'authentication'; readonly method: 'sasl-final'; readonly data: Buffer }
  /** Kerberos, GSSAPI, SSPI and codes of the future. */
  | { readonly kind: 'authentication'; readonly method: 'other'; readonly code: number; readonly data: Buffer };

export interface CopyResponse {
  readonly kind: 'copy-in' | 'copy-out' | 'copy-both';
  readonly format: FormatCode;
  readonly columnFormats: readonly FormatCode[];
}

/** Everything a server may send after its answer to SSLRequest. */
export type BackendMessage =
  | AuthenticationMessage
  | CopyResponse
  | { readonly kind: 'backend-key-data'; readonly pid: number; readonly key: Buffer }
  | { readonly kind: 'parameter-status'; readonly name: string; readonly value: string }
  | { readonly kind: 'ready-for-query'; readonly status: TransactionStatus }
  | { readonly kind: 'row-description'; readonly fields: readonly Field[] }
  | { readonly kind: 'parameter-description'; readonly types: readonly number[] }
  | { readonly kind: 'data-row'; readonly values: readonly (Buffer | null)[] }
  | { readonly kind: 'command-complete'; readonly tag: string }
  | { readonly kind: 'error-response'; readonly fields: readonly NoticeField[] }
  | { readonly kind: 'notice-response'; readonly fields: readonly NoticeField[] }
  | { readonly kind: 'notification'; readonly pid: number; readonly channel: string; readonly payload: string }
  | { readonly kind: 'function-call-response'; readonly value: Buffer | null }
  | {
      readonly kind: 'negotiate-protocol-version';
      /** Newest minor version of major 3 that the server speaks. */
      readonly minor: number;
      /** `_pq_.` options it does not know. */
      readonly unrecognised: readonly string[];
    }
  | { readonly kind: 'copy-data'; readonly data: Buffer }
  | { readonly kind: 'copy-done' }
  | { readonly kind: 'empty-query' }
  | { readonly kind: 'no-data' }
  | { readonly kind: 'parse-complete' }
  | { readonly kind: 'bind-complete' }
  | { readonly kind: 'close-complete' }
  | { readonly kind: 'portal-suspended' };
