import type { AccessContext, AccessRequest, Decision, PolicyId, ResourceRef } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import type { AccessQuestion } from '../model/statement.ts';
import { Asker, type DecideOptions } from './asker.ts';
import { circumstancesOf } from './circumstances.ts';
import { CedarEngine } from './engine.ts';
import { resourceId } from './entities.ts';
import { type Explanation, explain } from './explain.ts';
import { Judge, Scope, type Verdict } from './judge.ts';
import { concerns, type Policy } from './policy.ts';
import { Recent } from './recent.ts';
import { type CounterValues, countersOf } from './thresholds.ts';
import { combine } from './verdicts.ts';

/** A column as `hiddenColumns` needs it. */
export interface ColumnRef {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly labels: readonly string[];
  readonly tableLabels: readonly string[];
}

const CAPACITY = 10_000;
const ASKERS = 2_000;
const HIDDEN_SETS_PER_LIST = 64;

/** A validated, unchanging set of policies and its memory of answers. Made by `loadPolicySet`. */
export class PolicySet {
  /** `sha256:…` over the files' names and contents. */
  readonly version: string;
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  readonly #engine: CedarEngine;
  readonly #named: ReadonlySet<string>;
  readonly #scopes = new Map<string, Scope>();
  readonly #principalKeys = new WeakMap<Principal, string>();
  readonly #judges = new Recent<Judge>(CAPACITY);
  readonly #askers = new Recent<Asker>(ASKERS);
  readonly #answers = new Recent<Verdict>(CAPACITY);
  #unmaskScope: Scope | undefined;
  readonly #hidden = new WeakMap<readonly ColumnRef[], Recent<ReadonlySet<number>>>();
  readonly #forbidden = new Map<string, boolean>();
  #serial = 0;
  /** The same without its forbids, once somebody asks what they overruled. */
  #permits: PolicySet | undefined;

  constructor(version: string, policies: readonly Policy[]) {
    this.version = version;
    this.policies = new Map(policies.map((policy) => [policy.id, policy]));
    this.#engine = new CedarEngine(Object.fromEntries(policies.map((policy) => [policy.id, policy.text])));
    this.#named = new Set(policies.flatMap((policy) => [...policy.mentions.entities]));
  }

  /** Some policy compares a row counter: count rows, and mind `allowance`. */
  get mentionsRows(): boolean {
    return [...this.policies.values()].some((policy) => policy.mentions.thresholds.size > 0);
  }

  /**
   * Some policy lets `unmask` depend on a row counter. The masks of a running statement cannot change, so whoever streams rows
   * adds an `unmask` question for each visible labelled column: the statement then stops where its mask would change.
   */
  get rowsDecideUnmask(): boolean {
    return !this.#scopeOf(['unmask']).thresholds.none;
  }

  /** Attributes of `context` that some policy mentions, row counters included, sorted. */
  get contextAttributes(): readonly string[] {
    const names = [...this.policies.values()].flatMap(({ mentions }) => [
      ...mentions.attributes,
      ...mentions.thresholds.keys(),
    ]);
    return [...new Set(names)].sort();
  }

