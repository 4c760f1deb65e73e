import { setImmediate as turn } from 'node:timers/promises';
import { DETECTOR_FAMILIES, DetectorSet, labelByName, Taxonomy } from '../../masking/index.ts';
import type { CatalogColumn, CatalogRelation, Oid } from '../../model/catalog.ts';
import type { ConnectionConfig, GatewayConfig } from '../../model/config.ts';
import type { Finding, LabelProposal, ProposalStore, ScanProgress } from '../../model/label-proposal.ts';
import type { Principal } from '../../model/principal.ts';
import type { LiveSession, SessionDirectory } from '../../model/session-directory.ts';
import type { Services } from '../services.ts';
import { type ClientInfo, Session, type SessionEnd } from '../session.ts';
import { cancelTarget, TargetError, TargetQueries, targetOptions } from '../target/index.ts';
import type { World } from '../world.ts';
import { isUnlabelled } from './base-column.ts';
import {
  columnsPerStatement,
  detectInSample,
  isScannable,
  MOST_BYTES,
  type SampledColumn,
  sampleSql,
} from './sample.ts';
import { ScanReader, STATEMENT_MS } from './scan-reader.ts';

/** How much longer than a statement may take its answer is waited for. */
const GRACE_MS = 5_000;
/** A whole scan. */
const SCAN_MS = 10 * 60_000;
const MOST_TABLES = 2_000;
const MOST_PROBLEMS = 100;
/** Fewer rows of a drawn sample than this part of what was wanted: then the beginning of the table is read instead. */
const TOO_FEW = 0.1;

const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema', 'pg_toast']);

export interface ScanRequest {
  readonly connection: ConnectionConfig;
  readonly principal: Principal;
  readonly client: ClientInfo;
  readonly schema?: string;
  readonly table?: string;
  /** Rows of each table. */
  readonly sample: number;
}

interface Task {
  readonly relation: CatalogRelation;
  readonly columns: readonly CatalogColumn[];
}

type Progress = { -readonly [Key in keyof ScanProgress]: ScanProgress[Key] };

interface Job {
  readonly request: ScanRequest;
  readonly session: Session;
  readonly progress: Progress;
  readonly problems: string[];
  readonly done: Promise<void>;
  stop: SessionEnd | undefined;
  cancel: (() => void) | undefined;
}

/**
 * Looks at samples of columns that nobody labelled, with the gateway's own credential, read-only and within bounds, as a session of whoever
 * asked for it. Values go through the detectors and nowhere else. One scan of a connection at a time.
 */
export class LabelScanner implements SessionDirectory {
  readonly #services: Services;
  readonly #store: ProposalStore;
  /** The last one of each connection. */
  readonly #jobs = new Map<string, Job>();
  readonly #starting = new Set<string>();
  #closed = false;

  constructor(services: Services, store: ProposalStore) {
    this.#services = services;
    this.#store = store;
  }

  /** Begins a scan; `busy` while one of this connection runs. Rejects when the target or the ledger does not answer. */
  async start(request: ScanRequest): Promise<ScanProgress | 'busy'> {
    const { name } = request.connection;
    if (this.#closed) throw new Error('the gateway is shutting down');
    if (this.#starting.has(name) || this.#jobs.get(name)?.progress.state === 'running') return 'busy';
    this.#starting.add(name);
    try {
      const world = await this.#services.worlds.ready(request.connection);
      const session = new Session(this.#services, request.principal, request.connection, request.client);
      await session.recordStart();
      const tasks = this.#tasks(world, request);
      const problems: string[] = [];
      const progress: Progress = {
        session: session.id,
        state: 'running',
        startedAt: session.startedAt,
        tables: tasks.length,
        scanned: 0,
        columns: 0,
        values: 0,
        proposed: 0,
        problems,
      };
      const { promise, resolve } = Promise.withResolvers<void>();
      const job: Job = { request, session, progress, problems, done: promise, stop: undefined, cancel: undefined };
      this.#jobs.set(name, job);
      void this.#run(job, world, tasks).finally(resolve);
      return { ...progress };
    } finally {
      this.#starting.delete(name);
    }
  }

  progress(connection: string): ScanProgress | undefined {
    const job = this.#jobs.get(connection);
    return job && { ...job.progress, problems: [...job.problems] };
  }

  list(): readonly LiveSession[] {
    return this.#running().map(({ session }) => ({
      id: session.id,
      principal: session.principal,
      connection: session.connection.name,
      client: session.application,
      sourceIp: session.client.address,
      startedAt: session.startedAt,
      state: 'active' as const,
      statements: session.statements,
      rows: session.rows,
    }));
  }

