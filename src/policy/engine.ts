import type { DetailedError, EntityJson, PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import cedar from '@cedar-policy/cedar-wasm/nodejs';
import { PolicyError } from './errors.ts';
import { SCHEMA_TEXT } from './schema.ts';

export type { CedarValueJson, DetailedError, EntityJson, PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';

/** One yes-or-no question in Cedar's own words. */
export interface CedarQuestion {
  readonly principal: TypeAndId;
  readonly action: string;
  readonly resource: TypeAndId;
  readonly entities: readonly EntityJson[];
}

export type CedarContext = Parameters<typeof cedar.statefulIsAuthorized>[0]['context'];

export interface CedarAnswer {
  readonly allowed: boolean;
  /** Permits when allowed; the forbids that spoke, or nothing, when not. */
  readonly policies: readonly string[];
  /** Policies that Cedar had to skip, with the reason. */
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** The engine keeps prepared sets by name and cannot forget one, so names of sets that are gone are used again. */
const freeNames: string[] = [];
let names = 0;
const abandoned = new FinalizationRegistry<string>((name) => {
  cedar.preparsePolicySet(name, { staticPolicies: {} });
  freeNames.push(name);
});

/** A prepared set of policies: Cedar itself, without anything of this product. */
export class CedarEngine {
  readonly #name: string;

  /** @throws PolicyError ERR_POLICY_ENGINE when a policy does not parse; they are expected to be checked before. */
  constructor(policies: Readonly<Record<string, string>>) {
    this.#name = freeNames.pop() ?? `set-${names++}`;
    const answer = cedar.preparsePolicySet(this.#name, { staticPolicies: { ...policies } });
    if (answer.type === 'failure') throw new PolicyError('ERR_POLICY_ENGINE', words(answer.errors));
    abandoned.register(this, this.#name);
  }

  /** @throws PolicyError ERR_POLICY_ENGINE when Cedar cannot read the question; callers refuse then. */
  ask(question: CedarQuestion, context: CedarContext): CedarAnswer {
    const answer = cedar.statefulIsAuthorized({
      principal: question.principal,
      action: { type: 'Action', id: question.action },
      resource: question.resource,
      context,
      preparsedPolicySetId: this.#name,
      entities: question.entities as EntityJson[],
    });
    if (answer.type === 'failure') throw new PolicyError('ERR_POLICY_ENGINE', words(answer.errors));
    const { decision, diagnostics } = answer.response;
    return {
      allowed: decision === 'allow',
      policies: [...diagnostics.reason].sort(),
      errors: diagnostics.errors.map((error) => ({ policy: error.policyId, message: error.error.message })),
    };
  }
}

/** A policy's text as Cedar's JSON form (https://docs.cedarpolicy.com/policies/json-format.html), or what is wrong with it. */
export function parsePolicy(
  text: string,
): { readonly json: PolicyJson } | { readonly errors: readonly DetailedError[] } {
  const answer = cedar.policyToJson(text);
  return answer.type === 'success' ? { json: answer.json } : { errors: answer.errors };
}

/** How many policies Cedar itself sees in a text; undefined when it does not parse as a whole. */
export function countPolicies(text: string): number | undefined {
  const answer = cedar.policySetTextToParts(text);
  return answer.type === 'success' ? answer.policies.length + answer.policy_templates.length : undefined;
}

export interface Finding {
  readonly policy: string;
  readonly error: DetailedError;
}

/** Strict validation against the schema. */
export function validatePolicies(policies: Readonly<Record<string, string>>): {
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
} {
  const answer = cedar.validate({ schema: SCHEMA_TEXT, policies: { staticPolicies: { ...policies } } });
  if (answer.type === 'failure') throw new PolicyError('ERR_POLICY_SCHEMA', words(answer.errors));
  const finding = ({ policyId, error }: { policyId: string; error: DetailedError }): Finding => ({
    policy: policyId,
    error,
  });
  return { errors: answer.validationErrors.map(finding), warnings: answer.validationWarnings.map(finding) };
}

function words(errors: readonly DetailedError[]): string {
  return errors.map((error) => error.message).join('; ');
}
