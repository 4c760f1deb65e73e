import { createHash } from 'node:crypto';
import type { AccessContext, PolicyId } from '../model/access.ts';
import type { Principal } from '../model/principal.ts';
import type { AccessQuestion } from '../model/statement.ts';
import { ATTRIBUTE_NAMES, type AttributeName, cedarContext, READERS } from './circumstances.ts';
import type { CedarContext, CedarEngine } from './engine.ts';
import { type EntitySlice, principalSlice, resourceSlice } from './entities.ts';
import { concerns, type Policy } from './policy.ts';
import { type CounterValues, Thresholds } from './thresholds.ts';
import { principalInWords, resourceInWords } from './words.ts';

/** The answer to one question. `refuse` without policies means that no policy permits it. */
export type Verdict =
  | { readonly effect: 'allow'; readonly policies: readonly PolicyId[] }
  | { readonly effect: 'hold'; readonly policies: readonly PolicyId[] }
  | { readonly effect: 'refuse'; readonly policies: readonly PolicyId[]; readonly missing: readonly string[] };

interface Round {
  readonly allowed: boolean;
  readonly permits: readonly PolicyId[];
  readonly forbids: readonly PolicyId[];
  readonly missing: readonly string[];
}

/** One principal, one question: asks Cedar, as often as the question needs. Remembers nothing. */
export class Judge {
  readonly question: AccessQuestion;
  /** Number that stands for this judge in cache keys. */
  readonly serial: number;
  readonly scope: Scope;
  readonly #principal: Principal;
  readonly #asker: EntitySlice;
  readonly #aspects: readonly Aspect[];
  readonly #policies: ReadonlyMap<PolicyId, Policy>;
  readonly #engine: CedarEngine;

  constructor(
    serial: number,
    principal: Principal,
    question: AccessQuestion,
    world: {
      readonly engine: CedarEngine;
      readonly policies: ReadonlyMap<PolicyId, Policy>;
      readonly scope: Scope;
      readonly namesGroup: (group: string) => boolean;
    },
  ) {
    this.serial = serial;
    this.question = question;
    this.scope = world.scope;
    this.#principal = principal;
    this.#asker = principalSlice(principal, world.namesGroup);
    this.#aspects = aspectsOf(question, this.#asker);
    this.#policies = world.policies;
    this.#engine = world.engine;
  }

  /** @throws PolicyError when Cedar cannot be asked; the caller refuses. */
  verdict(context: AccessContext, counters: CounterValues): Verdict {
    const now = this.#round(cedarContext(this.#principal, context, counters));
    if (now.allowed) return { effect: 'allow', policies: now.permits };
    const openToConsent =
      !context.approved &&
      now.forbids.length > 0 &&
      now.forbids.every((id) => this.#policies.get(id)?.approvers !== undefined);
    if (!openToConsent) return { effect: 'refuse', policies: now.forbids, missing: now.missing };
    const consented = this.#round({ ...cedarContext(this.#principal, context, counters), approved: true });
    return consented.allowed
      ? { effect: 'hold', policies: now.forbids }
      : { effect: 'refuse', policies: consented.forbids, missing: consented.missing };
  }

  #round(context: CedarContext): Round {
    const permits = new Set<PolicyId>();
    const forbids = new Set<PolicyId>();
    const missing: string[] = [];
    for (const aspect of this.#aspects) {
      const answer = this.#engine.ask(
        {
          principal: this.#asker.uid,
          action: this.question.action,
          resource: aspect.slice.uid,
          entities: [...this.#asker.entities, ...aspect.slice.entities],
        },
        context,
      );
      // Cedar leaves out a policy that it cannot evaluate. For a forbid that would mean to allow: here it counts as spoken.
      const spoken = answer.errors
        .map((error) => error.policy)
        .filter((id) => this.#policies.get(id)?.effect !== 'permit');
      if (!answer.allowed) spoken.push(...answer.policies);
      for (const id of spoken) forbids.add(id);
      if (answer.allowed) for (const id of answer.policies) permits.add(id);
      else if (spoken.length === 0 && !aspect.unlessForbidden) missing.push(this.#missing(aspect));
    }
    return {
      allowed: forbids.size === 0 && missing.length === 0,
      permits: [...permits].sort(),
      forbids: [...forbids].sort(),
      missing,
    };
  }

  #missing(aspect: Aspect): string {
    return `no policy permits ${this.question.action} on ${aspect.words} for ${principalInWords(this.#principal)}`;
  }
}

/** One way in which the resource has to be looked at. */
interface Aspect {
  readonly slice: EntitySlice;
  readonly words: string;
  readonly unlessForbidden: boolean;
}

/**
 * A column with several labels may be unmasked only by somebody who may unmask each of them: were all labels its parents at
 * once, a permit for the mildest would be enough. So it is asked once as it is (for the forbids, and for what its table says),
 * and once more for every label alone.
 */
function aspectsOf(question: AccessQuestion, asker: EntitySlice): Aspect[] {
  const { action, resource } = question;
  const words = resourceInWords(resource);
  const unlessForbidden = action === 'filter' || question.unlessForbidden === true;
  const whole = { slice: resourceSlice(resource, asker.uid), words, unlessForbidden };
  if (action !== 'unmask' || resource.type !== 'Column') return [whole];
  const labels = [...new Set(resource.labels)].sort();
  if (labels.length === 0) return [{ ...whole, unlessForbidden: true }];
  const alone = labels.map((label) => ({
    slice: resourceSlice({ ...resource, labels: [label], tableLabels: [] }, asker.uid),
    words: `label ${label} (${words})`,
    unlessForbidden,
  }));
  return labels.length === 1 && resource.tableLabels.length === 0 ? alone : [whole, ...alone];
}

/** What answers about some actions can depend on beside principal and resource. */
export class Scope {
  readonly thresholds: Thresholds;
  readonly #readers: readonly ((context: AccessContext) => string | number | boolean | undefined)[];

  constructor(policies: Iterable<Policy>, actions: ReadonlySet<string>) {
    const relevant = [...policies].filter((policy) => [...actions].some((action) => concerns(policy, action)));
    const mentions = relevant.map((policy) => policy.mentions);
    this.thresholds = new Thresholds(mentions);
    const mentioned = new Set(mentions.flatMap((each) => [...each.attributes]));
    // whether an answer is a hold or a refusal depends on `approved`, but only through policies that mention it
    this.#readers = ATTRIBUTE_NAMES.filter((name: AttributeName) => mentioned.has(name)).map((name) => READERS[name]);
  }

  /** No circumstance is looked at: there is one key only. */
  get constant(): boolean {
    return this.thresholds.none && this.#readers.length === 0;
  }

  /** Equal keys, equal answers (for the same principal and resource). */
  key(context: AccessContext, counters: CounterValues, more: number): string | number {
    const region = this.thresholds.region(counters, more);
    if (this.#readers.length === 0) return region;
    let key = `${region}`;
    for (const read of this.#readers) {
      const value = read(context);
      key += typeof value === 'string' ? `|${textKey(value)}` : `|${value}`;
    }
    return key;
  }
}

/** Texts come from clients: the length in front keeps one from running into the next, and a long one is kept as its digest. */
function textKey(text: string): string {
  if (text.length <= 200) return `${text.length}:${text}`;
  return `sha256:${createHash('sha256').update(text, 'utf16le').digest('hex')}`;
}
