import { z } from 'zod';
import { count, next, objectId, person, timestamp } from './common.ts';

/**
 * How callers prove who they are: `Authorization: Bearer TOKEN`, where TOKEN is either an OIDC token, or a session credential
 * written `ID.SECRET` (`gs_….gsk_…`, as `POST /v1/credentials` gave them). Session credentials open every route but that one.
 */
export const sessionBearer = z.string().regex(/^gs_[0-9a-z]{26}\.gsk_[0-9a-z]{39}$/);

/** Writes a session credential the way `Authorization: Bearer` takes it. */
export function formatSessionBearer(id: string, secret: string): string {
  return `${id}.${secret}`;
}

/** One identity provider whose tokens the gateway accepts. */
export const loginIssuer = z
  .object({
    issuer: z.string().describe('As in the tokens’ `iss`; its endpoints are found by discovery'),
    clientId: z.string().optional().describe('Public client for command lines; absent when none is configured'),
    audience: z.array(z.string()).min(1).describe('A token has to name one of these; ask for the first'),
    scopes: z.array(z.string()),
  })
  .meta({ id: 'LoginIssuer' });
export type LoginIssuer = z.infer<typeof loginIssuer>;
export const loginInfo = z.object({ issuers: z.array(loginIssuer) }).meta({ id: 'LoginInfo' });
export type LoginInfo = z.infer<typeof loginInfo>;

/** https://www.rfc-editor.org/rfc/rfc9728#section-2 */
export const protectedResource = z
  .object({
    resource: z.string(),
    resource_name: z.string(),
    authorization_servers: z.array(z.string()),
    scopes_supported: z.array(z.string()),
    bearer_methods_supported: z.array(z.literal('header')),
  })
  .meta({ id: 'ProtectedResource' });
export type ProtectedResource = z.infer<typeof protectedResource>;

export const whoami = person
  .extend({
    issuer: z.string(),
    subject: z.string(),
    groups: z.array(z.string()),
    onBehalfOf: z.string().optional(),
    mfa: z.boolean(),
    credential: z.enum(['token', 'session']),
    expiresAt: timestamp,
  })
  .meta({ id: 'WhoAmI' });
export type WhoAmI = z.infer<typeof whoami>;

/** The longest life of a session credential, in seconds: half a day. */
export const MAX_CREDENTIAL_SECONDS = 12 * 3600;

export const issueCredential = z
  .strictObject({
    ttlSeconds: z
      .int()
      .min(60)
      .max(MAX_CREDENTIAL_SECONDS)
      .optional()
      .describe('Wished life in seconds; the gateway may give less, see `expiresAt`'),
  })
  .meta({ id: 'IssueCredential' });

export const issuedCredential = z
  .object({
    id: objectId.describe('User name for native clients'),
    secret: z.string().describe('Password for native clients; shown this once and kept nowhere'),
    expiresAt: timestamp,
  })
  .meta({ id: 'IssuedCredential' });
export type IssuedCredential = z.infer<typeof issuedCredential>;

export const credential = z
  .object({
    id: objectId,
    principal: person,
    issuedAt: timestamp,
    expiresAt: timestamp,
    revokedAt: timestamp.optional(),
    state: z.enum(['active', 'expired', 'revoked']),
  })
  .meta({ id: 'Credential' });
export type Credential = z.infer<typeof credential>;

export const credentialQuery = z.strictObject({
  principal: z.string().min(1).max(500).optional().describe('Somebody else’s credentials; needs `manage`'),
});
export const credentialList = z.object({ items: z.array(credential), next }).meta({ id: 'CredentialList' });
export type CredentialList = z.infer<typeof credentialList>;

export const revokedCredential = credential
  .extend({ sessionsEnded: count.describe('Live sessions that ended with it') })
  .meta({ id: 'RevokedCredential' });
export type RevokedCredential = z.infer<typeof revokedCredential>;