  /** Makes the questions of one principal ready to be decided often. */
  prepare(principal: Principal, questions: readonly AccessQuestion[]): Asker {
    const who = this.#keyOf(principal);
    // What nobody permits has only forbids to fear: without any, it costs nothing.
    const open = questions.filter((question) => question.unlessForbidden !== true || this.#maybeForbidden(question));
    const key = `${who}\n${open.map(questionKey).join('\n')}`;
    const known = this.#askers.get(key);
    if (known) return known;
    const asker = new Asker(
      open.map((question) => ({
        question,
        judge: this.#judge(this.#judgeKey(who, question), principal, question),
      })),
      this.#scopeOf(open.map((question) => question.action)),
      (judge, context, counters, more) => this.#answer(judge, context, counters, more),
      (answers) => combine(answers, this.policies),
    );
    this.#askers.set(key, asker);
    return asker;
  }

  /** All questions have to be answered with yes. Never throws: what cannot be decided is refused. */
  decide(request: AccessRequest, options?: DecideOptions): Decision {
    return this.prepare(request.principal, request.questions).decide(request.context, options);
  }

  /**
   * Indexes of the columns that the principal may not see. A column is visible when `unmask` is allowed for each of its labels
   * alone and not forbidden for the column; one without labels unless it is forbidden.
   * Pass the same, unchanged array again to be answered from memory.
   */
  hiddenColumns(
    principal: Principal,
    connection: string,
    columns: readonly ColumnRef[],
    context: AccessContext,
  ): ReadonlySet<number> {
    try {
      const counters = countersOf(context);
      const key = `${this.#keyOf(principal)}\n${connection}\n${this.#scopeOf(['unmask']).key(context, counters, 0)}`;
      const lists = this.#hidden.get(columns) ?? new Recent<ReadonlySet<number>>(HIDDEN_SETS_PER_LIST);
      const known = lists.get(key);
      if (known) return known;
      const hidden = this.#findHidden(principal, connection, columns, context, counters);
      lists.set(key, hidden);
      this.#hidden.set(columns, lists);
      return hidden;
    } catch {
      return new Set(columns.keys()); // fail closed: what cannot be decided is not shown
    }
  }

  /** Circumstances decide about hidden columns: while false, their key never changes. */
  get hiddenColumnsVary(): boolean {
    this.#unmaskScope ??= this.#scopeOf(['unmask']);
    return !this.#unmaskScope.constant;
  }

  /**
   * All of the circumstances that hidden columns can depend on: for one principal, equal keys mean equal hidden columns. For
   * callers who keep what they make of them.
   */
  hiddenColumnsKey(context: AccessContext): string {
    try {
      // Asked for every statement: the scope is not looked up again.
      this.#unmaskScope ??= this.#scopeOf(['unmask']);
      return String(this.#unmaskScope.key(context, countersOf(context), 0));
    } catch {
      return 'unanswerable'; // everything is hidden then
    }
  }

  /** What each question is answered with, and why. @throws PolicyError when the policies cannot be evaluated. */
  explain(request: AccessRequest): Explanation {
    return explain(
      {
        version: this.version,
        policies: this.policies,
        decide: (all) => this.decide(all),
        verdict: ({ principal, context }, question) => {
          const key = this.#judgeKey(this.#keyOf(principal), question);
          const judge = this.#judge(key, principal, question);
          return this.#answer(judge, circumstancesOf(question, context), countersOf(context), 0);
        },
        permitted: ({ principal, context }, question) => {
          this.#permits ??= new PolicySet(this.version, [...this.policies.values()].filter(isPermit));
          const answer = this.#permits.explain({ principal, context, questions: [question] }).questions[0];
          return answer?.effect === 'allow' ? answer.policies.map(({ id }) => id) : [];
        },
        permitsFor: (action) =>
          [...this.policies.values()].filter((policy) => isPermit(policy) && concerns(policy, action)),
      },
      request,
    );
  }

  #findHidden(
    principal: Principal,
    connection: string,
    columns: readonly ColumnRef[],
    context: AccessContext,
    counters: CounterValues,
  ): Set<number> {
    const hidden = new Set<number>();
    for (const [index, column] of columns.entries()) {
      const resource = { ...column, type: 'Column', connection } as const;
      const key = `${this.#keyOf(principal)}\nhidden ${this.#classOf(resource)}`;
      const judge = this.#judge(key, principal, { action: 'unmask', resource });
      if (this.#answer(judge, context, counters, 0).effect !== 'allow') hidden.add(index);
    }
    return hidden;
  }

  /** `call` and `set` are asked for everything that a statement calls and sets, mostly of policies that do not care. */
  #maybeForbidden({ action }: AccessQuestion): boolean {
    if (action !== 'call' && action !== 'set') return true;
    let known = this.#forbidden.get(action);
    if (known === undefined) {
      known = [...this.policies.values()].some((policy) => policy.effect === 'forbid' && concerns(policy, action));
      this.#forbidden.set(action, known);
    }
    return known;
  }

  /** Wide tables ask the same of many columns; where no permit can be missing, the answer does not name the column either. */
  #judgeKey(who: string, question: AccessQuestion): string {
    const { action, resource, unlessForbidden } = question;
    if (unlessForbidden !== true || resource.type !== 'Column') return `${who}\n${questionKey(question)}`;
    return `${who}\nclass ${action} ${this.#classOf(resource)}`;
  }

