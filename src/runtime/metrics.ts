// Metrics as plain cells: the hot path adds to a number it holds, names and labels are put together only when somebody asks. The JSON is
// that of prom-client, which sums the workers' answers and prints them.

export interface Cell {
  value: number;
}

export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/** One metric in the form that prom-client aggregates. */
export interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly values: readonly MetricValue[];
  readonly aggregator: 'sum' | 'max' | 'first';
}

export interface CellFamily {
  /** The cell of these label values, in the order of the family's labels; made at the first call. Hold on to it on a hot path. */
  cell(...labelValues: readonly string[]): Cell;
  /** Forgets a cell whose subject is gone (a route, a backend). */
  drop(...labelValues: readonly string[]): void;
}

export interface HistogramCell {
  observe(value: number): void;
}

export interface HistogramFamily {
  cell(...labelValues: readonly string[]): HistogramCell;
  drop(...labelValues: readonly string[]): void;
}

export interface Metrics {
  /** Names have no `isthmus_` prefix here, and start with their subsystem: `dns_queries_total`. The same name gives the same family. */
  counter(name: string, help: string, labels: readonly string[]): CellFamily;
  /** `aggregator`: how the workers' values become one. */
  gauge(name: string, help: string, labels: readonly string[], aggregator?: 'sum' | 'max' | 'first'): CellFamily;
  /** `buckets`: upper bounds, ascending; +Inf is added. */
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): HistogramFamily;
  /** Calls `collect` before each reading, for values that are looked up rather than counted. */
  onRead(collect: () => void): void;
  read(): readonly MetricJson[];
}

/** Seconds; from a tenth of a millisecond to a minute. */
export const latencyBuckets: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

interface Family {
  json(): MetricJson;
}

export function createMetrics(): Metrics {
  const families = new Map<string, Family>();
  const collectors: (() => void)[] = [];
  const once = <F extends Family>(name: string, make: () => F): F => {
    const existing = families.get(name);
    if (existing !== undefined) return existing as F;
    const family = make();
    families.set(name, family);
    return family;
  };
  return {
    counter: (name, help, labels) =>
      once(name, () => cellFamily({ name, help, labels, type: 'counter', aggregator: 'sum' })),
    gauge: (name, help, labels, aggregator = 'sum') =>
      once(name, () => cellFamily({ name, help, labels, type: 'gauge', aggregator })),
    histogram: (name, help, labels, buckets) => once(name, () => histogramFamily(name, help, labels, buckets)),
    onRead: (collect) => void collectors.push(collect),
    read() {
      for (const collect of collectors) collect();
      return [...families.values()].map((family) => family.json());
    },
  };
}

interface FamilyShape {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly type: 'counter' | 'gauge';
  readonly aggregator: MetricJson['aggregator'];
}

function cellFamily(shape: FamilyShape): CellFamily & Family {
  const cells = new Map<string, { readonly labels: Record<string, string>; readonly cell: Cell }>();
  return {
    cell(...labelValues) {
      const key = labelValues.join('\0');
      let held = cells.get(key);
      if (held === undefined) cells.set(key, (held = { labels: named(shape.labels, labelValues), cell: { value: 0 } }));
      return held.cell;
    },
    drop: (...labelValues) => void cells.delete(labelValues.join('\0')),
    json: () => ({
      name: `isthmus_${shape.name}`,
      help: shape.help,
      type: shape.type,
      aggregator: shape.aggregator,
      values: [...cells.values()].map(({ labels, cell }) => ({ labels, value: cell.value })),
    }),
  };
}

interface HistogramState extends HistogramCell {
  readonly labels: Record<string, string>;
  readonly counts: Float64Array;
  sum: number;
}

function histogramFamily(
  name: string,
  help: string,
  labels: readonly string[],
  buckets: readonly number[],
): HistogramFamily & Family {
  const cells = new Map<string, HistogramState>();
  const fullName = `isthmus_${name}`;
  return {
    cell(...labelValues) {
      const key = labelValues.join('\0');
      let cell = cells.get(key);
      if (cell === undefined) cells.set(key, (cell = histogramCell(named(labels, labelValues), buckets)));
      return cell;
    },
    drop: (...labelValues) => void cells.delete(labelValues.join('\0')),
    json: () => ({
      name: fullName,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: [...cells.values()].flatMap((cell) => histogramValues(fullName, cell, buckets)),
    }),
  };
}

function histogramCell(labels: Record<string, string>, buckets: readonly number[]): HistogramState {
  const counts = new Float64Array(buckets.length + 1);
  return {
    labels,
    counts,
    sum: 0,
    observe(value) {
      let i = 0;
      while (i < buckets.length && value > (buckets[i] as number)) i++;
      counts[i] = (counts[i] as number) + 1;
      this.sum += value;
    },
  };
}

function histogramValues(name: string, cell: HistogramState, buckets: readonly number[]): MetricValue[] {
  let total = 0;
  const values: MetricValue[] = [];
  cell.counts.forEach((count, i) => {
    total += count;
    values.push({ metricName: `${name}_bucket`, labels: { le: buckets[i] ?? '+Inf', ...cell.labels }, value: total });
  });
  values.push({ metricName: `${name}_sum`, labels: cell.labels, value: cell.sum });
  values.push({ metricName: `${name}_count`, labels: cell.labels, value: total });
  return values;
}

function named(labels: readonly string[], values: readonly string[]): Record<string, string> {
  if (labels.length !== values.length)
    throw new RangeError(`labels ${labels.join(',')} do not fit values ${values.join(',')}`);
  return Object.fromEntries(labels.map((label, i) => [label, values[i] as string]));
}
