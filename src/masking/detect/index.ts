export {
  CONTEXT,
  ColumnDetectors,
  type ColumnHits,
  type DetectedColumn,
  HOLD,
} from './columns.ts';
export { DETECTOR_FAMILIES, type Detector, type DetectorFamily, type DetectorId } from './detector.ts';
export { type DetectorChoice, DetectorSet } from './detector-set.ts';
export { NATIONAL_IDS } from './kinds/national-ids.ts';
export type { OwnPattern } from './kinds/own-pattern.ts';
export { detectInText } from './text.ts';
