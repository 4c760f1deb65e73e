import { parseLabelFile, Taxonomy } from '../masking/index.ts';
import type { AccessContext, ResourceRef } from '../model/access.ts';
import type { GatewayConfig } from '../model/config.ts';
import type { LabelFile } from '../model/mask.ts';
import type { Principal } from '../model/principal.ts';
import { loadPolicySet, type PolicyProblem, type PolicySet, runPolicyTests } from '../policy/index.ts';
import { readYaml, type YamlFile } from './document.ts';
import type { NamedText } from './load.ts';
import { nearest, type Problem } from './problem.ts';
import { unknownLabels, unknownMask } from './taxonomy.ts';

export interface RuleFiles {
  readonly policyFiles: readonly NamedText[];
  readonly policyTests: readonly NamedText[];
  readonly labelFiles: readonly NamedText[];
  /** `policies/`, `labels/`: put before file names in problems. */
  readonly policyPrefix: string;
  readonly labelPrefix: string;
  /** Absent when gatehouse.yaml cannot be read at all: then policies and labels are judged by themselves. */
  readonly main?: MainFile;
}

/** gatehouse.yaml, as far as it is sound. */
export interface MainFile {
  readonly name: string;
  readonly yaml: YamlFile;
  /** Names written below `connections`, valid or not. */
  readonly connections: readonly string[];
  readonly config: GatewayConfig;
}

/** Mistakes in policies and labels, and between them and gatehouse.yaml. */
export function checkRules(files: RuleFiles): Problem[] {
  const taxonomy = new Taxonomy(files.main?.config.taxonomy);
  const labels = readLabels(files, taxonomy);
  const masks = files.main === undefined ? [] : checkMasks(files.main, labels.used, taxonomy);
  return [...labels.problems, ...masks, ...checkPolicies(files, labels.used)];
}

function readLabels(files: RuleFiles, taxonomy: Taxonomy): { problems: Problem[]; used: ReadonlySet<string> } {
  const problems: Problem[] = [];
  const used = new Set<string>();
  for (const { name, text } of files.labelFiles) {
    const file = `${files.labelPrefix}${name}`;
    const parsed = parseLabelFile(text, file);
    problems.push(...parsed.problems.map((problem) => ({ ...problem, line: Math.max(1, problem.line) })));
    for (const each of parsed.files) {
      for (const label of labelsOf(each)) used.add(label);
      problems.push(...unknownLabels(each, taxonomy));
      const { main } = files;
      if (main !== undefined && !main.connections.includes(each.connection)) {
        problems.push(unknownConnection(main, file, text, each));
      }
    }
  }
  return { problems, used };
}

/** An error, not a warning: whoever mistyped the name believes that his columns are masked. */
function unknownConnection(main: MainFile, file: string, text: string, labels: LabelFile): Problem {
  const yaml = readYaml(file, text);
  const place = 'file' in yaml ? yaml.file.keyPlace([labels.connection]) : { line: 1, column: 1 };
  const meant = nearest(labels.connection, main.connections);
  return {
    file,
    ...place,
    severity: 'error',
    message: `there is no connection ${JSON.stringify(labels.connection)}, so these labels protect nothing`,
    help:
      meant === undefined
        ? `Add it below connections in ${main.name}, or remove its labels.`
        : `Did you mean ${meant}?`,
  };
}

function labelsOf(file: LabelFile): string[] {
  return file.relations.flatMap(({ tableLabels, columns }) => [...tableLabels, ...[...columns.values()].flat()]);
}

/** A mask for a label nobody uses is ordinary; one that is a letter away from a used one is a mistake. */
function checkMasks(main: MainFile, used: ReadonlySet<string>, taxonomy: Taxonomy): Problem[] {
  const known = new Set([...used].flatMap(withParents));
  return [...main.config.masks.byLabel.keys()].flatMap((label) => {
    if (known.has(label)) return [];
    const at = main.yaml.keyPlace(['masks', label]);
    const meant = taxonomy.knows(label) ? undefined : nearest(label, known);
    if (meant === undefined || label.startsWith(`${meant}.`)) return unknownMask(main.name, at, label, taxonomy);
    return {
      file: main.name,
      ...at,
      severity: 'warning' as const,
      message: `no column has the label ${label}, so this mask is never used`,
      help: `Did you mean ${meant}?`,
    };
  });
}

function withParents(label: string): string[] {
  const parts = label.split('.');
  return parts.map((_, index) => parts.slice(0, index + 1).join('.'));
}

