import type { GatewayConfig } from '../model/config.ts';
import type { NamedText } from './load.ts';
import type { Problem } from './problem.ts';

export interface RuleFiles {
  readonly policyFiles: readonly NamedText[];
  readonly policyTests: readonly NamedText[];
  readonly labelFiles: readonly NamedText[];
  /** Names written below `connections`, valid or not. */
  readonly connections: readonly string[];
  /** Absent when gatehouse.yaml itself has errors. */
  readonly config: GatewayConfig | undefined;
}

/** Mistakes in policies and labels, and between them and gatehouse.yaml. */
export function checkRules(_files: RuleFiles): Problem[] {
  return [];
}
