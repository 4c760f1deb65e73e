import type { FastifyRequest } from 'fastify';
import type { ResourceRef } from '../../model/access.ts';
import { callerOf } from '../access.ts';
import {
  connectionList,
  connectionPath,
  exportedCatalog,
  type LabelOrigin,
  labelView,
  refreshedLabels,
  writtenLabels,
} from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import { recordChange } from '../evidence.ts';
import type { ConnectionInfo } from '../ports.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured } from './shapes.ts';

/** What the caller can connect to, and the labels on it. */
export function connectionRoutes(server: Server, room: Room): void {
  const { clock, connections, gate, labels, sink } = room;
  const resource = (name: string): ResourceRef => ({ type: 'Connection', connection: name });

  /** The connection, if the caller may do one of these things with it; otherwise it does not exist for him. */
  function visibleConnection(
    request: FastifyRequest,
    name: string,
    actions: readonly ('connect' | 'view' | 'manage')[],
  ): ConnectionInfo {
    const found = connections().find((one) => one.name === name);
    if (found === undefined || !actions.some((action) => gate.may(request, action, resource(name)))) {
      throw notFound('connection');
    }
    return found;
  }

  server.route({
    method: 'GET',
    url: '/v1/connections',
    config: { access: { kind: 'policy', action: 'connect', resource: 'Connection' } },
    schema: {
      operationId: 'listConnections',
      summary: 'What you may connect to',
      tags: ['connections'],
      security: secured,
      response: { 200: connectionList, ...failures },
    },
    handler: async (request) => {
      gate.clear(request);
      return {
        items: connections()
          .filter((one) => gate.may(request, 'connect', resource(one.name)))
          .map(({ name, protocol, endpoint, available }) => ({
            name,
            protocol,
            endpoint: { ...endpoint, host: reachableHost(endpoint.host, request) },
            ...optional('available', available),
          })),
      };
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/connections/:connection/labels',
    config: { access: { kind: 'policy', action: 'connect', resource: 'Connection' } },
    schema: {
      operationId: 'showLabels',
      summary: 'Relations and columns with their effective labels, and what is masked for you',
      tags: ['connections'],
      security: secured,
      params: connectionPath,
      response: { 200: labelView, ...failures },
    },
    handler: async (request) => {
      const { name } = visibleConnection(request, request.params.connection, ['connect', 'view']);
      gate.clear(request);
      const view = await reachable(name, () => labels.effective(name, callerOf(request)));
      // Who labelled a column, and in what words, is for those who look after the labels.
      const full = gate.may(request, 'view', resource(name)) || gate.may(request, 'manage', resource(name));
      const shown = (origins: readonly LabelOrigin[]): LabelOrigin[] =>
        origins.map(({ by, why, ...rest }) => ({
          ...rest,
          ...(full ? { ...optional('by', by), ...optional('why', why) } : {}),
        }));
      return {
        connection: name,
        catalogVersion: view.catalogVersion,
        takenAt: isoTime(view.takenAt),
        relations: view.relations.map((relation) => ({
          ...relation,
          labels: [...relation.labels],
          origins: shown(relation.origins),
          columns: relation.columns.map(({ name: column, labels: own, origins, hidden }) => ({
            name: column,
            labels: [...own],
            origins: shown(origins),
            hidden,
          })),
        })),
        unlabelled: [...view.unlabelled],
        reviewed: [...view.reviewed],
        problems: [...view.problems],
      };
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/connections/:connection/labels/written',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'writtenLabels',
      summary: 'Labels that comments and security labels of the target hold, to be put into a label file',
      tags: ['connections'],
      security: secured,
      params: connectionPath,
      response: { 200: writtenLabels, ...failures },
    },
    handler: async (request) => {
      const { name } = visibleConnection(request, request.params.connection, ['connect', 'view', 'manage']);
      gate.demand(request, 'manage', resource(name));
      const { found, problems } = await reachable(name, () => labels.written(name));
      return { connection: name, found: [...found], problems: [...problems] };
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/connections/:connection/labels/refresh',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'refreshLabels',
      summary: 'Read the target’s catalog anew and label it',
      tags: ['connections'],
      security: secured,
      params: connectionPath,
      response: { 200: refreshedLabels, ...failures },
    },
    handler: async (request) => {
      const { name } = visibleConnection(request, request.params.connection, ['connect', 'view', 'manage']);
      gate.demand(request, 'manage', resource(name));
      const done = await reachable(name, () => labels.refresh(name));
      await recordChange(sink, {
        kind: 'catalog.refreshed',
        actor: callerOf(request),
        time: clock(),
        clear: { connection: name, before: done.before ?? null, after: done.after, relations: done.relations },
      });
      return {
        connection: name,
        ...optional('before', done.before),
        after: done.after,
        relations: done.relations,
        problems: [...done.problems],
      };
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/connections/:connection/catalog',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'exportCatalog',
      summary: 'The catalog of a connection as a file, for explanations and tests without a gateway',
      tags: ['connections'],
      security: secured,
      params: connectionPath,
      response: { 200: exportedCatalog, ...failures },
    },
    handler: async (request) => {
      const { name } = visibleConnection(request, request.params.connection, ['connect', 'view', 'manage']);
      gate.demand(request, 'manage', resource(name));
      return { connection: name, ...(await reachable(name, () => labels.catalog(name))) };
    },
  });

  async function reachable<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      room.log.warn({ error: cause, connection: name }, 'control: catalog not available');
      throw new ControlError(
        'ERR_CONTROLPLANE_UNAVAILABLE',
        `The catalog of ${name} could not be read; the target may be down. Try again, or ask its operator.`,
      );
    }
  }
}

/** A listener on all addresses is reached under the name by which the caller reached this one. */
function reachableHost(host: string, request: FastifyRequest): string {
  return host === '0.0.0.0' || host === '::' ? request.hostname : host;
}
