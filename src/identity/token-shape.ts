import { IdentityError } from './errors.ts';
import { parseStrictJson } from './strict-json.ts';

/** Larger tokens are not looked at. Real ones with a few hundred groups have 10 KiB. */
export const MAX_TOKEN_BYTES = 16 * 1024;

/** https://www.rfc-editor.org/rfc/rfc9068#section-2.1 for at+jwt; a logout token or a security event is none of these. */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt']);

/** A JSON object of a token. The members that are looked at by name are listed; all of them may hold anything. */
export interface Claims {
  readonly [name: string]: unknown;
  readonly alg?: unknown;
  readonly typ?: unknown;
  readonly cty?: unknown;
  readonly iss?: unknown;
  readonly sub?: unknown;
  readonly exp?: unknown;
  readonly iat?: unknown;
  readonly amr?: unknown;
  readonly acr?: unknown;
  readonly azp?: unknown;
  readonly gty?: unknown;
  readonly idtyp?: unknown;
  readonly name?: unknown;
  readonly client_id?: unknown;
  readonly email_verified?: unknown;
  readonly _claim_names?: unknown;
}

/** What a token says of itself; nothing of it is proved. */
export interface UnprovedToken {
  readonly header: Claims;
  readonly claims: Claims;
  /** Picks whose keys to check against, and nothing else. */
  readonly issuer: string;
}

/** Whether a password looks like a JWT at all, so that a session secret is not sent the same way. */
export function looksLikeToken(password: string): boolean {
  return password.startsWith('eyJ') && password.includes('.');
}

/**
 * Takes a compact JWS apart and judges everything about its form before any key is looked up.
 * https://www.rfc-editor.org/rfc/rfc8725 (JWT best current practices)
 * @throws IdentityError
 */
export function readToken(token: string): UnprovedToken {
  if (token.length > MAX_TOKEN_BYTES) {
    throw new IdentityError('ERR_IDENTITY_TOKEN_TOO_LARGE', `${token.length} > ${MAX_TOKEN_BYTES} characters`);
  }
  const [head, body, signature, ...rest] = token.split('.');
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0) {
    throw new IdentityError('ERR_IDENTITY_TOKEN_MALFORMED', 'it has not the three parts of a signed JWT');
  }
  const header = readPart(head, 'header');
  if (Object.hasOwn(header, 'crit')) {
    throw new IdentityError('ERR_IDENTITY_CRITICAL_HEADER', 'it demands a header extension; none is understood here');
  }
  const { typ, cty } = header;
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase()))) {
    throw new IdentityError('ERR_IDENTITY_TYPE', 'its typ is neither JWT nor at+jwt: it was made for something else');
  }
  if (cty !== undefined) {
    throw new IdentityError('ERR_IDENTITY_TYPE', 'it wraps another token (cty), which is not unwrapped');
  }
  if (signature === '') {
    throw new IdentityError('ERR_IDENTITY_ALGORITHM', 'it is not signed');
  }
  decodeCanonical(signature, 'signature');
  const claims = readPart(body, 'payload');
  if (typeof claims.iss !== 'string') {
    throw new IdentityError('ERR_IDENTITY_CLAIMS', 'it names no issuer');
  }
  return { header, claims, issuer: claims.iss };
}

function readPart(part: string, name: string): Claims {
  const bytes = decodeCanonical(part, name);
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new IdentityError('ERR_IDENTITY_TOKEN_MALFORMED', `its ${name} is not JSON with unique names`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new IdentityError('ERR_IDENTITY_TOKEN_MALFORMED', `its ${name} is no JSON object`);
  }
  return value as Claims;
}

/** One text for the same bytes only: otherwise a token could be written in several ways. */
function decodeCanonical(part: string, name: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (part === '' || bytes.toString('base64url') !== part) {
    throw new IdentityError('ERR_IDENTITY_TOKEN_MALFORMED', `its ${name} is not base64url`);
  }
  return bytes;
}
