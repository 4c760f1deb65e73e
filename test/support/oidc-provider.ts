import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider from 'oidc-provider';
import { CookieAgent } from './cookie-agent.ts';

/** Everybody who can log in at the test provider, with the groups of the starter policies. */
export const people = {
  alice: { name: 'Alice Analyst', email: 'alice@corp.example', groups: ['analysts'] },
  bob: { name: 'Bob Owner', email: 'bob@corp.example', groups: ['data-owners'] },
  carol: { name: 'Carol Steward', email: 'carol@corp.example', groups: ['stewards'] },
  dave: { name: 'Dave Admin', email: 'dave@corp.example', groups: ['admins'], amr: ['pwd', 'otp'] },
  erin: { name: 'Erin Auditor', email: 'erin@corp.example', groups: ['auditors'] },
} as const satisfies Record<
  string,
  { name: string; email: string; groups: readonly string[]; amr?: readonly string[] }
>;

export type Person = keyof typeof people;
export const SERVICE = 'report-job';
export const SERVICE_SECRET = 'report-job-secret-of-the-test-provider';
export const CLI_CLIENT = 'gatehouse-cli';
export const AUDIENCE = 'gatehouse';
const RESOURCE = 'urn:gatehouse';
const SERVICE_GROUPS = ['reporting'];

export interface TestProvider {
  readonly issuer: string;
  /** An access token for a person (authorization code with PKCE over HTTP) or for the service (client credentials). */
  tokenFor(who: Person | typeof SERVICE): Promise<string>;
  /** What a person does in the browser: opens the address, logs in, and comes back to the redirect that is given. */
  logIn(url: string, who: Person): Promise<URL>;
  /** What a person does with a device code: opens the address, logs in, confirms. */
  confirmDevice(verificationUriComplete: string, who: Person): Promise<void>;
  /** New signing key; the old one is gone from the published set. */
  rotateKeys(): Promise<void>;
  /** Stops answering; `resume` listens on the same port again. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Requests answered so far, by path. */
  readonly hits: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export interface ProviderOptions {
  /** 0, any free port, when absent. */
  readonly port?: number;
  /** Seconds an access token holds; 600 when absent. */
  readonly tokenSeconds?: number;
}

/** Starts a real OpenID Connect provider on a loopback port. */
export async function startOidcProvider(options: ProviderOptions = {}): Promise<TestProvider> {
  let answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end();
  const hits = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    hits.set(path, (hits.get(path) ?? 0) + 1);
    answer(request, response);
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  };
  await listen(options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const rotateKeys = async (): Promise<void> => {
    answer = providerAnswer(issuer, [await signingKey()], options.tokenSeconds ?? 600);
  };
  await rotateKeys();

  const logIn = async (url: string, who: Person): Promise<URL> => {
    const { at } = await visit(new CookieAgent(), url, who, issuer);
    return at;
  };
  return {
    issuer,
    hits,
    logIn,
    rotateKeys,
    tokenFor: (who) => (who === SERVICE ? serviceToken(issuer) : personToken(issuer, who, logIn)),
    confirmDevice: async (address, who) => {
      const agent = new CookieAgent();
      const first = await agent.follow(address, () => false);
      const fields = { ...hiddenFields(first.page ?? ''), confirm: 'yes' };
      const next = await agent.submit(`${issuer}/device`, fields, (url) => url.pathname.startsWith('/interaction/'));
      if (next.page === undefined) await visit(agent, next.at.href, who, issuer);
    },
    pause: close,
    resume: () => listen(port),
    stop: async () => {
      if (server.listening) await close();
    },
  };
}

async function signingKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') };
}

