import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errors, type JWTVerifyOptions, type JWTVerifyResult, jwtVerify } from 'jose';
import type { IssuerConfig } from '../model/config.ts';
import type { Principal } from '../model/principal.ts';
import { principalFrom } from './claims.ts';
import { discoverKeys, type Fetch } from './discovery.ts';
import { IdentityError } from './errors.ts';
import { type KeySet, KeySource, type KeyTimes } from './key-source.ts';
import { type Claims, MAX_TOKEN_BYTES, readToken } from './token-shape.ts';

export interface VerifierOptions {
  readonly fetch?: Fetch;
  /** Reads a JWK Set file as text. */
  readonly readFile?: (path: string) => Promise<string>;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** Overrides for keys found by discovery, in milliseconds. */
  readonly keyTimes?: Partial<KeyTimes>;
  /** The verifier of the configuration before: keys it holds stay known, so a reload while an issuer is down locks nobody out. */
  readonly previous?: IdentityVerifier;
}

/** The one door for proofs of identity: every listener asks here. */
export interface IdentityVerifier {
  /**
   * Gives the principal a token proves, or throws: there is no third way.
   * @throws IdentityError
   */
  verifyToken(token: string, now?: number): Promise<Principal>;
  /** Fetches every issuer's keys, for readiness. Gives what is wrong, by issuer; empty when all is well. */
  warm(now?: number): Promise<readonly { readonly issuer: string; readonly problem: string }[]>;
}

/** Key sources by issuer and key file, kept beside the verifier so that they are no part of its door. */
const sources = new WeakMap<IdentityVerifier, ReadonlyMap<string, KeySource>>();

const MINUTE = 60_000;
/**
 * An issuer that cannot be reached stops logins after an hour: long enough for its maintenance, and shorter than a key that was
 * withdrawn ought to live on.
 */
const DISCOVERY_TIMES: KeyTimes = { freshMs: 10 * MINUTE, staleMs: 60 * MINUTE, cooldownMs: 30_000 };
/** A file is cheap: a second after it was replaced the new keys count. */
const FILE_TIMES: KeyTimes = { freshMs: 1000, staleMs: 60 * MINUTE, cooldownMs: 250 };

const REMEMBERED_TOKENS = 10_000;
const REMEMBERED_MS = 5 * MINUTE;
/** How far in the past a token may have been made, whatever its exp says. */
const MAX_AGE_SECONDS = 31 * 24 * 3600;

interface Remembered {
  readonly principal: Principal;
  readonly notBefore: number;
  readonly until: number;
  readonly source: KeySource;
  readonly generation: number;
}

/** Verifies tokens of the given issuers. One per configuration: a changed configuration gets a new one. */
export function createIdentityVerifier(
  issuers: readonly IssuerConfig[],
  options: VerifierOptions = {},
): IdentityVerifier {
  const clock = options.clock ?? Date.now;
  const held = options.previous === undefined ? undefined : sources.get(options.previous);
  const known = new Map(
    issuers.map((issuer) => {
      const source = held?.get(placeOf(issuer)) ?? keySourceOf(issuer, options);
      return [issuer.issuer, { issuer, source }];
    }),
  );
  if (known.size !== issuers.length) throw new TypeError('an issuer is configured twice');
  const remembered = new Map<string, Remembered>();

  const verifyToken = async (token: string, now = clock()): Promise<Principal> => {
    if (token.length > MAX_TOKEN_BYTES) readToken(token); // throws; nothing that long is even hashed
    // The cache is asked by hash: a token is never kept.
    const key = createHash('sha256').update(token).digest('base64');
    const hit = remembered.get(key);
    if (hit !== undefined) {
      const { generation } = await hit.source.current(now);
      if (generation === hit.generation && now >= hit.notBefore && now < Math.min(hit.until, hit.principal.expiresAt)) {
        return hit.principal;
      }
      remembered.delete(key);
    }
    const unproved = readToken(token);
    const entry = known.get(unproved.issuer);
    if (entry === undefined) {
      const configured = [...known.keys()].join(', ') || 'none';
      throw new IdentityError(
        'ERR_IDENTITY_ISSUER_UNKNOWN',
        `it comes from none of the configured issuers (${configured})`,
      );
    }
    const { issuer, source } = entry;
    if (typeof unproved.header.alg !== 'string' || !issuer.algorithms.includes(unproved.header.alg)) {
      const accepted = issuer.algorithms.join(', ');
      throw new IdentityError(
        'ERR_IDENTITY_ALGORITHM',
        `its algorithm is not accepted from ${issuer.issuer} (${accepted})`,
      );
    }
    const { claims, generation } = await prove(token, issuer, source, now);
    const expiresAt = (requireTimes(claims, issuer, now) + issuer.clockSkew) * 1000;
    const principal = Object.freeze(principalFrom(claims, issuer, expiresAt));
    if (remembered.size >= REMEMBERED_TOKENS) {
      const oldest = remembered.keys().next();
      if (!oldest.done) remembered.delete(oldest.value);
    }
    remembered.set(key, { principal, notBefore: now, until: now + REMEMBERED_MS, source, generation });
    return principal;
  };

  const verifier: IdentityVerifier = {
    verifyToken,
    warm: async (now = clock()) => {
      const problems = await Promise.all(
        [...known.values()].map(async ({ issuer, source }) => {
          try {
            await source.current(now);
            return [];
          } catch (error) {
            return [{ issuer: issuer.issuer, problem: error instanceof IdentityError ? error.detail : String(error) }];
          }
        }),
      );
      return problems.flat();
    },
  };
  sources.set(verifier, new Map([...known.values()].map(({ issuer, source }) => [placeOf(issuer), source])));
  return verifier;
}

