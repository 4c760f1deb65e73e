import { isIPv6 } from 'node:net';
import { isLoopbackAddress } from '../model/loopback.ts';

const WINDOW_MS = 60_000;
const ALLOWED = 60;
/** Everybody on this machine shares one address, and whoever is on it has better ways to be a nuisance. */
const ALLOWED_LOCALLY = 600;
const ADDRESSES = 10_000;

interface Failures {
  since: number;
  count: number;
}

/**
 * Forged proofs of identity per address: after sixty within a minute the address waits for the minute's end. An IPv6 network of 64 bits counts
 * as one address, since whoever has one has them all. Memory is bounded: the oldest are forgotten first.
 */
export class FailureLimit {
  readonly #failures = new Map<string, Failures>();

  /** Seconds to wait before another attempt, or 0. */
  waitSeconds(address: string, now: number): number {
    const failures = this.#failures.get(networkOf(address));
    if (failures === undefined || failures.count < allowedFor(address)) return 0;
    return Math.max(0, Math.ceil((failures.since + WINDOW_MS - now) / 1_000));
  }

  failed(address: string, now: number): void {
    const network = networkOf(address);
    const known = this.#failures.get(network);
    if (known !== undefined && now < known.since + WINDOW_MS) {
      known.count++;
      return;
    }
    this.#failures.delete(network);
    this.#failures.set(network, { since: now, count: 1 });
    if (this.#failures.size > ADDRESSES) {
      const oldest = this.#failures.keys().next().value;
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
  }
}

function allowedFor(address: string): number {
  return isLoopbackAddress(address) ? ALLOWED_LOCALLY : ALLOWED;
}

function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
