/** Names of metrics are those of Prometheus: snake_case, with unit; the registry adds the prefix `gatehouse_`. */
export type MetricLabels = Readonly<Record<string, string>>;

/** The port through which every room counts. MUST never throw and never block. */
export interface Metrics {
  /** Adds `n` (1 when absent) to a counter. */
  count(name: string, labels?: MetricLabels, n?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: MetricLabels): void;
  /** Puts a duration in seconds into a histogram. */
  observe(name: string, seconds: number, labels?: MetricLabels): void;
}

/** For tests and for parts that run without a registry. */
export const noMetrics: Metrics = { count: () => undefined, gauge: () => undefined, observe: () => undefined };