/** Where an issuer's keys come from. */
function placeOf(issuer: IssuerConfig): string {
  return JSON.stringify([issuer.issuer, issuer.jwksFile ?? null]);
}

function keySourceOf(issuer: IssuerConfig, options: VerifierOptions): KeySource {
  const { jwksFile } = issuer;
  if (jwksFile !== undefined) {
    const read = options.readFile ?? ((path: string) => readFile(path, 'utf8'));
    return new KeySource(issuer.issuer, FILE_TIMES, async () => {
      try {
        return JSON.parse(await read(jwksFile));
      } catch (error) {
        const reason =
          error instanceof SyntaxError ? 'it is not JSON' : ((error as NodeJS.ErrnoException).code ?? 'unreadable');
        throw new Error(`${jwksFile}: ${reason}`);
      }
    });
  }
  const times = { ...DISCOVERY_TIMES, ...options.keyTimes };
  const fetch = options.fetch ?? ((url: string, init: RequestInit) => globalThis.fetch(url, init));
  return new KeySource(issuer.issuer, times, () => discoverKeys(issuer.issuer, fetch));
}

async function prove(
  token: string,
  issuer: IssuerConfig,
  source: KeySource,
  now: number,
): Promise<{ claims: Claims; generation: number }> {
  const options: JWTVerifyOptions = {
    algorithms: [...issuer.algorithms],
    issuer: issuer.issuer,
    audience: [...issuer.audience],
    clockTolerance: issuer.clockSkew,
    currentDate: new Date(now),
    requiredClaims: ['exp'],
  };
  const keys = await source.current(now);
  try {
    return { claims: (await verifyWith(token, keys, options)).payload, generation: keys.generation };
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw identityError(error, issuer);
  }
  // Unknown key: the issuer may have rotated. Its own address is asked, never one the token names (jku, x5u, jwk).
  const renewed = await source.renewed(now);
  try {
    return { claims: (await verifyWith(token, renewed, options)).payload, generation: renewed.generation };
  } catch (error) {
    throw identityError(error, issuer);
  }
}

async function verifyWith(token: string, keys: KeySet, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keys.find, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // Without a kid several keys may fit; the signature says which.
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

function identityError(error: unknown, issuer: IssuerConfig): IdentityError {
  const from = `token of ${issuer.issuer}`;
  if (error instanceof IdentityError) return error;
  if (error instanceof errors.JWTExpired) return new IdentityError('ERR_IDENTITY_EXPIRED', `${from}: expired`);
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case 'aud': {
        const wanted = issuer.audience.join(', ');
        return new IdentityError('ERR_IDENTITY_AUDIENCE', `${from}: its aud does not contain ${wanted}`);
      }
      case 'nbf':
        return new IdentityError('ERR_IDENTITY_NOT_YET_VALID', `${from}: not valid yet (nbf)`);
      default:
        return new IdentityError('ERR_IDENTITY_CLAIMS', `${from}: the claim ${error.claim} is missing or wrong`);
    }
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return new IdentityError('ERR_IDENTITY_KEY_UNKNOWN', `${from}: the issuer has no key of that id and algorithm`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return new IdentityError('ERR_IDENTITY_ALGORITHM', `${from}: its algorithm is not accepted`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new IdentityError('ERR_IDENTITY_SIGNATURE', `${from}: the signature is not that of the issuer`);
  }
  // Keys that do not fit the algorithm, and whatever else: refused all the same.
  const code = error instanceof errors.JOSEError ? error.code : error instanceof Error ? error.name : 'unknown';
  return new IdentityError('ERR_IDENTITY_SIGNATURE', `${from}: could not be verified (${code})`);
}

/** jose has judged exp and nbf; what is left are times no honest issuer writes. Gives exp in seconds. */
function requireTimes(claims: Claims, issuer: IssuerConfig, now: number): number {
  const { exp, iat } = claims;
  const from = `token of ${issuer.issuer}`;
  if (typeof exp !== 'number' || !Number.isFinite(exp))
    throw new IdentityError('ERR_IDENTITY_CLAIMS', `${from}: no exp`);
  if (iat === undefined) return exp;
  if (typeof iat !== 'number' || !Number.isFinite(iat)) {
    throw new IdentityError('ERR_IDENTITY_CLAIMS', `${from}: its iat is no time`);
  }
  const seconds = now / 1000;
  if (iat > seconds + issuer.clockSkew) {
    throw new IdentityError('ERR_IDENTITY_NOT_YET_VALID', `${from}: made in the future (iat)`);
  }
  if (iat > exp) throw new IdentityError('ERR_IDENTITY_CLAIMS', `${from}: it expired before it was made`);
  if (seconds - iat > MAX_AGE_SECONDS)
    throw new IdentityError('ERR_IDENTITY_EXPIRED', `${from}: made more than a month ago`);
  return exp;
}
