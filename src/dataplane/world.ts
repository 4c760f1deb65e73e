import { createHash } from 'node:crypto';
import { type Effective, effectiveLabels, parseSticky } from '../masking/index.ts';
import type { CatalogSnapshot, Oid, SessionContext } from '../model/catalog.ts';
import type { ConnectionConfig } from '../model/config.ts';
import type { JsonValue } from '../model/json.ts';
import type { LabelFile } from '../model/mask.ts';
import type { Lineage } from '../model/statement.ts';
import { type StatementAnalyser, viewLineage } from '../statement/sql/postgres/index.ts';
import {
  type CatalogBasis,
  CatalogCache,
  type CatalogPart,
  CatalogParts,
  CatalogWatch,
  type RefreshReason,
} from './catalog/index.ts';
import type { LogPort } from './services.ts';

/** What is known of one connection's database at one moment: catalog and effective labels. Immutable. */
export interface World {
  readonly connection: string;
  readonly catalog: CatalogSnapshot;
  readonly labels: Effective;
  /** Changes whenever catalog or labels do. */
  readonly version: string;
}

/** Remembers which column carried a label, so that a rename does not lose it. */
export interface StickyLabels {
  load(connection: string): JsonValue | undefined;
  save(connection: string, sticky: JsonValue): void;
}

export interface QueryChannel {
  query(sql: string): Promise<(string | null)[][]>;
  close(): void | Promise<void>;
}

export interface WorldsOptions {
  readonly connections: () => ReadonlyMap<string, ConnectionConfig>;
  readonly open: (connection: ConnectionConfig) => Promise<QueryChannel>;
  readonly labels: () => readonly LabelFile[];
  readonly sticky: StickyLabels;
  readonly analyser: StatementAnalyser;
  readonly refreshSeconds: number;
  readonly clock: () => number;
  readonly log: LogPort;
  readonly onChanged: (world: World, reason: string) => void;
}

/** DDL comes in bursts; the catalog is read once after each. */
const REFRESH_AFTER_DDL_MS = 500;

interface Entry {
  readonly cache: CatalogCache;
  readonly watch: CatalogWatch;
  readonly parts: CatalogParts;
  world: World | undefined;
  outdated: boolean;
  timer: NodeJS.Timeout | undefined;
  snapshot: CatalogSnapshot | undefined;
  /** As in `world`, but for what the newest label files say beside the labels themselves. */
  labels: Effective | undefined;
}

/** The worlds of all connections, kept fresh: on first use, on a clock, on DDL seen, on a mismatch seen in metadata, and when asked. */
export class Worlds {
  readonly #options: WorldsOptions;
  readonly #entries = new Map<string, Entry>();
  /** What the target was like when a world was last known to be true of it; by the world of the snapshot, without overlays. */
  readonly #bases = new WeakMap<World, CatalogBasis>();
  readonly #overlaid = new WeakMap<World, World>();
  readonly #lineages = new WeakMap<CatalogSnapshot, Lineage>();

  constructor(options: WorldsOptions) {
    this.#options = options;
  }

  /** The world as it is known; throws when the connection was never opened. */
  current(connection: string): World {
    const world = this.#entries.get(connection)?.world;
    if (!world) throw new Error(`the catalog of connection ${connection} has not been read`);
    return world;
  }

  peek(connection: string): World | undefined {
    return this.#entries.get(connection)?.world;
  }

  /** The labels in force, with where they come from as the newest label files say it. */
  inventory(world: World): Effective {
    return this.#entries.get(world.connection)?.labels ?? world.labels;
  }

