import type { FastifyRequest } from 'fastify';
import type { ResourceRef } from '../../model/access.ts';
import type { ScanProgress } from '../../model/label-proposal.ts';
import { callerOf } from '../access.ts';
import { connectionPath, type LabelScan, labelScan, startScan } from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import { peerAddress } from '../peer.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured } from './shapes.ts';

/** Scans for labels: samples of what nobody labelled, read by the gateway itself. */
export function labelScanRoutes(server: Server, room: Room): void {
  const { connections, gate, scans } = room;
  const resource = (connection: string): ResourceRef => ({ type: 'Connection', connection });

  /** For those who may at least see the connection, it exists. */
  function assertVisible(request: FastifyRequest, name: string): void {
    const visible = (['connect', 'view', 'manage'] as const).some((action) =>
      gate.may(request, action, resource(name)),
    );
    if (!visible || !connections().some((one) => one.name === name)) throw notFound('connection');
  }

  server.route({
    method: 'POST',
    url: '/v1/connections/:connection/labels/scan',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'scanLabels',
      summary:
        'Look at samples of columns that nobody labelled, as a session of yours; what is found becomes proposals',
      tags: ['labels'],
      security: secured,
      params: connectionPath,
      body: startScan.default({ sample: 1_000 }),
      response: { 202: labelScan, ...failures },
    },
    handler: async (request, reply) => {
      const { connection } = request.params;
      const { schema, table, sample } = request.body;
      assertVisible(request, connection);
      gate.demand(request, 'manage', resource(connection));
      if (table !== undefined && schema === undefined)
        throw new ControlError('ERR_CONTROLPLANE_BAD_REQUEST', 'A table is named with its schema. Add schema.');
      const client = {
        address: peerAddress(request),
        port: request.socket.remotePort ?? 0,
        tls: request.protocol === 'https',
      };
      const bounds = { ...optional('schema', schema), ...optional('table', table), sample };
      const started = await begun(connection, () => scans.start(connection, callerOf(request), client, bounds));
      if (started === 'busy')
        throw new ControlError(
          'ERR_CONTROLPLANE_CONFLICT',
          `A scan of ${connection} is running. Wait for it, or end its session (gatehouse sessions list).`,
        );
      return reply.code(202).send(shown(connection, started));
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/connections/:connection/labels/scan',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'showLabelScan',
      summary: 'How far the last scan of the connection has come',
      tags: ['labels'],
      security: secured,
      params: connectionPath,
      response: { 200: labelScan, ...failures },
    },
    handler: async (request) => {
      const { connection } = request.params;
      assertVisible(request, connection);
      gate.demand(request, 'manage', resource(connection));
      const found = scans.progress(connection);
      if (found === undefined) throw notFound('scan');
      return shown(connection, found);
    },
  });

  async function begun<T>(connection: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      room.log.warn({ error: cause, connection }, 'control: a scan could not begin');
      throw new ControlError(
        'ERR_CONTROLPLANE_UNAVAILABLE',
        `The scan of ${connection} could not begin: its target does not answer, or the ledger cannot be written. Try again, or ask the operator.`,
      );
    }
  }
}

function shown(connection: string, scan: ScanProgress): LabelScan {
  const { startedAt, endedAt, problems, ...rest } = scan;
  return {
    connection,
    ...rest,
    problems: [...problems],
    startedAt: isoTime(startedAt),
    ...(endedAt === undefined ? {} : { endedAt: isoTime(endedAt) }),
  };
}
