/** Something about labels that a person should mend. */
export interface LabelProblem {
  readonly file: string;
  /** 1-based; 0 when it stands in no file any more. */
  readonly line: number;
  /** 1-based, in characters. */
  readonly column: number;
  /** `error`: the file cannot be used. `warning`: it can, but probably does not mean what it says. */
  readonly severity: 'error' | 'warning';
  /** What is wrong. */
  readonly message: string;
  /** What to do. */
  readonly help: string;
}
