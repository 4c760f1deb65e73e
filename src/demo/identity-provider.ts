import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { DemoError, importOptional } from './errors.ts';
import { type Account, accounts, reportJob } from './people.ts';

export const AUDIENCE = 'gatehouse';
export const CLIENT_ID = 'gatehouse';
const RESOURCE = 'urn:gatehouse';
const TOKEN_SECONDS = 8 * 3600;

/** As much of `oidc-provider` as the demo uses; the package brings no types. https://github.com/panva/node-oidc-provider/blob/main/docs/README.md */
interface ProviderModule {
  readonly default: new (issuer: string, configuration: object) => Provider;
}
interface Provider {
  callback(): (request: unknown, response: unknown) => void;
  readonly AccessToken: new (properties: object) => { resourceServer: unknown; save(): Promise<string> };
  readonly ResourceServer: new (identifier: string, info: object) => unknown;
  readonly Client: { find(id: string): Promise<object> };
  on(event: string, listener: (...args: unknown[]) => void): void;
}

export interface DemoIdentityProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly clientId: string;
  /** For the service's client credentials grant. */
  readonly serviceSecret: string;
  /** A token as this person would get after logging in. */
  tokenFor(account: Account): Promise<string>;
}

/** A real OpenID Connect provider on loopback: discovery, JWKS, code with PKCE, device code, client credentials. */
export async function startIdentityProvider(port: number): Promise<DemoIdentityProvider> {
  const { default: ProviderClass } = await importOptional<ProviderModule>('oidc-provider');
  const issuer = `http://127.0.0.1:${port}`;
  const serviceSecret = randomBytes(18).toString('base64url');
  const quiet = console.warn;
  // Its advice for production systems is right, and of no use here.
  console.warn = () => undefined;
  let provider: Provider;
  try {
    provider = new ProviderClass(issuer, configuration(serviceSecret));
  } finally {
    console.warn = quiet;
  }
  const server = createServer(provider.callback());
  await listen(server, port);
  const resourceServer = new provider.ResourceServer(RESOURCE, resourceServerInfo());
  return {
    issuer,
    clientId: CLIENT_ID,
    serviceSecret,
    async tokenFor(account) {
      const client = await provider.Client.find(CLIENT_ID);
      const token = new provider.AccessToken({
        accountId: account.subject,
        client,
        scope: 'openid',
        gty: 'authorization_code',
      });
      token.resourceServer = resourceServer;
      return await token.save();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function resourceServerInfo(): object {
  return { scope: 'openid', audience: AUDIENCE, accessTokenFormat: 'jwt', accessTokenTTL: TOKEN_SECONDS };
}

function configuration(serviceSecret: string): object {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const claimsOf = (subject: string): object => {
    const account = accounts.get(subject);
    return account === undefined ? {} : { email: account.email, groups: account.groups, gh_kind: account.kind };
  };
  return {
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'demo' }] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    clients: [
      {
        client_id: CLIENT_ID,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1/callback'],
      },
      {
        client_id: reportJob.subject,
        client_secret: serviceSecret,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    claims: { openid: ['sub', 'groups', 'gh_kind'], email: ['email'], profile: ['name'] },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServerInfo,
      },
    },
    findAccount: (_context: unknown, subject: string) =>
      accounts.has(subject)
        ? { accountId: subject, claims: () => ({ sub: subject, ...claimsOf(subject) }) }
        : undefined,
    extraTokenClaims: (_context: unknown, token: { accountId?: string; clientId?: string }) => {
      const subject = token.accountId ?? token.clientId ?? '';
      return claimsOf(subject);
    },
    ttl: {
      AccessToken: TOKEN_SECONDS,
      AuthorizationCode: 60,
      ClientCredentials: TOKEN_SECONDS,
      DeviceCode: 600,
      Grant: TOKEN_SECONDS,
      IdToken: TOKEN_SECONDS,
      Interaction: 600,
      RefreshToken: TOKEN_SECONDS,
      Session: TOKEN_SECONDS,
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new DemoError('ERR_DEMO_PORT_TAKEN', `port ${port} is taken; choose others with: --port N`)
          : error,
      );
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}
