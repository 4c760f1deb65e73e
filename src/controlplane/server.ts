import swagger from '@fastify/swagger';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { isLoopbackAddress } from '../model/loopback.ts';
import { type Access, createGate, type Gate } from './access.ts';
import { answerOf, problemOf } from './answers.ts';
import { authenticate } from './authenticate.ts';
import { limitConnections } from './connection-limit.ts';
import { paths } from './contract/index.ts';
import { ControlError } from './errors.ts';
import { FailureLimit } from './failure-limit.ts';
import { isLocalProgram, peerAddress } from './peer.ts';
import type { ControlPlaneOptions } from './ports.ts';
import { connectionRoutes } from './routes/connections.ts';
import { credentialRoutes } from './routes/credentials.ts';
import { explainRoutes } from './routes/explain.ts';
import { labelScanRoutes } from './routes/label-scans.ts';
import { labelRoutes } from './routes/labels.ts';
import { ledgerRoutes } from './routes/ledger.ts';
import { loginRoutes, resourceOf } from './routes/login.ts';
import { operationRoutes } from './routes/operations.ts';
import { pseudonymRoutes } from './routes/pseudonyms.ts';
import { requestRoutes } from './routes/requests.ts';
import { sessionRoutes } from './routes/sessions.ts';

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression<RawServerDefault>,
  RawReplyDefaultExpression<RawServerDefault>,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What every file of routes gets. */
export interface Room extends ControlPlaneOptions {
  readonly clock: () => number;
  readonly gate: Gate;
}

export interface RouteFacts {
  readonly method: string;
  readonly path: string;
  readonly access: Access;
}

const BODY_LIMIT = 64 * 1024;
const CONNECTIONS = 1_000;
const CONNECTIONS_PER_ADDRESS = 100;

