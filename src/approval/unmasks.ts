import type { ApprovalRequest, UnmaskGrant, UnmaskGrants } from '../model/approval.ts';
import { quorumMet } from './rules.ts';

export const NO_UNMASKS: UnmaskGrants = { key: '', grants: [] };

/**
 * Consents to see labels unmasked for a while, by principal and connection. Kept in memory, since every statement asks; filled from the
 * store at the start and told of every change.
 */
export class Unmasks {
  readonly #clock: () => number;
  readonly #byHolder = new Map<string, UnmaskGrants>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Takes over what became of a request. */
  note(request: ApprovalRequest): void {
    const { unmask, requester, resource } = request.binding;
    if (unmask === undefined) return;
    const holder = holderOf(requester, resource);
    const others = (this.#byHolder.get(holder)?.grants ?? []).filter((grant) => grant.request !== request.id);
    const holds = request.state === 'approved' && request.grant !== undefined && quorumMet(request);
    this.#keep(holder, holds ? [...others, grantOf(request, request.grant.notAfter)] : others);
  }

  /** What holds now; the same object as long as nothing changed. */
  current(principal: string, connection: string): UnmaskGrants {
    const holder = holderOf(principal, connection);
    const known = this.#byHolder.get(holder);
    if (known === undefined) return NO_UNMASKS;
    const now = this.#clock();
    if (known.grants.every((grant) => now <= grant.notAfter)) return known;
    return this.#keep(
      holder,
      known.grants.filter((grant) => now <= grant.notAfter),
    );
  }

  #keep(holder: string, grants: readonly UnmaskGrant[]): UnmaskGrants {
    if (grants.length === 0) {
      this.#byHolder.delete(holder);
      return NO_UNMASKS;
    }
    const kept = { key: grants.map(({ request }) => request).join(' '), grants };
    this.#byHolder.set(holder, kept);
    return kept;
  }
}

function holderOf(principal: string, connection: string): string {
  return JSON.stringify([principal, connection]);
}

function grantOf({ id, binding }: ApprovalRequest, notAfter: number): UnmaskGrant {
  return {
    request: id,
    labels: binding.unmask ?? [],
    policies: binding.policies,
    policyVersion: binding.masks,
    notAfter,
  };
}
