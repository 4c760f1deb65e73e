import { WireError } from '../errors.ts';

/** SASL mechanism of RFC 7628, spoken by PostgreSQL 18 clients. */
export const OAUTHBEARER = 'OAUTHBEARER';

const SEPARATOR = '\x01';

export type OAuthInitialResponse =
  | { readonly kind: 'token'; readonly token: string }
  /** The client has no token yet and asks where to get one: answer with `oauthChallenge`. */
  | { readonly kind: 'discovery' };

/**
 * Parses the client's initial response: a GS2 header, then `key=value` pairs between 0x01 bytes (RFC 7628 §3.1).
 * Throws `WireError`; its message never holds the token.
 */
export function parseOAuthInitialResponse(data: Buffer): OAuthInitialResponse {
  const text = data.toString('latin1');
  const header = /^(n|y|p=[^,]*),(a=[^,]*)?,\x01/.exec(text);
  if (!header) throw malformed('bad GS2 header');
  if (header[1]?.startsWith('p')) throw malformed('channel binding is not possible here');
  if (header[2] !== undefined) throw malformed('another authorization identity is asked for');
  const body = text.slice(header[0].length);
  if (body !== SEPARATOR && !body.endsWith(SEPARATOR + SEPARATOR)) throw malformed('the message has no end');
  const pairs = body === SEPARATOR ? [] : body.slice(0, -2).split(SEPARATOR);
  let auth: string | undefined;
  for (const pair of pairs) {
    const [, key, value] = /^([A-Za-z]+)=([\t\n\r\x20-\x7e]*)$/.exec(pair) ?? [];
    if (key === undefined || value === undefined) throw malformed('a pair that is no key=value');
    if (key !== 'auth') continue;
    if (auth !== undefined) throw malformed('two auth values');
    auth = value;
  }
  if (auth === undefined) throw malformed('no auth value');
  if (auth === '') return { kind: 'discovery' };
  const [, token] = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(auth) ?? [];
  if (token === undefined) throw malformed('the auth value is no Bearer token');
  return { kind: 'token', token };
}

/**
 * The server's failure (or discovery) challenge, RFC 7628 §3.2.2. The client answers it with a single 0x01
 * (`isOAuthDummyResponse`), then the server sends its ErrorResponse.
 * @param options.openidConfiguration URL of the issuer's discovery document
 */
export function oauthChallenge(options: {
  readonly status?: 'invalid_token' | 'insufficient_scope' | 'invalid_request';
  readonly openidConfiguration: string;
  readonly scope: string;
}): Buffer {
  return Buffer.from(
    JSON.stringify({
      status: options.status ?? 'invalid_token',
      'openid-configuration': options.openidConfiguration,
      scope: options.scope,
    }),
  );
}

export function isOAuthDummyResponse(data: Buffer): boolean {
  return data.length === 1 && data[0] === 1;
}

function malformed(what: string): WireError {
  return new WireError('ERR_WIRE_SASL_MALFORMED', `OAUTHBEARER: ${what}`);
}
