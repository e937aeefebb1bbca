// Metrics: cells, families, histograms, collectors, and the JSON that prom-client takes.

import { AggregatorRegistry, type MetricObject } from 'prom-client';
import t from 'tap';
import { createMetrics } from '../../src/runtime/index.ts';

t.test('a cell is made once and read with its labels', async (t) => {
  const metrics = createMetrics();
  const family = metrics.counter('dns_queries_total', 'Queries.', ['type', 'rcode']);
  family.cell('A', 'NOERROR').value += 2;
  family.cell('A', 'NOERROR').value++;
  t.equal(
    metrics.counter('dns_queries_total', 'Queries.', ['type', 'rcode']),
    family,
    'the same name is the same family',
  );
  t.strictSame(metrics.read(), [
    {
      name: 'isthmus_dns_queries_total',
      help: 'Queries.',
      type: 'counter',
      aggregator: 'sum',
      values: [{ labels: { type: 'A', rcode: 'NOERROR' }, value: 3 }],
    },
  ]);
  family.drop('A', 'NOERROR');
  t.strictSame(metrics.read()[0]?.values, []);
  t.throws(() => family.cell('A'), RangeError);
});

t.test('a histogram counts up to and with each bound', async (t) => {
  const metrics = createMetrics();
  const cell = metrics.histogram('dns_seconds', 'Time.', ['zone'], [0.1, 1]).cell('own');
  for (const value of [0.05, 0.1, 0.5, 7]) cell.observe(value);
  const values = metrics.read()[0]?.values.map(({ metricName, labels, value }) => [metricName, labels['le'], value]);
  t.strictSame(values, [
    ['isthmus_dns_seconds_bucket', 0.1, 2],
    ['isthmus_dns_seconds_bucket', 1, 3],
    ['isthmus_dns_seconds_bucket', '+Inf', 4],
    ['isthmus_dns_seconds_sum', undefined, 7.65],
    ['isthmus_dns_seconds_count', undefined, 4],
  ]);
});

t.test('collectors run before each reading', async (t) => {
  const metrics = createMetrics();
  const cell = metrics.gauge('lb_vips', 'VIPs.', []).cell();
  metrics.onRead(() => void cell.value++);
  metrics.read();
  t.equal(metrics.read()[0]?.values[0]?.value, 2);
});

t.test('prom-client sums the answers of workers and takes the most where asked', async (t) => {
  const worker = (queries: number, lag: number): MetricObject[] => {
    const metrics = createMetrics();
    metrics.counter('dns_queries_total', 'Queries.', ['type']).cell('A').value = queries;
    metrics.gauge('lb_lag_seconds', 'Lag.', [], 'max').cell().value = lag;
    metrics.histogram('dns_seconds', 'Time.', [], [1]).cell().observe(0.5);
    return metrics.read() as unknown as MetricObject[];
  };
  const text = await AggregatorRegistry.aggregate([worker(2, 5), worker(3, 4)] as never).metrics();
  t.match(text, /^isthmus_dns_queries_total\{type="A"\} 5$/m);
  t.match(text, /^isthmus_lb_lag_seconds 5$/m);
  t.match(text, /^isthmus_dns_seconds_bucket\{le="1"\} 2$/m);
  t.match(text, /^isthmus_dns_seconds_count 2$/m);
});
