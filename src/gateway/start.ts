import { hkdfSync } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { createApprovals, Unmasks } from '../approval/index.ts';
import { formatProblem, resolveSecret, watchConfig } from '../config/index.ts';
import { type ControlPlane, createControlPlane, MetricsRegistry } from '../controlplane/index.ts';
import {
  DataPlane,
  LabelScanner,
  ProposalCollector,
  RowMeter,
  type Services,
  Tally,
  TargetQueries,
  targetOptions,
  Worlds,
} from '../dataplane/index.ts';
import { loadMasterKey, openSecret } from '../identity/index.ts';
import { openLedger } from '../ledger/index.ts';
import type { Address, ConnectionConfig, GatewayConfig } from '../model/config.ts';
import type { JsonValue } from '../model/json.ts';
import { createAnalyser } from '../statement/sql/postgres/index.ts';
import { createLedgerFiles, createSessionIndex, openStorage } from '../storage/index.ts';
import { controlPorts } from './control-ports.ts';
import { ConfigRefused, type Current, readCurrent } from './current.ts';
import { PseudonymEpochs } from './pseudonym-epochs.ts';
import { initState, isNewState, statePaths } from './state.ts';
import { labelChanges, lostProtection } from './weaker.ts';

export interface StartOptions {
  /** Where log lines go; standard error by default. */
  readonly logTo?: NodeJS.WritableStream | 'silent';
  /** Reload when files change; true by default. */
  readonly watch?: boolean;
  readonly clock?: () => number;
}

export interface RunningGateway {
  readonly addresses: { readonly postgres: Address | undefined; readonly control: Address };
  /** Reads the folder again, now and once; a bad version is refused and the old one stays. Gives what is wrong, nothing when all is well. */
  reload(): Promise<readonly string[]>;
  /** Stops accepting, lets transactions end, writes the last checkpoint. */
  close(): Promise<void>;
}

/** A version that protects less and was not asked for has to stand unchanged this long: it may be a file that is still being written. */
const SETTLE_MS = 2_000;
const HEARTBEAT_MS = 60_000;
/** Labels that one record of a change names; it counts all of them. */
const MOST_LABELS_TOLD = 200;
const CLOCKWORK_MS = 1_000;
/** Expired session credentials are kept this long, so that a refusal can say what was wrong. */
const PRUNE_AFTER_MS = 7 * 24 * 3600 * 1000;

/**
 * Starts a gateway node from a configuration folder.
 * @throws ConfigRefused, LedgerError, StorageError, IdentityError: nothing listens then
 */
