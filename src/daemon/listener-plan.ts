// Which addresses a configuration asks for, and who accepts on each. The order is that of the ready line.

import { certificateVariables } from '../../certs/index.ts';
import { availableParallelism, totalmem } from 'node:os';
import type { Address, Config } from './config/index.ts';
import { dnsAddresses } from './dns-listen.ts';
import type { ListenerPlan } from './sockets.ts';

export function planListeners(config: Config): readonly ListenerPlan[] {
  const plans: ListenerPlan[] = [];
  const add = (
    role: ListenerPlan['role'],
    key: string,
    addresses: readonly (Address | null)[],
    kinds: readonly ListenerPlan['kind'][] = ['tcp'],
  ): void => {
    addresses.forEach((address, index) => {
      if (address !== null)
        for (const kind of kinds) plans.push({ role, key, index, kind, host: address.host, port: address.port });
    });
  };
  if (config.dns !== null) {
    add('worker', 'dns', dnsAddresses(config.dns), ['tcp', 'udp']);
    add('control', 'dns.http', [config.dns.http]);
  }
  if (config.router !== null) {
    add('worker', 'router.http', config.router.http);
    if (servesTls(config)) add('worker', 'router.https', config.router.https);
    add('worker', 'router.appIdHeader', [config.router.appIdHeader]);
    add('control', 'router.haproxyEndpoints', [config.router.haproxyEndpoints]);
  }
  if (config.socks !== null) add('worker', 'socks', config.socks.listen);
  if (config.httpProxy !== null) add('worker', 'httpProxy', config.httpProxy.listen);
  add(
    'worker',
    'forwards',
    config.forwards.map((forward) => forward.listen),
  );
  if (config.vips !== null || config.dns !== null) add('control', 'dcosNet', [config.dcosNet]);
  add('control', 'admin', [config.admin?.listen ?? null]);
  return plans;
}

/** Worker processes; 0: everything in one. `auto` is one per core. */
export function workerCount(config: Config): number {
  return config.workers === 'auto' ? availableParallelism() : config.workers;
}

/** Memory beyond which a worker is taken to leak and is replaced, in octets; 0: none. By itself a share of half the machine's or the control group's. */
export function workerMemoryBytes(config: Config): number {
  const machine = Math.min(process.constrainedMemory() || Infinity, totalmem());
  const share = Math.round(machine / 2 / Math.max(1, workerCount(config)));
  return config.workerMemory ?? Math.max(leastWorkerMemory, share);
}

const leastWorkerMemory = 512 * 2 ** 20;

/** TLS is served where somebody asks for it: 443, the default, is left alone while there is nothing to serve there. */
export function servesTls({ router, certs }: Config): boolean {
  if (router === null || router.https.length === 0) return false;
  const isDefault = router.https.length === 1 && router.https[0]?.host === '0.0.0.0' && router.https[0].port === 443;
  const isGiven = certs.length > 0 || router.marathonLb.sslCerts.length > 0;
  return !isDefault || isGiven || certificateVariables(process.env).length > 0;
}

/** Whether anything here speaks TLS by the certificates of `certs`. */
export const wantsCertificates = (config: Config): boolean =>
  servesTls(config) ||
  (config.router !== null && config.router.servicePorts !== null) ||
  config.socks?.tls === true ||
  config.httpProxy?.tls === true;
