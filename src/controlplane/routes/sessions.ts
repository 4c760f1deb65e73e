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
  type Statement,
  session,
  sessionList,
  sessionQuery,
  statementList,
  statementQuery,
} from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import { recordChange } from '../evidence.ts';
import type { IndexedSession, IndexedStatement, SessionFilter } from '../ports.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured, visiblePage } from './shapes.ts';

const access = { kind: 'policy', action: 'view', resource: 'Session', unless: 'own' } as const;

interface Known {
  readonly indexed: IndexedSession;
  readonly statements: readonly IndexedStatement[];
  readonly live: LiveSession | undefined;
}

/** Sessions and their statements: your own, and others' with `view`; ending them with `kill`. */
export function sessionRoutes(server: Server, room: Room): void {
  const { clock, connections, gate, sessionIndex, sessions, sink } = room;

  const liveById = (): Map<string, LiveSession> => new Map(sessions.list().map((live) => [live.id, live]));
  const mayView = (request: FastifyRequest, one: IndexedSession): boolean =>
    ownerOf(one) === callerOf(request).id || gate.may(request, 'view', resourceOf(one));

  /**
   * Whether the caller may see any session but his own; if not, the index is asked for those alone, so that no filter can be used
   * to feel for what is in the others.
   */
  function seesOthers(request: FastifyRequest, filter: SessionFilter): boolean {
    const names = filter.connection === undefined ? connections().map((one) => one.name) : [filter.connection];
    return names.some((connection) =>
      gate.may(request, 'view', { type: 'Session', id: '*', connection, ...optional('owner', filter.person) }),
    );
  }

  async function known(id: string): Promise<Known | undefined> {
    const live = liveById().get(id);
    const found = await sessionIndex.showSession(id);
    if (found !== undefined) return { indexed: found.session, statements: found.statements, live };
    return live === undefined ? undefined : { indexed: unindexed(live), statements: [], live };
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
      const asked = filterOf(query);
      const filter = seesOthers(request, asked) ? asked : { ...asked, person: callerOf(request).id };
      const live = liveById();
      const page = await visiblePage(
        query,
        async ({ limit, after }) => {
          const { sessions: items, next } = await sessionIndex.listSessions({
            ...filter,
            limit,
            ...optional('cursor', after),
          });
          return { items, ...optional('next', next) };
        },
        (one) =>
          (query.live === undefined || query.live === live.has(one.id)) && mayView(request, one) && named(one, asked),
      );
      const items = page.items.map((one) => shown(one, live.get(one.id)));
      // The index follows the ledger; what began a moment ago is only in the directory.
      if (query.after === undefined && query.live !== false && !asksStatements(query)) {
        const listed = new Set(items.map((one) => one.id));
        for (const one of live.values()) {
          if (listed.has(one.id) || !matches(one, asked) || !mayView(request, unindexed(one))) continue;
          if ((await sessionIndex.showSession(one.id)) === undefined) items.unshift(shown(unindexed(one), one));
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
      const from = after === undefined ? -1 : Number(after);
      const rest = found.statements.filter((one) => one.leaf > from);
      const items = rest.slice(0, limit).map((one) => statementOf(id, one));
      const last = items.at(-1);
      return { items, ...(rest.length > limit && last !== undefined ? { next: String(last.leaf) } : {}) };
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
      const own = ownerOf(found.indexed) === caller.id;
      if (own || gate.may(request, 'kill', resourceOf(found.indexed))) gate.clear(request);
      else if (mayView(request, found.indexed)) gate.demand(request, 'kill', resourceOf(found.indexed));
      else throw notFound('session');
      if (found.live === undefined) throw over(id);
      await recordChange(sink, {
        kind: 'session.killed',
        actor: caller,
        time: clock(),
        session: id,
        clear: { own, before: found.live.state ?? 'active', after: 'ended' },
        hidden: { reason, subject: ownerOf(found.indexed) ?? null },
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

function ownerOf(one: IndexedSession): string | undefined {
  return one.person?.id;
}

function resourceOf(one: IndexedSession): ResourceRef {
  return { type: 'Session', id: one.id, connection: one.connection, ...optional('owner', ownerOf(one)) };
}

function filterOf(query: SessionQuery): SessionFilter {
  const { limit: _limit, after: _after, live: _live, since, until, ...words } = query;
  const given = Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined)) as SessionFilter;
  return {
    ...given,
    ...optional('since', since === undefined ? undefined : Date.parse(since)),
    ...optional('until', until === undefined ? undefined : Date.parse(until)),
  };
}

/** Filters that only the index can answer. */
function asksStatements(query: SessionQuery): boolean {
  return [query.label, query.decision, query.text, query.table].some((word) => word !== undefined);
}

/** The person asked for, also where the index was asked for the caller instead. */
function named(one: IndexedSession, { person }: SessionFilter): boolean {
  if (person === undefined) return true;
  return [one.person?.id, one.person?.name].some((name) => name?.toLowerCase() === person.toLowerCase());
}

function matches(live: LiveSession, filter: SessionFilter): boolean {
  const { principal, connection, startedAt } = live;
  return (
    named(unindexed(live), filter) &&
    (filter.kind === undefined || filter.kind === principal.kind) &&
    (filter.onBehalfOf === undefined || filter.onBehalfOf === principal.onBehalfOf) &&
    (filter.connection === undefined || filter.connection === connection) &&
    (filter.until === undefined || startedAt < filter.until)
  );
}

function unindexed(live: LiveSession): IndexedSession {
  const { id, principal, connection, client, sourceIp, startedAt, statements, rows } = live;
  return {
    id,
    person: { id: principal.id, name: principal.name, kind: principal.kind },
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
  const { person } = one;
  const kind = person?.kind === 'service' || person?.kind === 'agent' ? person.kind : 'person';
  return {
    id: one.id,
    ...(person === undefined ? {} : { principal: { id: person.id, name: person.name, kind } }),
    ...optional('onBehalfOf', one.onBehalfOf),
    connection: one.connection,
    client: one.client,
    sourceIp: one.sourceIp,
    startedAt: isoTime(one.startedAt),
    ...(one.endedAt === undefined ? {} : { endedAt: isoTime(one.endedAt) }),
    ...optional('endReason', one.endReason),
    live: live !== undefined,
    state: live !== undefined ? (live.state ?? 'active') : one.endedAt === undefined ? 'lost' : 'ended',
    statements: Math.max(one.statements, live?.statements ?? 0),
    rows: Math.max(one.rows, live?.rows ?? 0),
    refused: one.refused,
    held: one.held,
    ...(live?.state === 'waiting-for-approval' ? optional('waitsFor', one.waitsFor) : {}),
    labels: [...one.labels],
  };
}

function statementOf(session: string, one: IndexedStatement): Statement {
  return {
    id: `${session}/${one.leaf}`,
    leaf: one.leaf,
    at: isoTime(one.at),
    ...optional('text', one.text),
    verb: one.verb,
    decision: one.decision,
    policies: [...one.policies],
    ...optional('code', one.code),
    ...optional('reason', one.reason),
    tables: [...one.tables],
    labels: [...one.labels],
    masked: one.masked,
    ...optional('rows', one.rows),
    ...optional('durationMs', one.durationMs),
    ...optional('outcome', one.outcome),
    ...optional('sqlstate', one.sqlstate),
    ...optional('request', one.approval),
  };
}
