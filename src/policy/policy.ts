import type { PolicyId } from '../model/access.ts';
import type { Mentions } from './mentions.ts';

/** A policy that has passed every check. */
export interface Policy {
  readonly id: PolicyId;
  readonly file: string;
  /** 1-based line of its first character. */
  readonly line: number;
  readonly text: string;
  readonly effect: 'permit' | 'forbid';
  /** `@reason`: what the person who is refused gets to read. */
  readonly reason?: string;
  /** Groups named by `@approval`; absent when nobody's consent helps. */
  readonly approvers?: readonly string[];
  /** `@quorum`, 1 without it. */
  readonly quorum: number;
  readonly mentions: Mentions;
}

/** Whether a policy's scope leaves room for an action. */
export function concerns(policy: Policy, action: string): boolean {
  return policy.mentions.actions?.has(action) ?? true;
}
