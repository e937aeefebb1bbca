// Counters that the kernel keeps in its elements, as metrics. An element that is replaced starts again at nothing, so what is added is the
// difference to what was read last; what an element counted between the last reading and its end is lost.

import type { CellFamily, Metrics } from '../../src/runtime/index.ts';
import { vipTarget } from '../vip-record.ts';
import type { Step } from './elements.ts';
import type { HeldTable } from './kernel.ts';
import type { Spot } from './spots.ts';

export class KernelCounters {
  readonly #spots: ReadonlyMap<string, Spot>;
  readonly #seen = new Map<string, number>();
  readonly #vips: CellFamily;
  readonly #backends: CellFamily;
  readonly #refused: CellFamily;
  #shownVips = new Set<string>();
  #shownBackends = new Set<string>();

  constructor(spots: ReadonlyMap<string, Spot>, metrics: Metrics) {
    this.#spots = spots;
    this.#vips = metrics.counter('lb_vip_connections_total', 'Connections accepted on a VIP.', ['vip']);
    this.#backends = metrics.counter(
      'lb_backend_connections_total',
      'Connections and UDP flows that the kernel led to a backend of a VIP.',
      ['backend'],
    );
    this.#refused = metrics.counter(
      'lb_vip_refused_total',
      'Packets to a VIP that the kernel refused since no backend takes new connections.',
      ['vip'],
    );
  }

  /** Elements that were taken away: one in their place counts from nothing. */
  replaced(steps: readonly Step[]): void {
    for (const { verb, set, key } of steps) if (verb === 'delete') this.#seen.delete(`${set} ${key}`);
  }

  read({ counts, elements }: HeldTable): void {
    for (const [id, count] of counts) {
      const [set = '', ...parts] = id.split(' ');
      const more = count - this.#since(id, count);
      if (more === 0) continue;
      const key = parts.join(' ');
      const spot = this.#spots.get(key.split(' . ', 3).join(' . '));
      if (spot === undefined) continue;
      if (set.startsWith('dead')) this.#refused.cell(spot.vip).value += more;
      if (!set.startsWith('be')) continue;
      const [ip = '', port = ''] = (elements.get(spot.family === 4 ? 'be4' : 'be6', key) ?? '').split(' . ');
      const backend = vipTarget(ip, Number(port));
      this.#vips.cell(spot.vip).value += more;
      this.#backends.cell(backend).value += more;
      this.#shownVips.add(spot.vip);
      this.#shownBackends.add(backend);
    }
  }

  /** VIPs and backends that are in no spot any more take their cells along. */
  forget(): void {
    const spots = [...this.#spots.values()];
    const vips = new Set(spots.map(({ vip }) => vip));
    const backends = new Set(spots.flatMap((spot) => spot.backends.map(({ ip, port }) => vipTarget(ip, port))));
    for (const vip of this.#shownVips.difference(vips)) {
      this.#vips.drop(vip);
      this.#refused.drop(vip);
    }
    for (const backend of this.#shownBackends.difference(backends)) this.#backends.drop(backend);
    this.#shownVips = this.#shownVips.intersection(vips);
    this.#shownBackends = this.#shownBackends.intersection(backends);
  }

  /** What was seen of an element before, 0 where its counter has begun anew. */
  #since(id: string, count: number): number {
    const before = this.#seen.get(id) ?? 0;
    this.#seen.set(id, count);
    return before > count ? 0 : before;
  }
}
