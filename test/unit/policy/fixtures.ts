import assert from 'node:assert/strict';
import type { AccessContext, Decision, ResourceRef } from '../../../src/model/access.ts';
import type { Principal } from '../../../src/model/principal.ts';
import type { AccessQuestion } from '../../../src/model/statement.ts';
import { loadPolicySet, type PolicyProblem, type PolicySet } from '../../../src/policy/index.ts';

export function setOf(...texts: string[]): PolicySet {
  const loaded = loadPolicySet(texts.map((text, index) => ({ name: `p${index}.cedar`, text })));
  assert.ok('ok' in loaded, JSON.stringify(loaded, null, 2));
  return loaded.ok;
}

export function problemsOf(...texts: string[]): readonly PolicyProblem[] {
  const loaded = loadPolicySet(texts.map((text, index) => ({ name: `p${index}.cedar`, text })));
  return 'problems' in loaded ? loaded.problems : [];
}

export function principal(id: string, groups: readonly string[] = [], more: Partial<Principal> = {}): Principal {
  return {
    id,
    issuer: 'https://idp.example',
    subject: id,
    name: id,
    kind: 'person',
    groups,
    mfa: false,
    credential: { type: 'token' },
    expiresAt: Number.MAX_SAFE_INTEGER,
    ...more,
  };
}

export function context(more: Partial<AccessContext> = {}): AccessContext {
  return {
    approved: false,
    routine: false,
    rows: 0,
    rowsSession: 0,
    rowsHour: 0,
    rowsDay: 0,
    hour: 12,
    weekday: 3,
    ...more,
  };
}

export function table(name: string, labels: readonly string[] = []): ResourceRef {
  return { type: 'Table', connection: 'shop', schema: 'public', table: name, labels };
}

export function column(labels: readonly string[], tableLabels: readonly string[] = []) {
  return { schema: 'public', table: 't', column: 'c', labels, tableLabels };
}

export function read(resource: ResourceRef): AccessQuestion {
  return { action: 'read', resource };
}

/** The effect, and for a yes with a row limit the limit: `forward`, `forward 1000`, `hold`, `refuse`. */
export function brief(decision: Decision): string {
  if (decision.effect !== 'forward' || !decision.allowance) return decision.effect;
  return `forward ${decision.allowance.rows} then ${decision.allowance.then.effect}`;
}
