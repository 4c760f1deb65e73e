import type { MaskKind, MaskRules } from '../../model/mask.ts';
import { keptCharacters } from './partial.ts';

/** From the weakest to the strictest: with several labels, the strictest kind wins. */
const STRICTNESS: Readonly<Record<MaskKind['kind'], number>> = {
  partial: 0,
  generalise: 1,
  pseudonym: 2,
  redact: 3,
  null: 4,
};

const UNITS = { month: 0, year: 1, decade: 2 } as const;

/** What a column's labels say about the shape of its values. */
export type ValueShape = 'email' | 'pan' | 'phone' | 'iban' | 'other';

/** The kind for one label: that of the longest rule among the label itself and its ancestors (`pii.contact` of `pii.contact.email`). */
function kindOfLabel(label: string, rules: MaskRules): MaskKind {
  for (let prefix = label; prefix !== ''; prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf('.')))) {
    const kind = rules.byLabel.get(prefix);
    if (kind) return kind;
  }
  return rules.default;
}

/** How a column with these labels is masked: the strictest of what the rules say for each. Without labels, the default. */
export function maskKindFor(labels: readonly string[], rules: MaskRules): MaskKind {
  const [first, ...others] = labels.map((label) => kindOfLabel(label, rules));
  const shape = shapeOf(labels);
  return first ? others.reduce((a, b) => stricter(a, b, shape), first) : rules.default;
}

function stricter(a: MaskKind, b: MaskKind, shape: ValueShape): MaskKind {
  if (STRICTNESS[a.kind] !== STRICTNESS[b.kind]) return STRICTNESS[a.kind] > STRICTNESS[b.kind] ? a : b;
  if (a.kind === 'partial' && b.kind === 'partial') return lessOf(a, b, shape);
  if (a.kind === 'generalise' && b.kind === 'generalise') return coarser(a, b);
  return a;
}

type Partial = Extract<MaskKind, { kind: 'partial' }>;
type Generalise = Extract<MaskKind, { kind: 'generalise' }>;

/** What both leave: a rule that speaks of one end leaves nothing at the other. */
function lessOf(a: Partial, b: Partial, shape: ValueShape): Partial {
  if (a.keepFirst === b.keepFirst && a.keepLast === b.keepLast) return a;
  const [one, other] = [keptCharacters(a, shape), keptCharacters(b, shape)];
  return { kind: 'partial', keepFirst: Math.min(one.first, other.first), keepLast: Math.min(one.last, other.last) };
}

/** A span of time and a band of numbers have nothing in common: both rules at once leave only the constant. */
function coarser(a: Generalise, b: Generalise): MaskKind {
  if (typeof a.to === 'object' && typeof b.to === 'object') return a.to.band >= b.to.band ? a : b;
  if (typeof a.to === 'string' && typeof b.to === 'string') return UNITS[a.to] >= UNITS[b.to] ? a : b;
  return { kind: 'redact' };
}

/** The shape that the labels agree on, by their last word; `other` when they name none or several. */
export function shapeOf(labels: readonly string[]): ValueShape {
  const shapes = new Set<ValueShape>();
  for (const label of labels) {
    const word = label.slice(label.lastIndexOf('.') + 1);
    if (word === 'email' || word === 'pan' || word === 'phone' || word === 'iban') shapes.add(word);
  }
  const [only] = shapes;
  return only !== undefined && shapes.size === 1 ? only : 'other';
}
