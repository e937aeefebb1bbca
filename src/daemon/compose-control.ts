// What control is made of: names the concrete sources, views and stores, and joins them by the configuration.

import { createNotifier, createZoneView, explainName, exportZone } from '../../dns/index.ts';
import {
  createAddressAllocator,
  createKernelVips,
  createVipView,
  explainVip,
  type AllocatorState,
  type KernelVips,
} from '../../lb/index.ts';
import { createOwnerView } from '../../proxies/access/index.ts';
import { createForwardView } from '../../proxies/forwards/index.ts';
import { createRouteView, explainRequest } from '../../proxies/router/index.ts';
import type { Snapshot } from '../cluster/index.ts';
import type { Orchestrator, Store, View } from '../ports/index.ts';
import type { ControlServer } from './admin/control-server.ts';
import { createAllocation, loadAddresses, noAllocation } from './allocation.ts';
import { openCertificates, type Certificates, type CertificatesOptions } from './certificates.ts';
import type { VipsConfig } from './config/index.ts';
import type { ControlOptions } from './control.ts';
import { dcosNetServer } from './dcos-net.ts';
import { dnsHttpServers } from './dns-http.ts';
import { explainOptions, zoneOptions } from './dns-options.ts';
import { createHealthKeeper, type HealthKeeper, type HealthKeeperOptions } from './health-keeper.ts';
import { appTargets } from './forwards-function.ts';
import { addressText, rangeText, routeOptions } from './options-of.ts';
import { servesTls, wantsCertificates } from './listener-plan.ts';
import { routedNames } from './open-certificates.ts';
import { openOrchestrator } from './open-orchestrator.ts';
import { openStore } from './open-store.ts';
import type { Allocation } from './pipeline.ts';
import type { AnyRecord } from './tables.ts';

export interface Explanation {
  readonly lines: readonly string[];
}

export interface ControlParts {
  readonly views: readonly View<AnyRecord>[];
  readonly allocation: Allocation;
  /** What follows the table of VIPs by control's own hand; null: the workers do. */
  readonly kernel: KernelVips | null;
  /** Null: nothing is kept over a restart. */
  readonly store: Store | null;
  /** What could not be composed as configured, `FUNCTION: what, why`. */
  readonly problems: readonly string[];
  /** Control's own listeners beside the admin address. */
  readonly servers: readonly ControlServer[];
  openOrchestrator(known: Snapshot): Orchestrator;
  /** Null: TLS is not served. */
  openCertificates(publish: CertificatesOptions['publish']): Promise<Certificates | null>;
  openHealth(around: Pick<HealthKeeperOptions, 'snapshot' | 'onEvents'>): Promise<HealthKeeper>;
  readonly explain: {
    url(url: URL, method: string, headers: Readonly<Record<string, string>>, snapshot: Snapshot): Explanation | null;
    name(name: string, type: string): Explanation;
    vip(target: string, snapshot: Snapshot): Explanation | null;
  };
}

export async function composeControl(options: ControlOptions): Promise<ControlParts> {
  const { config, clock, log } = options;
  const problems = [...options.vipPlane.problems];
  const stores = openStore(config.store, clock);
  const store = stores?.shared ?? null;
  const owners = createOwnerView();
  const notifier = createNotifier({ secondaries: config.dns?.notify.map(addressText) ?? [], clock, log });
  const zone = createZoneView({ ...zoneOptions(options), onSerial: notifier.changed });
  const vips = config.vips === null ? null : createVipView({ ipv6: config.vips.ipv6 });
  let allocation = noAllocation;
  if (vips !== null && config.vips !== null) {
    const { range, range6, ipv6 } = config.vips;
    const state = (await loadAddresses(store, log)) as AllocatorState | undefined;
    const texts = { range: rangeText(range), range6: rangeText(range6) };
    const allocator = createAddressAllocator({ ...texts, ipv6, clock, ...(state === undefined ? {} : { state }) });
    if ('rejected' in allocator) problems.push(`vips: range ${allocator.rejected}; ${allocator.hint}`);
    else allocation = createAllocation(vips, allocator, store, { clock, log });
  }
  const routes =
    config.router === null
      ? null
      : createRouteView(routeOptions(config.router, servesTls(config) ? ['http', 'https'] : ['http']));
  if (config.dns !== null) exportZone(zone, options.metrics, [`${config.dns.domain}.`]);
  return {
    views: [
      ...[owners, zone, createForwardView(appTargets(config))],
      ...(vips === null ? [] : [vips]),
      ...(routes === null ? [] : [routes]),
    ],
    allocation,
    kernel: config.vips === null || options.vipPlane.plane === 'user' ? null : createKernel(options, config.vips),
    store,
    problems,
    servers: [
      notifier,
      ...dnsHttpServers(options, zone),
      ...(config.dcosNet === null ? [] : [dcosNetServer(options, zone, vips?.table ?? null)]),
    ],
    openOrchestrator: (known) => openOrchestrator(options, known),
    openCertificates: async (publish) =>
      !wantsCertificates(config)
        ? null
        : openCertificates({ ...options, store, publish, routed: () => routedNames(routes?.table ?? new Map()) }),
    openHealth: (around) =>
      createHealthKeeper({ ...options, ...around, config: config.health, store: stores?.own ?? null }),
    explain: {
      url: (url, method, headers, snapshot) =>
        routes === null
          ? null
          : explainRequest(
              routes.table,
              { url: url.href, method, headers },
              { diagnostics: routes.diagnostics(), snapshot, noRoute: config.router?.noRoute ?? 503 },
            ),
      name: (name, type) => {
        return explainName(zone.table, name, type, {
          sourcesOf: (owner) => zone.sourcesOf(owner),
          ...explainOptions(config),
        });
      },
      vip: (target, snapshot) => {
        return vips === null
          ? null
          : explainVip(target, { table: vips.table, diagnostics: vips.diagnostics(), snapshot });
      },
    },
  };
}

function createKernel({ config, commands, clock, log, metrics }: ControlOptions, vips: VipsConfig): KernelVips {
  const ranges = { range: rangeText(vips.range), range6: rangeText(vips.range6) };
  const panicRatio = config.health?.panicRatio ?? 0;
  return createKernelVips({ commands, ranges, panicRatio, drainMs: vips.timeouts.drainMs, clock, log, metrics });
}
