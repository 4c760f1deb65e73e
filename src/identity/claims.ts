import type { IssuerConfig } from '../model/config.ts';
import type { Principal, PrincipalKind } from '../model/principal.ts';
import { IdentityError } from './errors.ts';
import { authenticatedStrongly } from './factors.ts';
import type { Claims } from './token-shape.ts';

const MAX_SUBJECT = 255; // https://openid.net/specs/openid-connect-core-1_0.html#IDToken
const MAX_NAME = 256;
const MAX_GROUPS = 1000;
const MAX_GROUP = 256;

/** Makes the principal out of proved claims. @throws IdentityError ERR_IDENTITY_CLAIMS */
export function principalFrom(claims: Claims, issuer: IssuerConfig, expiresAt: number): Principal {
  // A security event or logout token may carry no typ at all: https://www.rfc-editor.org/rfc/rfc8417#section-2.2
  if (Object.hasOwn(claims, 'events')) fail('it is a security event, not a proof of identity');
  // Bound to a key of the caller, who has not proved to hold it here: https://www.rfc-editor.org/rfc/rfc7800
  if (Object.hasOwn(claims, 'cnf')) fail('it is bound to a key (cnf); ask the identity provider for a bearer token');
  const names = issuer.claims;
  const subject =
    text(claimAt(claims, names.subject), MAX_SUBJECT) ?? fail(`its claim ${names.subject} is no usable subject`);
  if (names.subject === 'email' && claims.email_verified === false) {
    fail('its e-mail address is the subject, and not verified');
  }
  const onBehalfOf = onBehalf(claims, names.onBehalfOf);
  return {
    id: `${issuer.subjectPrefix}${subject}`,
    issuer: issuer.issuer,
    subject,
    name: text(claimAt(claims, names.name), MAX_NAME) ?? text(claims.name, MAX_NAME) ?? subject,
    kind: kindOf(claims, names.kind),
    groups: groupsOf(claims, names.groups),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    mfa: authenticatedStrongly(claims),
    credential: Object.freeze({ type: 'token' }),
    expiresAt,
  };
}

/**
 * The claim at a path: `groups`, `act.sub`, `resource_access.gatehouse.roles`. A member whose own name has dots
 * (`https://corp.example/groups`) is found too; the longest name that fits comes first.
 */
export function claimAt(claims: unknown, path: string): unknown {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined;
  if (Object.hasOwn(claims, path)) return (claims as Claims)[path];
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const name = path.slice(0, dot);
    if (!Object.hasOwn(claims, name)) continue;
    const found = claimAt((claims as Claims)[name], path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

function kindOf(claims: Claims, path: string): PrincipalKind {
  const written = claimAt(claims, path);
  if (written === 'person' || written === 'service' || written === 'agent') return written;
  if (written !== undefined) fail(`its claim ${path} is neither person, service nor agent`);
  return looksLikeWorkload(claims) ? 'service' : 'person';
}

/** A wrong "service" costs a person a right, a wrong "person" gives a machine one; so machines are looked for. */
function looksLikeWorkload(claims: Claims): boolean {
  const { sub } = claims;
  const client = claims.client_id ?? claims.azp;
  const hasPersonClaims = ['email', 'name', 'preferred_username'].some((name) => Object.hasOwn(claims, name));
  return (
    // Client credentials: the client is the subject (RFC 9068 §2.2), or the provider says so in its own word.
    (!hasPersonClaims && client !== undefined && client === sub) ||
    claims.gty === 'client-credentials' ||
    claims.idtyp === 'app' ||
    // Tokens of CI jobs, pods and SPIFFE workloads.
    (Object.hasOwn(claims, 'repository') && Object.hasOwn(claims, 'workflow')) ||
    (Object.hasOwn(claims, 'project_path') && Object.hasOwn(claims, 'pipeline_id')) ||
    Object.hasOwn(claims, 'kubernetes.io') ||
    (typeof sub === 'string' && /^(?:system:serviceaccount:|spiffe:\/\/)/.test(sub))
  );
}

/** Never cut short: a group that fell off could be one that a `forbid` names. */
function groupsOf(claims: Claims, path: string): readonly string[] {
  const written = claimAt(claims, path);
  if (written === undefined || written === null) {
    const elsewhere = claims._claim_names;
    if (typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, path)) {
      fail(
        'the issuer left its groups out because there are too many; have it send only the groups of this application',
      );
    }
    return Object.freeze([]);
  }
  const entries = typeof written === 'string' ? written.split(/[\s,]+/).filter((word) => word !== '') : written;
  if (!Array.isArray(entries)) return fail(`its claim ${path} is neither a list nor a text`);
  if (entries.length > MAX_GROUPS) fail(`its claim ${path} has more than ${MAX_GROUPS} groups`);
  const groups = entries.map(
    (entry) => text(entry, MAX_GROUP) ?? fail(`its claim ${path} has an entry that is no group name`),
  );
  return Object.freeze([...new Set(groups)]);
}

function onBehalf(claims: Claims, path: string): string | undefined {
  const written = claimAt(claims, path);
  if (written === undefined || written === null) return undefined;
  return text(written, MAX_SUBJECT) ?? fail(`its claim ${path} is no usable name`);
}

/** A text as a name: neither empty nor long, no control or formatting characters that could fool a reader of a log. */
function text(value: unknown, limit: number): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > limit) return undefined;
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value) || value.trim() !== value ? undefined : value;
}

function fail(why: string): never {
  throw new IdentityError('ERR_IDENTITY_CLAIMS', why);
}