  /** What the views of a world read; worked out once for a catalog, when somebody asks. */
  lineage({ catalog }: Pick<World, 'catalog'>): Lineage {
    let lineage = this.#lineages.get(catalog);
    if (!lineage) {
      lineage = viewLineage(catalog, this.#options.analyser);
      this.#lineages.set(catalog, lineage);
    }
    return lineage;
  }

  /** Reads the catalog when there is none or it is too old. Rejects when the target cannot be read. */
  async ready(connection: ConnectionConfig): Promise<World> {
    const entry = this.#entry(connection);
    const snapshot = await entry.cache.current();
    return this.#adopt(connection.name, entry, snapshot, 'connect');
  }

  /** Reads the catalog again now. */
  async refresh(name: string, reason: RefreshReason): Promise<World> {
    const connection = this.#options.connections().get(name);
    if (!connection) throw new Error(`there is no connection ${name}`);
    const entry = this.#entry(connection);
    const changed = entry.outdated;
    entry.outdated = false;
    let snapshot: CatalogSnapshot;
    try {
      snapshot = await entry.cache.refresh(reason);
    } catch (error) {
      entry.outdated = changed;
      throw error;
    }
    return this.#adopt(name, entry, snapshot, reason);
  }

  /**
   * The world with what a session's open transaction made laid over it: for that session alone, until the transaction ends.
   */
  overlay(world: World, context: SessionContext): World {
    const { uncommitted = [], uncommittedFunctions = [] } = context;
    if (uncommitted.length === 0 && uncommittedFunctions.length === 0) return world;
    const base = world.catalog;
    const relations = new Map(base.relations);
    for (const relation of uncommitted) relations.set(relation.oid, relation);
    const replaced = new Set(uncommittedFunctions.map(({ oid }) => oid));
    const version = createHash('sha256')
      .update(base.version)
      .update(JSON.stringify([uncommitted, uncommittedFunctions]))
      .digest('hex');
    const catalog: CatalogSnapshot = {
      ...base,
      version: `sha256:${version}`,
      relations,
      functions: [...base.functions.filter(({ oid }) => !replaced.has(oid)), ...uncommittedFunctions],
      schemas: new Set([...base.schemas, ...uncommitted.map(({ schema }) => schema)]),
    };
    const overlaid = this.#label(world.connection, catalog).world;
    this.#overlaid.set(overlaid, world);
    return overlaid;
  }

  /** The catalog that a world shows: what it was like when the world was last known to be true of the target. */
  basis(world: World): CatalogBasis | undefined {
    const base = this.#overlaid.get(world) ?? world;
    const entry = this.#entries.get(base.connection);
    if (entry?.world === base && entry.snapshot === entry.cache.snapshot && entry.cache.basis)
      this.#bases.set(base, entry.cache.basis);
    return this.#bases.get(base);
  }

  /** Some relations, and those with some names, as they are in the target from now on. Rejects when it cannot be asked. */
  async look(connection: string, oids: Iterable<Oid>, names: Iterable<string>): Promise<CatalogPart> {
    const entry = this.#entries.get(connection);
    if (!entry) throw new Error(`the catalog of connection ${connection} has not been read`);
    return entry.parts.look(oids, names);
  }

  /** A statement that may have changed the catalog was committed: nobody from whom something is hidden plans on the old one. */
  markChanged(connection: string): void {
    const entry = this.#entries.get(connection);
    if (!entry) return;
    entry.outdated = true;
    entry.timer ??= setTimeout(() => {
      entry.timer = undefined;
      this.refresh(connection, 'ddl').catch((error: unknown) =>
        this.#options.log.warn({ connection, error }, 'the catalog could not be read again'),
      );
    }, REFRESH_AFTER_DDL_MS);
  }

  /** Whether a change is known that the current world does not show. */
  isOutdated(connection: string): boolean {
    return this.#entries.get(connection)?.outdated ?? false;
  }

  /**
   * For those from whom something is hidden: resolves when the world is the target's catalog as it was a moment ago, read anew if need be;
   * undefined when that is known. Rejects when the target cannot be asked.
   */
  confirm(name: string): Promise<void> | undefined {
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    if (entry.watch.recent !== undefined && entry.watch.recent === entry.cache.basis?.fingerprint) return undefined;
    return entry.watch.look().then(async (fingerprint) => {
      if (fingerprint !== entry.cache.basis?.fingerprint) await this.refresh(name, 'mismatch');
    });
  }

  /** Label files, or connections, changed. */
  relabel(): void {
    for (const [name, entry] of this.#entries) {
      if (!this.#options.connections().has(name)) {
        entry.watch.close();
        entry.parts.close();
        void entry.cache.close();
        this.#entries.delete(name);
        continue;
      }
      if (entry.snapshot) this.#build(name, entry, entry.snapshot, 'labels');
    }
  }

  async close(): Promise<void> {
    for (const { timer, watch, parts } of this.#entries.values()) {
      clearTimeout(timer);
      watch.close();
      parts.close();
    }
    await Promise.all([...this.#entries.values()].map((entry) => entry.cache.close()));
  }

  #entry(connection: ConnectionConfig): Entry {
    let entry = this.#entries.get(connection.name);
    if (!entry) {
      const { name } = connection;
      const open = async () => {
        const current = this.#options.connections().get(name);
        if (!current) throw new Error(`there is no connection ${name}`);
        return this.#options.open(current);
      };
      entry = {
        cache: new CatalogCache({
          connection: name,
          maxAgeSeconds: this.#options.refreshSeconds,
          clock: this.#options.clock,
          open,
        }),
        watch: new CatalogWatch(open),
        parts: new CatalogParts(open),
        world: undefined,
        outdated: false,
        timer: undefined,
        snapshot: undefined,
        labels: undefined,
      };
      const started = entry;
      entry.cache.on('changed', ({ current, reason }) => this.#adopt(name, started, current, reason));
      entry.cache.on('failed', (error) =>
        this.#options.log.warn({ connection: name, error }, 'the catalog could not be read again'),
      );
      entry.cache.start();
      this.#entries.set(name, entry);
    }
    return entry;
  }

  #adopt(name: string, entry: Entry, snapshot: CatalogSnapshot, reason: string): World {
    if (entry.world && entry.snapshot?.version === snapshot.version) return entry.world;
    return this.#build(name, entry, snapshot, reason);
  }

  #build(name: string, entry: Entry, snapshot: CatalogSnapshot, reason: string): World {
    const { world, sticky } = this.#label(name, snapshot);
    for (const problem of world.labels.problems) {
      this.#options.log.warn({ connection: name, problem }, 'a label needs attention');
    }
    this.#options.sticky.save(name, sticky);
    entry.snapshot = snapshot;
    entry.labels = world.labels;
    if (entry.world?.version === world.version) return entry.world;
    entry.world = world;
    this.#options.onChanged(world, reason);
    return world;
  }

  #label(name: string, snapshot: CatalogSnapshot): { readonly world: World; readonly sticky: JsonValue } {
    const { labels: files, analyser, sticky } = this.#options;
    const lineage = (catalog: CatalogSnapshot) => this.lineage({ catalog });
    const world = labelled(name, snapshot, { files: files(), analyser, sticky: sticky.load(name) ?? [], lineage });
    return { world, sticky: JSON.parse(JSON.stringify(world.labels.sticky)) as JsonValue };
  }
}

