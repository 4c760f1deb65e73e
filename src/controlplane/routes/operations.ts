import { health as healthShape, readiness } from '../contract/index.ts';
import type { Room, Server } from '../server.ts';
import { secured } from './shapes.ts';

const CHECK_MS = 2_000;

/** For machines that look after the gateway: alive, ready, metrics, and the description of the API. */
export function operationRoutes(server: Server, room: Room): void {
  const { gate, health, ledger, metrics } = room;

  server.route({
    method: 'GET',
    url: '/healthz',
    config: { access: { kind: 'public' } },
    schema: {
      operationId: 'healthz',
      summary: 'The process answers',
      tags: ['operations'],
      response: { 200: healthShape },
    },
    handler: async () => ({ status: 'ok' as const }),
  });

  server.route({
    method: 'GET',
    url: '/readyz',
    config: { access: { kind: 'public' } },
    schema: {
      operationId: 'readyz',
      summary: 'Whether new sessions can be served',
      tags: ['operations'],
      response: { 200: readiness, 503: readiness },
    },
    handler: async (_request, reply) => {
      const results = await Promise.all(
        Object.entries(health).map(async ([name, check]) => [name, await answersInTime(check)] as const),
      );
      const ready = results.every(([, good]) => good);
      return reply.code(ready ? 200 : 503).send({ ready, checks: Object.fromEntries(results) });
    },
  });

  server.route({
    method: 'GET',
    url: '/metrics',
    config: { access: { kind: 'local-or', action: 'view', resource: 'Ledger' } },
    schema: {
      operationId: 'metrics',
      summary: 'Prometheus metrics; from this machine, or with `view` on the ledger',
      tags: ['operations'],
      security: secured,
    },
    handler: async (request, reply) => {
      if (!request.cleared) gate.demand(request, 'view', { type: 'Ledger', id: (await ledger.status()).origin });
      return reply.type(metrics.contentType).send(await metrics.expose());
    },
  });

  server.route({
    method: 'GET',
    url: '/openapi.json',
    config: { access: { kind: 'public' } },
    schema: { hide: true },
    handler: async () => server.swagger(),
  });
}

async function answersInTime(check: () => boolean | Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), CHECK_MS);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