export async function startGateway(folder: string, options: StartOptions = {}): Promise<RunningGateway> {
  const clock = options.clock ?? Date.now;
  let current = await readCurrent(folder, clock);
  const config = () => current.loaded.config;
  const log = createLog(config().log.level, options.logTo);
  for (const warning of current.loaded.warnings) log.warn({ problem: formatProblem(warning) }, 'configuration');

  const paths = statePaths(config());
  if (await isNewState(config())) {
    const { vkey } = await initState(config());
    log.info({ vkey }, 'a new ledger was created; keep its verifier key with your auditor');
  }
  // What was opened is closed again, in reverse, when a later step fails: a node that cannot start leaves nothing behind.
  await using opened = new AsyncDisposableStack();
  const masterKey = await loadMasterKey(paths.masterKey, { GATEHOUSE_MASTER_KEY: process.env['GATEHOUSE_MASTER_KEY'] });
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', masterKey.bytes, '', `gatehouse/${use}`, 32));
  const ledger = await openLedger({ storage: createLedgerFiles(paths.ledger), origin: config().ledger.origin, clock });
  opened.defer(() => ledger.close());
  const storage = await openStorage(paths.folder, {
    clock,
    onFailure: (error) => log.error({ error }, 'row budgets could not be written'),
  });
  opened.defer(() => storage.close());
  const metrics = new MetricsRegistry({ process: true });
  const index = createSessionIndex({
    path: paths.index,
    ledger: paths.ledger,
    onProblem: (problem) => problem && log.warn({ problem }, 'the session index cannot follow the ledger'),
  });
  opened.defer(() => index.close());
  await ledger.append({
    kind: 'log.start',
    time: clock(),
    clear: { config: current.loaded.version, policy: current.policy.version, version: 1 },
  });

  const analyser = await createAnalyser({ maxBytes: config().limits.maxStatementBytes });
  const unmasks = new Unmasks(clock);
  const approvals = createApprovals({
    store: storage.approvals,
    sink: ledger,
    clock,
    settings: config().approvals,
    changed: (request) => {
      unmasks.note(request);
      if (request.state === 'revoked') dataPlane.consentWithdrawn(request.id);
    },
  });
  for (let after: string | undefined; ; ) {
    const page = await approvals.list({ state: 'approved' }, { limit: 500, ...(after === undefined ? {} : { after }) });
    for (const request of page.items) unmasks.note(request);
    after = page.next;
    if (after === undefined) break;
  }
  const stored = async (name: string) => {
    const sealed = await storage.secrets.get(name);
    return sealed && openSecret(masterKey, name, sealed);
  };
  const targetPassword = async ({ credential }: ConnectionConfig) =>
    credential.password && resolveSecret(credential.password, config().folder, { stored, env: process.env });

  const sticky = new Map<string, JsonValue>();
  const loadSticky = async () => {
    for (const name of config().connections.keys()) {
      const kept = sticky.has(name) ? undefined : await storage.stickyLabels.get(name);
      if (kept !== undefined) sticky.set(name, kept);
    }
  };
  await loadSticky();

  const openTarget = async (connection: ConnectionConfig) => {
    const password = await targetPassword(connection);
    const queries = await TargetQueries.connect(
      targetOptions(connection, password, { application_name: 'gatehouse catalog' }),
    );
    return { query: (sql: string) => queries.query(sql), close: () => queries.close() };
  };

  const worlds = new Worlds({
    connections: () => config().connections,
    labels: () => current.labels,
    analyser,
    refreshSeconds: config().limits.catalogRefreshSeconds,
    clock,
    log,
    sticky: {
      load: (connection) => sticky.get(connection),
      save: (connection, labels) => {
        sticky.set(connection, labels);
        storage.stickyLabels
          .put(connection, labels)
          .catch((error: unknown) => log.error({ error }, 'labels could not be remembered'));
      },
    },
    open: openTarget,
    onChanged: (world, reason) => {
      const clear = { connection: world.connection, catalog: world.catalog.version, reason, world: world.version };
      ledger.append({ kind: 'catalog.refreshed', time: clock(), clear }).catch(() => undefined);
      log.info(clear, 'the catalog or its labels changed');
    },
  });

  const epochs = await PseudonymEpochs.open({
    ...{ derive, kept: storage.settings, sink: ledger, clock },
    period: () => config().pseudonyms.epochSeconds,
  });
  const tally = new Tally(metrics);
  const proposals = new ProposalCollector({ store: storage.proposals, worlds, clock, log });
  const services: Services = {
    config,
    policy: () => current.policy,
    worlds,
    approvals,
    unmasks: (principal, connection) => unmasks.current(principal, connection),
    withdrawn: (request) => unmasks.isWithdrawn(request),
    rows: new RowMeter(storage.budgets),
    proposals,
    sink: ledger,
    metrics,
    tally,
    log,
    clock,
    targetPassword,
    pseudonyms: () => epochs.current,
    requestLink: () => '',
  };
  const dataPlane = new DataPlane({
    services,
    identity: () => current.identity,
    credentials: storage.credentials,
    analyser,
    tls: () => current.tls?.material,
    decoyKey: derive('decoy'),
  });

  const scanner = new LabelScanner(services, storage.proposals);

  opened.defer(() => worlds.close());
  opened.defer(() => tally.close());
  opened.defer(() => proposals.flush());
  opened.defer(() => dataPlane.drain(0));
  opened.defer(() => scanner.close());
  const { listeners } = config();
  const postgres = listeners.postgres && (await dataPlane.listen(listeners.postgres));
  const controlPlane: ControlPlane = createControlPlane({
    ...controlPorts({
      current: () => current,
      dataPlane,
      scanner,
      storage,
      ledger,
      index,
      worlds,
      postgres,
      paths,
      unmasks,
      epochs,
      clock,
      analyser,
      openTarget,
    }),
    approvals,
    sink: ledger,
    metrics,
    log,
    clock,
    timeZone: config().timeZone,
    ...(current.tls ? { tls: { cert: current.tls.cert, key: current.tls.key } } : {}),
  });
  const control = await controlPlane.listen(listeners.control);

  const clockwork = setInterval(() => {
    approvals.expire(clock()).catch((error: unknown) => log.error({ error }, 'requests could not be expired'));
    epochs
      .tick()
      .catch((error: unknown) => log.error({ error }, 'pseudonyms keep their key: the change could not be recorded'));
    const { size, durable, failed } = ledger.status;
    metrics.gauge('ledger_entries', size);
    metrics.gauge('ledger_entries_durable', durable);
    metrics.gauge('ledger_failed', failed ? 1 : 0);
  }, CLOCKWORK_MS);
  const heartbeat = setInterval(() => {
    storage.credentials
      .prune(clock() - PRUNE_AFTER_MS)
      .catch((error: unknown) => log.error({ error }, 'credentials could not be pruned'));
    ledger
      .append({
        kind: 'heartbeat',
        time: clock(),
        clear: { every: HEARTBEAT_MS / 1000, sessions: dataPlane.list().length },
      })
      .catch((error: unknown) => log.error({ error }, 'the ledger cannot be written'));
  }, HEARTBEAT_MS);

  const stopped = new AbortController();
  /** A file cut in the middle of being written can be a valid one without its last labels or policies. */
  const settled = async (): Promise<Current> => {
    for (let next = await readCurrent(folder, clock, current); ; ) {
      const lost = next.loaded.version === current.loaded.version ? [] : lostProtection(next, current);
      if (lost.length === 0) return next;
      log.warn({ lost: lost.slice(0, 20) }, 'the new configuration protects less; it is read again before it counts');
      await sleep(SETTLE_MS, undefined, { signal: stopped.signal });
      const again = await readCurrent(folder, clock, current);
      if (again.loaded.version === next.loaded.version) return again;
      next = again;
    }
  };
  const adopt = async (read: () => Promise<Current>): Promise<readonly string[]> => {
    let next: Current;
    try {
      next = await read();
    } catch (error) {
      if (stopped.signal.aborted) return [];
      const problems = error instanceof ConfigRefused ? error.problems.map(formatProblem) : [String(error)];
      log.error({ problems }, 'the new configuration is refused; the old one stays in force');
      await ledger.append({
        kind: 'config.refused',
        time: clock(),
        clear: { problems: problems.length },
        hidden: [ledger.conceal('problems', problems.slice(0, 20))],
      });
      return problems;
    }
    const before = current;
    if (next.loaded.version === before.loaded.version && sameCertificate(next, before)) return [];
    const time = clock();
    const change = { from: before.loaded.version, to: next.loaded.version };
    // Recorded before it counts: a change that cannot be recorded is not made.
    await ledger.append({ kind: 'connection.changed', time, clear: change });
    if (next.policy.version !== before.policy.version) {
      await ledger.append({
        kind: 'policy.changed',
        time,
        clear: { from: before.policy.version, to: next.policy.version },
      });
    }
    const { added, removed } = labelChanges(next, before);
    if (added.length + removed.length > 0) {
      await ledger.append({
        kind: 'label.changed',
        time,
        clear: { change: 'in-force', ...change, added: added.length, removed: removed.length },
        hidden: [
          ledger.conceal('added', added.slice(0, MOST_LABELS_TOLD)),
          ledger.conceal('removed', removed.slice(0, MOST_LABELS_TOLD)),
        ],
      });
    }
    current = next;
    await loadSticky();
    worlds.relabel();
    if (next.tls) controlPlane.renewTls(next.tls);
    for (const warning of next.loaded.warnings) log.warn({ problem: formatProblem(warning) }, 'configuration');
    log.info(change, 'the configuration was reloaded');
    return [];
  };
  const reload = () => adopt(() => readCurrent(folder, clock, current));
  const { policies, labels, state } = config();
  const watch =
    options.watch === false
      ? undefined
      : watchConfig(
          folder,
          async () => void (await adopt(settled)),
          (error) => log.error({ error }, 'the configuration cannot be watched'),
          {
            also: [policies, labels, ...certificateFolder(config())],
            ignore: state,
          },
        );
  log.info({ postgres, control, policy: current.policy.version }, 'gatehouse is ready');
  opened.move();

  let closing: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    clearInterval(clockwork);
    clearInterval(heartbeat);
    watch?.close();
    stopped.abort();
    await scanner.close();
    await dataPlane.drain(config().limits.drainSeconds);
    await controlPlane.close();
    await worlds.close();
    await ledger.append({ kind: 'log.stop', time: clock(), clear: { reason: 'shutdown' } }).catch(() => undefined);
    await ledger.close();
    await index.close();
    tally.close();
    await proposals.flush();
    await storage.close();
    log.info({}, 'gatehouse has stopped');
  };
  return {
    addresses: { postgres, control },
    reload,
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
}

/** Certificates are renewed by other programs: watched too. */
function certificateFolder({ folder, tls }: GatewayConfig): string[] {
  return tls ? [dirname(resolve(folder, tls.cert))].filter((path) => path !== folder) : [];
}

/** A renewed certificate changes no text of the configuration. */
function sameCertificate(a: Current, b: Current): boolean {
  return (
    (a.tls === undefined && b.tls === undefined) ||
    (a.tls !== undefined && b.tls !== undefined && a.tls.cert.equals(b.tls.cert))
  );
}

function createLog(level: string, to: StartOptions['logTo']): pino.Logger {
  const options: pino.LoggerOptions = {
    level: to === 'silent' ? 'silent' : level,
    base: { service: 'gatehouse' },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { error: pino.stdSerializers.errWithCause },
    formatters: { level: (label) => ({ level: label }) },
  };
  return to === undefined || to === 'silent' ? pino(options, pino.destination(2)) : pino(options, to);
}
