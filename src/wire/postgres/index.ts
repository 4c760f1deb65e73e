export { WireError, type WireErrorCode } from '../errors.ts';
export type {
  AuthenticationMessage,
  BackendMessage,
  CopyResponse,
  Field,
  NoticeField,
  TransactionStatus,
} from './backend-message.ts';
export { BACKEND, FRONTEND } from './codes.ts';
export { backend } from './encode-backend.ts';
export { frontend } from './encode-frontend.ts';
export type {
  BindMessage,
  CloseMessage,
  DescribeMessage,
  ExecuteMessage,
  FormatCode,
  FrontendMessage,
  FunctionCallMessage,
  ParseMessage,
  QueryMessage,
  SqlText,
} from './frontend-message.ts';
export { type InitialMessage, InitialReader, parseInitial, readInitialLength, TLS_HANDSHAKE_BYTE } from './initial.ts';
export { authenticationLimit, backendLimit, type FrontendSizes, frontendLimit, streamedByBackend } from './limits.ts';
export { parseBackend } from './parse-backend.ts';
export { parseFrontend, parsePassword, parseSaslInitial } from './parse-frontend.ts';
export { encodeNotice, encodeRefusal, refusalFields, refusalTable, type Severity } from './refusal.ts';
