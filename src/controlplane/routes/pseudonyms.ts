import { callerOf } from '../access.ts';
import { pseudonymEpoch, rotatedPseudonyms, rotatePseudonyms } from '../contract/index.ts';
import { ControlError } from '../errors.ts';
import type { Room, Server } from '../server.ts';
import { failures, secured } from './shapes.ts';

/** The key of pseudonyms is changed as the policies are: it decides what everybody sees. */
const KEY = { type: 'Policy', id: 'pseudonyms' } as const;

export function pseudonymRoutes(server: Server, room: Room): void {
  const { gate, pseudonyms } = room;

  server.route({
    method: 'GET',
    url: '/v1/pseudonyms',
    config: { access: { kind: 'policy', action: 'view', resource: 'Policy' } },
    schema: {
      operationId: 'showPseudonyms',
      summary: 'Which epoch pseudonyms are made in',
      tags: ['masks'],
      security: secured,
      response: { 200: pseudonymEpoch, ...failures },
    },
    handler: async (request) => {
      gate.demand(request, 'view', KEY);
      return { epoch: pseudonyms.epoch() };
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/pseudonyms/rotate',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Policy' } },
    schema: {
      operationId: 'rotatePseudonyms',
      summary: 'Begin a new epoch: the same value has another pseudonym from then on',
      tags: ['masks'],
      security: secured,
      body: rotatePseudonyms,
      response: { 200: rotatedPseudonyms, ...failures },
    },
    handler: async (request) => {
      gate.demand(request, 'manage', KEY);
      try {
        return await pseudonyms.rotate(callerOf(request), request.body.reason);
      } catch (cause) {
        throw new ControlError(
          'ERR_CONTROLPLANE_NOT_RECORDED',
          'Nothing was changed, because the ledger could not record it. Ask the operator to look at the ledger.',
          { cause },
        );
      }
    },
  });
}
