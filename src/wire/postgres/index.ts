export { WireError, type WireErrorCode } from '../errors.ts';
export type {
  AuthenticationMessage,
  BackendMessage,
  CopyResponse,
  Field,
  NoticeField,
  TransactionStatus,
} from './backend-message.ts';
export { tlsServerEndPoint } from './channel-binding.ts';
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
export { type InitialMessage, parseInitial, readInitialLength, TLS_HANDSHAKE_BYTE } from './initial.ts';
export { authenticationLimit, backendLimit, type FrontendSizes, frontendLimit, streamedByBackend } from './limits.ts';
export {
  isOAuthDummyResponse,
  OAUTHBEARER,
  type OAuthInitialResponse,
  oauthChallenge,
  parseOAuthInitialResponse,
} from './oauthbearer.ts';
export { parseBackend } from './parse-backend.ts';
export { parseFrontend, parsePassword, parseSaslInitial } from './parse-frontend.ts';
export { md5Password } from './password.ts';
export { encodeNotice, encodeRefusal, refusalFields, refusalTable, type Severity } from './refusal.ts';
export { ScramClient, type ScramClientOptions } from './scram-client.ts';
export type { ScramMechanism } from './scram-message.ts';
export { ScramServer, type ScramServerOptions } from './scram-server.ts';
export {
  makeScramVerifier,
  parseScramVerifier,
  type ScramVerifier,
} from './scram-verifier.ts';