function providerAnswer(issuer: string, keys: readonly JWK[], tokenSeconds: number) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    clients: [
      {
        client_id: CLI_CLIENT,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        // A native client's loopback redirect may name any port: RFC 8252 §7.3.
        redirect_uris: ['http://127.0.0.1/callback'],
      },
      {
        client_id: SERVICE,
        client_secret: SERVICE_SECRET,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    scopes: ['openid', 'email', 'profile', 'offline_access'],
    claims: { openid: ['sub', 'groups'], email: ['email'], profile: ['name'] },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'openid email profile',
          audience: AUDIENCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: tokenSeconds,
        }),
      },
    },
    extraTokenClaims: (_context: unknown, token: { kind: string; accountId?: string }) => {
      const person = token.accountId === undefined ? undefined : people[token.accountId as Person];
      return person === undefined ? { groups: SERVICE_GROUPS, gh_kind: 'service' } : { ...person };
    },
    findAccount: (_context: unknown, id: string) =>
      Object.hasOwn(people, id) ? { accountId: id, claims: () => ({ sub: id, ...people[id as Person] }) } : undefined,
    // Nobody is asked for consent: whoever logged in has given it.
    loadExistingGrant: async (context: { oidc: { client: { clientId: string }; session: { accountId: string } } }) => {
      const grant = new provider.Grant({
        accountId: context.oidc.session.accountId,
        clientId: context.oidc.client.clientId,
      });
      grant.addOIDCScope('openid email profile offline_access');
      grant.addResourceScope(RESOURCE, 'openid email profile');
      await grant.save();
      return grant;
    },
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    issueRefreshToken: (_context: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: tokenSeconds,
      AuthorizationCode: 60,
      ClientCredentials: tokenSeconds,
      DeviceCode: 600,
      Grant: 3600,
      IdToken: tokenSeconds,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
  });
  const protocol = provider.callback();
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith('/interaction/') !== true) {
      protocol(request, response);
      return;
    }
    interact(provider, request, response).catch((error: unknown) => {
      response.statusCode = 400;
      response.end(String(error));
    });
  };
}

/** The login page: a list of people; `login=alice` logs her in, without a password since this is a test. */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method === 'POST') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const who = new URLSearchParams(Buffer.concat(chunks).toString('utf8')).get('login') ?? '';
    if (!Object.hasOwn(people, who)) throw new Error('nobody of that name can log in here');
    await provider.interactionFinished(request, response, { login: { accountId: who }, consent: {} });
    return;
  }
  const buttons = Object.entries(people).map(([id, { name }]) => `<button name="login" value="${id}">${name}</button>`);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(
    `<!doctype html><title>Log in</title><form method="post" action="/interaction/${uid}">${buttons.join('')}</form>`,
  );
}

async function visit(agent: CookieAgent, url: string, who: Person, issuer: string) {
  const outside = (at: URL): boolean => at.origin !== issuer;
  const atLogin = (at: URL): boolean => outside(at) || at.pathname.startsWith('/interaction/');
  const page = new URL(url).pathname.startsWith('/interaction/')
    ? { at: new URL(url) }
    : await agent.follow(url, atLogin);
  if (outside(page.at)) return page;
  return agent.submit(page.at.href, { login: who }, outside);
}

/** Values of the hidden inputs of a form. */
function hiddenFields(page: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [input] of page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(input)?.[1];
    const value = /value="([^"]*)"/.exec(input)?.[1];
    if (name !== undefined && value !== undefined) fields[name] = value;
  }
  return fields;
}

async function personToken(
  issuer: string,
  who: Person,
  logIn: (url: string, who: Person) => Promise<URL>,
): Promise<string> {
  const verifier = randomBytes(32).toString('base64url');
  const redirect = 'http://127.0.0.1:1/callback';
  const parameters = new URLSearchParams({
    client_id: CLI_CLIENT,
    response_type: 'code',
    redirect_uri: redirect,
    scope: 'openid email profile',
    state: randomBytes(8).toString('hex'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const answer = await logIn(`${issuer}/auth?${parameters}`, who);
  return tokenRequest(issuer, {
    grant_type: 'authorization_code',
    client_id: CLI_CLIENT,
    code: answer.searchParams.get('code') ?? '',
    redirect_uri: redirect,
    code_verifier: verifier,
  });
}

function serviceToken(issuer: string): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${SERVICE}:${SERVICE_SECRET}`).toString('base64')}`;
  return tokenRequest(issuer, { grant_type: 'client_credentials' }, { authorization });
}

async function tokenRequest(
  issuer: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const response = await fetch(`${issuer}/token`, { method: 'POST', headers, body: new URLSearchParams(fields) });
  const answer = (await response.json()) as { access_token?: string; error?: string; error_description?: string };
  if (answer.access_token === undefined) throw new Error(`no token: ${answer.error}: ${answer.error_description}`);
  return answer.access_token;
}
