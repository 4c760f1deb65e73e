import type { FastifyRequest } from 'fastify';
import { loginInfo, paths, protectedResource } from '../contract/index.ts';
import { notFound } from '../errors.ts';
import type { Room, Server } from '../server.ts';
import { failures, optional } from './shapes.ts';

/** How to log in. Public, since whoever asks has no identity yet; nothing in it is a secret. */
export function loginRoutes(server: Server, room: Room): void {
  const issuers = () => room.login?.() ?? [];

  server.route({
    method: 'GET',
    url: paths.login(),
    config: { access: { kind: 'public' } },
    schema: {
      operationId: 'loginInfo',
      summary: 'The identity providers whose tokens are accepted, and how to ask them for one',
      tags: ['identity'],
      response: { 200: loginInfo, ...failures },
    },
    handler: async () => ({
      issuers: issuers().map(({ issuer, clientId, audience, scopes }) => ({
        issuer,
        ...optional('clientId', clientId),
        audience: [...audience],
        scopes: [...scopes],
      })),
    }),
  });

  server.route({
    method: 'GET',
    url: paths.protectedResource(),
    config: { access: { kind: 'public' } },
    schema: {
      operationId: 'protectedResource',
      summary: 'The same for any OAuth client: protected resource metadata (RFC 9728)',
      tags: ['identity'],
      response: { 200: protectedResource, ...failures },
    },
    handler: async (request) => {
      const resource = resourceOf(request);
      if (resource === undefined) throw notFound('resource of that host name');
      const known = issuers();
      return {
        resource,
        resource_name: 'Gatehouse',
        authorization_servers: known.map(({ issuer }) => issuer),
        scopes_supported: [...new Set(known.flatMap(({ scopes }) => scopes))],
        bearer_methods_supported: ['header' as const],
      };
    },
  });
}

/**
 * This API's resource identifier: the address it was asked under, as RFC 9728 §3.3 wants the client to compare the two. Undefined when
 * the Host header is no host.
 */
export function resourceOf(request: FastifyRequest): string | undefined {
  const host = request.headers.host ?? '';
  if (!/^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(host)) return undefined;
  const address = `${request.protocol}://${host}`;
  return URL.canParse(address) ? new URL(address).origin : undefined;
}
