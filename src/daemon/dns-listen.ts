// Where DNS listens: the addresses of the configuration, or with `bindAll` every address of the machine on their ports.

import { networkInterfaces } from 'node:os';
import type { Address, DnsConfig } from './config/index.ts';

/** Left to a server that runs beside ours on DC/OS's masters (specs/dns.md §6.10). */
const reserved = '198.51.100.4';

/** Link-local IPv6 addresses are left out: they mean nothing without their interface. `own` are the machine's addresses. */
export function dnsAddresses(
  { listen, bindAll, bindBlacklist }: Pick<DnsConfig, 'listen' | 'bindAll' | 'bindBlacklist'>,
  own: readonly string[] = machineAddresses(),
): readonly Address[] {
  if (!bindAll) return listen;
  const left = new Set([...bindBlacklist, reserved]);
  const hosts = own.filter((host) => !left.has(host) && !/^fe[89ab]/i.test(host));
  return [...new Set(listen.map(({ port }) => port))].flatMap((port) => hosts.map((host) => ({ host, port })));
}

function machineAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  return [...new Set(all)];
}
