// What a worker is made of: names the concrete planes and functions, and joins them by the configuration.

import { createDnsFunction, type DnsFunction } from '../../dns/index.ts';
import {
  createLedger,
  createVipFunction,
  defaultVipTimeouts,
  type PolicyTools,
  type VipFunction,
} from '../../lb/index.ts';
import { createOwners, type Owners, type ParentLists, type SessionLog } from '../../proxies/access/index.ts';
import { createRouterFunction, type RouterFunction } from '../../proxies/router/index.ts';
import type { Plane, TrafficFunction } from '../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../runtime/index.ts';
import type { Config, RouterConfig, SessionLogConfig, VipsConfig } from './config/index.ts';
import { functionOptions } from './dns-options.ts';
import { composeEgress } from './egress-function.ts';
import { composeForwards, composeForwardTargets } from './forwards-function.ts';
import type { ReadySocket } from './inherit.ts';
import { ofKey, parentLists, routerSettings, routerTls, tcpListeners } from './options-of.ts';
import { servesTls, workerCount } from './listener-plan.ts';
import { openLineSink, type LineSink } from './line-sink.ts';
import { policyTools } from './policy-tools.ts';
import { composeSocks } from './socks-function.ts';
import { drainMsOf } from './drain-deadlines.ts';
import type { AnyRecord } from './tables.ts';
import type { WorkerFunction } from './running-functions.ts';
import type { WorkerParts } from './worker-options.ts';

