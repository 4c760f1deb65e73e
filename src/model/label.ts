import type { MaskKind } from './mask.ts';

/** How much harm a value does that gets out; the four names of the `confidentiality` of CloudEvents and OCSF. */
export type ConfidentialityLevel = 'public' | 'internal' | 'confidential' | 'restricted';

/** One label of the taxonomy: what it means and what goes with it. */
export interface TaxonomyLabel {
  readonly label: string;
  readonly description: string;
  readonly level: ConfidentialityLevel;
  /** Which law or standard speaks about such data. */
  readonly rule?: string;
  /** How it may look to those who may not see it; absent: it may be shown. */
  readonly mask?: MaskKind;
  /** How long recordings of it are kept, by the name of the class. */
  readonly retention?: string;
  /** Detectors whose hits confirm it, by family. */
  readonly validators?: readonly string[];
  /** Declared in gatehouse.yaml, not shipped. */
  readonly own?: true;
}

/** Where a label comes from: written by hand, imported, or a proposal that somebody accepted. */
export type LabelSource = 'person' | 'comment' | 'security-label' | 'dbt' | 'detected' | 'scanned' | 'name';

/** What a label file says about one label of one column, besides the label. */
export interface LabelNote {
  readonly label: string;
  readonly source: LabelSource;
  /** Who put it there, or accepted it. */
  readonly by?: string;
  /** When, as written: a date or a time. */
  readonly at?: string;
  readonly why?: string;
  /** Percent. */
  readonly confidence?: number;
  readonly file: string;
  /** 1-based, of the label itself. */
  readonly line: number;
  readonly column: number;
}

/** Why a column (or relation) has a label. */
export type LabelProvenance =
  | ({ readonly kind: 'file' } & LabelNote)
  /** `from`: schema.relation.column, the nearest place that hands it on. */
  | { readonly kind: 'inherited'; readonly from: string }
  /** Its labelled name is gone, and it keeps its labels; see StickyLabel. */
  | { readonly kind: 'renamed'; readonly from: string }
  /** A view whose definition is not understood, so it may show anything. */
  | { readonly kind: 'unknown-lineage' }
  /** A view of the server or of an extension that echoes other relations' values. */
  | { readonly kind: 'built-in' };
