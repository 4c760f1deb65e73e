import type { ColumnHits } from '../../masking/index.ts';
import type { Oid } from '../../model/catalog.ts';
import type { Finding, ProposalStore } from '../../model/label-proposal.ts';
import type { LogPort } from '../services.ts';
import type { Worlds } from '../world.ts';
import { baseColumn, isUnlabelled } from './base-column.ts';

/** How long evidence is gathered before it is written. */
const GATHER_MS = 1_000;
/** Columns with detectors, of all connections: what comes beyond that within one gathering is not counted. */
const MOST_GATHERED = 2_000;
/** Columns of which rows without a hit are counted too. */
const MOST_FOLLOWED = 10_000;

/** Columns of a result, as the target names their origin. */
export interface ResultOrigins {
  readonly fields: readonly { readonly tableOid: Oid; readonly columnNumber: number }[];
  counts(): readonly ColumnHits[];
}

interface Gathered {
  readonly connection: string;
  readonly oid: Oid;
  readonly attnum: number;
  readonly detector: string;
  readonly label: string;
  hits: number;
  rows: number;
  at: number;
}

export interface CollectorOptions {
  readonly store: ProposalStore;
  readonly worlds: Pick<Worlds, 'peek' | 'inventory' | 'lineage'>;
  readonly clock: () => number;
  readonly log: LogPort;
}

/** Turns what detectors count in results into evidence for labels, a moment later: no statement waits for it, and nothing depends on it. */
export class ProposalCollector {
  readonly #options: CollectorOptions;
  #gathered = new Map<string, Gathered>();
  /** By column: the detectors that spoke there once, with their labels. */
  readonly #followed = new Map<string, Map<string, string>>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #full = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** A result has ended: `rows` of it have left. Never throws: a session does not end for this. */
  note(connection: string, result: ResultOrigins, rows: number): void {
    if (rows === 0) return;
    try {
      this.#note(connection, result, rows);
    } catch (error) {
      this.#options.log.error({ error }, 'what detectors counted could not be noted');
    }
  }

  #note(connection: string, result: ResultOrigins, rows: number): void {
    const { fields } = result;
    const found = new Set<string>();
    for (const { column, detector, hits } of result.counts()) {
      const field = fields[column];
      if (!field || field.tableOid === 0 || field.columnNumber <= 0) continue;
      const place = `${connection}/${field.tableOid}.${field.columnNumber}`;
      this.#follow(place, detector.id, detector.label);
      found.add(`${place}/${detector.id}`);
      this.#gather(connection, field.tableOid, field.columnNumber, detector.id, detector.label, hits, rows);
    }
    if (this.#followed.size === 0) return;
    for (const { tableOid, columnNumber } of fields) {
      const place = `${connection}/${tableOid}.${columnNumber}`;
      for (const [detector, label] of this.#followed.get(place) ?? []) {
        if (!found.has(`${place}/${detector}`))
          this.#gather(connection, tableOid, columnNumber, detector, label, 0, rows);
      }
    }
  }

  /** Writes what was gathered. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const gathered = [...this.#gathered.values()];
    this.#gathered = new Map();
    if (gathered.length > 0) this.#writing = this.#writing.then(() => this.#write(gathered));
    return this.#writing;
  }

  #follow(place: string, detector: string, label: string): void {
    let detectors = this.#followed.get(place);
    if (!detectors) {
      if (this.#followed.size >= MOST_FOLLOWED) return;
      detectors = new Map();
      this.#followed.set(place, detectors);
    }
    detectors.set(detector, label);
  }

  #gather(
    connection: string,
    oid: Oid,
    attnum: number,
    detector: string,
    label: string,
    hits: number,
    rows: number,
  ): void {
    const key = `${connection}/${oid}.${attnum}/${detector}`;
    const at = this.#options.clock();
    const known = this.#gathered.get(key);
    if (known) {
      known.hits += hits;
      known.rows += rows;
      known.at = at;
      return;
    }
    if (this.#gathered.size >= MOST_GATHERED) return;
    this.#gathered.set(key, { connection, oid, attnum, detector, label, hits, rows, at });
    this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS).unref();
  }

  async #write(gathered: readonly Gathered[]): Promise<void> {
    const { store, log } = this.#options;
    try {
      const turnedAway = await store.add(gathered.flatMap((each) => this.#finding(each)));
      if (turnedAway > 0 && !this.#full)
        log.warn({ turnedAway }, 'there is no room for more label proposals; accept or dismiss some');
      this.#full = turnedAway > 0;
    } catch (error) {
      log.error({ error }, 'label proposals could not be kept');
    }
  }

  #finding({ connection, oid, attnum, detector, label, hits, rows, at }: Gathered): Finding[] {
    const world = this.#options.worlds.peek(connection);
    const base = world && baseColumn(world.catalog, () => this.#options.worlds.lineage(world), oid, attnum);
    if (!base || !isUnlabelled(this.#options.worlds.inventory(world), base)) return [];
    const { schema, name } = base.relation;
    const evidence = { source: 'detected', detector, hits, rows } as const;
    return [{ connection, schema, relation: name, column: base.column.name, label, at, evidence }];
  }
}
