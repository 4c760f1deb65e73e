import type { FastifyRequest } from 'fastify';
import type { AccessContext, ControlAction, DataAction, ResourceRef } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import { ControlError } from './errors.ts';
import { peerAddress } from './peer.ts';
import type { PolicyPort } from './ports.ts';

/**
 * What a route asks before it answers. Every route has one; a server with a route that lacks it does not start.
 * `public`: nothing. `local-or`: nothing from this machine, otherwise the question. `self`: a proven identity, and the handler
 * touches nothing but what is the caller's. `policy`: this question, on an object the handler names; an answer that was sent without
 * asking becomes an error.
 */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'self'; readonly tokenOnly?: true }
  | {
      readonly kind: 'policy' | 'local-or';
      readonly action: ControlAction | DataAction;
      readonly resource: ResourceRef['type'];
      /** Whose objects need no permission. */
      readonly unless?: 'own';
    };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    /** Set when the caller was authenticated. */
    principal: Principal | undefined;
    /** Set when the route's question was asked and answered with yes, or needed no asking. */
    cleared: boolean;
  }
}

/** The caller; only for routes that are not public. */
export function callerOf(request: FastifyRequest): Principal {
  if (request.principal !== undefined) return request.principal;
  throw new ControlError('ERR_CONTROLPLANE_UNAUTHENTICATED', 'No identity was given. Run: gatehouse login');
}

export interface Gate {
  /** Whether policy says yes. A hold is a no: nobody waits on the control side. */
  may(request: FastifyRequest, action: ControlAction | DataAction, resource: ResourceRef): boolean;
  /** Notes that the route's question was answered with yes. */
  clear(request: FastifyRequest): void;
  /** @throws ControlError `ERR_CONTROLPLANE_FORBIDDEN` unless policy says yes; clears the request otherwise */
  demand(request: FastifyRequest, action: ControlAction | DataAction, resource: ResourceRef): void;
}

export interface GateOptions {
  readonly policy: () => PolicyPort;
  readonly clock: () => number;
  readonly timeZone: string;
}

const WEEKDAYS: Readonly<Record<string, number>> = { Mon: 1, Tue: 2, Wed: 3, Thu: 4, Fri: 5, Sat: 6, Sun: 7 };

export function createGate({ policy, clock, timeZone }: GateOptions): Gate {
  const calendar = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hour: '2-digit',
    hourCycle: 'h23',
    weekday: 'short',
  });

  function contextOf(request: FastifyRequest): AccessContext {
    const parts = new Map(calendar.formatToParts(clock()).map((part) => [part.type, part.value]));
    const client = request.headers['user-agent'];
    // A zone (`fe80::1%eth0`) is no part of the address to Cedar.
    const [address = ''] = peerAddress(request).split('%');
    return {
      approved: false,
      routine: false,
      rows: 0,
      rowsSession: 0,
      rowsHour: 0,
      rowsDay: 0,
      hour: Number(parts.get('hour')),
      weekday: WEEKDAYS[parts.get('weekday') ?? ''] ?? 1,
      ...(address === '' ? {} : { sourceIp: address }),
      ...(client === undefined ? {} : { client: client.slice(0, 200) }),
    };
  }

  function may(request: FastifyRequest, action: ControlAction | DataAction, resource: ResourceRef): boolean {
    const principal = callerOf(request);
    const decision = policy().decide({ principal, questions: [{ action, resource }], context: contextOf(request) });
    return decision.effect === 'forward';
  }

  return {
    may,
    clear(request) {
      request.cleared = true;
    },
    demand(request, action, resource) {
      if (!may(request, action, resource)) {
        throw new ControlError(
          'ERR_CONTROLPLANE_FORBIDDEN',
          `No policy allows you to ${action} this ${resource.type}. Ask whoever keeps the policies for the permission.`,
        );
      }
      request.cleared = true;
    },
  };
}
