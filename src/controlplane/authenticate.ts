import type { FastifyRequest } from 'fastify';
import {
  type CredentialStore,
  IdentityError,
  isSessionCredentialId,
  principalOfCredential,
  verifySessionSecret,
} from '../identity/index.ts';
import type { Principal } from '../model/principal.ts';
import { sessionBearer } from './contract/index.ts';
import { ControlError } from './errors.ts';
import type { FailureLimit } from './failure-limit.ts';
import { isPrivate, peerAddress } from './peer.ts';
import type { TokenVerifier } from './ports.ts';

/** What honest programs do too, again and again: it says nothing about an attack. */
const HARMLESS: ReadonlySet<string> = new Set([
  'ERR_IDENTITY_EXPIRED',
  'ERR_IDENTITY_NOT_YET_VALID',
  'ERR_IDENTITY_CREDENTIAL_EXPIRED',
  'ERR_IDENTITY_CREDENTIAL_REVOKED',
]);

export interface AuthenticatorOptions {
  readonly identity: TokenVerifier;
  readonly credentials: CredentialStore;
  readonly limit: FailureLimit;
  readonly clock: () => number;
  /** Told of every refused attempt, with a code and never with a token. */
  readonly onRefused: (request: FastifyRequest, code: string) => void;
}

/**
 * Gives the principal behind a request.
 * @throws ControlError `ERR_CONTROLPLANE_UNAUTHENTICATED`, `…_TLS_REQUIRED`, `…_TOO_MANY_FAILURES`, `…_UNAVAILABLE`
 */
export async function authenticate(request: FastifyRequest, options: AuthenticatorOptions): Promise<Principal> {
  const { limit, clock } = options;
  const header = request.headers.authorization;
  if (header === undefined) {
    throw unauthenticated('No identity was given. Send "Authorization: Bearer TOKEN"; get one with: gatehouse login');
  }
  if (!isPrivate(request)) {
    options.onRefused(request, 'ERR_CONTROLPLANE_TLS_REQUIRED');
    throw new ControlError(
      'ERR_CONTROLPLANE_TLS_REQUIRED',
      'The token came over a connection that others can read, so it was not looked at. Use https, and let the token expire.',
    );
  }
  const address = peerAddress(request);
  const wait = limit.waitSeconds(address, clock());
  if (wait > 0) {
    throw new ControlError(
      'ERR_CONTROLPLANE_TOO_MANY_FAILURES',
      `Too many failed attempts from your address. Try again in ${wait} s.`,
      { retryAfterSeconds: wait },
    );
  }
  try {
    const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(header)?.[1];
    if (token === undefined) throw unauthenticated('The Authorization header is not of the form "Bearer TOKEN".');
    const principal = sessionBearer.safeParse(token).success
      ? await fromCredential(token, options)
      : await options.identity.verifyToken(token, clock());
    if (clock() >= principal.expiresAt) throw unauthenticated('The token has expired; run: gatehouse login');
    return principal;
  } catch (error) {
    const code = codeOf(error);
    // Not the caller's fault, and nothing was learned about him: it counts against nobody.
    if (code === 'ERR_IDENTITY_KEYS_UNAVAILABLE') {
      throw new ControlError(
        'ERR_CONTROLPLANE_UNAVAILABLE',
        'The identity provider cannot be reached to check the token; try again in a minute.',
        { cause: error },
      );
    }
    if (!(error instanceof IdentityError) && !(error instanceof ControlError)) throw error;
    if (!HARMLESS.has(code)) limit.failed(address, clock());
    options.onRefused(request, code);
    throw error instanceof ControlError ? error : unauthenticated(error.clientMessage, error);
  }
}

async function fromCredential(token: string, options: AuthenticatorOptions): Promise<Principal> {
  const [id = '', secret = ''] = token.split('.');
  const stored = isSessionCredentialId(id) ? await options.credentials.get(id) : undefined;
  if (stored === undefined) throw new IdentityError('ERR_IDENTITY_CREDENTIAL_UNKNOWN', 'no such session credential');
  if (!verifySessionSecret(stored, secret)) {
    throw new IdentityError('ERR_IDENTITY_CREDENTIAL_WRONG', `wrong secret for ${id}`);
  }
  return principalOfCredential(stored, options.clock());
}

function unauthenticated(message: string, cause?: unknown): ControlError {
  return new ControlError('ERR_CONTROLPLANE_UNAUTHENTICATED', message, { cause });
}

function codeOf(error: unknown): string {
  return error instanceof IdentityError || error instanceof ControlError ? error.code : 'ERR_CONTROLPLANE_INTERNAL';
}
