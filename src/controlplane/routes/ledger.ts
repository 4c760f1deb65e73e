import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ledgerStatus, policyStatus } from '../contract/index.ts';
import { notFound } from '../errors.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured } from './shapes.ts';

const access = { kind: 'policy', action: 'view', resource: 'Ledger' } as const;

/** Tiles and entry bundles, full or partial. https://c2sp.org/tlog-tiles */
const TILE =
  /^tile\/(?:entries|[0-9]|[1-5][0-9]|6[0-3])\/(?:x[0-9]{3}\/){0,5}[0-9]{3}(?:\.p\/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$/;

/** The evidence as auditors and monitors fetch it, and the policies' version. */
export function ledgerRoutes(server: Server, room: Room): void {
  const { gate, ledger, policy } = room;

  async function demandView(request: FastifyRequest): Promise<Awaited<ReturnType<typeof ledger.status>>> {
    const status = await ledger.status();
    gate.demand(request, 'view', { type: 'Ledger', id: status.origin });
    return status;
  }

  async function sendFile(path: string, type: string, reply: FastifyReply): Promise<FastifyReply> {
    const bytes = await ledger.read(path);
    if (bytes === undefined) throw notFound('part of the ledger');
    return reply.type(type).send(bytes);
  }

  server.route({
    method: 'GET',
    url: '/v1/ledger',
    config: { access },
    schema: {
      operationId: 'ledgerStatus',
      summary: 'Size and state of the ledger',
      tags: ['ledger'],
      security: secured,
      response: { 200: ledgerStatus, ...failures },
    },
    handler: async (request) => {
      const { checkpointAt, failing, origin, size, publishedSize, rootHash, verifierKey } = await demandView(request);
      return {
        origin,
        size,
        publishedSize,
        rootHash,
        ...(checkpointAt === undefined ? {} : { checkpointAt: isoTime(checkpointAt) }),
        verifierKey,
        ...optional('failing', failing),
      };
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/ledger/checkpoint',
    config: { access },
    schema: {
      operationId: 'ledgerCheckpoint',
      summary: 'The last signed checkpoint (C2SP tlog-checkpoint)',
      tags: ['ledger'],
      security: secured,
    },
    handler: async (request, reply) => {
      await demandView(request);
      return sendFile('checkpoint', 'text/plain; charset=utf-8', reply);
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/ledger/tile/*',
    config: { access },
    schema: {
      operationId: 'ledgerTile',
      summary: 'A tile or entry bundle (C2SP tlog-tiles); entries hold no names, only salted digests of them',
      tags: ['ledger'],
      security: secured,
      params: z.object({ '*': z.string().max(200) }),
    },
    handler: async (request, reply) => {
      await demandView(request);
      const path = `tile/${request.params['*']}`;
      if (!TILE.test(path)) throw notFound('part of the ledger');
      return sendFile(path, 'application/octet-stream', reply);
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/policy',
    config: { access: { kind: 'self' } },
    schema: {
      operationId: 'policyStatus',
      summary: 'Version of the policies in force',
      tags: ['policy'],
      security: secured,
      response: { 200: policyStatus, ...failures },
    },
    handler: async () => {
      const status = room.policyStatus?.();
      return {
        version: policy().version,
        ...(status?.loadedAt === undefined ? {} : { loadedAt: isoTime(status.loadedAt) }),
        ...optional('refused', status?.refused),
      };
    },
  });
}