/** A catalog with the labels that files give it. `sticky`: what was labelled before, so that a rename does not lose it. */
export function labelled(
  connection: string,
  catalog: CatalogSnapshot,
  by: {
    readonly files: readonly LabelFile[];
    readonly analyser: StatementAnalyser;
    readonly sticky?: JsonValue;
    readonly lineage?: (catalog: CatalogSnapshot) => Lineage;
  },
): World {
  const files = by.files.filter((file) => file.connection === connection);
  // Without a label nothing can inherit one, and reading every view would be for nothing.
  const read = by.lineage ?? ((snapshot: CatalogSnapshot) => viewLineage(snapshot, by.analyser));
  const lineage: Lineage = files.length === 0 ? new Map() : read(catalog);
  const labels = effectiveLabels(catalog, files, lineage, parseSticky(by.sticky ?? []));
  return { connection, catalog, labels, version: worldVersion(catalog, labels) };
}

function worldVersion(snapshot: CatalogSnapshot, { relations }: Effective): string {
  const hash = createHash('sha256').update(snapshot.version);
  for (const oid of [...relations.keys()].sort((a, b) => a - b)) {
    const labels = relations.get(oid);
    hash.update(JSON.stringify([oid, labels?.table, [...(labels?.columns ?? [])]]));
  }
  return `sha256:${hash.digest('hex')}`;
}
