import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { isLoopbackAddress, isLoopbackHost } from '../model/loopback.ts';

/** Headers by which a proxy says that somebody else is behind it. */
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const;

/** The address of the socket's other end. Headers are not asked: anybody can write them. */
export function peerAddress(request: FastifyRequest): string {
  const address = request.socket.remoteAddress ?? '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** The caller is on this machine, and is not a proxy speaking for somebody who is not. */
export function isLocal(request: FastifyRequest): boolean {
  if (FORWARDING.some((name) => request.headers[name] !== undefined)) return false;
  return isLoopbackAddress(peerAddress(request));
}

/** Local, and no web page of somebody else's: one whose name was made to point here (DNS rebinding) still says that name. */
export function isLocalProgram(request: FastifyRequest): boolean {
  return isLoopbackHost(request.hostname) && isLocal(request);
}

/** Nobody on the way could read the request: TLS ends here, or it never left the machine. */
export function isPrivate(request: FastifyRequest): boolean {
  return (request.socket as Partial<TLSSocket>).encrypted === true || isLocal(request);
}
