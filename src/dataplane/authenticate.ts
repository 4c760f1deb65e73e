import {
  type CredentialStore,
  decoyVerifier,
  IdentityError,
  type IdentityVerifier,
  isSessionCredentialId,
  principalOfCredential,
  type StoredCredential,
} from '../identity/index.ts';
import type { Principal } from '../model/principal.ts';
import {
  authenticationLimit,
  backend,
  OAUTHBEARER,
  oauthChallenge,
  parseFrontend,
  parseOAuthInitialResponse,
  parsePassword,
  parseSaslInitial,
  ScramServer,
  WireError,
} from '../wire/postgres/index.ts';
import { RefusalError, refusal } from './errors.ts';
import type { Arrival } from './listener.ts';

/** User name that asks for OAUTHBEARER; the token says who it is. */
const OAUTH_USER = 'oauth';
const SCRAM = 'SCRAM-SHA-256';
const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS';

export interface AuthenticateOptions {
  readonly identity: IdentityVerifier;
  readonly credentials: CredentialStore;
  /** Makes unknown session credentials look like known ones. */
  readonly decoyKey: Buffer;
  readonly clock: () => number;
  /** For the OAUTHBEARER challenge: where clients discover the issuer, and the scope to ask for. */
  readonly oauth: { readonly openidConfiguration: string; readonly scope: string } | undefined;
}

export type AuthenticationMethod = 'token' | 'scram-sha-256' | 'oauthbearer';

/**
 * Proves who the client is. The user name of the startup packet chooses the method: a session credential's id means SCRAM, `oauth` means
 * OAUTHBEARER, anything else an OIDC token as password, whose claims alone say who it is.
 * @throws RefusalError when nobody is proved
 */
export async function authenticate(
  arrival: Arrival,
  options: AuthenticateOptions,
): Promise<{ readonly principal: Principal; readonly method: AuthenticationMethod }> {
  const user = arrival.startup.parameters.get('user') ?? '';
  if (isSessionCredentialId(user)) {
    return { principal: await bySessionCredential(arrival, user, options), method: 'scram-sha-256' };
  }
  if (!arrival.tls && !arrival.loopback) {
    throw new RefusalError(
      refusal('tls-required', 'gatehouse: a token may not cross the network in clear', {
        hint: 'Connect with sslmode=require or stronger, or use a session credential of "gatehouse login".',
      }),
    );
  }
  if (user === OAUTH_USER) return { principal: await byOAuthBearer(arrival, options), method: 'oauthbearer' };
  return { principal: await byToken(arrival, options), method: 'token' };
}

async function byToken(arrival: Arrival, options: AuthenticateOptions): Promise<Principal> {
  send(arrival, backend.authenticationCleartext());
  return verifyToken(parsePassword(await answer(arrival)), options);
}

async function verifyToken(token: string, options: AuthenticateOptions): Promise<Principal> {
  try {
    return await options.identity.verifyToken(token, options.clock());
  } catch (error) {
    if (error instanceof IdentityError) throw failed(error.clientMessage, error);
    throw error;
  }
}

async function bySessionCredential(arrival: Arrival, id: string, options: AuthenticateOptions): Promise<Principal> {
  const stored = await options.credentials.get(id);
  const endPoint = arrival.tls?.endPoint;
  const offered = endPoint ? [SCRAM_PLUS, SCRAM] : [SCRAM];
  send(arrival, backend.authenticationSasl(offered));
  const initial = parseSaslInitial(await answer(arrival));
  if (initial.mechanism !== SCRAM && initial.mechanism !== SCRAM_PLUS) {
    throw failed(`SASL mechanism ${initial.mechanism} was not offered`);
  }
  const scram = new ScramServer({
    verifier: stored?.verifier ?? decoyVerifier(id, options.decoyKey),
    mechanism: initial.mechanism,
    ...(endPoint ? { channelBinding: endPoint } : {}),
  });
  send(arrival, backend.authenticationSaslContinue(scram.first(initial.response ?? Buffer.alloc(0))));
  let final: Buffer;
  try {
    final = scram.final(await answer(arrival));
  } catch (error) {
    if (error instanceof WireError && error.code === 'ERR_WIRE_SASL_REJECTED') {
      throw failed('the session credential is unknown or its secret is wrong', error);
    }
    throw error;
  }
  if (!stored) throw failed('the session credential is unknown or its secret is wrong');
  const principal = usable(stored, options);
  send(arrival, backend.authenticationSaslFinal(final));
  return principal;
}

function usable(stored: StoredCredential, options: AuthenticateOptions): Principal {
  try {
    return principalOfCredential(stored, options.clock());
  } catch (error) {
    const why = error instanceof Error ? error.message : 'the session credential is no longer valid';
    throw new RefusalError(
      refusal('credential-expired', `gatehouse: ${why}`, { hint: 'Log in again with: gatehouse login' }),
      { cause: error },
    );
  }
}

/** RFC 7628; the flow of https://www.postgresql.org/docs/18/sasl-authentication.html#SASL-OAUTHBEARER */
async function byOAuthBearer(arrival: Arrival, options: AuthenticateOptions): Promise<Principal> {
  send(arrival, backend.authenticationSasl([OAUTHBEARER]));
  const initial = parseSaslInitial(await answer(arrival));
  if (initial.mechanism !== OAUTHBEARER) throw failed(`SASL mechanism ${initial.mechanism} was not offered`);
  const response = parseOAuthInitialResponse(initial.response ?? Buffer.alloc(0));
  try {
    if (response.kind === 'discovery') throw failed('no token was given');
    return await verifyToken(response.token, options);
  } catch (error) {
    if (!(error instanceof RefusalError) || !options.oauth) throw error;
    // The challenge tells the client where to get a token; it has to answer with a dummy message before the error comes.
    send(arrival, backend.authenticationSaslContinue(oauthChallenge({ status: 'invalid_token', ...options.oauth })));
    await answer(arrival);
    throw error;
  }
}

function failed(why: string, cause?: Error): RefusalError {
  return new RefusalError(
    refusal('authentication-failed', `gatehouse: authentication failed: ${why}`, {
      hint: 'Give a token of a configured identity provider as password, or a session credential of "gatehouse login".',
    }),
    cause ? { cause } : undefined,
  );
}

function send(arrival: Arrival, message: Buffer): void {
  arrival.channel.socket.write(message);
}

/** One password message, whole and bounded; gives its data. */
async function answer(arrival: Arrival): Promise<Buffer> {
  const header = await arrival.channel.read(5);
  const type = header.readUInt8(0);
  const length = header.readUInt32BE(1) - 4;
  if (length < 0 || length > authenticationLimit()(type)) {
    throw new RefusalError(refusal('protocol-violation', 'gatehouse: not an authentication message'));
  }
  const body = await arrival.channel.read(length);
  const message = parseFrontend({ type, bytes: Buffer.concat([header, body]), body });
  if (message.kind !== 'password') {
    throw new RefusalError(
      refusal('protocol-violation', `gatehouse: expected a password message, got ${message.kind}`),
    );
  }
  return message.data;
}
