import type { Principal } from '../../model/principal.ts';
import { supposedPrincipal } from '../../policy/index.ts';
import { callerOf } from '../access.ts';
import { connectionPath, explainRequest, statementExplanation } from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import type { Room, Server } from '../server.ts';
import { failures, secured } from './shapes.ts';

/** What would become of a statement: for oneself, or for somebody else by whoever may view the policies. */
export function explainRoutes(server: Server, room: Room): void {
  const { connections, explain, gate } = room;

  server.route({
    method: 'POST',
    url: '/v1/connections/:connection/explain',
    config: { access: { kind: 'policy', action: 'view', resource: 'Policy', unless: 'own' } },
    schema: {
      operationId: 'explainStatement',
      summary: 'What would become of a statement, and why; nothing runs',
      tags: ['connections'],
      security: secured,
      params: connectionPath,
      body: explainRequest,
      response: { 200: statementExplanation, ...failures },
    },
    handler: async (request) => {
      const { connection } = request.params;
      const { statement, as, searchPath = ['public'], approved = false } = request.body;
      const caller = callerOf(request);
      const resource = { type: 'Connection', connection } as const;
      const known = connections().some(({ name }) => name === connection);
      if (!known || !['connect', 'view'].some((action) => gate.may(request, action as 'connect' | 'view', resource))) {
        throw notFound('connection');
      }
      if (as === undefined) gate.clear(request);
      else gate.demand(request, 'view', { type: 'Policy', id: '*', connection });
      const principal: Principal = as === undefined ? caller : supposedPrincipal(as);
      try {
        return await explain(connection, principal, { statement, searchPath, approved });
      } catch (cause) {
        room.log.warn({ error: cause, connection }, 'control: catalog not available');
        throw new ControlError(
          'ERR_CONTROLPLANE_UNAVAILABLE',
          `The catalog of ${connection} could not be read; the target may be down. Try again, or ask its operator.`,
        );
      }
    },
  });
}
