/** Everything that can be wrong with a proof of identity, or with the means to judge it. */
export type IdentityErrorCode =
  | 'ERR_IDENTITY_TOKEN_TOO_LARGE'
  | 'ERR_IDENTITY_TOKEN_MALFORMED'
  | 'ERR_IDENTITY_ALGORITHM'
  | 'ERR_IDENTITY_TYPE'
  | 'ERR_IDENTITY_CRITICAL_HEADER'
  | 'ERR_IDENTITY_ISSUER_UNKNOWN'
  | 'ERR_IDENTITY_AUDIENCE'
  | 'ERR_IDENTITY_EXPIRED'
  | 'ERR_IDENTITY_NOT_YET_VALID'
  | 'ERR_IDENTITY_CLAIMS'
  | 'ERR_IDENTITY_KEY_UNKNOWN'
  | 'ERR_IDENTITY_KEYS_UNAVAILABLE'
  | 'ERR_IDENTITY_SIGNATURE'
  | 'ERR_IDENTITY_CREDENTIAL_UNKNOWN'
  | 'ERR_IDENTITY_CREDENTIAL_EXPIRED'
  | 'ERR_IDENTITY_CREDENTIAL_REVOKED'
  | 'ERR_IDENTITY_CREDENTIAL_EXISTS'
  | 'ERR_IDENTITY_CREDENTIAL_WRONG'
  | 'ERR_IDENTITY_CREDENTIAL_LIFETIME'
  | 'ERR_IDENTITY_SEAL_BROKEN'
  | 'ERR_IDENTITY_SEAL_KEY'
  | 'ERR_IDENTITY_MASTER_KEY'
  | 'ERR_IDENTITY_LOGIN_FAILED'
  | 'ERR_IDENTITY_LOGIN_TIMEOUT';

/**
 * What a peer who has proved nothing may learn. Everything about keys, issuers and claims looks alike to him; only what he
 * can mend himself (log in again, send less) is told apart.
 */
const clientMessages: Readonly<Record<IdentityErrorCode, string>> = {
  ERR_IDENTITY_TOKEN_TOO_LARGE:
    'the token is larger than 16 KiB; ask the identity provider for a smaller one (fewer groups)',
  ERR_IDENTITY_TOKEN_MALFORMED: 'the password is neither an OIDC token nor a session credential; run: gatehouse login',
  ERR_IDENTITY_ALGORITHM: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_TYPE: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_CRITICAL_HEADER: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_ISSUER_UNKNOWN: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_AUDIENCE: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_EXPIRED: 'the token has expired; run: gatehouse login',
  ERR_IDENTITY_NOT_YET_VALID: 'the token is not valid yet; check the clock of the machine that issued it',
  ERR_IDENTITY_CLAIMS: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_KEY_UNKNOWN: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_KEYS_UNAVAILABLE: 'the identity provider cannot be reached to check the token; try again in a minute',
  ERR_IDENTITY_SIGNATURE: 'the token was not accepted; run: gatehouse login',
  ERR_IDENTITY_CREDENTIAL_UNKNOWN: 'the session credential was not accepted; run: gatehouse login',
  ERR_IDENTITY_CREDENTIAL_EXPIRED: 'the session credential has expired; run: gatehouse login',
  ERR_IDENTITY_CREDENTIAL_REVOKED: 'the session credential was not accepted; run: gatehouse login',
  ERR_IDENTITY_CREDENTIAL_EXISTS: 'the session credential could not be issued; run: gatehouse login',
  ERR_IDENTITY_CREDENTIAL_WRONG: 'the session credential was not accepted; run: gatehouse login',
  ERR_IDENTITY_CREDENTIAL_LIFETIME: 'the session credential cannot be issued for that long; ask for a shorter one',
  ERR_IDENTITY_SEAL_BROKEN: 'the gateway cannot read its own credentials; tell its operator',
  ERR_IDENTITY_SEAL_KEY: 'the gateway cannot read its own credentials; tell its operator',
  ERR_IDENTITY_MASTER_KEY: 'the gateway cannot read its own credentials; tell its operator',
  ERR_IDENTITY_LOGIN_FAILED: 'the login did not succeed; run: gatehouse login',
  ERR_IDENTITY_LOGIN_TIMEOUT: 'the login was not completed in time; run: gatehouse login',
};

/**
 * `message` and `detail` are for the operator's log and name no part of a token but its issuer's configuration;
 * `clientMessage` is what may be said to the peer.
 */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly code: IdentityErrorCode;
  readonly detail: string;

  constructor(code: IdentityErrorCode, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
  }

  get clientMessage(): string {
    return clientMessages[this.code];
  }
}
