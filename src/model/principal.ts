/** What a caller is. Cedar entity types: `User`, `Service`, `Agent`. */
export type PrincipalKind = 'person' | 'service' | 'agent';

/** An authenticated caller. Made only by the room `identity`; never changes within a session. */
export interface Principal {
  /** Unique over all issuers: `<subject prefix of the issuer><subject>`. The Cedar entity id, and who is excluded from approving. */
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  /** For people to read (usually the e-mail address). Never used for a decision. */
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly groups: readonly string[];
  /** RFC 8693 `act` or a configured claim: the person for whom a service or agent acts. */
  readonly onBehalfOf?: string;
  readonly mfa: boolean;
  /** How the caller proved it: an OIDC token, or a session credential issued by `gatehouse login`. */
  readonly credential: { readonly type: 'token' } | { readonly type: 'session'; readonly id: string };
  /** Milliseconds since the epoch; live sessions end then. */
  readonly expiresAt: number;
}