export interface WorkerOptions {
  readonly config: Config;
  readonly sockets: readonly ReadySocket[];
  /** `host:port` of everything that the daemon listens on: proxies refuse to lead there. */
  readonly addresses: readonly string[];
  /** The plane that serves VIPs: with the kernel's, the worker knows them but opens no listener. */
  readonly vipPlane: 'kernel' | 'user';
  /** Other workers, now or later, bind the same addresses: listeners that workers bind for themselves share them. */
  readonly shared: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function composeWorker(options: WorkerOptions): WorkerParts & { reopenLogs(): void } {
  const { config, sockets } = options;
  const planes: Plane<AnyRecord>[] = [];
  const functions: WorkerFunction[] = [];
  const tlsTakers: NonNullable<WorkerParts['takeTls']>[] = [];
  const accessLogPath = config.router?.accessLog?.path ?? null;
  const accessLog = accessLogPath === null ? null : openLineSink(accessLogPath, options.log);
  const reopened: (() => void)[] = [() => accessLog?.reopen()];
  const dns = createDnsFunction(functionOptions(options));
  const ledger = createLedger();
  const tools = policyTools({ ...options, health: config.health, ledger });
  const owners = createOwners();
  const vips = config.vips === null ? null : createVips(options, config.vips, tools);
  const shared: SharedByProxies = {
    resolver: dns.resolver,
    owners,
    ownListeners: () => options.addresses,
    parents: parentLists(config.parents),
    workers: Math.max(1, workerCount(config)),
  };
  planes.push(owners.plane, dns.plane);
  if (config.dns !== null) functions.push(asFunction(config, dns));
  if (vips !== null) {
    planes.push(vips.plane);
    if (options.vipPlane === 'user')
      functions.push({
        ...asFunction(config, vips),
        listeners: { key: 'vips.user', addresses: vips.addresses },
      });
  }
  if (config.router !== null) {
    const router = createRouter(options, config.router, accessLog, tools);
    planes.push(router.plane);
    const isServed = ['router.http', 'router.https', 'router.appIdHeader'].some((key) => isBound(sockets, key));
    tlsTakers.push((material) => router.takeTls(material));
    if (isServed || config.router.servicePorts !== null)
      functions.push({
        ...asFunction(config, router),
        listeners: { key: 'router.service', addresses: router.serviceAddresses },
      });
    reopened.push(() => router.reload());
  }
  const sessionLogOf = (one: SessionLogConfig | null): SessionLog | null => {
    if (one === null) return null;
    const sink = openLineSink(one.path, options.log);
    reopened.push(() => sink.reopen());
    return { format: one.format, write: (line) => void sink.write(line) };
  };
  const changers: NonNullable<WorkerParts['reconfigure']>[] = [];
  const proxy =
    config.httpProxy !== null && isBound(sockets, 'httpProxy')
      ? composeEgress(config.httpProxy, {
          ...options,
          ...shared,
          sessionLog: sessionLogOf(config.httpProxy.sessionLog),
        })
      : null;
  if (config.socks !== null && isBound(sockets, 'socks')) {
    const composed = composeSocks(config.socks, {
      ...options,
      ...shared,
      egress: proxy?.egress ?? null,
      sessionLog: sessionLogOf(config.socks.sessionLog),
    });
    const { socks, terminator } = composed;
    functions.push(asFunction(config, socks));
    changers.push((change) => change.socks !== null && composed.reconfigure(change.socks, change.parents));
    if (terminator !== null) tlsTakers.push((material) => terminator.take(material));
  }
  if (proxy !== null) {
    const { egress, terminator } = proxy;
    functions.push(asFunction(config, egress));
    changers.push((change) => change.httpProxy !== null && proxy.reconfigure(change.httpProxy, change.parents));
    if (terminator !== null) tlsTakers.push((material) => terminator.take(material));
  }
  const targets = composeForwardTargets(tools, options.random);
  planes.push(targets.plane);
  if (isBound(sockets, 'forwards')) {
    const composed = composeForwards({ ...options, ...shared, vips, balancing: tools }, targets);
    functions.push(asFunction(config, composed.forwards));
    changers.push((change) => composed.reconfigure(change.forwards));
  }
  return {
    functions,
    planes,
    ledger,
    takeTls: (material) => tlsTakers.forEach((take) => take(material)),
    reconfigure: (change) => changers.forEach((take) => take(change)),
    reopenLogs() {
      for (const reopen of reopened) reopen();
    },
  };
}

/** What every proxy is given. */
interface SharedByProxies {
  readonly resolver: DnsFunction['resolver'];
  readonly owners: Owners;
  readonly ownListeners: () => readonly string[];
  readonly parents: ParentLists;
  readonly workers: number;
}

/** A function whose every address failed to bind is in `degraded` already and does not start. */
const isBound = (sockets: readonly ReadySocket[], key: string): boolean => ofKey(sockets, key).length > 0;

/** Of a limit that the workers share; 0, which is none, stays 0. */
const partOf = (config: Config, most: number): number => Math.ceil(most / Math.max(1, workerCount(config)));

function createVips(
  { config, shared, log, metrics, clock, random }: WorkerOptions,
  vips: VipsConfig,
  balancing: PolicyTools,
): VipFunction {
  const { connectMs, connectTotalMs, tunnelMs, halfClosedMs, udpMs, drainMs } = vips.timeouts;
  const tcp = { connectMs, connectTotalMs, idleMs: tunnelMs, halfCloseMs: halfClosedMs, drainMs };
  const timeouts = { ...defaultVipTimeouts, ...tcp, ...(udpMs === 0 ? {} : { udpMs }) };
  return createVipFunction({
    workers: shared,
    policy: 'roundrobin',
    balancing,
    timeouts,
    mostConnections: partOf(config, vips.limits.connections),
    mostPerClient: partOf(config, vips.limits.perClient),
    log,
    metrics,
    clock,
    random,
  });
}

function createRouter(
  { config, sockets, shared, log, metrics, clock, random }: WorkerOptions,
  router: RouterConfig,
  accessLog: LineSink | null,
  balancing: PolicyTools,
): RouterFunction {
  const settings = routerSettings(router);
  const { connections, perClient } = router.limits;
  return createRouterFunction({
    balancing,
    ...settings,
    limits: {
      ...settings.limits,
      connections: partOf(config, connections),
      perClient: partOf(config, perClient),
    },
    accessLog:
      accessLog === null
        ? null
        : {
            format: router.accessLog?.format ?? 'json',
            write: (lines) => accessLog.gather(lines),
            flush: () => accessLog.flush(),
          },
    http: tcpListeners(sockets, 'router.http'),
    https: tcpListeners(sockets, 'router.https'),
    tls: servesTls(config) || router.proxyProtocol.length > 0 ? routerTls(router) : null,
    appIdHeader: tcpListeners(sockets, 'router.appIdHeader'),
    servicePorts: router.servicePorts,
    portTls: router.servicePorts === null ? null : router.tls.profile,
    workers: Math.max(1, workerCount(config)),
    shared,
    errorPages: router.errorPages,
    log,
    metrics,
    clock,
    random,
  });
}

function asFunction(config: Config, traffic: TrafficFunction & { problems?(): readonly string[] }): WorkerFunction {
  const drainMs = drainMsOf(config, traffic.name);
  return { traffic, drainMs, problems: () => traffic.problems?.() ?? [], listeners: null };
}
