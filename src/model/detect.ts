/** What happens to a value that a detector found: counted only, also masked in place, or masked and the result ended. */
export type DetectorAction = 'report' | 'mask' | 'refuse';

/** `detectors:` of the configuration; without it nothing is looked for. */
export interface DetectorRules {
  /** By what built-in detectors find (`email`, `pan` …); those that are off are absent. */
  readonly actions: ReadonlyMap<string, DetectorAction>;
  /** ISO 3166 codes in lower case of the national ids that are looked for; absent: all that are known. */
  readonly countries?: readonly string[];
  readonly patterns: readonly {
    readonly name: string;
    readonly pattern: string;
    readonly label: string;
    readonly action: DetectorAction;
  }[];
}
