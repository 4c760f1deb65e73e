export { parseAddress } from './address.ts';
export { ConfigError, type ConfigErrorCode } from './errors.ts';
export { type InitOptions, initFolder } from './init.ts';
export { configJsonSchema } from './json-schema.ts';
export { type LabelAddition, labelFileFor, withLabels } from './label-edit.ts';
export {
  type LabelImport,
  labelFileText,
  labelsInCatalog,
  labelsInManifest,
  labelsInText,
  WRITTEN_LABELS_SQL,
  type WrittenLabel,
} from './label-import.ts';
export { labelFileDocument, labelJsonSchema } from './label-schema.ts';
export { CONFIG_FILE, checkConfig, type LoadedConfig, type LoadOptions, loadConfig, type NamedText } from './load.ts';
export { formatProblem, hasErrors, nearest, type Problem } from './problem.ts';
export { resolveSecret, type SecretLookups } from './secret.ts';
export { taxonomyOf, writtenMask } from './taxonomy.ts';
export { type ConfigWatch, type WatchOptions, watchConfig } from './watch.ts';
