import { isNode, LineCounter, parseDocument } from 'yaml';
import type { AccessContext, Decision, PolicyId } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import type { PolicyFile, PolicyProblem } from './load.ts';
import type { PolicySet } from './policy-set.ts';
import {
  askerOf,
  circumstances,
  requestOf,
  type StatementCase,
  statementCaseSchema,
  type TestCase,
  testCaseSchema,
} from './test-case.ts';

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

/** What would become of a statement. */
export interface StatementAnswer {
  readonly decision: Decision;
  /** `schema.relation.column` of the labelled columns that it can see and sees masked, sorted. */
  readonly masked: readonly string[];
  /** Policies that said anything about it. */
  readonly spoke: readonly PolicyId[];
}

/** Who knows the catalogs that statements of tests are about; a text when one is not known. */
export type StatementAnswerer = (asked: {
  readonly principal: Principal;
  readonly statement: string;
  readonly connection: string;
  readonly searchPath: readonly string[];
  readonly context: AccessContext;
}) => StatementAnswer | string;

/** Runs the cases of `*.test.yaml` files (format: docs/policies.md) against a set. */
export function runPolicyTests(
  set: PolicySet,
  files: readonly PolicyFile[],
  statements: StatementAnswerer = () => 'a statement is tested on a catalog: gatehouse policy test --catalog FILE',
): PolicyTestRun {
  const results: PolicyTestResult[] = [];
  const problems: PolicyProblem[] = [];
  const spoken = new Set<PolicyId>();
  for (const file of files) {
    const read = readCases(file);
    problems.push(...read.problems);
    for (const { line, testCase } of read.cases) {
      const failures: string[] = [];
      if ('statement' in testCase) {
        const answer = answerTo(testCase, statements);
        if (typeof answer === 'string') failures.push(answer);
        else {
          for (const id of [...decisiveIn(answer.decision), ...answer.spoke]) spoken.add(id);
          failures.push(...differences(testCase, answer.decision), ...otherMasks(testCase, answer.masked));
        }
      } else {
        const decision = set.decide(requestOf(testCase));
        for (const id of decisiveIn(decision)) spoken.add(id);
        failures.push(...differences(testCase, decision));
      }
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

function answerTo({ as, statement, connection, search_path, context }: StatementCase, ask: StatementAnswerer) {
  const asked = { statement, connection, searchPath: search_path, context: circumstances(context) };
  return ask({ principal: askerOf(as), ...asked });
}

function otherMasks({ masked }: StatementCase, found: readonly string[]): string[] {
  if (masked === undefined) return [];
  const expected = [...new Set(masked)].sort().join(', ');
  const got = [...found].sort().join(', ');
  return expected === got ? [] : [`expected masked: [${expected}], got [${got}]`];
}

function differences(testCase: TestCase | StatementCase, decision: Decision): string[] {
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
  readonly cases: readonly { readonly line: number; readonly testCase: TestCase | StatementCase }[];
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
  const cases: { line: number; testCase: TestCase | StatementCase }[] = [];
  const problems: PolicyProblem[] = [];
  for (const [index, item] of written.entries()) {
    const whole = typeof item === 'object' && item !== null && 'statement' in item;
    const parsed = whole ? statementCaseSchema.safeParse(item) : testCaseSchema.safeParse(item);
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
