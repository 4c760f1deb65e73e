import { Taxonomy } from '../masking/index.ts';
import type { GatewayConfig } from '../model/config.ts';
import type { TaxonomyLabel } from '../model/label.ts';
import type { LabelFile, MaskKind } from '../model/mask.ts';
import { nearest, type Problem } from './problem.ts';

/** The shipped labels, and those that a configuration declares. */
export function taxonomyOf(config?: Pick<GatewayConfig, 'taxonomy'>): readonly TaxonomyLabel[] {
  return new Taxonomy(config?.taxonomy).labels;
}

/** A mask as it stands below `masks:`. */
export function writtenMask(mask: MaskKind): string {
  if (mask.kind === 'partial' && (mask.keepFirst !== undefined || mask.keepLast !== undefined)) {
    const first = mask.keepFirst === undefined ? [] : [`keep_first: ${mask.keepFirst}`];
    const last = mask.keepLast === undefined ? [] : [`keep_last: ${mask.keepLast}`];
    return `{ partial: { ${[...first, ...last].join(', ')} } }`;
  }
  if (mask.kind === 'generalise')
    return `{ generalise: ${typeof mask.to === 'string' ? mask.to : `{ band: ${mask.to.band} }`} }`;
  return mask.kind;
}

/** Labels of a file that the taxonomy does not know, each once: what policies and masks say about `pii` is not said about `pi`. */
export function unknownLabels(file: LabelFile, taxonomy: Taxonomy): Problem[] {
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const { notes } of file.relations) {
    for (const { label, file: name, line, column } of [...(notes?.values() ?? [])].flat()) {
      if (seen.has(label) || taxonomy.knows(label)) continue;
      seen.add(label);
      const message = `${label} is in no taxonomy, so no rule about known labels speaks for it`;
      problems.push({ file: name, line, column, severity: 'warning', message, help: help(label, taxonomy) });
    }
  }
  return problems;
}

/** A mask for a label that is in no taxonomy and that nobody uses. */
export function unknownMask(
  file: string,
  at: { readonly line: number; readonly column: number },
  label: string,
  taxonomy: Taxonomy,
): Problem[] {
  if (label === 'default' || taxonomy.knows(label)) return [];
  const message = `no column has the label ${label} and no taxonomy knows it, so this mask is never used`;
  return [{ file, ...at, severity: 'warning', message, help: help(label, taxonomy) }];
}

function help(label: string, taxonomy: Taxonomy): string {
  const meant = meantBy(label, taxonomy);
  const declare = `declare it in gatehouse.yaml: taxonomy: { ${label}: What it means }`;
  return meant === undefined
    ? `See gatehouse labels taxonomy, or ${declare}.`
    : `Did you mean ${meant}? If not, ${declare}.`;
}

/** `pii.email` and `email` mean pii.contact.email by their last word; `pii.conact.email` means it by its letters. */
export function meantBy(label: string, taxonomy: Taxonomy): string | undefined {
  const word = lastWord(label);
  const alike = taxonomy.labels.filter((each) => lastWord(each.label) === word);
  const [first] = alike;
  if (first !== undefined && alike.length === 1) return first.label;
  return (
    nearest(
      label,
      alike.map((each) => each.label),
    ) ?? nearest(label, taxonomy.names())
  );
}

function lastWord(label: string): string {
  return label.slice(label.lastIndexOf('.') + 1);
}