  async terminate(id: string): Promise<boolean> {
    const job = this.#running().find(({ session }) => session.id === id);
    if (!job) return false;
    await this.#end(job, 'killed');
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running().map((job) => this.#end(job, 'shutdown')));
  }

  #running(): Job[] {
    return [...this.#jobs.values()].filter(({ progress }) => progress.state === 'running');
  }

  #end(job: Job, why: SessionEnd): Promise<void> {
    job.stop ??= why;
    job.cancel?.();
    return job.done;
  }

  /** Tables of people, by name; partitions are read with the table they are a part of, unless one was named. */
  #tasks(world: World, { schema, table }: ScanRequest): Task[] {
    const labels = this.#services.worlds.inventory(world);
    return [...world.catalog.relations.values()]
      .filter(
        (relation) =>
          (relation.kind === 'table' || relation.kind === 'partitioned-table') &&
          !relation.temporary &&
          relation.extension === undefined &&
          !SYSTEM_SCHEMAS.has(relation.schema) &&
          (schema === undefined || relation.schema === schema) &&
          (table === undefined ? relation.parents.length === 0 : relation.name === table),
      )
      .map((relation) => ({
        relation,
        columns: relation.columns.filter((column) => isUnlabelled(labels, { relation, column })),
      }))
      .filter(({ columns }) => columns.length > 0)
      .sort((a, b) => (placeOf(a.relation) < placeOf(b.relation) ? -1 : 1));
  }

  // --- the scan itself ----------------------------------------------------------------------------------------------------

  async #run(job: Job, world: World, tasks: readonly Task[]): Promise<void> {
    const { progress, session } = job;
    const { log } = this.#services;
    let ended: SessionEnd = 'internal-error';
    try {
      ended = await this.#scan(job, world, tasks);
    } catch (error) {
      if (job.stop !== undefined) ended = job.stop;
      else if (error instanceof TargetError) ended = 'target-lost';
      log.warn({ session: session.id, connection: session.connection.name, error }, 'a scan for labels ended early');
    }
    delete progress.current;
    progress.state = ended === 'completed' ? 'done' : ended === job.stop ? 'ended' : 'failed';
    progress.endedAt = this.#services.clock();
    await session.recordEnd(ended).catch(() => undefined);
    log.info(
      { session: session.id, reason: ended, tables: progress.scanned, proposed: progress.proposed },
      'scan ended',
    );
  }

  async #scan(job: Job, world: World, tasks: readonly Task[]): Promise<SessionEnd> {
    const { request, progress, session } = job;
    const { services } = session;
    const { connection } = request;
    const known = await this.#store.list({ connection: connection.name });
    const validators = validatorsOf(services.config());
    const options = targetOptions(connection, await services.targetPassword(connection), {
      application_name: 'gatehouse labels scan',
    });
    const queries = await TargetQueries.connect(options, {
      maxBytes: MOST_BYTES,
      timeoutMs: STATEMENT_MS + GRACE_MS,
    });
    job.cancel = () => {
      const { backendKey } = queries;
      if (backendKey) cancelTarget(options, backendKey).catch(() => undefined);
    };
    try {
      const reader = new ScanReader(session, world.version, queries);
      // How many rows the server believes each table to have.
      const estimates = await estimatesOf(reader);
      for (const task of tasks) {
        const stop = this.#reasonToStop(job);
        if (stop !== undefined) return stop;
        progress.current = placeOf(task.relation);
        await this.#table(job, reader, validators, task, estimates.get(task.relation.oid) ?? 0, known);
        progress.scanned += 1;
        // Others have to be served between two tables.
        await turn();
      }
      return 'completed';
    } finally {
      job.cancel = undefined;
      queries.close();
    }
  }

  #reasonToStop(job: Job): SessionEnd | undefined {
    const { progress, problems, session } = job;
    const now = this.#services.clock();
    if (job.stop === undefined && now >= session.principal.expiresAt) job.stop = 'expired';
    if (job.stop === undefined && (now - session.startedAt > SCAN_MS || progress.scanned >= MOST_TABLES)) {
      problems.push(
        `${progress.tables - progress.scanned} tables were not reached (a scan ends after ${SCAN_MS / 60_000} minutes or ${MOST_TABLES} tables); name a schema or a table`,
      );
      job.stop = 'limit';
    }
    return job.stop;
  }

  async #table(
    { request, progress, problems }: Job,
    reader: ScanReader,
    { set, taxonomy }: Validators,
    { relation, columns }: Task,
    estimate: number,
    known: readonly LabelProposal[],
  ): Promise<void> {
    const { sample } = request;
    const place = {
      connection: request.connection.name,
      schema: relation.schema,
      relation: relation.name,
      at: this.#services.clock(),
    };
    const findings: Finding[] = columns.flatMap((column) => {
      const named = labelByName(column);
      if (!named) return [];
      const evidence = { source: 'name', detector: named.word, hits: 1, rows: 0 } as const;
      return [{ ...place, column: column.name, label: named.label, evidence }];
    });
    const readable = columns.filter(isScannable);
    const together = columnsPerStatement(sample);
    for (let from = 0; from < readable.length; from += together) {
      const some = readable.slice(from, from + together);
      const look = (rows: (string | null)[][]) => detectInSample(set, some, rows);
      try {
        let read = await reader.read(sampleSql(relation, some, sample, estimate), relation, look);
        // A drawn sample may be nearly empty when the estimate is old: then the beginning of the table has to do.
        if (read.rows.length < sample * TOO_FEW && estimate > sample)
          read = await reader.read(sampleSql(relation, some, sample, 0), relation, look);
        for (const sampled of read.sampled) {
          progress.values += sampled.values;
          findings.push(...scanned(place, sampled, known), ...unconfirmed(taxonomy, findings, sampled));
        }
      } catch (error) {
        if (!(error instanceof TargetError) || error.code !== 'ERR_TARGET_QUERY') throw error;
        if (problems.length < MOST_PROBLEMS) problems.push(`${placeOf(relation)}: ${reasonOf(error)}`);
      }
    }
    progress.columns += columns.length;
    progress.proposed += new Set(
      findings.filter(({ evidence }) => evidence.hits > 0).map(({ column, label }) => `${label} ${column}`),
    ).size;
    if (findings.length === 0) return;
    const turnedAway = await this.#store.add(findings);
    if (turnedAway > 0)
      problems.push(`${placeOf(relation)}: no room for ${turnedAway} more proposals; accept or dismiss some`);
  }
}

