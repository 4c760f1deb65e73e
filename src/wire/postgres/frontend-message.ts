/** Text 0 or binary 1: https://www.postgresql.org/docs/18/protocol-overview.html#PROTOCOL-FORMAT-CODES */
export type FormatCode = 0 | 1;

/** SQL text as it came. `wellFormed` is false when its bytes are not UTF-8: `text` is then lossy and must not be judged. */
export interface SqlText {
  readonly text: string;
  readonly wellFormed: boolean;
}

export interface QueryMessage extends SqlText {
  readonly kind: 'query';
}

export interface ParseMessage extends SqlText {
  readonly kind: 'parse';
  /** Empty: the unnamed statement. */
  readonly name: string;
  /** OIDs; 0 leaves the type to the server. */
  readonly parameterTypes: readonly number[];
}

export interface BindMessage {
  readonly kind: 'bind';
  readonly portal: string;
  readonly statement: string;
  /** None (all text), one (for all), or one per parameter. */
  readonly parameterFormats: readonly FormatCode[];
  /** Views of the frame. */
  readonly parameters: readonly (Buffer | null)[];
  readonly resultFormats: readonly FormatCode[];
}

export interface DescribeMessage {
  readonly kind: 'describe';
  readonly of: 'statement' | 'portal';
  readonly name: string;
}

export interface CloseMessage {
  readonly kind: 'close';
  readonly of: 'statement' | 'portal';
  readonly name: string;
}

export interface ExecuteMessage {
  readonly kind: 'execute';
  readonly portal: string;
  /** The server takes 0 and anything negative as "no limit". */
  readonly maxRows: number;
}

export interface FunctionCallMessage {
  readonly kind: 'function-call';
  readonly oid: number;
  readonly argumentFormats: readonly FormatCode[];
  readonly arguments: readonly (Buffer | null)[];
  readonly resultFormat: FormatCode;
}

/** Everything a client may send after its startup packet. */
export type FrontendMessage =
  | QueryMessage
  | ParseMessage
  | BindMessage
  | DescribeMessage
  | CloseMessage
  | ExecuteMessage
  | FunctionCallMessage
  | { readonly kind: 'flush' }
  | { readonly kind: 'sync' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'copy-data'; readonly data: Buffer }
  | { readonly kind: 'copy-done' }
  | { readonly kind: 'copy-fail'; readonly message: string }
  /** PasswordMessage or a SASL response; read on with `parsePassword`, `parseSaslInitial`, or take `data` as it is. */
  | { readonly kind: 'password'; readonly data: Buffer };
