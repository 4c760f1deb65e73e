export type { CredentialStore, ScramVerifier, StoredCredential } from './credential-store.ts';
export { IdentityError, type IdentityErrorCode } from './errors.ts';
export {
  clientCredentials,
  type DevicePrompt,
  deviceLogin,
  type LoginTarget,
  type LoginTokens,
  loopbackLogin,
  refreshLogin,
  tokenForAudience,
} from './login.ts';
export {
  createMasterKey,
  loadMasterKey,
  type MasterKey,
  openSecret,
  type SealedSecretStore,
  sealSecret,
} from './sealed-secret.ts';
export {
  decoyVerifier,
  type IssuedCredential,
  isSessionCredentialId,
  issueSessionCredential,
  principalOfCredential,
  verifySessionSecret,
} from './session-credential.ts';
export { looksLikeToken, MAX_TOKEN_BYTES } from './token-shape.ts';
export { createIdentityVerifier, type IdentityVerifier, type VerifierOptions } from './verifier.ts';
