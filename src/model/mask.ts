import type { CatalogRelation, Oid } from './catalog.ts';
import type { LabelNote } from './label.ts';

export type MaskKind =
  | { readonly kind: 'null' }
  | { readonly kind: 'redact' }
  | { readonly kind: 'partial'; readonly keepFirst?: number; readonly keepLast?: number }
  | { readonly kind: 'generalise'; readonly to: 'year' | 'month' | 'decade' | { readonly band: number } }
  | { readonly kind: 'pseudonym' };

/** `masks:` of the configuration: label → kind; the longest matching label prefix wins, `default` otherwise. */
export interface MaskRules {
  readonly default: MaskKind;
  readonly byLabel: ReadonlyMap<string, MaskKind>;
  /** Whether masked values may be written into columns that are not hidden; absent: no. Into hidden ones they never may. */
  readonly copies?: 'refuse' | 'allow';
}

/** Labels of one connection as written by people: quoted relation name → column (or `$table`) → labels. */
export interface LabelFile {
  readonly connection: string;
  readonly relations: readonly {
    /** As in SQL: `shop.customers`, `shop."Kunden Straße"`. */
    readonly relation: string;
    readonly tableLabels: readonly string[];
    readonly columns: ReadonlyMap<string, readonly string[]>;
    /** By column or `$table`: where each label comes from; absent when nobody needs it. */
    readonly notes?: ReadonlyMap<string, readonly LabelNote[]>;
    readonly file: string;
    readonly line: number;
  }[];
}

/** Effective labels after inheritance by views, partitions and children. */
export interface RelationLabels {
  readonly table: readonly string[];
  /** By column name; columns without labels are absent. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

/** How one column is masked, and the labels that say so. */
export interface ColumnMask {
  readonly kind: MaskKind;
  readonly labels: readonly string[];
}

/** One relation as a certain principal sees it: some columns are expressions. */
export interface MaskedRelation {
  readonly relation: CatalogRelation;
  /** Column name → SQL expression of exactly the column's type over the bare column name, e.g. `CASE WHEN email IS NULL …`. */
  readonly expressions: ReadonlyMap<string, string>;
  /** By column name, for the same columns. */
  readonly masks: ReadonlyMap<string, ColumnMask>;
}

export type HiddenRelations = ReadonlyMap<Oid, MaskedRelation>;
