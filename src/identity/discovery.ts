import type { JSONWebKeySet } from 'jose';
import { isLoopbackHost } from '../model/loopback.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 5000;

/**
 * Reads the keys of an issuer by OpenID Connect discovery. Redirects are not followed: the address is the trust.
 * https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 * @throws Error saying what the issuer did wrong
 */
export async function discoverKeys(issuer: string, fetch: Fetch): Promise<JSONWebKeySet> {
  const metadata = await getJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, fetch);
  const { issuer: named, jwks_uri: address } = metadata as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer) throw new Error('its metadata names another issuer (they must be equal to the letter)');
  if (typeof address !== 'string') throw new Error('its metadata names no jwks_uri');
  return (await getJson(address, fetch)) as unknown as JSONWebKeySet;
}

async function getJson(address: string, fetch: Fetch): Promise<Readonly<Record<string, unknown>>> {
  const url = URL.parse(address);
  if (url === null) throw new Error(`${JSON.stringify(address)} is no URL`);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    throw new Error(`${url.origin} is not https`);
  }
  let response: Response;
  try {
    response = await fetch(url.href, {
      redirect: 'error',
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name;
    throw new Error(`${url.origin}${url.pathname} did not answer (${cause})`);
  }
  if (response.status !== 200) throw new Error(`${url.origin}${url.pathname} answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`${url.origin}${url.pathname} sent more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Error(`${url.origin}${url.pathname} did not send JSON`);
  }
  if (typeof value !== 'object' || value === null) throw new Error(`${url.origin}${url.pathname} sent no JSON object`);
  return value as Readonly<Record<string, unknown>>;
}
