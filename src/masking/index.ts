export {
  CONTEXT,
  ColumnDetectors,
  type ColumnHits,
  DETECTOR_FAMILIES,
  type DetectedColumn,
  type Detector,
  type DetectorChoice,
  type DetectorFamily,
  type DetectorId,
  DetectorSet,
  detectInText,
  NATIONAL_IDS,
  type OwnPattern,
} from './detect/index.ts';
export { MaskingError, type MaskingErrorCode } from './errors.ts';
export { type Effective, effectiveLabels } from './labels/effective.ts';
export { labelByName } from './labels/name-hints.ts';
export { LABEL_SOURCES, type ParsedLabels, parseLabelFile, TABLE_KEY } from './labels/parse.ts';
export type { LabelProblem } from './labels/problem.ts';
export { parseSticky, type StickyLabel } from './labels/sticky.ts';
export { TAXONOMY, Taxonomy } from './labels/taxonomy.ts';
export { maskExpression, maskedRelation } from './mask/expression.ts';
export { maskKindFor } from './mask/kind.ts';
export { pseudonymSettings } from './mask/pseudonym.ts';
export { parseRelationName, quoteIdentifier, type RelationName } from './sql-name.ts';
export { type Substituted, substitute } from './substitute.ts';
export { type ErrorField, gateError } from './witness/error.ts';
export { type FieldOrigin, witness } from './witness/origin.ts';
export { CopyInspector, type ParameterValue, type WriteGuard } from './write-back/guard.ts';
export { judgeWrites } from './write-back/judge.ts';
export { type Likeness, type Recogniser, recogniserOf } from './write-back/recogniser.ts';
