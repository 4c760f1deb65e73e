import { type Detector, type DetectorFamily, DetectorSet } from '../masking/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { DetectorAction, DetectorRules } from '../model/detect.ts';
import type { Principal } from '../model/principal.ts';
import type { ColumnRef, PolicyPort } from './services.ts';

/** The detectors of one configuration, as they act for one principal. */
export interface Detection {
  readonly set: DetectorSet;
  readonly actionOf: (detector: Detector) => DetectorAction;
}

interface Compiled {
  readonly set: DetectorSet;
  readonly actions: ReadonlyMap<Detector, DetectorAction>;
  /** One stand-in column for each detector, with its label: whoever may see that one sees what the detector finds. */
  readonly columns: readonly ColumnRef[];
}

const compiled = new WeakMap<DetectorRules, Compiled>();

/** Compiled once for a configuration; its tables are shared by all sessions. */
function compile(rules: DetectorRules): Compiled {
  const known = compiled.get(rules);
  if (known) return known;
  const set = new DetectorSet({
    families: new Set(rules.actions.keys()) as ReadonlySet<DetectorFamily>,
    ...(rules.countries === undefined ? {} : { countries: rules.countries }),
    patterns: rules.patterns,
  });
  const ofPattern = new Map(rules.patterns.map(({ name, action }) => [`pattern-${name}`, action]));
  const made: Compiled = {
    set,
    // Fail closed: a detector that nobody gave an action hides what it finds.
    actions: new Map(
      set.detectors.map((each) => [each, rules.actions.get(each.family) ?? ofPattern.get(each.id) ?? 'mask']),
    ),
    columns: set.detectors.map(({ id, label }) => ({
      schema: 'gatehouse',
      table: 'detected',
      column: id,
      labels: [label],
      tableLabels: [],
    })),
  };
  compiled.set(rules, made);
  return made;
}

/**
 * What the detectors do for a principal now: `unmask` of a detector's label turns its masks and refusals into counting.
 * @returns undefined when nothing is looked for.
 */
export function detectionFor(
  rules: DetectorRules | undefined,
  policy: PolicyPort,
  principal: Principal,
  connection: string,
  context: AccessContext,
): Detection | undefined {
  if (rules === undefined) return undefined;
  const { set, actions, columns } = compile(rules);
  if (set.detectors.length === 0) return undefined;
  const hidden = policy.hiddenColumns(principal, connection, columns, context);
  const shown = new Set(set.detectors.filter((_, index) => !hidden.has(index)));
  return {
    set,
    actionOf: (detector) => (shown.has(detector) ? 'report' : (actions.get(detector) ?? 'mask')),
  };
}
