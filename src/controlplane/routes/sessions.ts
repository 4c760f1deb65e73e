import type { FastifyRequest } from 'fastify';
import type { ResourceRef } from '../../model/access.ts';
import type { LiveSession } from '../../model/session-directory.ts';
import { callerOf } from '../access.ts';
import {
  idPath,
  killedSession,
  killSession,
  type Session,
  type SessionQuery,
  session,
  sessionList,
  sessionQuery,
  statementList,
  statementQuery,
} from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import { recordChange } from '../evidence.ts';
import type { IndexedSession, SessionSearch } from '../ports.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured, visiblePage } from './shapes.ts';

const access = { kind: 'policy', action: 'view', resource: 'Session', unless: 'own' } as const;

/** Sessions and their statements: your own, and others' with `view`; ending them with `kill`. */
export function sessionRoutes(server: Server, room: Room): void {
  const { clock, gate, sessionIndex, sessions, sink } = room;

  const liveById = (): Map<string, LiveSession> => new Map(sessions.list().map((live) => [live.id, live]));
  const mayView = (request: FastifyRequest, one: IndexedSession): boolean =>
    one.principalId === callerOf(request).id || gate.may(request, 'view', resourceOf(one));

  async function known(id: string): Promise<{ indexed: IndexedSession; live: LiveSession | undefined } | undefined> {
    const live = liveById().get(id);
    const indexed = (await sessionIndex.session(id)) ?? (live === undefined ? undefined : unindexed(live));
    return indexed === undefined ? undefined : { indexed, live };
  }

  server.route({
    method: 'GET',
    url: '/v1/sessions',
    config: { access },
    schema: {
      operationId: 'listSessions',
      summary: 'Sessions, newest first',
      tags: ['sessions'],
      security: secured,
      querystring: sessionQuery,
      response: { 200: sessionList, ...failures },
    },
    handler: async (request) => {
      gate.clear(request);
      const { query } = request;
      const search = searchOf(query);
      const live = liveById();
      const visible = (one: IndexedSession): boolean =>
        (query.live === undefined || query.live === live.has(one.id)) && mayView(request, one);
      const page = await visiblePage(query, (part) => sessionIndex.search(search, part), visible);
      const items = page.items.map((one) => shown(one, live.get(one.id)));
      // The index follows the ledger; what began a moment ago is only in the directory.
      if (
        query.after === undefined &&
        query.live !== false &&
        query.label === undefined &&
        query.decision === undefined
      ) {
        const listed = new Set(items.map((one) => one.id));
        for (const one of live.values()) {
          if (listed.has(one.id) || !matches(one, search)) continue;
          if ((await sessionIndex.session(one.id)) !== undefined) continue;
          if (mayView(request, unindexed(one))) items.unshift(shown(unindexed(one), one));
        }
      }
      return { items, ...optional('next', page.next) };
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/sessions/:id',
    config: { access },
    schema: {
      operationId: 'showSession',
      summary: 'One session',
      tags: ['sessions'],
      security: secured,
      params: idPath,
      response: { 200: session, ...failures },
    },
    handler: async (request) => {
      const found = await known(request.params.id);
      if (found === undefined || !mayView(request, found.indexed)) throw notFound('session');
      gate.clear(request);
      return shown(found.indexed, found.live);
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/sessions/:id/statements',
    config: { access },
    schema: {
      operationId: 'listStatements',
      summary: 'The statements of a session, in order',
      tags: ['sessions'],
      security: secured,
      params: idPath,
      querystring: statementQuery,
      response: { 200: statementList, ...failures },
    },
    handler: async (request) => {
      const { id } = request.params;
      const found = await known(id);
      if (found === undefined || !mayView(request, found.indexed)) throw notFound('session');
      gate.clear(request);
      const { limit, after } = request.query;
      const page = await sessionIndex.statements(id, { limit, ...optional('after', after) });
      return {
        items: page.items.map(({ leaf, at, policies, tables, labels, ...rest }) => ({
          ...rest,
          id: `${id}/${leaf}`,
          leaf,
          at: isoTime(at),
          policies: [...policies],
          tables: [...tables],
          labels: [...labels],
        })),
        ...optional('next', page.next),
      };
    },
  });

  server.route({
    method: 'DELETE',
    url: '/v1/sessions/:id',
    config: { access: { kind: 'policy', action: 'kill', resource: 'Session', unless: 'own' } },
    schema: {
      operationId: 'killSession',
      summary: 'End a live session at once',
      tags: ['sessions'],
      security: secured,
      params: idPath,
      querystring: killSession,
      response: { 200: killedSession, ...failures },
    },
    handler: async (request) => {
      const caller = callerOf(request);
      const { id } = request.params;
      const { reason } = request.query;
      const found = await known(id);
      if (found === undefined) throw notFound('session');
      const own = found.indexed.principalId === caller.id;
      if (own || gate.may(request, 'kill', resourceOf(found.indexed))) gate.clear(request);
      else if (mayView(request, found.indexed)) gate.demand(request, 'kill', resourceOf(found.indexed));
      else throw notFound('session');
      if (found.live === undefined) throw over(id);
      await recordChange(sink, {
        kind: 'session.killed',
        actor: caller,
        time: clock(),
        session: id,
        clear: { own, before: found.live.state, after: 'ended' },
        hidden: { reason, subject: found.indexed.principalId },
      });
      const words = own ? reason : `${caller.name}: ${reason}`;
      if (!(await sessions.terminate(id, words))) throw over(id);
      return { id, ended: true as const };
    },
  });
}

function over(id: string): ControlError {
  return new ControlError('ERR_CONTROLPLANE_CONFLICT', `Session ${id} is over already; there is nothing to end.`);
}

function resourceOf(one: IndexedSession): ResourceRef {
  return { type: 'Session', id: one.id, owner: one.principalId, connection: one.connection };
}

function searchOf(query: SessionQuery): SessionSearch {
  return {
    ...optional('person', query.person),
    ...optional('connection', query.connection),
    ...optional('label', query.label),
    ...optional('decision', query.decision),
    ...optional('since', query.since === undefined ? undefined : Date.parse(query.since)),
    ...optional('until', query.until === undefined ? undefined : Date.parse(query.until)),
  };
}

function matches(live: LiveSession, search: SessionSearch): boolean {
  const { principal, connection, startedAt } = live;
  return (
    (search.person === undefined || search.person === principal.id || search.person === principal.name) &&
    (search.connection === undefined || search.connection === connection) &&
    (search.since === undefined || startedAt >= search.since) &&
    (search.until === undefined || startedAt < search.until)
  );
}

function unindexed(live: LiveSession): IndexedSession {
  const { id, principal, connection, client, sourceIp, startedAt, statements, rows } = live;
  return {
    id,
    principalId: principal.id,
    principalName: principal.name,
    principalKind: principal.kind,
    ...optional('onBehalfOf', principal.onBehalfOf),
    connection,
    client,
    sourceIp,
    startedAt,
    statements,
    rows,
    refused: 0,
    held: 0,
    labels: [],
  };
}

function shown(one: IndexedSession, live: LiveSession | undefined): Session {
  return {
    id: one.id,
    principal: { id: one.principalId, name: one.principalName, kind: one.principalKind },
    ...optional('onBehalfOf', one.onBehalfOf),
    connection: one.connection,
    client: one.client,
    sourceIp: one.sourceIp,
    startedAt: isoTime(one.startedAt),
    ...(one.endedAt === undefined ? {} : { endedAt: isoTime(one.endedAt) }),
    ...optional('endReason', one.endReason),
    live: live !== undefined,
    state: live?.state ?? (one.endedAt === undefined ? 'lost' : 'ended'),
    statements: Math.max(one.statements, live?.statements ?? 0),
    rows: Math.max(one.rows, live?.rows ?? 0),
    refused: one.refused,
    held: one.held,
    labels: [...one.labels],
  };
}
