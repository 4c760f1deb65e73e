import type { FastifyRequest } from 'fastify';
import type { ResourceRef } from '../../model/access.ts';
import { confidenceOf } from '../../model/label-proposal.ts';
import { callerOf } from '../access.ts';
import {
  acceptProposals,
  decidedProposals,
  dismissProposals,
  idPath,
  type LabelProposal,
  labelProposal,
  proposalList,
  proposalQuery,
} from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import { recordChange } from '../evidence.ts';
import type { StandingProposal } from '../ports.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured } from './shapes.ts';

/** Labels that evidence speaks for, and what people decide about them. */
export function labelRoutes(server: Server, room: Room): void {
  const { clock, connections, gate, proposals, sink } = room;
  const resource = (connection: string): ResourceRef => ({ type: 'Connection', connection });
  const maySee = (request: FastifyRequest, connection: string): boolean =>
    gate.may(request, 'view', resource(connection)) || gate.may(request, 'manage', resource(connection));

  server.route({
    method: 'GET',
    url: '/v1/labels/proposals',
    config: { access: { kind: 'policy', action: 'view', resource: 'Connection' } },
    schema: {
      operationId: 'listLabelProposals',
      summary: 'Labels that detectors, scans and names propose for columns that nobody labelled, the surest first',
      tags: ['labels'],
      security: secured,
      querystring: proposalQuery,
      response: { 200: proposalList, ...failures },
    },
    handler: async (request) => {
      const { connection, state, confidence, limit } = request.query;
      const seen = connections()
        .map(({ name }) => name)
        .filter((name) => (connection === undefined || name === connection) && maySee(request, name));
      if (seen.length === 0) throw notFound('connection');
      gate.clear(request);
      const lists = await Promise.all(seen.map((name) => proposals.list({ connection: name })));
      const found = lists
        .flat()
        .filter((one) => state === 'all' || standsAs(one) === state)
        .map(shown)
        .filter((one) => one.confidence >= confidence)
        .sort((a, b) => b.confidence - a.confidence);
      return { items: found.slice(0, limit), total: found.length };
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/labels/proposals/:id',
    config: { access: { kind: 'policy', action: 'view', resource: 'Connection' } },
    schema: {
      operationId: 'showLabelProposal',
      summary: 'One proposal',
      tags: ['labels'],
      security: secured,
      params: idPath,
      response: { 200: labelProposal, ...failures },
    },
    handler: async (request) => {
      const found = await proposals.get(request.params.id);
      if (found === undefined || !maySee(request, found.proposal.connection)) throw notFound('proposal');
      gate.clear(request);
      return shown(found);
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/labels/proposals/accept',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'acceptLabelProposals',
      summary: 'Record that proposals were accepted; their labels come into force by a label file',
      tags: ['labels'],
      security: secured,
      body: acceptProposals,
      response: { 200: decidedProposals, ...failures },
    },
    handler: async (request) => {
      const { ids, reason, file, from, to } = request.body;
      const found = await decidable(request, ids);
      const gone = found.find(({ exists }) => !exists);
      if (gone !== undefined) {
        const { schema, relation, column, id } = gone.proposal;
        throw new ControlError(
          'ERR_CONTROLPLANE_CONFLICT',
          `${schema}.${relation}.${column} is not there any more, so a label would protect nothing. Dismiss ${id}, or accept the proposal for its new name.`,
        );
      }
      return decide(request, found, 'accepted', reason, {
        ...optional('file', file),
        ...optional('from', from),
        ...optional('to', to),
      });
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/labels/proposals/dismiss',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Connection' } },
    schema: {
      operationId: 'dismissLabelProposals',
      summary: 'Dismiss proposals: the same label is not proposed for the same column again',
      tags: ['labels'],
      security: secured,
      body: dismissProposals,
      response: { 200: decidedProposals, ...failures },
    },
    handler: async (request) => {
      const { ids, reason } = request.body;
      return decide(request, await decidable(request, ids), 'dismissed', reason, {});
    },
  });

  /** All of them, or none: somebody who may not decide about one decides about nothing. */
  async function decidable(request: FastifyRequest, ids: readonly string[]): Promise<StandingProposal[]> {
    const found: StandingProposal[] = [];
    for (const id of new Set(ids)) {
      const one = await proposals.get(id);
      if (one === undefined || !maySee(request, one.proposal.connection)) throw notFound(`proposal (${id})`);
      gate.demand(request, 'manage', resource(one.proposal.connection));
      found.push(one);
    }
    return found;
  }

  async function decide(
    request: FastifyRequest,
    found: readonly StandingProposal[],
    state: 'accepted' | 'dismissed',
    reason: string,
    more: { readonly file?: string; readonly from?: string; readonly to?: string },
  ): Promise<{ items: LabelProposal[] }> {
    const actor = callerOf(request);
    const time = clock();
    const items: LabelProposal[] = [];
    const { file, ...hashes } = more;
    for (const { proposal } of found) {
      const { id, connection, schema, relation, column, label, evidence } = proposal;
      await recordChange(sink, {
        kind: 'label.changed',
        actor,
        time,
        clear: {
          change: state,
          connection,
          label,
          confidence: confidenceOf(evidence),
          proposal: id,
          before: proposal.state,
          ...hashes,
        },
        hidden: {
          column: `${schema}.${relation}.${column}`,
          reason,
          evidence: evidence.map(({ source, detector, hits, rows }) => ({ source, detector, hits, rows })),
          ...optional('file', file),
        },
      });
      const by = { id: actor.id, name: actor.name };
      const decided = await proposals.decide(id, state, { at: time, by, reason });
      if (decided !== undefined) items.push(shown(decided));
    }
    return { items };
  }
}

/** An accepted label that stands in no file (yet, or any more) is still to be dealt with. */
function standsAs({ proposal, inForce }: StandingProposal): 'open' | 'accepted' | 'dismissed' | 'done' {
  if (proposal.state === 'open') return inForce ? 'done' : 'open';
  return proposal.state === 'accepted' && !inForce ? 'open' : proposal.state;
}

function shown({ proposal, exists, inForce }: StandingProposal): LabelProposal {
  const { evidence, firstSeen, lastSeen, decision, ...rest } = proposal;
  return {
    ...rest,
    evidence: [...evidence],
    confidence: confidenceOf(evidence),
    firstSeen: isoTime(firstSeen),
    lastSeen: isoTime(lastSeen),
    exists,
    inForce,
    ...(decision === undefined
      ? {}
      : { decision: { at: isoTime(decision.at), by: decision.by.name, reason: decision.reason } }),
  };
}