/** Builds the server with all routes, not listening. `routes` tells what it answers, for the test of the route table. */
export function buildServer(options: ControlPlaneOptions): { server: Server; routes: readonly RouteFacts[] } {
  const clock = options.clock ?? Date.now;
  const gate = createGate({ policy: options.policy, clock, timeZone: options.timeZone ?? 'UTC' });
  const limit = new FailureLimit();
  const routes: RouteFacts[] = [];
  const { log, metrics } = options;

  const common = {
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 15_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 30_000,
    exposeHeadRoutes: false,
    return503OnClosing: true,
    forceCloseConnections: true,
    // A request id from outside could be made to look like another request in the log.
    requestIdHeader: false,
    trustProxy: false,
    routerOptions: { maxParamLength: 200, caseSensitive: true },
  } as const;
  // Tokens may be 16 KiB; the rest of the headers fits in as much again.
  const http = { maxHeaderSize: 32 * 1024, headersTimeout: 10_000, connectionsCheckingInterval: 2_000 };
  const app =
    options.tls === undefined
      ? fastify({ ...common, http })
      : fastify({ ...common, https: { ...http, ...options.tls, handshakeTimeout: 10_000, minVersion: 'TLSv1.2' } });
  const server = app.withTypeProvider<ZodTypeProvider>() as unknown as Server;
  server.server.maxConnections = CONNECTIONS;
  limitConnections(server.server, (address) => (isLoopbackAddress(address) ? CONNECTIONS : CONNECTIONS_PER_ADDRESS));
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  server.decorateRequest('principal', undefined);
  server.decorateRequest('cleared', false);

  server.addHook('onRoute', (route) => {
    const access = route.config?.access;
    const path = route.url;
    if (access === undefined) {
      throw new ControlError(
        'ERR_CONTROLPLANE_INTERNAL',
        `${String(route.method)} ${path} does not say who may call it`,
      );
    }
    for (const method of [route.method].flat()) routes.push({ method, path, access });
  });

  server.addHook('onRequest', async (request, reply) => {
    void reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      ...(options.tls === undefined ? {} : { 'strict-transport-security': 'max-age=31536000' }),
    });
    const access = request.routeOptions.config.access;
    // No declaration here means no route: the not-found answer tells nobody anything.
    if (
      access === undefined ||
      access.kind === 'public' ||
      (access.kind === 'local-or' && isLocalProgram(request) && (options.openMetrics?.() ?? true))
    ) {
      request.cleared = true;
      return;
    }
    request.principal = await authenticate(request, {
      identity: options.identity(),
      credentials: options.credentials,
      limit,
      clock,
      onRefused: (from, code) => {
        metrics.count('logins_total', { door: 'control', result: 'refused' });
        log.warn({ code, address: peerAddress(from), route: from.routeOptions.url }, 'control: identity refused');
      },
    });
    if (access.kind !== 'self') return;
    if (access.tokenOnly === true && request.principal.credential.type !== 'token') {
      throw new ControlError(
        'ERR_CONTROLPLANE_TOKEN_REQUIRED',
        'A session credential cannot be exchanged for another one. Log in again with: gatehouse login',
      );
    }
    request.cleared = true;
  });

  server.addHook('onSend', async (request, reply, payload) => {
    if (!request.cleared && reply.statusCode < 300) {
      throw new ControlError('ERR_CONTROLPLANE_INTERNAL', `${request.routeOptions.url} answered without asking policy`);
    }
    return payload;
  });

  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const { method } = request;
    const seconds = reply.elapsedTime / 1_000;
    metrics.count('http_requests_total', { route, method: knownMethod(method), status: String(reply.statusCode) });
    metrics.observe('http_request_seconds', seconds, { route });
    const principal = request.principal?.id;
    log.debug({ method, route, status: reply.statusCode, seconds, principal }, 'control: request');
  });

  server.setErrorHandler((error, request, reply) => {
    const answer = answerOf(error);
    if (answer.unexpected) {
      const route = request.routeOptions.url;
      log.error({ error, route, principal: request.principal?.id }, 'control: request failed');
    }
    if (answer.retryAfterSeconds !== undefined) void reply.header('retry-after', String(answer.retryAfterSeconds));
    if (answer.problem.status === 401) void reply.header('www-authenticate', challengeTo(request));
    return reply
      .code(answer.problem.status)
      .type('application/problem+json')
      .serializer(JSON.stringify)
      .send(answer.problem);
  });

  server.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .type('application/problem+json')
      .send(
        problemOf(404, 'ERR_CONTROLPLANE_NOT_FOUND', 'There is nothing here. The API is described at /openapi.json.'),
      ),
  );

  // A body that is not JSON is not looked at.
  server.removeContentTypeParser('text/plain');

  void server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Gatehouse control API',
        description: 'Sessions, approval requests, credentials, labels and the ledger of a Gatehouse gateway.',
        version: '1.0.0',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'An OIDC token, or a session credential written ID.SECRET',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  });
  const room: Room = { ...options, clock, gate };
  void server.register(async (scope) => {
    const inside = scope as unknown as Server;
    for (const add of [
      loginRoutes,
      credentialRoutes,
      connectionRoutes,
      labelRoutes,
      labelScanRoutes,
      sessionRoutes,
      requestRoutes,
      explainRoutes,
      pseudonymRoutes,
      ledgerRoutes,
      operationRoutes,
    ]) {
      add(inside, room);
    }
  });
  return { server, routes };
}

/** The description without the schemas nothing refers to: each is made twice, for what is sent and what is received. */
function withoutUnused<Description>(document: Description): Description {
  const schemas = (document as { components?: { schemas?: Record<string, unknown> } }).components?.schemas ?? {};
  for (let before = -1; before !== Object.keys(schemas).length; ) {
    before = Object.keys(schemas).length;
    const text = JSON.stringify(document);
    for (const name of Object.keys(schemas)) {
      if (!text.includes(`"#/components/schemas/${name}"`)) delete schemas[name];
    }
  }
  return document;
}

/** https://www.rfc-editor.org/rfc/rfc9728#section-5.1 */
function challengeTo(request: FastifyRequest): string {
  const resource = resourceOf(request);
  const realm = 'Bearer realm="gatehouse"';
  return resource === undefined ? realm : `${realm}, resource_metadata="${resource}${paths.protectedResource()}"`;
}

const METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'PUT', 'PATCH', 'OPTIONS']);

function knownMethod(method: string): string {
  return METHODS.has(method) ? method : 'other';
}
