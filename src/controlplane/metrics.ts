import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { MetricLabels } from '../model/metrics.ts';
import type { MetricsExposition } from './ports.ts';

const PREFIX = 'gatehouse_';
/** Seconds, from a cached decision up to a long hold. */
const BUCKETS = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** A label whose values come from outside must not fill the memory. */
const SERIES_PER_METRIC = 1_000;

/** What the gateway counts and how it is explained; others get their name as help. */
const HELP: Readonly<Record<string, string>> = {
  connections_open: 'Client connections open now',
  connections_refused_total: 'Client connections refused over the limit',
  sessions_open: 'Authenticated sessions open now',
  logins_total: 'Logins by door (postgres, control) and result',
  statements_total: 'Statements by decision',
  holds_total: 'Statements held for approval',
  hold_seconds: 'Time a statement waited for approval',
  plan_seconds: 'Time to understand and rewrite a statement that was not remembered',
  mask_violations_total: 'Results cut off because a hidden column would have left',
  names_changed_total: 'Results cut off because the catalog changed while their statement ran',
  rows_total: 'Rows delivered to clients',
  bytes_total: 'Bytes by direction',
  ledger_entries: 'Entries the ledger took in',
  ledger_entries_durable: 'Entries of the ledger on stable storage',
  ledger_failed: '1 when nothing can be recorded, and so everything is refused',
  http_requests_total: 'Control API requests by route, method and status',
  http_request_seconds: 'Control API response time by route',
};

type Metric = Counter | Gauge | Histogram;

/** Prometheus metrics behind the port every room counts through: never throws, and holds a bounded number of series. */
export class MetricsRegistry implements MetricsExposition {
  readonly #registry = new Registry();
  readonly #metrics = new Map<string, Metric>();
  readonly #series = new Map<string, Set<string>>();
  readonly #labelNames = new Map<string, string>();
  readonly contentType = this.#registry.contentType;

  /** `process`: also memory, CPU, event loop lag and garbage collection of this process. */
  constructor(options: { readonly process?: boolean } = {}) {
    if (options.process === true) collectDefaultMetrics({ register: this.#registry, prefix: PREFIX });
  }

  count(name: string, labels: MetricLabels = {}, n = 1): void {
    const metric = this.#metric(name, labels, (config) => new Counter(config));
    if (metric instanceof Counter && n >= 0 && Number.isFinite(n)) metric.inc({ ...labels }, n);
  }

  gauge(name: string, value: number, labels: MetricLabels = {}): void {
    const metric = this.#metric(name, labels, (config) => new Gauge(config));
    if (metric instanceof Gauge && Number.isFinite(value)) metric.set({ ...labels }, value);
  }

  observe(name: string, seconds: number, labels: MetricLabels = {}): void {
    const metric = this.#metric(name, labels, (config) => new Histogram({ ...config, buckets: BUCKETS }));
    if (metric instanceof Histogram && Number.isFinite(seconds)) metric.observe({ ...labels }, seconds);
  }

  /** The Prometheus text format. https://prometheus.io/docs/instrumenting/exposition_formats/ */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Undefined when the name or labels are none Prometheus knows, or there are too many series already. */
  #metric(name: string, labels: MetricLabels, make: (config: MetricConfig) => Metric): Metric | undefined {
    const bare = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
    const labelNames = Object.keys(labels);
    if (!this.#admit(bare, labels, labelNames)) return undefined;
    const known = this.#metrics.get(bare);
    if (known !== undefined) return known;
    const metric = make({
      name: `${PREFIX}${bare}`,
      help: HELP[bare] ?? bare,
      labelNames,
      registers: [this.#registry],
    });
    this.#metrics.set(bare, metric);
    return metric;
  }

  #admit(name: string, labels: MetricLabels, labelNames: readonly string[]): boolean {
    const series = this.#series.get(name) ?? new Set<string>();
    const key = JSON.stringify(Object.entries(labels).sort());
    if (series.has(key)) return true;
    if (series.size >= SERIES_PER_METRIC) return false;
    if (![name, ...labelNames].every((word) => /^[a-z][a-z0-9_]*$/.test(word))) return false;
    // prom-client throws on label names it was not made with.
    const names = labelNames.toSorted().join();
    if ((this.#labelNames.get(name) ?? names) !== names) return false;
    this.#labelNames.set(name, names);
    series.add(key);
    this.#series.set(name, series);
    return true;
  }
}

interface MetricConfig {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly registers: Registry[];
}
