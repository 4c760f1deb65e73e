import { BlockList, isIP, isIPv6 } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

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
  return isLoopback(peerAddress(request));
}

export function isLoopback(address: string): boolean {
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address;
  return isIP(bare) !== 0 && loopback.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4');
}

/** Nobody on the way could read the request: TLS ends here, or it never left the machine. */
export function isPrivate(request: FastifyRequest): boolean {
  return (request.socket as Partial<TLSSocket>).encrypted === true || isLocal(request);
}
