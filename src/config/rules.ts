import type { GatewayConfig } from '../model/config.ts';
import { loadPolicySet, type PolicyProblem } from '../policy/index.ts';
import type { YamlFile } from './document.ts';
import type { NamedText } from './load.ts';
import { nearest, type Problem } from './problem.ts';

export interface RuleFiles {
  readonly policyFiles: readonly NamedText[];
  readonly policyTests: readonly NamedText[];
  readonly labelFiles: readonly NamedText[];
  /** `policies/`, `labels/`: put before file names in problems. */
  readonly policyPrefix: string;
  readonly labelPrefix: string;
  /** Names written below `connections`, valid or not. */
  readonly connections: readonly string[];
  /** Absent when gatehouse.yaml itself has errors. */
  readonly config: GatewayConfig | undefined;
  readonly yaml: YamlFile;
}

/** Mistakes in policies and labels, and between them and gatehouse.yaml. */
export function checkRules(files: RuleFiles): Problem[] {
  return [...checkPolicies(files)];
}

function checkPolicies(files: RuleFiles): Problem[] {
  const problem =
    (severity: 'error' | 'warning') =>
    (found: PolicyProblem): Problem => ({
      file: `${files.policyPrefix}${found.file}`,
      line: found.line,
      column: found.column,
      severity,
      message: found.message,
      help: found.help,
    });
  const loaded = loadPolicySet(files.policyFiles);
  const problems = loaded.warnings.map(problem('warning'));
  if ('problems' in loaded) problems.push(...loaded.problems.map(problem('error')));
  return [...problems, ...unknownConnections(files)];
}

/** A policy about a connection that does not exist never speaks: a `forbid` with a typo protects nothing. */
function unknownConnections(files: RuleFiles): Problem[] {
  const problems: Problem[] = [];
  for (const { name, text } of files.policyFiles) {
    const code = text.replace(/\/\/[^\n]*/g, (comment) => ' '.repeat(comment.length));
    for (const match of code.matchAll(/\b(?:Connection|Schema|Table|Column|Function)::"((?:[^"\\]|\\.)*)"/g)) {
      const connection = match[1]?.split('/', 1)[0] ?? '';
      if (files.connections.includes(connection)) continue;
      const before = code.slice(0, match.index).split('\n');
      const meant = nearest(connection, files.connections);
      problems.push({
        file: `${files.policyPrefix}${name}`,
        line: before.length,
        column: (before.at(-1)?.length ?? 0) + 1,
        severity: 'warning',
        message: `there is no connection ${JSON.stringify(connection)}, so this policy never speaks for it`,
        help: meant === undefined ? 'Add it below connections, or remove the policy.' : `Did you mean ${meant}?`,
      });
    }
  }
  return problems;
}