/** What a sample says of one column, and what an earlier one said and this one does not. */
function scanned(
  place: Omit<Finding, 'column' | 'label' | 'evidence'>,
  { column, values, hits }: SampledColumn,
  known: readonly LabelProposal[],
): Finding[] {
  const { name } = column;
  const found = hits.map(({ detector, values: n }): Finding => {
    const evidence = { source: 'scanned', detector: detector.id, hits: n, rows: values } as const;
    return { ...place, column: name, label: detector.label, evidence };
  });
  const before = known.filter(
    (each) => each.schema === place.schema && each.relation === place.relation && each.column === name,
  );
  const lapsed = before.flatMap(({ label, evidence }) =>
    evidence
      .filter(({ source, detector }) => source === 'scanned' && !hits.some((hit) => hit.detector.id === detector))
      .map(({ detector }): Finding => {
        return { ...place, column: name, label, evidence: { source: 'scanned', detector, hits: 0, rows: values } };
      }),
  );
  return [...found, ...lapsed];
}

/** For a label that the column's name speaks for: detectors that would confirm it and did not. */
function unconfirmed(
  taxonomy: Taxonomy,
  findings: readonly Finding[],
  { column, values, hits }: SampledColumn,
): Finding[] {
  if (values === 0) return [];
  return findings
    .filter((finding) => finding.column === column.name && finding.evidence.source === 'name')
    .flatMap((finding) =>
      (taxonomy.find(finding.label)?.validators ?? [])
        .filter((validator) => !hits.some(({ detector: { family, id } }) => family === validator || id === validator))
        .map((detector): Finding => {
          return { ...finding, evidence: { source: 'scanned', detector, hits: 0, rows: values } };
        }),
    );
}

interface Validators {
  readonly set: DetectorSet;
  readonly taxonomy: Taxonomy;
}

/** All built-in detectors, whatever the configuration does with them in results, and its own patterns. */
function validatorsOf({ detectors, taxonomy }: GatewayConfig): Validators {
  return {
    set: new DetectorSet({
      families: new Set(DETECTOR_FAMILIES),
      ...(detectors?.countries === undefined ? {} : { countries: detectors.countries }),
      patterns: detectors?.patterns ?? [],
    }),
    taxonomy: new Taxonomy(taxonomy),
  };
}

/** A server's error may quote a value: its code says enough. */
function reasonOf({ sqlstate }: TargetError): string {
  switch (sqlstate) {
    case '42501':
      return 'the gateway’s role may not read it';
    case '57014':
      return `not read within ${STATEMENT_MS / 1000} s`;
    case '55P03':
      return 'locked by somebody else';
    default:
      return `the target refused to show it (${sqlstate ?? 'no code'})`;
  }
}

const placeOf = ({ schema, name }: CatalogRelation): string => `${schema}.${name}`;

async function estimatesOf(reader: ScanReader): Promise<ReadonlyMap<Oid, number>> {
  const { rows } = await reader.read(`SELECT oid, reltuples FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p')`);
  return new Map(rows.map(([oid, tuples]) => [Number(oid), Number(tuples)]));
}
