import type { DetectorAction } from '../../model/detect.ts';
import { ColumnDetectors } from './columns.ts';
import type { Detector } from './detector.ts';
import type { DetectorSet } from './detector-set.ts';

/**
 * A text that is no result: an error's message, a notice, a notification. What is found is masked unless it is only to be reported; there is no
 * row that could be refused.
 */
export function detectInText(
  set: DetectorSet,
  actionOf: (detector: Detector) => DetectorAction,
  text: string,
): { readonly text: string; readonly found: readonly { readonly detector: Detector; readonly hits: number }[] } {
  const bytes = Buffer.from(text);
  const columns = new ColumnDetectors(set, actionOf, [{ name: '', writing: 'text' }]);
  columns.scan(0, bytes, 0, bytes.length);
  const found = columns.counts();
  return { text: found.length === 0 ? text : bytes.toString(), found };
}
