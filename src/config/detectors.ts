import { DETECTOR_FAMILIES, DetectorSet, MaskingError } from '../masking/index.ts';
import type { DetectorAction, DetectorRules } from '../model/detect.ts';
import type { Report } from './build.ts';
import type { DetectorsDocument } from './schema.ts';

/** Puts the default in and tries every pattern: one that cannot be read is reported, and left out. */
export function buildDetectors(document: DetectorsDocument, report: Report): DetectorRules {
  const written: Readonly<Record<string, unknown>> = document;
  const national = document['national-id'];
  const fallback = document.default ?? 'report';
  const actions = new Map<string, DetectorAction>();
  for (const family of DETECTOR_FAMILIES) {
    const own = family === 'national-id' && typeof national === 'object' ? national.action : written[family];
    const action = own ?? fallback;
    if (action === 'report' || action === 'mask' || action === 'refuse') actions.set(family, action);
  }
  const countries = typeof national === 'object' ? national.countries : undefined;
  return { actions, ...(countries === undefined ? {} : { countries }), patterns: buildPatterns(document, report) };
}

function buildPatterns(document: DetectorsDocument, report: Report): DetectorRules['patterns'] {
  const fallback = document.default === undefined || document.default === 'off' ? 'report' : document.default;
  return Object.entries(document.patterns ?? {}).flatMap(([name, { pattern, label, action }]) => {
    const own = { name, pattern, label: label ?? `custom.${name}`, action: action ?? fallback };
    try {
      new DetectorSet({ families: new Set(), patterns: [own] });
      return [own];
    } catch (error) {
      if (!(error instanceof MaskingError)) throw error;
      report(
        ['detectors', 'patterns', name, 'pattern'],
        'error',
        `the pattern ${name} cannot be used: ${error.message.replace(/^\w+: /, '')}`,
        'Write letters, [A-Z0-9], \\d \\w \\s, groups, |, * + ? {2,8}, for at least four characters.',
      );
      return [];
    }
  });
}
