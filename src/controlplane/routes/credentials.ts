import { isSessionCredentialId, issueSessionCredential, type StoredCredential } from '../../identity/index.ts';
import type { ResourceRef } from '../../model/access.ts';
import { callerOf } from '../access.ts';
import {
  type Credential,
  credentialList,
  credentialQuery,
  idPath,
  issueCredential,
  issuedCredential,
  MAX_CREDENTIAL_SECONDS,
  revokedCredential,
  whoami,
} from '../contract/index.ts';
import { ControlError, notFound } from '../errors.ts';
import { recordChange } from '../evidence.ts';
import type { Room, Server } from '../server.ts';
import { failures, isoTime, optional, secured } from './shapes.ts';

/** Who the caller is, and the session credentials that were issued to people. */
export function credentialRoutes(server: Server, room: Room): void {
  const { clock, credentials, gate, metrics, sessions, sink } = room;

  server.route({
    method: 'GET',
    url: '/v1/whoami',
    config: { access: { kind: 'self' } },
    schema: {
      operationId: 'whoami',
      summary: 'Who the gateway takes you for',
      tags: ['identity'],
      security: secured,
      response: { 200: whoami, ...failures },
    },
    handler: async (request) => {
      const principal = callerOf(request);
      const { id, name, kind, issuer, subject, groups, onBehalfOf, mfa, credential, expiresAt } = principal;
      return {
        id,
        name,
        kind,
        issuer,
        subject,
        groups: [...groups],
        ...optional('onBehalfOf', onBehalfOf),
        mfa,
        credential: credential.type,
        expiresAt: isoTime(expiresAt),
      };
    },
  });

  server.route({
    method: 'POST',
    url: '/v1/credentials',
    config: { access: { kind: 'self', tokenOnly: true } },
    schema: {
      operationId: 'issueCredential',
      summary: 'Exchange your OIDC token for a session credential that native clients can use',
      tags: ['identity'],
      security: secured,
      body: issueCredential.default({}),
      response: { 201: issuedCredential, ...failures },
    },
    handler: async (request, reply) => {
      const caller = callerOf(request);
      const now = clock();
      const most = Math.min(MAX_CREDENTIAL_SECONDS, room.maxCredentialSeconds ?? MAX_CREDENTIAL_SECONDS);
      // An identity that ends with its token must not live on in what was made of it, unless the operator says so.
      const left = room.credentialsOutliveTokens === true ? most : Math.floor((caller.expiresAt - now) / 1_000);
      const ttlSeconds = Math.min(request.body.ttlSeconds ?? most, most, left);
      if (ttlSeconds < 1) {
        throw new ControlError(
          'ERR_CONTROLPLANE_UNAUTHENTICATED',
          'The token is about to expire; run: gatehouse login',
        );
      }
      const { id, secret, stored } = issueSessionCredential(caller, { ttlSeconds, now });
      await recordChange(sink, {
        kind: 'cred.issued',
        actor: caller,
        time: now,
        clear: { credential: id, exp: isoTime(stored.expiresAt), before: null, after: 'active' },
      });
      await credentials.put(stored);
      metrics.count('logins_total', { door: 'control', result: 'ok' });
      return reply.code(201).send({ id, secret, expiresAt: isoTime(stored.expiresAt) });
    },
  });

  server.route({
    method: 'GET',
    url: '/v1/credentials',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Credential', unless: 'own' } },
    schema: {
      operationId: 'listCredentials',
      summary: 'Your session credentials, or those of somebody else',
      tags: ['identity'],
      security: secured,
      querystring: credentialQuery,
      response: { 200: credentialList, ...failures },
    },
    handler: async (request) => {
      const caller = callerOf(request);
      const owner = request.query.principal ?? caller.id;
      if (owner === caller.id) gate.clear(request);
      else gate.demand(request, 'manage', { type: 'Credential', id: '*', owner });
      const kept = await credentials.listFor(owner);
      return { items: kept.map((one) => shown(one, clock())) };
    },
  });

  server.route({
    method: 'DELETE',
    url: '/v1/credentials/:id',
    config: { access: { kind: 'policy', action: 'manage', resource: 'Credential', unless: 'own' } },
    schema: {
      operationId: 'revokeCredential',
      summary: 'Revoke a session credential for ever, and end the sessions that were opened with it',
      tags: ['identity'],
      security: secured,
      params: idPath,
      response: { 200: revokedCredential, ...failures },
    },
    handler: async (request) => {
      const caller = callerOf(request);
      const { id } = request.params;
      const stored = isSessionCredentialId(id) ? await credentials.get(id) : undefined;
      if (stored === undefined) throw notFound('session credential');
      if (stored.principal.id === caller.id || gate.may(request, 'manage', resourceOf(stored))) gate.clear(request);
      else throw notFound('session credential');
      const opened = sessions
        .list()
        .filter(({ principal }) => principal.credential.type === 'session' && principal.credential.id === id);
      let revoked = stored;
      if (stored.revokedAt === undefined) {
        await recordChange(sink, {
          kind: 'cred.revoked',
          actor: caller,
          time: clock(),
          clear: { credential: id, before: shown(stored, clock()).state, after: 'revoked' },
          hidden: { subject: stored.principal.id },
        });
        revoked = (await credentials.revoke(id, clock())) ?? stored;
      }
      await Promise.all(opened.map((live) => sessions.terminate(live.id, 'The session credential was revoked.')));
      return { ...shown(revoked, clock()), sessionsEnded: opened.length };
    },
  });
}

function resourceOf(stored: StoredCredential): ResourceRef {
  return { type: 'Credential', id: stored.id, owner: stored.principal.id };
}

function shown(stored: StoredCredential, now: number): Credential {
  const { id, principal, issuedAt, expiresAt, revokedAt } = stored;
  return {
    id,
    principal: { id: principal.id, name: principal.name, kind: principal.kind },
    issuedAt: isoTime(issuedAt),
    expiresAt: isoTime(expiresAt),
    ...(revokedAt === undefined ? {} : { revokedAt: isoTime(revokedAt) }),
    state: revokedAt !== undefined ? 'revoked' : now >= expiresAt ? 'expired' : 'active',
  };
}
