import * as oidc from 'openid-client';
import { isLoopbackHost } from '../model/loopback.ts';
import { IdentityError } from './errors.ts';
import { receiveRedirect } from './loopback-redirect.ts';
import { readToken } from './token-shape.ts';

export interface LoginTarget {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for public clients, which prove themselves with PKCE or the device code alone. */
  readonly clientSecret?: string;
  /** What the token shall be good for: an absolute URI is sent as `resource` (RFC 8707), any other name as `audience`. */
  readonly audience?: string;
  /** Words separated by spaces; `openid email profile` when absent. */
  readonly scope?: string;
  /** Ends the login early. */
  readonly signal?: AbortSignal;
}

export interface LoginTokens {
  readonly accessToken: string;
  readonly idToken?: string;
  readonly refreshToken?: string;
  /** Milliseconds since the epoch, of the access token; absent when the issuer does not say. */
  readonly expiresAt?: number;
}

export interface DevicePrompt {
  readonly userCode: string;
  readonly verificationUri: string;
  /** With the code in it, when the issuer offers that. */
  readonly verificationUriComplete?: string;
  /** Seconds. */
  readonly expiresIn: number;
}

const DEFAULT_SCOPE = 'openid email profile';
const LOGIN_SECONDS = 300;

/**
 * Logs a person in on another device. https://www.rfc-editor.org/rfc/rfc8628
 * @throws IdentityError ERR_IDENTITY_LOGIN_FAILED, ERR_IDENTITY_LOGIN_TIMEOUT
 */
export async function deviceLogin(
  target: LoginTarget & { readonly onPrompt: (prompt: DevicePrompt) => void | Promise<void> },
): Promise<LoginTokens> {
  return translated(target, async () => {
    const config = await configurationFor(target);
    const parameters = { scope: target.scope ?? DEFAULT_SCOPE, ...audienceParameters(target) };
    const started = await oidc.initiateDeviceAuthorization(config, parameters);
    await target.onPrompt({
      userCode: started.user_code,
      verificationUri: started.verification_uri,
      ...(started.verification_uri_complete === undefined
        ? {}
        : { verificationUriComplete: started.verification_uri_complete }),
      expiresIn: started.expires_in,
    });
    const options = target.signal === undefined ? {} : { signal: target.signal };
    return tokensOf(await oidc.pollDeviceAuthorizationGrant(config, started, audienceParameters(target), options));
  });
}

/**
 * Logs a person in with the browser of this machine: authorization code with PKCE, state and nonce over a redirect to a
 * random port of 127.0.0.1. https://www.rfc-editor.org/rfc/rfc8252#section-7.3
 * @throws IdentityError ERR_IDENTITY_LOGIN_FAILED, ERR_IDENTITY_LOGIN_TIMEOUT
 */
export async function loopbackLogin(
  target: LoginTarget & {
    readonly openBrowser: (url: string) => void | Promise<void>;
    /** 300 when absent. */
    readonly timeoutSeconds?: number;
  },
): Promise<LoginTokens> {
  return translated(target, async () => {
    const config = await configurationFor(target);
    const state = oidc.randomState();
    const nonce = oidc.randomNonce();
    const verifier = oidc.randomPKCECodeVerifier();
    const timeout = AbortSignal.timeout((target.timeoutSeconds ?? LOGIN_SECONDS) * 1000);
    const signal = target.signal === undefined ? timeout : AbortSignal.any([timeout, target.signal]);
    await using redirect = await receiveRedirect(state, signal);
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirect.uri,
      scope: target.scope ?? DEFAULT_SCOPE,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...audienceParameters(target),
    });
    await target.openBrowser(url.href);
    const answer = await redirect.answer;
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
    return tokensOf(await oidc.authorizationCodeGrant(config, answer, checks, audienceParameters(target)));
  });
}

/**
 * Tokens for a workload that has a client id and secret. https://www.rfc-editor.org/rfc/rfc6749#section-4.4
 * @throws IdentityError ERR_IDENTITY_LOGIN_FAILED
 */