  /** Columns with the same labels get the same answer unless a policy names one of them, its table or its schema. */
  #classOf(column: ResourceRef & { type: 'Column' }): string {
    const { connection } = column;
    const named = (['Column', 'Table', 'Schema'] as const)
      .map((type) => `${type}::${resourceId({ ...column, type, labels: [], connection } as ResourceRef)}`)
      .filter((uid) => this.#named.has(uid));
    return JSON.stringify([connection, labelKey(column.labels), labelKey(column.tableLabels), named]);
  }

  #answer(judge: Judge, context: AccessContext, counters: CounterValues, more: number): Verdict {
    const key = `${judge.serial}/${judge.scope.key(context, counters, more)}`;
    const known = this.#answers.get(key);
    if (known) return known;
    const verdict = judge.verdict(context, {
      rows: counters.rows + more,
      rows_session: counters.rows_session + more,
      rows_hour: counters.rows_hour + more,
      rows_day: counters.rows_day + more,
    });
    this.#answers.set(key, verdict);
    return verdict;
  }

  #judge(key: string, principal: Principal, question: AccessQuestion): Judge {
    const known = this.#judges.get(key);
    if (known) return known;
    const judge = new Judge(this.#serial++, principal, question, {
      engine: this.#engine,
      policies: this.policies,
      scope: this.#scopeOf([question.action]),
      namesGroup: (group) => this.#named.has(`Group::${group}`),
    });
    this.#judges.set(key, judge);
    return judge;
  }

  #scopeOf(actions: readonly string[]): Scope {
    const distinct = new Set(actions);
    const key = [...distinct].sort().join(' ');
    const known = this.#scopes.get(key);
    if (known) return known;
    const scope = new Scope(this.policies.values(), distinct);
    this.#scopes.set(key, scope);
    return scope;
  }

  /** Everything of the principal that a policy of this set can see. */
  #keyOf(principal: Principal): string {
    const known = this.#principalKeys.get(principal);
    if (known !== undefined) return known;
    const groups = [...new Set(principal.groups)].filter((group) => this.#named.has(`Group::${group}`)).sort();
    const key = JSON.stringify([
      principal.id,
      principal.kind,
      principal.issuer,
      principal.mfa,
      principal.onBehalfOf ?? null,
      groups,
    ]);
    this.#principalKeys.set(principal, key);
    return key;
  }
}

function isPermit({ effect }: Policy): boolean {
  return effect === 'permit';
}

function questionKey({ action, resource, unlessForbidden, part, setting }: AccessQuestion): string {
  const labels = 'labels' in resource ? labelKey(resource.labels) : [];
  const tableLabels = resource.type === 'Column' ? labelKey(resource.tableLabels) : [];
  const owner = 'owner' in resource ? [resource.owner ?? null, resource.connection ?? null] : [];
  return JSON.stringify([
    action,
    resource.type,
    resourceId(resource),
    labels,
    tableLabels,
    owner,
    unlessForbidden === true,
    ...(part === undefined && setting === undefined ? [] : [part ?? null, setting ?? null]),
  ]);
}

function labelKey(labels: readonly string[]): string[] {
  return [...new Set(labels)].sort();
}
