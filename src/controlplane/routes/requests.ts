import type { FastifyRequest } from 'fastify';
import { ApprovalError, hasSpoken, isRequester } from '../../approval/index.ts';
import type { ResourceRef } from '../../model/access.ts';
import type { ApprovalRequest } from '../../model/approval.ts';
import { callerOf } from '../access.ts';
import {
  approveRequest,
  cancelRequest,
  denyRequest,
  idPath,
  openRequest,
  type Request,
  requestList,
  requestQuery,
  request as requestShape,
  revokeRequest,
} from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured, visiblePage } from './shapes.ts';

const access = { kind: 'policy', action: 'view', resource: 'Request', unless: 'own' } as const;
const decide = { kind: 'policy', action: 'approve', resource: 'Request' } as const;

/** Approval requests: seen by who asked and by who may decide or view; decided by policy and the rules of the approval room. */
export function requestRoutes(server: Server, room: Room): void {
  const { approvals, clock, connections, gate, unmask } = room;

  const isMine = (request: FastifyRequest, one: ApprovalRequest): boolean =>
    one.binding.requester === callerOf(request).id;

  function visible(request: FastifyRequest, one: ApprovalRequest): boolean {
    const resource = resourceOf(one);
    return (
      isMine(request, one) ||
      (['approve', 'view', 'kill'] as const).some((action) => gate.may(request, action, resource))
    );
  }

  /** Whether the caller may see any request but his own; if not, the list is read from those alone. */
  function seesOthers(request: FastifyRequest, connection: string | undefined): boolean {
    const names = connection === undefined ? connections().map((one) => one.name) : [connection];
    return names.some((name) => {
      const any: ResourceRef = { type: 'Request', id: '*', connection: name };
      return (['approve', 'view', 'kill'] as const).some((action) => gate.may(request, action, any));
    });
  }

  /** @throws ControlError `ERR_CONTROLPLANE_NOT_FOUND` also for requests the caller may not see */
  async function visibleRequest(request: FastifyRequest, id: string): Promise<ApprovalRequest> {
    let found: ApprovalRequest;
    try {
      found = await approvals.get(id);
    } catch (error) {
      if (error instanceof ApprovalError && error.code === 'ERR_APPROVAL_NOT_FOUND') throw notFound('approval request');
      throw error;
    }
    if (!visible(request, found)) throw notFound('approval request');
    return found;
  }

  /** Policy's part of the rules; who asked is refused by the same words whatever policy says. */
  function demandApprover(request: FastifyRequest, one: ApprovalRequest): void {
    if (isRequester(one, callerOf(request))) {
      throw new ControlError(
        'ERR_CONTROLPLANE_FORBIDDEN',
        `Request ${one.id} is your own, or that of somebody you act for. Ask another person to decide; you can only cancel it.`,
      );
    }
    gate.demand(request, 'approve', resourceOf(one));
  }

  /** Taking back only takes away: he who asked may, whoever may consent, and whoever policy lets end things (`kill`). */
  function mayRevoke(request: FastifyRequest, one: ApprovalRequest): boolean {
    const resource = resourceOf(one);
    return isMine(request, one) || gate.may(request, 'approve', resource) || gate.may(request, 'kill', resource);
  }

  function shown(request: FastifyRequest, one: ApprovalRequest): Request {
    const caller = callerOf(request);
    const mayDecide =
      one.state === 'pending' &&
      clock() < one.expiresAt &&
      !isRequester(one, caller) &&
      (one.approvers.length === 0 || one.approvers.some((group) => caller.groups.includes(group))) &&
      !hasSpoken(one, caller) &&
      gate.may(request, 'approve', resourceOf(one));
    const given = (one.state === 'approved' || one.state === 'exhausted') && clock() <= (one.grant?.notAfter ?? 0);
    return { ...describe(one), mine: isMine(request, one), mayDecide, mayRevoke: given && mayRevoke(request, one) };
  }

  server.route({
    method: 'GET',
    url: '/v1/requests',
    config: { access },
    schema: {
      operationId: 'listRequests',
      summary: 'Approval requests, newest first',
      tags: ['requests'],
      security: secured,
      querystring: requestQuery,
      response: { 200: requestList, ...failures },
    },
    handler: async (request) => {
      gate.clear(request);
      const { query } = request;
      const ownOnly = query.mine === true || !seesOthers(request, query.connection);
      const filter = {
        ...optional('state', query.state),
        ...optional('resource', query.connection),
        ...optional('requester', ownOnly ? callerOf(request).id : undefined),
      };
      const page = await visiblePage(
        query,
        (part) => approvals.list(filter, part),
        (one) => visible(request, one) && (query.mine !== false || !isMine(request, one)),
      );
      return { items: page.items.map((one) => shown(request, one)), ...optional('next', page.next) };
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/requests',
    config: { access: { kind: 'policy', action: 'connect', resource: 'Connection' } },
    schema: {
      operationId: 'openRequest',
      summary: 'Ask to see labels unmasked, for a while or in one statement',
      tags: ['requests'],
      security: secured,
      body: openRequest,
      response: { 200: requestShape, ...failures },
    },
    handler: async (request) => {
      const { connection, seconds, reason, statement, parameters, uses, searchPath } = request.body;
      const found = connections().find((one) => one.name === connection);
      if (found === undefined || !gate.may(request, 'connect', { type: 'Connection', connection })) {
        throw notFound('connection');
      }
      gate.clear(request);
      const requester = callerOf(request);
      const labels = [...new Set(request.body.unmask)].sort();
      const exactly =
        statement === undefined
          ? undefined
          : { text: statement, parameters: parameters ?? [], ...optional('searchPath', searchPath) };
      const { answer, bind } = await unmask(connection, requester, labels, exactly);
      if (answer.effect === 'visible') {
        throw new ControlError('ERR_CONTROLPLANE_CONFLICT', `You see ${labels.join(', ')} unmasked already.`);
      }
      if (answer.effect === 'refuse') {
        throw new ControlError(
          'ERR_CONTROLPLANE_FORBIDDEN',
          `Nobody's consent would show you ${labels.join(', ')}: ${answer.reason}. Ask whoever keeps the policies.`,
        );
      }
      const opened = await approvals.open({
        requester,
        binding: bind({ labels, policies: answer.policies, seconds, uses }),
        ...(parameters === undefined || parameters.length === 0 ? {} : { parameters }),
        session: '',
        approvers: answer.approvers,
        quorum: answer.quorum,
        why: answer.reason,
        purpose: reason,
        tables: answer.tables,
        labels,
      });
      return shown(request, opened);
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/requests/:id',
    config: { access },
    schema: {
      operationId: 'showRequest',
      summary: 'One approval request',
      tags: ['requests'],
      security: secured,
      params: idPath,
      response: { 200: requestShape, ...failures },
    },
    handler: async (request) => {
      const found = await visibleRequest(request, request.params.id);
      gate.clear(request);
      return shown(request, found);
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/requests/:id/approve',
    config: { access: decide },
    schema: {
      operationId: 'approveRequest',
      summary: 'Consent to a request',
      tags: ['requests'],
      security: secured,
      params: idPath,
      body: approveRequest,
      response: { 200: requestShape, ...failures },
    },
    handler: async (request) => {
      const found = await visibleRequest(request, request.params.id);
      demandApprover(request, found);
      const { reason, uses, windowSeconds, rowLimit } = request.body;
      const conditions = {
        ...optional('uses', uses),
        ...optional('windowSeconds', windowSeconds),
        ...optional('rowLimit', rowLimit),
      };
      const verdict = { verdict: 'approve', reason, ...conditions } as const;
      return shown(request, await approvals.decide(found.id, callerOf(request), verdict));
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/requests/:id/deny',
    config: { access: decide },
    schema: {
      operationId: 'denyRequest',
      summary: 'Refuse a request for good',
      tags: ['requests'],
      security: secured,
      params: idPath,
      body: denyRequest,
      response: { 200: requestShape, ...failures },
    },
    handler: async (request) => {
      const found = await visibleRequest(request, request.params.id);
      demandApprover(request, found);
      const { reason } = request.body;
      return shown(request, await approvals.decide(found.id, callerOf(request), { verdict: 'deny', reason }));
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/requests/:id/cancel',
    config: { access: { kind: 'self' } },
    schema: {
      operationId: 'cancelRequest',
      summary: 'Take your own request back',
      tags: ['requests'],
      security: secured,
      params: idPath,
      body: cancelRequest.default({}),
      response: { 200: requestShape, ...failures },
    },
    handler: async (request) => {
      const found = await visibleRequest(request, request.params.id);
      return shown(request, await approvals.cancel(found.id, callerOf(request), request.body.reason));
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/requests/:id/revoke',
    config: { access: { kind: 'policy', action: 'approve', resource: 'Request', unless: 'own' } },
    schema: {
      operationId: 'revokeRequest',
      summary: 'Take consent back before its end; results that are shown by it end at once',
      tags: ['requests'],
      security: secured,
      params: idPath,
      body: revokeRequest,
      response: { 200: requestShape, ...failures },
    },
    handler: async (request) => {
      const found = await visibleRequest(request, request.params.id);
      if (mayRevoke(request, found)) gate.clear(request);
      else gate.demand(request, 'approve', resourceOf(found));
      return shown(request, await approvals.revoke(found.id, callerOf(request), request.body.reason));
    },
  });
}

function resourceOf(one: ApprovalRequest): ResourceRef {
  return { type: 'Request', id: one.id, owner: one.binding.requester, connection: one.binding.resource };
}

function describe(one: ApprovalRequest): Omit<Request, 'mine' | 'mayDecide' | 'mayRevoke'> {
  const { binding, grant, revocation } = one;
  return {
    id: one.id,
    state: one.state,
    requester: { id: binding.requester, name: one.requesterName, ...optional('onBehalfOf', one.onBehalfOf) },
    connection: binding.resource,
    role: binding.role,
    session: one.session,
    statement: binding.stmt,
    ...(binding.unmask === undefined
      ? {}
      : {
          unmask: {
            labels: [...binding.unmask],
            ...optional('seconds', binding.seconds),
            ...optional('uses', binding.uses),
          },
        }),
    bindingHash: one.bindingHash,
    parameters: binding.params,
    ...(one.parameters === undefined ? {} : { parameterValues: [...one.parameters] }),
    policies: [...binding.policies],
    why: one.why,
    purpose: one.purpose,
    tables: [...one.tables],
    labels: [...one.labels],
    approvers: [...one.approvers],
    quorum: one.quorum,
    createdAt: isoTime(one.createdAt),
    expiresAt: isoTime(one.expiresAt),
    decisions: one.decisions.map((decision) => ({
      approver: {
        id: decision.approver,
        name: decision.approverName,
        ...optional('onBehalfOf', decision.person?.onBehalfOf),
      },
      verdict: decision.verdict,
      reason: decision.reason,
      at: isoTime(decision.at),
      groups: [...decision.groups],
      ...optional('uses', decision.conditions?.uses),
      ...optional('windowSeconds', decision.conditions?.windowSeconds),
      ...optional('rowLimit', decision.conditions?.rowLimit),
    })),
    ...(revocation === undefined
      ? {}
      : {
          revocation: {
            by: { id: revocation.by, name: revocation.byName },
            reason: revocation.reason,
            at: isoTime(revocation.at),
          },
        }),
    ...(grant === undefined
      ? {}
      : {
          grant: {
            notAfter: isoTime(grant.notAfter),
            uses: grant.uses,
            used: grant.used,
            ...optional('rowLimit', grant.rowLimit),
          },
        }),
  };
}
