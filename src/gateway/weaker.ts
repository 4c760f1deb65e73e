import { isDeepStrictEqual } from 'node:util';
import type { LabelFile } from '../model/mask.ts';
import type { Current } from './current.ts';

/** What a new version would no longer protect, in words; empty when it protects at least what the old one did. */
export function lostProtection(next: Current, before: Current): readonly string[] {
  const forbids = new Set([...next.policy.policies.values()].map(({ effect, text }) => `${effect} ${text}`));
  const labels = new Set(labelsOf(next.labels));
  const lost = [
    ...[...before.policy.policies.values()]
      .filter(({ effect, text }) => effect === 'forbid' && !forbids.has(`${effect} ${text}`))
      .map(({ id }) => `policy ${id}`),
    ...labelsOf(before.labels)
      .filter((label) => !labels.has(label))
      .map((label) => `label ${label}`),
  ];
  // Everything else that protects (masks, limits, consent) stands in gatehouse.yaml.
  if (!isDeepStrictEqual(settingsOf(next), settingsOf(before))) lost.push('settings of gatehouse.yaml');
  return lost;
}

/** Labels on columns that come and go with a new version, in words. */
export function labelChanges(next: Current, before: Current): { added: readonly string[]; removed: readonly string[] } {
  const [now, then] = [new Set(labelsOf(next.labels)), new Set(labelsOf(before.labels))];
  return { added: [...now].filter((label) => !then.has(label)), removed: [...then].filter((label) => !now.has(label)) };
}

function labelsOf(files: readonly LabelFile[]): string[] {
  return files.flatMap(({ connection, relations }) =>
    relations.flatMap(({ relation, tableLabels, columns }) =>
      [['$table', tableLabels] as const, ...columns].flatMap(([column, labels]) =>
        labels.map((label) => `${label} on ${column} of ${relation} in ${connection}`),
      ),
    ),
  );
}

function settingsOf({ loaded: { config } }: Current): unknown {
  const { connections, issuers, ...rest } = config;
  return rest;
}
