import type { PolicyJson } from './engine.ts';

/** The row counters of `context`, in the order in which thresholds are kept. */
export const COUNTERS = ['rows', 'rows_session', 'rows_hour', 'rows_day'] as const;
export type Counter = (typeof COUNTERS)[number];

/** What one policy looks at: all that an answer of it can depend on, beside the principal. */
export interface Mentions {
  /** Actions its scope names; undefined means any. */
  readonly actions?: ReadonlySet<string>;
  /** Attributes of `context`, row counters excluded. */
  readonly attributes: ReadonlySet<string>;
  /** Counter → integers it is compared with. */
  readonly thresholds: ReadonlyMap<Counter, ReadonlySet<number>>;
  /** Entities it names, as `Type::id`. */
  readonly entities: ReadonlySet<string>;
  /** Uses that could not be enumerated, and that a policy may therefore not contain. */
  readonly problems: readonly string[];
}

const COMPARISONS = new Set(['>', '>=', '<', '<=', '==', '!=']);
const OPERANDS = ['left', 'right', 'arg', 'if', 'then', 'else', 'in'] as const;

/** Reads a policy's JSON form. What the walk does not know becomes a problem, never a silent gap. */
export function mentionsOf(policy: PolicyJson): Mentions {
  const reader = new MentionReader();
  reader.constraint(policy.principal);
  reader.constraint(policy.resource);
  for (const clause of policy.conditions) reader.expression(clause.body);
  const actions = actionsOf(policy);
  return {
    ...(actions && { actions }),
    attributes: reader.attributes,
    thresholds: reader.thresholds,
    entities: reader.entities,
    problems: [...reader.problems],
  };
}

function actionsOf(policy: PolicyJson): Set<string> | undefined {
  const constraint = policy.action as Record<string, unknown>;
  if (constraint['op'] === 'All') return undefined;
  const listed = constraint['entities'] ?? [constraint['entity']];
  return new Set((listed as unknown[]).map((uid) => (bareUid(uid) as { id: string }).id));
}

class MentionReader {
  readonly attributes = new Set<string>();
  readonly thresholds = new Map<Counter, Set<number>>();
  readonly entities = new Set<string>();
  readonly problems = new Set<string>();

  constraint(constraint: unknown): void {
    if (!isRecord(constraint)) return;
    if (isRecord(constraint['entity'])) this.#entity(constraint['entity']);
    this.constraint(constraint['in']);
  }

  expression(node: unknown): void {
    const [operator, body] = isRecord(node) ? (Object.entries(node)[0] ?? []) : [];
    if (operator === undefined) {
      this.#unknown('an expression of unknown form');
    } else if (operator === 'Value') {
      this.#value(body);
    } else if (operator === 'Var') {
      if (body === 'context') this.#unknown('`context` as a whole; name the attribute, as in `context.approved`');
    } else if (Array.isArray(body)) {
      for (const part of body) this.expression(part); // elements of a set, or arguments of an extension function
    } else if (!isRecord(body)) {
      this.#unknown(`\`${operator}\``);
    } else if (operator === 'Record') {
      for (const part of Object.values(body)) this.expression(part);
    } else if (operator === '.' && isContext(body['left'])) {
      this.#attribute(String(body['attr']));
    } else if (operator === 'has' && isContext(body['left'])) {
      this.#presence(body['attr']);
    } else if (!COMPARISONS.has(operator) || !this.#comparison(body)) {
      for (const operand of OPERANDS) if (operand in body) this.expression(body[operand]);
    }
  }

  #comparison(body: Record<string, unknown>): boolean {
    for (const [one, other] of [
      ['left', 'right'],
      ['right', 'left'],
    ] as const) {
      const counter = counterOf(body[one]);
      if (!counter) continue;
      const literal = integerOf(body[other]);
      if (literal === undefined) return false;
      if (!Number.isSafeInteger(literal)) {
        this.problems.add(`\`context.${counter}\` is compared with a number above ${Number.MAX_SAFE_INTEGER}`);
        return true;
      }
      const known = this.thresholds.get(counter) ?? new Set();
      this.thresholds.set(counter, known.add(literal));
      return true;
    }
    return false;
  }

  #attribute(name: string): void {
    const counter = counterNamed(name);
    if (!counter) {
      this.attributes.add(name);
      return;
    }
    this.problems.add(`\`context.${name}\` may only be compared with a whole number, as in \`context.${name} > 1000\``);
  }

  #presence(attribute: unknown): void {
    const name = String(Array.isArray(attribute) ? attribute[0] : attribute);
    if (!counterNamed(name)) this.attributes.add(name); // counters are always there
  }

  #value(value: unknown): void {
    if (Array.isArray(value)) {
      for (const part of value) this.#value(part);
    } else if (isRecord(value)) {
      if (isRecord(value['__entity'])) this.#entity(value);
      else for (const part of Object.values(value)) this.#value(part);
    }
  }

  #entity(uid: unknown): void {
    const { type, id } = bareUid(uid);
    this.entities.add(`${type}::${id}`);
  }

  #unknown(what: string): void {
    this.problems.add(`the policy uses ${what}`);
  }
}

function counterNamed(name: string): Counter | undefined {
  if (name === 'rows_today') return 'rows_day';
  return COUNTERS.find((counter) => counter === name);
}

function counterOf(node: unknown): Counter | undefined {
  if (!isRecord(node) || !isRecord(node['.']) || !isContext(node['.']['left'])) return undefined;
  return counterNamed(String(node['.']['attr']));
}

function integerOf(node: unknown): number | undefined {
  if (!isRecord(node)) return undefined;
  if (typeof node['Value'] === 'number') return node['Value'];
  if (isRecord(node['neg'])) {
    const inner = integerOf(node['neg']['arg']);
    return inner === undefined ? undefined : -inner;
  }
  return undefined;
}

function isContext(node: unknown): boolean {
  return isRecord(node) && node['Var'] === 'context';
}

function bareUid(uid: unknown): { readonly type: string; readonly id: string } {
  const record = uid as Record<string, unknown>;
  return (record['__entity'] ?? record) as { type: string; id: string };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