export async function clientCredentials(target: LoginTarget & { readonly clientSecret: string }): Promise<LoginTokens> {
  return translated(target, async () => {
    const config = await configurationFor(target);
    const scope = target.scope === undefined ? {} : { scope: target.scope };
    return tokensOf(await oidc.clientCredentialsGrant(config, { ...scope, ...audienceParameters(target) }));
  });
}

/**
 * New tokens for a person who logged in before. The issuer may hand out a new refresh token: keep the one returned.
 * @throws IdentityError ERR_IDENTITY_LOGIN_FAILED when the issuer wants a new login
 */
export async function refreshLogin(target: LoginTarget & { readonly refreshToken: string }): Promise<LoginTokens> {
  return translated(target, async () => {
    const config = await configurationFor(target);
    const tokens = tokensOf(await oidc.refreshTokenGrant(config, target.refreshToken, audienceParameters(target)));
    return { refreshToken: target.refreshToken, ...tokens };
  });
}

/**
 * Which of the tokens the gateway will accept: a signed one whose `aud` contains the audience; the access token first, since
 * it was made for resources. `undefined` when neither fits.
 */
export function tokenForAudience(tokens: LoginTokens, audience: readonly string[]): string | undefined {
  return [tokens.accessToken, tokens.idToken].find((token) => {
    if (token === undefined) return false;
    try {
      const { aud } = readToken(token).claims;
      const named = Array.isArray(aud) ? aud : [aud];
      return named.some((name) => typeof name === 'string' && audience.includes(name));
    } catch {
      return false; // opaque access tokens are ordinary
    }
  });
}

async function configurationFor(target: LoginTarget): Promise<oidc.Configuration> {
  const server = new URL(target.issuer);
  const insecure = server.protocol === 'http:';
  if (insecure && !isLoopbackHost(server.hostname)) {
    throw new IdentityError('ERR_IDENTITY_LOGIN_FAILED', `${server.origin} is not https`);
  }
  const authentication = target.clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(target.clientSecret);
  return oidc.discovery(server, target.clientId, undefined, authentication, {
    ...(insecure ? { execute: [oidc.allowInsecureRequests] } : {}),
    timeout: 10,
  });
}

function audienceParameters({ audience }: LoginTarget): Record<string, string> {
  if (audience === undefined) return {};
  return URL.canParse(audience) ? { resource: audience } : { audience };
}

function tokensOf(response: oidc.TokenEndpointResponse): LoginTokens {
  return {
    accessToken: response.access_token,
    ...(response.id_token === undefined ? {} : { idToken: response.id_token }),
    ...(response.refresh_token === undefined ? {} : { refreshToken: response.refresh_token }),
    ...(response.expires_in === undefined ? {} : { expiresAt: Date.now() + response.expires_in * 1000 }),
  };
}

/** https://www.rfc-editor.org/rfc/rfc6749#section-5.2 */
interface OAuthFailure {
  readonly error?: unknown;
  readonly error_description?: unknown;
}

/** Every failure becomes one of two, with the issuer's own error code where it sent one and nothing of any token. */
async function translated(target: LoginTarget, login: () => Promise<LoginTokens>): Promise<LoginTokens> {
  try {
    return await login();
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: unknown };
    const [challenge] = Array.isArray(cause) ? (cause as { parameters?: OAuthFailure }[]) : [];
    const failure: OAuthFailure = challenge?.parameters ?? (error as OAuthFailure);
    const gaveUp =
      name === 'TimeoutError' || name === 'AbortError' || code === 'OAUTH_ABORT' || code === 'OAUTH_TIMEOUT';
    if (gaveUp || failure.error === 'expired_token') {
      throw new IdentityError('ERR_IDENTITY_LOGIN_TIMEOUT', `nobody completed the login at ${target.issuer} in time`);
    }
    const said = [failure.error, failure.error_description].filter((word) => typeof word === 'string').join(': ');
    const codes = [code, (cause as { code?: unknown } | undefined)?.code].filter((word) => typeof word === 'string');
    const why = said || codes.join(', ') || (typeof name === 'string' ? name : 'no reason given');
    throw new IdentityError('ERR_IDENTITY_LOGIN_FAILED', `${target.issuer}: ${why}`);
  }
}
