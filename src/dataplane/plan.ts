import type { WriteGuard } from '../masking/index.ts';
import type { AccessContext } from '../model/access.ts';
import type { Oid } from '../model/catalog.ts';
import type { Disclosure } from '../model/record.ts';
import type { Refusal } from '../model/refusal.ts';
import type { AccessQuestion, Script, SqlStatement } from '../model/statement.ts';
import type { ClearFields } from './clear-fields.ts';
import type { Asker } from './services.ts';
import type { View } from './view.ts';

/** A statement together with everything that has been worked out about it for one principal in one world. */
export interface PlannedStatement extends ClearFields {
  readonly statement: SqlStatement;
  readonly questions: readonly AccessQuestion[];
  /** What policies get to see of the statement itself. */
  readonly circumstances: Pick<AccessContext, 'verb' | 'hasWhere' | 'allRows' | 'object' | 'privileges'>;
  readonly asker: Asker;
  /** `schema.table`, sorted. */
  readonly tables: readonly string[];
  readonly labels: readonly string[];
  /** Requests by whose consent it sees labels unmasked. */
  readonly consents: readonly string[];
  /** How many labelled columns this statement could see and sees masked. */
  readonly masked: number;
  /** Its rows count towards row thresholds: it reads a user's relation and is not EXPLAIN or SHOW. */
  readonly countsRows: boolean;
  /** Looks at the values it writes that are not in its text; undefined when none of them could be a mask. */
  readonly guard: WriteGuard | undefined;
  /** Commitments shared by all executions in this session. */
  readonly hidden: readonly Disclosure[];
}

/** How one text is forwarded for one principal in one world and name-resolution context. Immutable, cached per session. */
export interface Plan {
  readonly text: string;
  readonly forwarded: string;
  readonly changed: boolean;
  readonly script: Script;
  readonly statements: readonly PlannedStatement[];
  readonly view: View;
  readonly contextVersion: number;
  /** Effective search path under which its names were resolved. */
  readonly searchPath: readonly string[];
  /** Some relation of the plan has a hidden column: the metadata witness must see its result columns. */
  readonly witnessed: boolean;
  /** Relations that its results can come from; undefined where names of the session stand for other statements. */
  readonly relations: ReadonlySet<Oid> | undefined;
  readonly changesContext: boolean;
  readonly changesCatalog: boolean;
  originalPosition(position: number): number;
}

export type Planned = { readonly plan: Plan } | { readonly refusal: Refusal; readonly text: string };
