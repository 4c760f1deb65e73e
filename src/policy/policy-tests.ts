import { isNode, LineCounter, parseDocument } from 'yaml';
import type { Decision, PolicyId } from '../model/access.ts';
import type { PolicyFile, PolicyProblem } from './load.ts';
import type { PolicySet } from './policy-set.ts';
import { requestOf, type TestCase, testCaseSchema } from './test-case.ts';

export interface PolicyTestResult {
  readonly file: string;
  /** 1-based line of the case. */
  readonly line: number;
  readonly name: string;
  readonly passed: boolean;
  /** What was expected, what came instead, and why; only when it did not pass. */
  readonly message?: string;
}

export interface PolicyTestRun {
  readonly results: readonly PolicyTestResult[];
  /** Mistakes in the test files themselves. A run with problems has not passed. */
  readonly problems: readonly PolicyProblem[];
  /** Policies that decided no case. */
  readonly untested: readonly PolicyId[];
}

/** Runs the cases of `*.test.yaml` files (format: docs/policies.md) against a set. */
export function runPolicyTests(set: PolicySet, files: readonly PolicyFile[]): PolicyTestRun {
  const results: PolicyTestResult[] = [];
  const problems: PolicyProblem[] = [];
  const spoken = new Set<PolicyId>();
  for (const file of files) {
    const read = readCases(file);
    problems.push(...read.problems);
    for (const { line, testCase } of read.cases) {
      const decision = set.decide(requestOf(testCase));
      for (const id of decisiveIn(decision)) spoken.add(id);
      const failures = differences(testCase, decision);
      results.push({
        file: file.name,
        line,
        name: testCase.name,
        passed: failures.length === 0,
        ...(failures.length > 0 && { message: failures.join('; ') }),
      });
    }
  }
  return { results, problems, untested: [...set.policies.keys()].filter((id) => !spoken.has(id)).sort() };
}

const EFFECT_NAMES = { forward: 'allow', hold: 'hold', refuse: 'deny' } as const;

function differences(testCase: TestCase, decision: Decision): string[] {
  const failures: string[] = [];
  const effect = EFFECT_NAMES[decision.effect];
  const why = decision.effect === 'forward' ? '' : ` (${decision.reason})`;
  const by = decision.policies.length > 0 ? ` by ${decision.policies.join(', ')}` : '';
  if (effect !== testCase.expect) failures.push(`expected ${testCase.expect}, got ${effect}${by}${why}`);
  const allowance = decision.effect === 'forward' ? decision.allowance : undefined;
  if (testCase.rows !== undefined && decision.effect === 'forward') {
    const rows = allowance?.rows ?? 'unlimited';
    if (rows !== testCase.rows) failures.push(`expected rows: ${testCase.rows}, got ${rows}`);
  } else if (testCase.rows !== undefined && testCase.expect !== 'allow') {
    failures.push('`rows` has no meaning without expect: allow');
  }
  if (testCase.beyond !== undefined) {
    const beyond = allowance ? EFFECT_NAMES[allowance.then.effect] : 'no limit';
    if (beyond !== testCase.beyond) failures.push(`expected beyond: ${testCase.beyond}, got ${beyond}`);
  }
  if (testCase.policies !== undefined) {
    const expected = [...new Set(testCase.policies)].sort().join(', ');
    const got = [...decision.policies].sort().join(', ');
    if (expected !== got) failures.push(`expected policies: [${expected}], got [${got}]`);
  }
  return failures;
}

function decisiveIn(decision: Decision): readonly PolicyId[] {
  if (decision.effect !== 'forward' || !decision.allowance) return decision.policies;
  return [...decision.policies, ...decision.allowance.then.policies];
}

interface ReadCases {
  readonly cases: readonly { readonly line: number; readonly testCase: TestCase }[];
  readonly problems: readonly PolicyProblem[];
}

function readCases(file: PolicyFile): ReadCases {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const place = (at: number | undefined) => {
    const { line, col } = lines.linePos(at ?? 0);
    return { file: file.name, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const help = 'The format is described in docs/policies.md, "Tests".';
  if (document.errors.length > 0) {
    return {
      cases: [],
      problems: document.errors.map((error) => ({ ...place(error.pos[0]), message: error.message, help })),
    };
  }
  const written: unknown = document.toJS({ maxAliasCount: 100 });
  if (written === null) return { cases: [], problems: [] };
  if (!Array.isArray(written)) {
    return { cases: [], problems: [{ ...place(0), message: 'a test file is a list of cases', help }] };
  }
  const placeOf = (path: readonly PropertyKey[]) => {
    for (let depth = path.length; depth > 0; depth--) {
      const node = document.getIn(path.slice(0, depth), true);
      if (isNode(node)) return place(node.range?.[0]);
    }
    return place(0);
  };
  const cases: { line: number; testCase: TestCase }[] = [];
  const problems: PolicyProblem[] = [];
  for (const [index, item] of written.entries()) {
    const parsed = testCaseSchema.safeParse(item);
    if (parsed.success) {
      cases.push({ line: placeOf([index]).line, testCase: parsed.data });
      continue;
    }
    for (const issue of parsed.error.issues) {
      const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
      problems.push({ ...placeOf([index, ...issue.path]), message: `${where}${issue.message}`, help });
    }
  }
  return { cases, problems };
}
