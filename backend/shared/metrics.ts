/** The measurements of one service, as Prometheus reads them. Each service has a registry of its own, also within one process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

type Labels = Record<string, string>;

export type Metrics = {
  /** Only grows. `name` without the prefix; ends in `_total`. */
  counter(name: string, help: string, labelNames?: readonly string[]): (labels?: Labels, by?: number) => void;
  /** Goes up and down. */
  gauge(name: string, help: string, labelNames?: readonly string[]): (value: number, labels?: Labels) => void;
  /** Spreads over buckets; the name ends in its unit. */
  histogram(
    name: string,
    help: string,
    options: { buckets: readonly number[]; labelNames?: readonly string[] },
  ): (value: number, labels?: Labels) => void;
  /** The value of a counter or a gauge as it is now; undefined when there is none with these labels. */
  valueOf(name: string, labels?: Labels): Promise<number | undefined>;
  /** Everything in the text format of Prometheus. */
  text(): Promise<string>;
  readonly contentType: string;
};

export type MetricsOptions = {
  /** Becomes the label `service` of everything. */
  service: string;
  /** Put before each name. Default `iotdh_`. */
  prefix?: string;
  /** Also the memory, processor time and event loop of the process; for the one service that speaks for it. */
  ofProcess?: boolean;
};

export function createMetrics(options: MetricsOptions): Metrics {
  const { service, prefix = 'iotdh_', ofProcess = false } = options;
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  if (ofProcess) collectDefaultMetrics({ register: registry });
  const common = (name: string, help: string, labelNames: readonly string[] = []) => ({
    name: `${prefix}${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  });
  return {
    counter(name, help, labelNames) {
      const counter = new Counter(common(name, help, labelNames));
      return (labels = {}, by = 1) => counter.inc(labels, by);
    },
    gauge(name, help, labelNames) {
      const gauge = new Gauge(common(name, help, labelNames));
      return (value, labels = {}) => gauge.set(labels, value);
    },
    histogram(name, help, { buckets, labelNames }) {
      const histogram = new Histogram({ ...common(name, help, labelNames), buckets: [...buckets] });
      return (value, labels = {}) => histogram.observe(labels, value);
    },
    async valueOf(name, labels = {}) {
      const metric = await registry.getSingleMetric(`${prefix}${name}`)?.get();
      const wanted = Object.entries(labels);
      return metric?.values.find((item) =>
        wanted.every(([label, value]) => (item.labels as Labels)[label] === value),
      )?.value;
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
