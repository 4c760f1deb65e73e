import type { MetricsPort } from './services.ts';

/** Counts on the hot path cheaply and hands the sums to the registry once a second. */
export class Tally {
  readonly #metrics: MetricsPort;
  readonly #sums = new Map<string, Map<string, number>>();
  readonly #timer: NodeJS.Timeout;

  constructor(metrics: MetricsPort) {
    this.#metrics = metrics;
    this.#timer = setInterval(() => this.flush(), 1_000);
    this.#timer.unref();
  }

  /** `label`: empty, or one `name=value`. */
  count(name: string, label: string, n = 1): void {
    let byLabel = this.#sums.get(name);
    if (!byLabel) {
      byLabel = new Map();
      this.#sums.set(name, byLabel);
    }
    byLabel.set(label, (byLabel.get(label) ?? 0) + n);
  }

  flush(): void {
    for (const [name, byLabel] of this.#sums) {
      for (const [label, n] of byLabel) {
        const equals = label.indexOf('=');
        const labels = equals < 0 ? {} : { [label.slice(0, equals)]: label.slice(equals + 1) };
        if (n > 0) this.#metrics.count(name, labels, n);
      }
      byLabel.clear();
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}
