import type { LabelSource } from './label.ts';

/** What speaks for a proposal: `detected` in results, `scanned` in a sample, or the column's `name`. */
export type EvidenceSource = Extract<LabelSource, 'detected' | 'scanned' | 'name'>;

/** How often something spoke for a label. Never what it saw. */
export interface LabelEvidence {
  readonly source: EvidenceSource;
  /** The detector; for a name the word that it holds. */
  readonly detector: string;
  readonly hits: number;
  /** Rows that were looked at. */
  readonly rows: number;
}

export interface ProposedColumn {
  readonly connection: string;
  readonly schema: string;
  readonly relation: string;
  readonly column: string;
}

export type ProposalState = 'open' | 'accepted' | 'dismissed';

/** A label that evidence speaks for, on a column that nobody labelled. */
export interface LabelProposal extends ProposedColumn {
  readonly id: string;
  readonly label: string;
  readonly state: ProposalState;
  readonly evidence: readonly LabelEvidence[];
  /** Milliseconds since the epoch. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly decision?: ProposalDecision;
}

export interface ProposalDecision {
  readonly at: number;
  /** Principal id and name. */
  readonly by: { readonly id: string; readonly name: string };
  readonly reason: string;
}

/** Evidence on its way to the store. */
export interface Finding extends ProposedColumn {
  readonly label: string;
  readonly at: number;
  readonly evidence: LabelEvidence;
}

export interface ProposalFilter {
  readonly connection?: string;
  readonly state?: ProposalState;
}

/** Keeps proposals over restarts. Implemented in `storage`. */
export interface ProposalStore {
  /**
   * Adds evidence: what was detected adds up, what was scanned or named takes the place of what that was before. What is new opens a proposal,
   * unless the connection has as many as it may; a decided one stays decided.
   * @returns how many new ones found no room
   */
  add(findings: readonly Finding[]): Promise<number>;
  get(id: string): Promise<LabelProposal | undefined>;
  /** All that fit, by column and label. */
  list(filter: ProposalFilter): Promise<readonly LabelProposal[]>;
  decide(
    id: string,
    state: Exclude<ProposalState, 'open'>,
    decision: ProposalDecision,
  ): Promise<LabelProposal | undefined>;
}

/** How far a scan for labels has come. */
export interface ScanProgress {
  readonly session: string;
  readonly state: 'running' | 'done' | 'ended' | 'failed';
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly tables: number;
  readonly scanned: number;
  /** `schema.table` that is read now. */
  readonly current?: string;
  /** Columns and values that were looked at. */
  readonly columns: number;
  readonly values: number;
  /** Columns with labels that something speaks for, with the labels counted. */
  readonly proposed: number;
  /** Tables that could not be read, and why. */
  readonly problems: readonly string[];
}

/** How sure a name alone makes one; and when a detector that would confirm it found nothing in so many values. */
const NAME = 0.4;
const NAME_UNCONFIRMED = 0.2;
const ENOUGH = 20;
/** Two-sided 95 %. */
const Z = 1.96;

/**
 * How sure the evidence makes one that the column holds such values, in percent: the lower end of the Wilson interval of the share of rows
 * with a hit (few rows prove little), the best of all detectors; a name that says the same takes 40 % of the doubt away, or 20 % when a
 * detector looked at enough values and found nothing.
 * https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm
 */
export function confidenceOf(evidence: readonly LabelEvidence[]): number {
  const named = evidence.some(({ source }) => source === 'name');
  let best = 0;
  let looked = 0;
  for (const { source, hits, rows } of evidence) {
    if (source === 'name' || rows === 0) continue;
    looked = Math.max(looked, rows);
    if (hits > 0) best = Math.max(best, wilson(Math.min(hits, rows) / rows, rows));
  }
  const doubt = 1 - (!named ? 0 : best === 0 && looked >= ENOUGH ? NAME_UNCONFIRMED : NAME);
  // 1 - (1 - 0.2) is a little less than 0.2.
  return Math.floor(100 * (1 - (1 - best) * doubt) + 1e-9);
}

function wilson(share: number, n: number): number {
  const z2 = Z * Z;
  const spread = Z * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n));
  return (share + z2 / (2 * n) - spread) / (1 + z2 / n);
}
