import type { Address } from '../model/config.ts';
import { isLoopbackHost } from '../model/loopback.ts';

/** `host:port`, `[::1]:port`, or (with a default port) `host` alone. */
export const ADDRESS_PATTERN = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/@]+))(?::(\d{1,5}))?$/;

/** Gives `undefined` for anything that is not an address, a missing port without a default included. */
export function parseAddress(text: string, defaultPort?: number): Address | undefined {
  const match = ADDRESS_PATTERN.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port === undefined || port > 65_535) return undefined;
  return { host, port };
}

/** Whether a socket bound to one of them would be in the way of the other. */
export function overlap(a: Address, b: Address): boolean {
  // Port 0 asks the system for a free one.
  if (a.port !== b.port || a.port === 0) return false;
  const wild = (host: string): boolean => host === '0.0.0.0' || host === '::' || host === '*';
  return a.host === b.host || wild(a.host) || wild(b.host) || (isLoopbackHost(a.host) && isLoopbackHost(b.host));
}