function checkPolicies(files: RuleFiles, used: ReadonlySet<string>): Problem[] {
  const as =
    (severity: 'error' | 'warning') =>
    (found: PolicyProblem): Problem => ({ ...found, file: `${files.policyPrefix}${found.file}`, severity });
  // As long as nobody has labelled anything, policies about labels are ahead of their time, not wrong.
  const known = [...used, ...(files.main?.config.masks.byLabel.keys() ?? [])];
  const loaded = loadPolicySet(files.policyFiles, used.size === 0 ? {} : { labels: known });
  const targets = files.main === undefined ? [] : unknownTargets(files, files.main.connections);
  const problems = [...loaded.warnings.map(as('warning')), ...targets];
  if ('problems' in loaded) return [...problems, ...loaded.problems.map(as('error'))];
  const run = runPolicyTests(loaded.ok, files.policyTests);
  const failed = run.results
    .filter(({ passed }) => !passed)
    .map(
      ({ file, line, name, message }): Problem => ({
        file: `${files.policyPrefix}${file}`,
        line,
        column: 1,
        severity: 'warning',
        message: `the policy test ${JSON.stringify(name)} fails: ${message ?? 'no reason given'}`,
        help: 'Mend the policy, or the test. All tests are run by: gatehouse policy test',
      }),
    );
  // A broken test makes no policy wrong, so neither keeps the gateway from running; `policy test` fails on both.
  return [...problems, ...run.problems.map(as('warning')), ...failed, ...mutedApprovers(files, loaded.ok)];
}

/** A policy about a connection that does not exist never speaks: a `forbid` with a typo protects nothing. */
function unknownTargets(files: RuleFiles, connections: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  for (const { name, text } of files.policyFiles) {
    // Strings first, so that // inside one is not taken for a comment.
    const tokens = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*/g;
    const code = text.replace(tokens, (token) => (token.startsWith('"') ? token : ' '.repeat(token.length)));
    for (const match of code.matchAll(/\b(?:Connection|Schema|Table|Column|Function)::"((?:[^"\\]|\\.)*)"/g)) {
      const connection = match[1]?.split('/', 1)[0] ?? '';
      if (connections.includes(connection)) continue;
      const before = code.slice(0, match.index).split('\n');
      const meant = nearest(connection, connections);
      problems.push({
        file: `${files.policyPrefix}${name}`,
        line: before.length,
        column: (before.at(-1)?.length ?? 0) + 1,
        severity: 'warning',
        message: `there is no connection ${JSON.stringify(connection)}, so this never speaks for it`,
        help: meant === undefined ? 'Add it below connections, or remove the policy.' : `Did you mean ${meant}?`,
      });
    }
  }
  return problems;
}

/** Groups named by `@approval` whose members no policy lets approve: their requests would wait for ever. */
function mutedApprovers(files: RuleFiles, set: PolicySet): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const policy of set.policies.values()) {
    for (const group of policy.approvers ?? []) {
      if (seen.has(group)) continue;
      seen.add(group);
      if (mayApprove(files, set, group)) continue;
      problems.push({
        file: `${files.policyPrefix}${policy.file}`,
        line: policy.line,
        column: 1,
        severity: 'warning',
        message: `@approval names the group ${JSON.stringify(group)}, but no policy lets its members approve`,
        help: `Add: permit (principal in Group::${JSON.stringify(group)}, action == Action::"approve", resource);`,
      });
    }
  }
  return problems;
}

const PLAIN_CONTEXT: AccessContext = {
  approved: false,
  routine: false,
  rows: 0,
  rowsSession: 0,
  rowsHour: 0,
  rowsDay: 0,
  hour: 12,
  weekday: 3,
};

function mayApprove(files: RuleFiles, set: PolicySet, group: string): boolean {
  const principal: Principal = {
    id: 'a member of the group',
    issuer: files.main?.config.issuers[0]?.issuer ?? '',
    subject: 'a member of the group',
    name: 'a member of the group',
    kind: 'person',
    groups: [group],
    mfa: true,
    credential: { type: 'token' },
    expiresAt: Number.MAX_SAFE_INTEGER,
  };
  const request: ResourceRef = { type: 'Request', id: 'any request', owner: 'somebody else' };
  const requests = [request, ...(files.main?.connections ?? []).map((connection) => ({ ...request, connection }))];
  return requests.some((resource) => {
    const questions = [{ action: 'approve' as const, resource }];
    return set.decide({ principal, questions, context: PLAIN_CONTEXT }).effect === 'forward';
  });
}
